"""What a schema says: its form is checked, and it is found from samples of events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from outcrop.services.schemas.errors import BadRequestException

OPEN_API = "OpenApi3"
DRAFT_4 = "http://json-schema.org/draft-04/schema#"
_SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string"}


def parse(text: str, what: str) -> Any:
    """Raises BadRequestException."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequestException(f"{what} is not valid JSON") from None


def check(type_: str, text: str) -> None:
    """Raises BadRequestException unless the text is a document of its type."""
    document = parse(text, "Content")
    if not isinstance(document, dict):
        raise BadRequestException("Content must be a JSON object")
    if type_ == OPEN_API:
        _check_open_api(document)
    elif str(document.get("$schema", DRAFT_4)).rstrip("#") != DRAFT_4.rstrip("#"):
        raise BadRequestException(f"Content must be a JSON Schema of draft 4: $schema must be {DRAFT_4}")


def _check_open_api(document: dict[str, Any]) -> None:
    if not str(document.get("openapi", "")).startswith("3.0."):
        raise BadRequestException("Content must be OpenAPI 3.0: its member openapi must be such as 3.0.0")
    info = document.get("info")
    if not isinstance(info, dict) or not {"title", "version"} <= info.keys():
        raise BadRequestException("Content must have the member info with title and version")
    for member in ("paths", "components"):
        if not isinstance(document.get(member, {}), dict) or (member == "paths" and member not in document):
            raise BadRequestException(f"Content must have the member {member}, an object")


def discover(type_: str, samples: Sequence[str]) -> str:
    """The schema, named Event, that all samples follow. Raises BadRequestException."""
    events = [parse(sample, "An event") for sample in samples]
    try:
        return json.dumps(_document(type_, _schema(events)))
    except RecursionError:
        raise BadRequestException("An event is nested too deep") from None


def _document(type_: str, event: dict[str, Any]) -> dict[str, Any]:
    if type_ != OPEN_API:
        return {"$schema": DRAFT_4, "title": "Event", **event}
    return {
        "openapi": "3.0.0",
        "info": {"version": "1.0.0", "title": "Event"},
        "paths": {},
        "components": {"schemas": {"Event": event}},
    }


def _schema(values: Sequence[Any]) -> dict[str, Any]:
    """Samples that disagree in their types make a schema that takes anything."""
    if values and all(isinstance(value, dict) for value in values):
        names = list(dict.fromkeys(name for value in values for name in value))
        required = [name for name in names if all(name in value for value in values)]
        return {
            "type": "object",
            **({"required": required} if required else {}),
            "properties": {name: _schema([value[name] for value in values if name in value]) for name in names},
        }
    if values and all(isinstance(value, list) for value in values):
        return {"type": "array", "items": _schema([item for value in values for item in value])}
    kinds = {_SCALARS.get(type(value)) for value in values}
    if kinds == {"integer", "number"}:
        return {"type": "number"}
    (kind,) = kinds if len(kinds) == 1 else (None,)
    return {"type": kind} if kind else {}
