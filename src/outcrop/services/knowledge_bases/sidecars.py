"""`<source>.metadata.json`: attributes of a document, written beside it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from outcrop.engines.parsing.document import Records

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
    records: Records | None = None
    """How to read the rows of a CSV, if the sidecar says so."""

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
    if not isinstance(content, dict):
        raise InvalidAttributes("the metadata file is no JSON object")
    structure = content.get("documentStructureConfiguration")
    attributes = content.get("metadataAttributes", {} if structure is not None else None)
    if not isinstance(attributes, dict):
        raise InvalidAttributes('the metadata file has no object "metadataAttributes"')
    result = Attributes(records=None if structure is None else _records(structure))
    for key, given in attributes.items():
        if not key or len(key) > MAX_KEY:
            raise InvalidAttributes(f"the key {key[:40]!r} has {len(key)} characters; 1 to {MAX_KEY} are allowed")
        if key.startswith("x-amz-bedrock"):
            raise InvalidAttributes(f"the key {key!r} begins with the reserved prefix x-amz-bedrock")
        embed = False
        if isinstance(given, dict):
            embed = given.get("includeForEmbedding", False)
            if not isinstance(embed, bool):
                raise InvalidAttributes(f"includeForEmbedding of the attribute {key!r} must be true or false")
            given = _typed(key, given.get("value"))
        value = result.filterable[key] = _checked(key, given)
        if embed:
            result.embedded[key] = value
    return result


def _records(structure: Any) -> Records:
    """`documentStructureConfiguration`: which column of a CSV is the text, and which are attributes."""
    kind = structure.get("type") if isinstance(structure, dict) else None
    if kind != "RECORD_BASED_STRUCTURE_METADATA":
        raise InvalidAttributes("documentStructureConfiguration needs the type RECORD_BASED_STRUCTURE_METADATA")
    given = structure.get("recordBasedStructureMetadata")
    if not isinstance(given, dict):
        raise InvalidAttributes("documentStructureConfiguration has no object recordBasedStructureMetadata")
    content = _field_names("contentFields", given.get("contentFields"))
    if len(content) != 1:
        raise InvalidAttributes(f"contentFields must name exactly one field; it names {len(content)}")
    chosen = given.get("metadataFieldsSpecification", {})
    if not isinstance(chosen, dict):
        raise InvalidAttributes("metadataFieldsSpecification must be an object")
    include = _field_names("fieldsToInclude", chosen.get("fieldsToInclude", []))
    exclude = _field_names("fieldsToExclude", chosen.get("fieldsToExclude", []))
    if both := sorted({*include} & {*exclude}):
        raise InvalidAttributes(f"the field {both[0]!r} is in both fieldsToInclude and fieldsToExclude")
    return Records(content[0], include, exclude)


def _field_names(member: str, fields: Any) -> tuple[str, ...]:
    given = [] if fields is None else fields
    each_has = isinstance(given, list) and all(isinstance(each, dict) for each in given)
    names = [each.get("fieldName") for each in given] if each_has else [None]
    if not all(isinstance(name, str) and name for name in names):
        raise InvalidAttributes(f'{member} must be a list of objects such as {{"fieldName": "unit"}}')
    return tuple(map(str, names))


def from_inline(attributes: list[dict[str, Any]]) -> Attributes:
    """The attributes of a document that was ingested directly. Raises InvalidAttributes."""
    return Attributes({a["key"]: _checked(a["key"], _typed(a["key"], a["value"])) for a in attributes})


_MEMBERS = {
    "STRING": "stringValue",
    "NUMBER": "numberValue",
    "BOOLEAN": "booleanValue",
    "STRING_LIST": "stringListValue",
}
_PYTHON = {"stringValue": str, "numberValue": int | float, "booleanValue": bool, "stringListValue": list}


def _typed(key: str, value: Any) -> Any:
    if not isinstance(value, dict) or str(value.get("type")) not in _MEMBERS:
        raise InvalidAttributes(f"the attribute {key!r} needs a value with a type of {', '.join(_MEMBERS)}")
    member = _MEMBERS[value["type"]]
    if member not in value:
        raise InvalidAttributes(f"the attribute {key!r} is a {value['type']} without {member}")
    found = value[member]
    if not isinstance(found, _PYTHON[member]) or (member == "numberValue" and isinstance(found, bool)):
        raise InvalidAttributes(f"the attribute {key!r} is a {value['type']}, but its {member} is none")
    return found


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
