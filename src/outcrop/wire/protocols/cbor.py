"""rpc-v2-cbor: POST to `/service/<Service>/operation/<Operation>`, CBOR both ways. CloudWatch from newer SDKs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from outcrop.wire.errors import Failure, SerializationException, Unreadable
from outcrop.wire.models.shapes import Member, Model, Operation, Shape
from outcrop.wire.protocols import eventstream
from outcrop.wire.protocols.base import Answer, Parts
from outcrop.wire.protocols.json import query_error
from outcrop.wire.protocols.values import read_timestamp

CONTENT_TYPE = "application/cbor"


class Cbor:
    name = "smithy-rpc-v2-cbor"

    def parse(self, model: Model, operation: Operation, parts: Parts) -> dict[str, Any]:
        assert isinstance(parts.body, bytes)
        if operation.input is None or not parts.body:
            return {}
        try:
            return _read_members(operation.input, _decode(parts.body))
        except Unreadable as error:
            raise SerializationException(error.text) from None

    def serialize(self, model: Model, operation: Operation, result: Mapping[str, Any], request_id: str) -> Answer:
        shape = operation.output
        headers = [("smithy-protocol", "rpc-v2-cbor")]
        if shape is None:
            return Answer(operation.status, headers)
        if (member := shape.stream_member) is not None:
            first = {key: value for key, value in result.items() if key != member.name}
            return Answer(
                operation.status,
                [*headers, ("Content-Type", eventstream.CONTENT_TYPE)],
                eventstream.frames(member.shape, result[member.name], EVENTS, initial=(shape, first)),
            )
        body = _encode(_write_members(shape, result))
        return Answer(operation.status, [*headers, ("Content-Type", CONTENT_TYPE)], body)

    def error(self, model: Model | None, failure: Failure, request_id: str) -> Answer:
        known = failure.shape.members if failure.shape else {}
        body: dict[str, Any] = {"__type": failure.name}
        if failure.shape:
            body |= _write_members(failure.shape, failure.members)
        body |= {name: value for name, value in failure.members.items() if name not in known}
        if not any(name.lower() == "message" for name in body):
            body["message"] = failure.message
        headers = [("smithy-protocol", "rpc-v2-cbor"), ("Content-Type", CONTENT_TYPE), *query_error(model, failure)]
        return Answer(failure.status, headers, _encode(body))


def _decode(body: bytes) -> Any:
    import cbor2

    try:
        return cbor2.loads(body)
    except (cbor2.CBORDecodeError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise Unreadable(f"The request body is not valid CBOR: {str(error)[:200]}") from None


def _encode(value: Any) -> bytes:
    import cbor2

    return cbor2.dumps(value, datetime_as_timestamp=True)


def _read_members(shape: Shape, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _mismatch(value, "structure")
    found = {}
    for wire, member in shape.by_wire.items():
        item = value.get(wire)
        if item is not None:
            found[member.name] = _read(member, item)
    return found


def _read(member: Member, value: Any) -> Any:
    shape, kind = member.shape, member.shape.kind
    if kind == "structure":
        return value if shape.document else _read_members(shape, value)
    if kind == "list":
        if not isinstance(value, list):
            raise _mismatch(value, "list")
        return [None if item is None else _read(shape.element, item) for item in value]
    if kind == "map":
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise _mismatch(value, "map")
        return {key: _read(shape.value, item) for key, item in value.items() if item is not None}
    if kind == "timestamp":
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return read_timestamp(value)
    elif kind == "float":
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif kind == "integer":
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
    elif isinstance(value, {"string": str, "blob": bytes, "boolean": bool}[kind]):
        return value
    raise _mismatch(value, kind)


def _mismatch(value: Any, wanted: str) -> Unreadable:
    return Unreadable(f"Unexpected CBOR {type(value).__name__} where {wanted} was expected.")


def _write_members(shape: Shape, value: Mapping[str, Any]) -> dict[str, Any]:
    written = {}
    for wire, member in shape.by_wire.items():
        item = value.get(member.name)
        if item is not None:
            written[wire] = _write(member, item)
    return written


def _write(member: Member, value: Any) -> Any:
    shape, kind = member.shape, member.shape.kind
    if kind == "structure":
        return value if shape.document else _write_members(shape, value)
    if kind == "list":
        return [None if item is None else _write(shape.element, item) for item in value]
    if kind == "map":
        return {str(key): None if item is None else _write(shape.value, item) for key, item in value.items()}
    if kind == "timestamp":
        return _as_datetime(value)
    if kind == "float":
        return float(value)
    if kind == "integer":
        return int(value)
    if kind == "blob":
        return value.encode() if isinstance(value, str) else bytes(value)
    return bool(value) if kind == "boolean" else str(value)


def _as_datetime(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else read_timestamp(value)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


EVENTS = eventstream.Format(CONTENT_TYPE, lambda shape, value: _encode(_write_members(shape, value)))
