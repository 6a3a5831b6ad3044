"""Members outside the body: labels in the path, query parameters, headers, the status.

What rest_json and rest_xml share.
"""

from __future__ import annotations

import base64
import binascii
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import unquote

from outcrop.wire.errors import Unreadable
from outcrop.wire.models.shapes import Member, Model, Operation, Shape
from outcrop.wire.protocols import eventstream, values
from outcrop.wire.protocols.base import Answer, Parts

_DEFAULT_TIMESTAMP = {"header": "rfc822", "headers": "rfc822"}


class Rest(ABC):
    """The HTTP binding; a subclass reads and writes the bodies."""

    content_type: str

    @abstractmethod
    def read_body(self, operation: Operation, shape: Shape, body: bytes) -> dict[str, Any]:
        """The members of a structure that share the body."""

    @abstractmethod
    def read_payload(self, member: Member, body: bytes) -> Any:
        """A structure, list, map or document that is the whole body."""

    @abstractmethod
    def write_body(self, model: Model, operation: Operation, shape: Shape, result: Mapping[str, Any]) -> bytes: ...

    @abstractmethod
    def write_payload(self, member: Member, value: Any) -> bytes: ...

    @property
    @abstractmethod
    def event_format(self) -> eventstream.Format: ...

    def parse(self, model: Model, operation: Operation, parts: Parts) -> dict[str, Any]:
        shape = operation.input
        if shape is None:
            return {}
        found: dict[str, Any] = {}
        for member in shape.bound:
            value = _READERS[member.location](member, parts)
            if value is not None:
                found[member.name] = value
        if rest := next((m for m in shape.bound if m.location == "querystring" and m.shape.kind == "map"), None):
            taken = {m.wire for m in shape.bound if m is not rest}
            taken |= {item.partition("=")[0] for item in operation.uri.partition("?")[2].split("&")}
            found |= _read_query_map(rest, taken, parts)
        if shape.payload:
            member = shape.members[shape.payload]
            value = self._read_payload(member, parts.body)
            if value is not None:
                found[member.name] = value
        elif shape.by_wire and parts.body:
            assert isinstance(parts.body, bytes)
            found |= self.read_body(operation, shape, parts.body)
        return found

    def _read_payload(self, member: Member, body: bytes | AsyncIterator[bytes]) -> Any:
        if not isinstance(body, bytes):
            return body
        kind = member.shape.kind
        if not body and not member.streaming:
            return None
        if kind == "blob":
            return body
        if kind == "string":
            try:
                return body.decode()
            except UnicodeDecodeError:
                raise Unreadable("The request body is not UTF-8 text.") from None
        return self.read_payload(member, body)

    def serialize(self, model: Model, operation: Operation, result: Mapping[str, Any], request_id: str) -> Answer:
        shape = operation.output
        answer = Answer(operation.status)
        if shape is None:
            return answer
        for member in shape.bound:
            value = result.get(member.name)
            if value is None:
                continue
            if member.location == "statusCode":
                answer.status = int(value)
            elif member.location == "headers":
                answer.headers += [(f"{member.wire if member.named else ''}{key}", str(v)) for key, v in value.items()]
            elif member.location == "header":
                answer.headers.append((member.wire, write_text(member, value, "header")))
        if not shape.payload:
            if shape.by_wire or self.content_type == "application/json":
                answer.body = self.write_body(model, operation, shape, result)
                _default_header(answer, "Content-Type", self.content_type)
            return answer
        member = shape.members[shape.payload]
        self._write_payload(answer, member, result.get(member.name))
        return answer

    def _write_payload(self, answer: Answer, member: Member, value: Any) -> None:
        if member.shape.eventstream:
            answer.body = eventstream.frames(member.shape, value, self.event_format)
            _default_header(answer, "Content-Type", eventstream.CONTENT_TYPE)
            return
        if value is None:
            return
        if member.shape.kind == "blob":
            answer.body = value.encode() if isinstance(value, str) else value
            _default_header(answer, "Content-Type", "application/octet-stream")
        elif member.shape.kind == "string":
            answer.body = str(value).encode()
            _default_header(answer, "Content-Type", "text/plain")
        else:
            answer.body = self.write_payload(member, value)
            _default_header(answer, "Content-Type", self.content_type)


def failure_headers(shape: Shape | None, members: Mapping[str, Any]) -> list[tuple[str, str]]:
    """An error's members that travel in headers."""
    return [
        (member.wire, write_text(member, members[member.name], "header"))
        for member in (shape.bound if shape else ())
        if member.location == "header" and members.get(member.name) is not None
    ]


def write_text(member: Member, value: Any, location: str) -> str:
    """A header's text."""
    kind = member.shape.kind
    if kind == "list":
        element = member.shape.element
        parts = [write_text(element, item, location) for item in value if item is not None]
        if element.shape.kind == "timestamp":
            return ", ".join(parts)
        return ", ".join(_quoted(part) for part in parts)
    if member.json_value:
        return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()
    if kind == "timestamp":
        return values.write_timestamp(value, member.timestamp or _DEFAULT_TIMESTAMP[location])
    if kind == "boolean":
        return values.write_boolean(value)
    if kind in ("integer", "float"):
        return values.write_number(value)
    if kind == "blob":
        return values.write_blob(value)
    return str(value)


def _quoted(text: str) -> str:
    if "," in text or '"' in text:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


def _read_text(member: Member, text: str) -> Any:
    try:
        return _read_plain(member, text)
    except Unreadable as error:
        raise Unreadable(error.text, member.name, text) from None


def _read_plain(member: Member, text: str) -> Any:
    kind = member.shape.kind
    if member.json_value:
        try:
            return json.loads(base64.b64decode(text, validate=True))
        except (ValueError, binascii.Error, RecursionError):
            raise Unreadable("The header is not Base64 of JSON") from None
    if kind == "string":
        return text
    if kind == "integer":
        return values.read_integer(text)
    if kind == "float":
        return values.read_float(text)
    if kind == "boolean":
        return values.read_boolean(text)
    if kind == "timestamp":
        return values.read_timestamp(text)
    if kind == "blob":
        return values.read_blob(text)
    raise Unreadable(f"A {kind} has no text form")


def _read_label(member: Member, parts: Parts) -> Any:
    raw = parts.labels.get(member.wire)
    return None if raw is None else _read_text(member, unquote(raw))


def _read_query(member: Member, parts: Parts) -> Any:
    shape = member.shape
    if shape.kind == "map":
        return None  # what no other member takes: read last
    found = [value for key, value in parts.query if key == member.wire]
    if not found:
        return None
    if shape.kind == "list":
        return [_read_text(shape.element, value) for value in found]
    return _read_text(member, found[0])


def _read_query_map(member: Member, taken: set[str], parts: Parts) -> dict[str, Any]:
    shape = member.shape
    found: dict[str, Any] = {}
    for key, value in parts.query:
        if key in taken:
            continue
        if shape.value.shape.kind == "list":
            found.setdefault(key, []).append(_read_text(shape.value.shape.element, value))
        else:
            found.setdefault(key, _read_text(shape.value, value))
    return {member.name: found} if found else {}


def _read_header(member: Member, parts: Parts) -> Any:
    text = parts.headers.get(member.wire.lower())
    if text is None:
        return None
    if member.shape.kind != "list":
        return _read_text(member, text.strip())
    element = member.shape.element
    return [_read_text(element, item) for item in split_header(text, dates=element.shape.kind == "timestamp")]


def _read_headers(member: Member, parts: Parts) -> dict[str, str] | None:
    prefix = member.wire.lower() if member.named else ""
    found = {name[len(prefix) :]: value for name, value in parts.headers.items() if name.startswith(prefix)}
    return found or None


def split_header(text: str, dates: bool = False) -> list[str]:
    """The items of a header that is a list: separated by commas, quoted where they contain one. HTTP dates contain
    one comma each."""
    if not text.strip():
        return []
    if dates and text[:3].isalpha() and text[3:4] == ",":
        pieces = text.split(",")
        return [f"{day.strip()},{rest}" for day, rest in zip(pieces[::2], pieces[1::2], strict=False)]
    items, current, position, quoted = [], "", 0, False
    while position < len(text):
        character = text[position]
        if quoted and character == "\\" and position + 1 < len(text):
            position += 1
            current += text[position]
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            items.append(current.strip())
            current = ""
        else:
            current += character
        position += 1
    return [*items, current.strip()]


def _default_header(answer: Answer, name: str, value: str) -> None:
    if not any(key.lower() == name.lower() for key, _ in answer.headers):
        answer.headers.append((name, value))


_READERS: Mapping[str, Callable[[Member, Parts], Any]] = {
    "uri": _read_label,
    "querystring": _read_query,
    "header": _read_header,
    "headers": _read_headers,
    "statusCode": lambda member, parts: None,
}
