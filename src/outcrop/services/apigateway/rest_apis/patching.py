"""Patch operations: how every Update… operation of REST APIs says what to change."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException
from outcrop.services.apigateway.rest_apis.store import Definition

Fields = Mapping[str, str]
"""By path, `{}` standing for any segment: what is there. `text`, `bool`, `int`, `number`, or `member`, which is an item
of a list of strings."""


def patched(definition: Definition, operations: Sequence[Mapping[str, str]], fields: Fields) -> dict[str, Any]:
    """A changed copy. Raises BadRequestException for a path that isn't in `fields`, or a value that doesn't fit."""
    result: dict[str, Any] = copy.deepcopy(dict(definition))
    for operation in operations:
        op, path, value = operation.get("op", ""), operation.get("path", ""), operation.get("value")
        kind = next((kind for template, kind in fields.items() if _fits(template, path)), None)
        if kind is None:
            raise BadRequestException(
                f"Invalid patch path  '{path}' specified for op '{op}'. Must be one of: [{', '.join(fields)}]"
            )
        if op not in ("add", "remove", "replace"):
            raise BadRequestException(
                f"Invalid patch path  '{path}' specified for op '{op}'. Please choose supported operations"
            )
        segments = split_path(path)
        if kind == "member":
            _change_member(result, op, path, segments, value)
        elif op == "remove":
            _remove(result, segments)
        else:
            _set(result, segments, read_value(kind, path, value))
    return result


def split_path(path: str) -> list[str]:
    return [segment.replace("~1", "/").replace("~0", "~") for segment in path.removeprefix("/").split("/")]


def read_value(kind: str, path: str, value: str | None) -> Any:
    """Raises BadRequestException."""
    text = value if value is not None else ""
    try:
        match kind:
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int":
                return int(text[:20])
            case "number":
                number = float(text)
                if number == number and abs(number) != float("inf"):
                    return number
            case "text":
                return text
    except ValueError:
        pass
    raise BadRequestException(f"Invalid patch value '{text}' specified for path '{path}'")


def _fits(template: str, path: str) -> bool:
    pattern = "[^/]*".join(re.escape(part) for part in template.split("{}"))
    return re.fullmatch(pattern, path) is not None


def _holder(result: dict[str, Any], segments: Sequence[str], *, make: bool) -> dict[str, Any]:
    for segment in segments[:-1]:
        inner = result.get(segment)
        if not isinstance(inner, dict):
            if not make:
                return {}
            inner = result[segment] = {}
        result = inner
    return result


def _set(result: dict[str, Any], segments: Sequence[str], value: Any) -> None:
    _holder(result, segments, make=True)[segments[-1]] = value


def _remove(result: dict[str, Any], segments: Sequence[str]) -> None:
    _holder(result, segments, make=False).pop(segments[-1], None)


def _change_member(result: dict[str, Any], op: str, path: str, segments: Sequence[str], value: str | None) -> None:
    """The last segment is the item itself, or its place in the list; `add /binaryMediaTypes` names it as the value."""
    holder = _holder(result, segments[:-1], make=True)
    members = list(holder.get(segments[-2], ()))
    item = segments[-1]
    at = members.index(item) if item in members else -1
    if at < 0 and item.isdecimal() and len(item) < 5 and int(item) < len(members):
        at = int(item)
    if op == "add":
        if item not in members:
            members.append(item)
    elif at < 0:
        raise BadRequestException(f"Invalid patch path  '{path}' specified for op '{op}'. There is no such value")
    elif op == "remove":
        del members[at]
    else:
        members[at] = value or ""
    holder[segments[-2]] = members
