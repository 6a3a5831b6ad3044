"""JSON values against shapes, both ways: the bodies of json and rest_json, and events inside streams."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from outcrop.wire.errors import Unreadable
from outcrop.wire.models.shapes import Member, Shape
from outcrop.wire.protocols.values import epoch, read_blob, read_timestamp, write_blob, write_number, write_timestamp

_INTEGER_NAMES = {"long": "Long", "short": "Short", "byte": "Byte"}


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""Half a character perhaps: text that nothing could store or send on."""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def decode(body: bytes) -> Any:
    """The JSON text's value. Raises `Unreadable`."""
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
        if _SURROGATE.search(body):
            encode(value)
        return value
    except RecursionError:
        raise Unreadable("The request body is nested too deeply.") from None
    except ValueError as error:
        raise Unreadable(f"The request body is not valid JSON: {str(error)[:200]}") from None


def encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def read_members(shape: Shape, value: Any) -> dict[str, Any]:
    """A structure's members from a JSON object. Members that the model doesn't know are ignored, as AWS does."""
    if type(value) is not dict:
        raise _mismatch(value, "structure")
    found = {}
    by_wire = shape.by_wire
    for wire, item in value.items():
        member = by_wire.get(wire)
        if member is not None and item is not None:
            found[member.name] = _READERS[member.shape.kind](member, item)
    return found


def read(member: Member, value: Any) -> Any:
    return _READERS[member.shape.kind](member, value)


def _read_structure(member: Member, value: Any) -> Any:
    return value if member.shape.document else read_members(member.shape, value)


def _read_list(member: Member, value: Any) -> list[Any]:
    if type(value) is not list:
        raise _mismatch(value, "list")
    element = member.shape.element
    reader = _READERS[element.shape.kind]
    return [None if item is None else reader(element, item) for item in value]


def _read_map(member: Member, value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise _mismatch(value, "map")
    element = member.shape.value
    reader = _READERS[element.shape.kind]
    return {key: reader(element, item) for key, item in value.items() if item is not None}


def _read_string(member: Member, value: Any) -> str:
    if type(value) is not str:
        raise _mismatch(value, "String")
    return value


def _read_integer(member: Member, value: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise _mismatch(value, _INTEGER_NAMES.get(member.shape.type, "Integer"))


def _read_float(member: Member, value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        return _as_float(value)
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    raise _mismatch(value, "Double" if member.shape.type == "double" else "Float")


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Unreadable("NUMBER_VALUE is out of range for Double", value=value) from None


def _read_boolean(member: Member, value: Any) -> bool:
    if type(value) is not bool:
        raise _mismatch(value, "Boolean")
    return value


def _read_timestamp(member: Member, value: Any) -> Any:
    if type(value) not in (int, float, str):
        raise _mismatch(value, "Timestamp")
    return read_timestamp(value)


def _read_blob(member: Member, value: Any) -> bytes:
    if type(value) is not str:
        raise _mismatch(value, "Blob")
    return read_blob(value)


_READERS: Mapping[str, Callable[[Member, Any], Any]] = {
    "structure": _read_structure,
    "list": _read_list,
    "map": _read_map,
    "string": _read_string,
    "integer": _read_integer,
    "float": _read_float,
    "boolean": _read_boolean,
    "timestamp": _read_timestamp,
    "blob": _read_blob,
}


def _mismatch(value: Any, wanted: str) -> Unreadable:
    if isinstance(value, dict):
        return Unreadable("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return Unreadable("Start of list found where not expected.")
    token = {str: "STRING_VALUE", bool: f"{str(value).upper()}_VALUE", type(None): "NULL_VALUE"}.get(
        type(value), "NUMBER_VALUE"
    )
    return Unreadable(f"{token} cannot be converted to {wanted}", value=value)


def write_members(shape: Shape, value: Mapping[str, Any]) -> dict[str, Any]:
    """A structure's members in the body as a JSON object; None means absent."""
    written = {}
    for wire, member in shape.by_wire.items():
        item = value.get(member.name)
        if item is not None:
            written[wire] = _WRITERS[member.shape.kind](member, item)
    return written


def write(member: Member, value: Any) -> Any:
    return _WRITERS[member.shape.kind](member, value)


def _write_structure(member: Member, value: Any) -> Any:
    return value if member.shape.document else write_members(member.shape, value)


def _write_list(member: Member, value: Any) -> list[Any]:
    element = member.shape.element
    writer = _WRITERS[element.shape.kind]
    return [None if item is None else writer(element, item) for item in value]


def _write_map(member: Member, value: Mapping[str, Any]) -> dict[str, Any]:
    element = member.shape.value
    writer = _WRITERS[element.shape.kind]
    return {str(key): None if item is None else writer(element, item) for key, item in value.items()}


def _write_float(member: Member, value: float) -> float | str:
    return value if math.isfinite(value) else write_number(value)


def _write_timestamp(member: Member, value: Any) -> Any:
    if isinstance(value, str):
        return value
    style = member.timestamp or "unixTimestamp"
    return epoch(value) if style == "unixTimestamp" else write_timestamp(value, style)


_WRITERS: Mapping[str, Callable[[Member, Any], Any]] = {
    "structure": _write_structure,
    "list": _write_list,
    "map": _write_map,
    "string": lambda member, value: str(value),
    "integer": lambda member, value: int(value),
    "float": _write_float,
    "boolean": lambda member, value: bool(value),
    "timestamp": _write_timestamp,
    "blob": lambda member, value: write_blob(value),
}
