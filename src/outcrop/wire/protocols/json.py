"""json 1.0 and 1.1: POST to one path, the operation in `X-Amz-Target`. CloudWatch Logs, CloudWatch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outcrop.wire.errors import Failure, SerializationException, Unreadable
from outcrop.wire.models.shapes import Model, Operation
from outcrop.wire.protocols import eventstream, json_values
from outcrop.wire.protocols.base import Answer, Parts
from outcrop.wire.protocols.rest_json import error_body


class Json:
    name = "json"

    def parse(self, model: Model, operation: Operation, parts: Parts) -> dict[str, Any]:
        assert isinstance(parts.body, bytes)
        if operation.input is None or not parts.body:
            return {}
        try:
            return json_values.read_members(operation.input, json_values.decode(parts.body))
        except Unreadable as error:
            raise SerializationException(error.text) from None

    def serialize(self, model: Model, operation: Operation, result: Mapping[str, Any], request_id: str) -> Answer:
        shape = operation.output
        if shape is not None and (member := shape.stream_member) is not None:
            first = {key: value for key, value in result.items() if key != member.name}
            return Answer(
                operation.status,
                [("Content-Type", eventstream.CONTENT_TYPE)],
                eventstream.frames(member.shape, result[member.name], eventstream.JSON, initial=(shape, first)),
            )
        body = json_values.write_members(shape, result) if shape is not None else {}
        return Answer(operation.status, [("Content-Type", _content_type(model))], json_values.encode(body))

    def error(self, model: Model | None, failure: Failure, request_id: str) -> Answer:
        headers = [("Content-Type", _content_type(model)), ("x-amzn-ErrorType", failure.name)]
        headers += query_error(model, failure)
        body = {"__type": failure.name} | error_body(failure)
        return Answer(failure.status, headers, json_values.encode(body))


def query_error(model: Model | None, failure: Failure) -> list[tuple[str, str]]:
    """What services that once spoke query send besides: the code that clients of old compare with."""
    if model is None or not model.query_compatible:
        return []
    return [("x-amzn-query-error", f"{failure.code};{failure.fault}")]


def _content_type(model: Model | None) -> str:
    version = model.metadata.get("jsonVersion", "1.1") if model else "1.1"
    return f"application/x-amz-json-{version}"
