"""rest-json: JSON bodies, everything else bound to HTTP. Bedrock, Lambda, API Gateway, S3 Vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outcrop.wire.errors import Failure, SerializationException, Unreadable
from outcrop.wire.models.shapes import Member, Model, Operation, Shape
from outcrop.wire.protocols import eventstream, json_values
from outcrop.wire.protocols.base import Answer, Parts
from outcrop.wire.protocols.rest import Rest, failure_headers


class RestJson(Rest):
    name = "rest-json"
    content_type = "application/json"

    def parse(self, model: Model, operation: Operation, parts: Parts) -> dict[str, Any]:
        try:
            return super().parse(model, operation, parts)
        except Unreadable as error:
            raise SerializationException(error.text) from None

    def read_body(self, operation: Operation, shape: Shape, body: bytes) -> dict[str, Any]:
        return json_values.read_members(shape, json_values.decode(body))

    def read_payload(self, member: Member, body: bytes) -> Any:
        value = json_values.decode(body)
        return None if value is None else json_values.read(member, value)

    def write_body(self, model: Model, operation: Operation, shape: Shape, result: Mapping[str, Any]) -> bytes:
        return json_values.encode(json_values.write_members(shape, result))

    def write_payload(self, member: Member, value: Any) -> bytes:
        return json_values.encode(json_values.write(member, value))

    @property
    def event_format(self) -> eventstream.Format:
        return eventstream.JSON

    def error(self, model: Model | None, failure: Failure, request_id: str) -> Answer:
        headers = [
            ("Content-Type", self.content_type),
            ("x-amzn-ErrorType", failure.name),
            *failure_headers(failure.shape, failure.members),
        ]
        return Answer(failure.status, headers, json_values.encode(error_body(failure)))


def error_body(failure: Failure) -> dict[str, Any]:
    """An error's members as JSON; `message` where the model doesn't name it otherwise."""
    body = json_values.write_members(failure.shape, failure.members) if failure.shape else {}
    known = failure.shape.members if failure.shape else {}
    body |= {name: value for name, value in failure.members.items() if name not in known}
    if not any(name.lower() == "message" for name in body):
        body["message"] = failure.message
    return body
