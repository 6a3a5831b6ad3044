"""query: a form in, XML out. IAM, STS, and CloudWatch from older SDKs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from outcrop.wire.errors import Failure, MalformedInput, Unreadable
from outcrop.wire.models.shapes import Member, Model, Operation, Shape
from outcrop.wire.protocols import values, xml
from outcrop.wire.protocols.base import Answer, Parts
from outcrop.wire.protocols.rest_xml import write_details

_MAX_DEPTH = 64
_MAX_FIELDS = 200_000


def read_form(body: bytes) -> list[tuple[str, str]]:
    """The fields of an urlencoded form, in order. Raises `MalformedInput`."""
    pieces = body.split(b"&") if body else []
    if len(pieces) > _MAX_FIELDS:
        raise MalformedInput(f"The request has more than {_MAX_FIELDS} fields.")
    fields = []
    for piece in pieces:
        name, _, value = piece.decode("latin-1").partition("=")
        if name:
            fields.append((unquote_plus(name), unquote_plus(value)))
    return fields


class Query:
    name = "query"
    content_type = "text/xml"

    def parse(self, model: Model, operation: Operation, parts: Parts) -> dict[str, Any]:
        assert isinstance(parts.body, bytes)
        if operation.input is None:
            return {}
        tree = _Branch()
        for name, value in [*parts.query, *read_form(parts.body)]:
            if name not in ("Action", "Version"):
                tree.put(name, value)
        try:
            return _read_members(operation.input, tree)
        except Unreadable as error:
            raise MalformedInput(error.text) from None

    def serialize(self, model: Model, operation: Operation, result: Mapping[str, Any], request_id: str) -> Answer:
        writer = xml.Writer()
        root = f"{operation.name}Response"
        writer.open(root, _xmlns(model))
        if operation.result_wrapper:
            writer.open(operation.result_wrapper)
        if operation.output is not None:
            writer.members(operation.output, result)
        if operation.result_wrapper:
            writer.close(operation.result_wrapper)
        writer.open("ResponseMetadata")
        writer.leaf("RequestId", request_id)
        writer.close("ResponseMetadata")
        writer.close(root)
        return Answer(operation.status, [("Content-Type", self.content_type)], writer.text().encode())

    def error(self, model: Model | None, failure: Failure, request_id: str) -> Answer:
        writer = xml.Writer()
        writer.open("ErrorResponse", _xmlns(model))
        writer.open("Error")
        writer.leaf("Type", failure.fault)
        writer.leaf("Code", failure.code)
        writer.leaf("Message", failure.message)
        write_details(writer, failure)
        writer.close("Error")
        writer.leaf("RequestId", request_id)
        writer.close("ErrorResponse")
        return Answer(failure.status, [("Content-Type", self.content_type)], writer.text().encode())


def _xmlns(model: Model | None) -> str:
    uri = model.namespace if model else ""
    return f' xmlns="{xml.escape(uri)}"' if uri else ""


class _Branch:
    """`Tags.member.1.Key=a` as a tree: branches by name, with the text that stands at each."""

    __slots__ = ("branches", "text")

    def __init__(self) -> None:
        self.branches: dict[str, _Branch] = {}
        self.text: str | None = None

    def put(self, name: str, value: str) -> None:
        branch = self
        for step in name.split(".", _MAX_DEPTH):
            branch = branch.branches.setdefault(step, _Branch())
        if branch.text is None:
            branch.text = value

    def items(self) -> list[_Branch]:
        """The numbered branches in order of their numbers."""
        numbered = [
            (int(key), item) for key, item in self.branches.items() if len(key) < 10 and key.isascii() and key.isdigit()
        ]
        return [item for _, item in sorted(numbered, key=lambda pair: pair[0])]


def _read_members(shape: Shape, branch: _Branch) -> dict[str, Any]:
    found = {}
    for wire, member in shape.by_wire.items():
        inner = branch.branches.get(wire)
        if inner is None and member.flattened and member.shape.kind == "list" and member.shape.element.named:
            inner = branch.branches.get(member.shape.element.wire)
        if inner is not None:
            found[member.name] = _read(member, inner)
    return found


def _read(member: Member, branch: _Branch) -> Any:
    shape, kind = member.shape, member.shape.kind
    if kind == "structure":
        return _read_members(shape, branch)
    if kind == "list":
        inner = branch.branches.get(shape.element.wire) or branch.branches.get("member") or branch
        return [_read(shape.element, item) for item in inner.items()]
    if kind == "map":
        inner = branch.branches.get("entry", branch)
        return dict(_read_entry(shape, item) for item in inner.items())
    return _read_scalar(member, branch.text or "")


def _read_entry(shape: Shape, branch: _Branch) -> tuple[str, Any]:
    key, value = branch.branches.get(shape.key.wire), branch.branches.get(shape.value.wire)
    if key is None or value is None:
        raise Unreadable(f"A map entry needs both {shape.key.wire} and {shape.value.wire}.")
    return key.text or "", _read(shape.value, value)


def _read_scalar(member: Member, text: str) -> Any:
    kind = member.shape.kind
    try:
        if kind == "integer":
            return values.read_integer(text)
        if kind == "float":
            return values.read_float(text)
        if kind == "boolean":
            return values.read_boolean(text)
        if kind == "timestamp":
            return values.read_timestamp(text)
        return values.read_blob(text) if kind == "blob" else text
    except Unreadable as error:
        raise Unreadable(f"Invalid value for {member.name}: {error.text}", member.name, text) from None
