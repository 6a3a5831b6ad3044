"""The wire's own failures, and how any failure becomes what a protocol writes.

`Unreadable` and `NoSuchOperation` are raised here and below; `describe` turns a `ServiceError` into a `Failure`, with
status, code and fault taken from the service's model where the model knows the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from outcrop.services.contract import ServiceError
from outcrop.wire.models.shapes import Model, Operation, Shape


class Unreadable(Exception):
    """A part of the request isn't what the model says it is, so that no value can be made of it."""

    def __init__(self, text: str, path: str = "", value: Any = None) -> None:
        super().__init__(text)
        self.text = text
        self.path = path
        self.value = value


class Disconnected(Exception):
    """The client went away before its request was complete."""


class SerializationException(ServiceError):
    """The body isn't the protocol's format."""


class MalformedXML(ServiceError):
    """The body isn't XML of the expected form."""


class MalformedInput(ServiceError):
    """The form isn't readable."""


class UnknownOperationException(ServiceError):
    """json, cbor and rest-json: nothing of that name."""

    status = 404


class InvalidAction(ServiceError):
    """query: nothing of that name."""


class MethodNotAllowed(ServiceError):
    status = 405


class NotBound(ServiceError):
    """The operation is AWS's, but this stack doesn't have it."""

    code = "NotImplemented"
    status = 501


class RequestEntityTooLargeException(ServiceError):
    status = 413


class MaxMessageLengthExceeded(ServiceError):
    """S3: a body that must be read whole is too long."""


class InternalFailure(ServiceError):
    status = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """An error, ready for a protocol to write."""

    name: str
    """The shape's name, or the code where the model has no shape."""
    code: str
    """The code of the query protocol, which may differ from the shape's name."""
    message: str
    status: int
    fault: Literal["Sender", "Receiver"]
    members: dict[str, Any]
    """Of the shape, `message` included, by the model's names; others as they were given."""
    shape: Shape | None
    headers: Sequence[tuple[str, str]] = field(default_factory=tuple)


def describe(error: ServiceError, model: Model | None, operation: Operation | None = None) -> Failure:
    """What the model makes of an error. The operation's own errors come before those of the whole service."""
    shape = _shape(error.code, model, operation)
    status = (shape.status if shape else 0) or error.status
    fault: Literal["Sender", "Receiver"] = "Receiver" if status >= 500 else "Sender"
    members: dict[str, Any] = dict(error.members)
    if shape is not None:
        name = next((member for member in shape.members if member.lower() == "message"), None)
        if name is not None:
            members.setdefault(name, error.message)
        if "Type" in shape.members and shape.members["Type"].shape.kind == "string":
            members.setdefault("Type", "User" if fault == "Sender" else "Service")
    return Failure(
        name=shape.name if shape else error.code,
        code=(shape.error_code if shape else "") or error.code,
        message=error.message,
        status=status,
        fault=fault,
        members=members,
        shape=shape,
        headers=error.headers,
    )


def _shape(code: str, model: Model | None, operation: Operation | None) -> Shape | None:
    for shape in operation.errors if operation else ():
        if code in (shape.name, shape.error_code):
            return shape
    return model.error(code) if model else None
