"""`<source>.metadata.json`: attributes of a document, written beside it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

SUFFIX = ".metadata.json"
MAX_BYTES = 10 * 1024
MAX_KEY = 100
MAX_STRING = 2048

AttributeValue = str | int | float | bool | list[str]


class InvalidAttributes(Exception):
    """The sidecar's text is not what AWS takes; the message says what is wrong, for people."""


@dataclass(frozen=True, slots=True)
class Attributes:
    filterable: dict[str, AttributeValue] = field(default_factory=dict)
    embedded: dict[str, AttributeValue] = field(default_factory=dict)
    """Those to be embedded with the text, as `key: value` lines."""

    def prefix(self) -> str:
        """What goes before a chunk's text when it is embedded."""
        lines = [f"{key}: {_shown(value)}" for key, value in self.embedded.items()]
        return "\n".join(lines) + "\n\n" if lines else ""


def parse(data: bytes) -> Attributes:
    """Read a sidecar in its simple or its full form. Raises InvalidAttributes."""
    if len(data) > MAX_BYTES:
        raise InvalidAttributes(f"the metadata file has {len(data)} bytes; at most {MAX_BYTES} are allowed")
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InvalidAttributes(f"the metadata file is not JSON: {error}") from None
    attributes = content.get("metadataAttributes") if isinstance(content, dict) else None
    if not isinstance(attributes, dict):
        raise InvalidAttributes('the metadata file has no object "metadataAttributes"')
    result = Attributes()
    for key, given in attributes.items():
        if not key or len(key) > MAX_KEY:
            raise InvalidAttributes(f"the key {key[:40]!r} has {len(key)} characters; 1 to {MAX_KEY} are allowed")
        if key.startswith("x-amz-bedrock"):
            raise InvalidAttributes(f"the key {key!r} begins with the reserved prefix x-amz-bedrock")
        embed = False
        if isinstance(given, dict):
            embed = bool(given.get("includeForEmbedding", False))
            given = _typed(key, given.get("value"))
        value = result.filterable[key] = _checked(key, given)
        if embed:
            result.embedded[key] = value
    return result


def from_inline(attributes: list[dict[str, Any]]) -> Attributes:
    """The attributes of a document that was ingested directly. Raises InvalidAttributes."""
    return Attributes({a["key"]: _checked(a["key"], _typed(a["key"], a["value"])) for a in attributes})


_MEMBERS = {
    "STRING": "stringValue",
    "NUMBER": "numberValue",
    "BOOLEAN": "booleanValue",
    "STRING_LIST": "stringListValue",
}


def _typed(key: str, value: Any) -> Any:
    if not isinstance(value, dict) or value.get("type") not in _MEMBERS:
        raise InvalidAttributes(f"the attribute {key!r} needs a value with a type of {', '.join(_MEMBERS)}")
    member = _MEMBERS[value["type"]]
    if member not in value:
        raise InvalidAttributes(f"the attribute {key!r} is a {value['type']} without {member}")
    return value[member]


def _checked(key: str, value: Any) -> AttributeValue:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and math.isfinite(value):
        return value
    if isinstance(value, str) and len(value) <= MAX_STRING:
        return value
    if isinstance(value, list) and value and all(isinstance(v, str) and len(v) <= MAX_STRING for v in value):
        return value
    raise InvalidAttributes(
        f"the attribute {key!r} must be a string of at most {MAX_STRING} characters, a number, a boolean, "
        "or a list of strings"
    )


def _shown(value: AttributeValue) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
