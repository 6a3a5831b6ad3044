"""InvokeModel's bodies: JSON that is checked against a family's schema, with AWS's texts for what doesn't fit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outcrop.services.contract import ValidationException

Schema = Mapping[str, Any]
"""A part of JSON Schema: type, required, properties, additionalProperties, items, enum, minimum, maximum, minLength,
maxLength, minItems, maxItems."""

_TAIL = "please reformat your input and try again."
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
_NAMES = {
    dict: "JSONObject",
    list: "JSONArray",
    str: "String",
    bool: "Boolean",
    int: "Integer",
    float: "BigDecimal",
    type(None): "Null",
}


def decode(body: bytes | None) -> dict[str, Any]:
    """A body's JSON object. Raises ValidationException."""
    try:
        value = json.loads(body or b"", parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValidationException(f"Malformed input request, {_TAIL}") from None
    if not isinstance(value, dict):
        raise malformed(f"#: expected type: JSONObject, found: {_NAMES[type(value)]}")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def malformed(what: str) -> ValidationException:
    return ValidationException(f"Malformed input request: {what}, {_TAIL}")


def check(body: Mapping[str, Any], schema: Schema) -> None:
    """Raises ValidationException if the body doesn't fit; with several faults it tells their number, as AWS does."""
    faults = list(_faults(body, schema, "#"))
    if len(faults) == 1:
        raise malformed(faults[0])
    if faults:
        raise malformed(f"{len(faults)} schema violations found ({'; '.join(faults[:8])})")


def _faults(value: Any, schema: Schema, path: str) -> Iterator[str]:
    kind = schema.get("type")
    if kind is not None and not _is(value, kind):
        yield f"{path}: expected type: {_expected(kind)}, found: {_NAMES[type(value)]}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value} is not a valid enum value"
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield from _number(value, schema, path)
    elif isinstance(value, str):
        yield from _length(len(value), schema, path)
    elif isinstance(value, list):
        yield from _array(value, schema, path)
    elif isinstance(value, dict):
        yield from _object(value, schema, path)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _expected(kind: str) -> str:
    return {"object": "JSONObject", "array": "JSONArray"}.get(kind, kind.capitalize())


def _number(value: float, schema: Schema, path: str) -> Iterator[str]:
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{path}: {value} is not greater or equal to {schema['minimum']}"
    if "maximum" in schema and value > schema["maximum"]:
        yield f"{path}: {value} is not less or equal to {schema['maximum']}"


def _length(length: int, schema: Schema, path: str) -> Iterator[str]:
    if length < schema.get("minLength", 0):
        yield f"{path}: expected minLength: {schema['minLength']}, actual: {length}"
    if length > schema.get("maxLength", length):
        yield f"{path}: expected maxLength: {schema['maxLength']}, actual: {length}"


def _array(value: Sequence[Any], schema: Schema, path: str) -> Iterator[str]:
    if len(value) < schema.get("minItems", 0):
        yield f"{path}: expected minimum item count: {schema['minItems']}, found: {len(value)}"
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{path}: expected maximum item count: {schema['maxItems']}, found: {len(value)}"
    if "items" in schema:
        for index, item in enumerate(value):
            yield from _faults(item, schema["items"], f"{path}/{index}")


def _object(value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[str]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{path}: required key [{key}] not found"
    for key, inner in value.items():
        if key in properties:
            yield from _faults(inner, properties[key], f"{path}/{key}")
        elif not schema.get("additionalProperties", True):
            yield f"{path}: extraneous key [{key}] is not permitted"
