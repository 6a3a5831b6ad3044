"""XML against shapes, both ways; and a parser that a hostile document can't harm: no DTD, bounded depth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from outcrop.wire.errors import Unreadable
from outcrop.wire.models.shapes import Member, Shape
from outcrop.wire.protocols import values

_MAX_DEPTH = 100
_MAX_ELEMENTS = 1_000_000
_SPECIAL = re.compile('[&<>"\x00-\x08\x0b-\x1f\x7f\x85\u2028\ufffe\uffff]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


@dataclass(slots=True)
class Node:
    """An element; names without their namespaces."""

    name: str
    attributes: Mapping[str, str]
    children: list[Node] = field(default_factory=list)
    text: str = ""


class _Refused(Exception):
    pass


def decode(body: bytes) -> Node:
    """The document's root. Raises `Unreadable`."""
    root = Node("", {})
    open_nodes = [root]
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(open_nodes) > _MAX_DEPTH or count > _MAX_ELEMENTS:
            raise _Refused("too many elements, or nested too deeply")
        node = Node(_local(name), {_local(key): value for key, value in attributes.items()})
        open_nodes[-1].children.append(node)
        open_nodes.append(node)

    def end(name: str) -> None:
        open_nodes.pop()

    def text(characters: str) -> None:
        open_nodes[-1].text += characters

    def refuse(*arguments: object) -> None:
        raise _Refused("document type declarations are not allowed")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, _Refused, ValueError, LookupError) as error:
        raise Unreadable(f"The request body is not valid XML: {error}") from None
    return root.children[0]


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def read_members(shape: Shape, node: Node) -> dict[str, Any]:
    """A structure's members from an element's children and attributes. Unknown elements are ignored."""
    grouped: dict[str, list[Node]] = {}
    for child in node.children:
        grouped.setdefault(child.name, []).append(child)
    found: dict[str, Any] = {}
    for wire, member in shape.by_wire.items():
        local = wire.rpartition(":")[2]
        if member.attribute:
            if local in node.attributes:
                found[member.name] = _read_scalar(member, node.attributes[local])
            continue
        nodes = grouped.get(local)
        if nodes is None and member.flattened and member.shape.kind == "list" and member.shape.element.named:
            nodes = grouped.get(member.shape.element.wire)
        if nodes is not None:
            found[member.name] = read(member, nodes)
    return found


def read(member: Member, nodes: list[Node]) -> Any:
    """A member's value from its elements: several only where it is flattened."""
    shape, kind = member.shape, member.shape.kind
    if kind == "structure":
        return read_members(shape, nodes[0])
    if kind == "list":
        items = nodes if member.flattened else [c for c in nodes[0].children if c.name == shape.element.wire]
        return [read(shape.element, [item]) for item in items]
    if kind == "map":
        entries = nodes if member.flattened else nodes[0].children
        return dict(_read_entry(shape, entry) for entry in entries)
    return _read_scalar(member, nodes[0].text)


def _read_entry(shape: Shape, entry: Node) -> tuple[str, Any]:
    key = next((child.text for child in entry.children if child.name == shape.key.wire), "")
    nodes = [child for child in entry.children if child.name == shape.value.wire]
    if not nodes:
        raise Unreadable(f"A map entry has no <{shape.value.wire}>")
    return key, read(shape.value, nodes)


def _read_scalar(member: Member, text: str) -> Any:
    kind = member.shape.kind
    if kind == "string":
        return text
    try:
        if kind == "blob":
            return values.read_blob("".join(text.split()))
        text = text.strip()
        if kind == "integer":
            return values.read_integer(text)
        if kind == "float":
            return values.read_float(text)
        return values.read_boolean(text) if kind == "boolean" else values.read_timestamp(text)
    except Unreadable as error:
        raise Unreadable(error.text, member.name, text) from None


def escape(text: str) -> str:
    """Text and attributes. Characters that XML can't carry become references, as S3 writes them."""
    return _SPECIAL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character in _NAMED:
        return _NAMED[character]
    return f"&#x{ord(character):X};" if character in "\r\x7f\x85\u2028" else "\ufffd"


class Writer:
    """Collects a document's pieces. `milliseconds`: timestamps always have three fractional digits, as S3's do."""

    def __init__(self, milliseconds: bool = False) -> None:
        self._pieces: list[str] = []
        self._milliseconds = milliseconds

    def text(self) -> str:
        return "".join(self._pieces)

    def open(self, name: str, attributes: str = "") -> None:
        self._pieces.append(f"<{name}{attributes}>")

    def close(self, name: str) -> None:
        self._pieces.append(f"</{name}>")

    def raw(self, text: str) -> None:
        self._pieces.append(escape(text))

    def leaf(self, name: str, text: str) -> None:
        self._pieces.append(f"<{name}>{escape(text)}</{name}>")

    def members(self, shape: Shape, value: Mapping[str, Any]) -> None:
        """A structure's members that aren't attributes, one element (or run of elements) each."""
        for wire, member in shape.by_wire.items():
            item = value.get(member.name)
            if item is not None and not member.attribute:
                self.member(wire, member, item)

    def member(self, name: str, member: Member, value: Any) -> None:
        kind = member.shape.kind
        if kind == "structure":
            self.open(name, start(member, value))
            self.members(member.shape, value)
            self.close(name)
        elif kind == "list":
            self._list(name, member, value)
        elif kind == "map":
            self._map(name, member, value)
        else:
            self.open(name, namespace(member))
            self.raw(self.scalar(member, value))
            self.close(name)

    def _list(self, name: str, member: Member, value: Any) -> None:
        element = member.shape.element
        if member.flattened:
            name = name if member.named or not element.named else element.wire
            for item in value:
                self.member(name, element, item)
            return
        self.open(name, namespace(member))
        for item in value:
            self.member(element.wire, element, item)
        self.close(name)

    def _map(self, name: str, member: Member, value: Mapping[str, Any]) -> None:
        entry = name if member.flattened else "entry"
        if not member.flattened:
            self.open(name, namespace(member))
        for key, item in value.items():
            self.open(entry)
            self.member(member.shape.key.wire, member.shape.key, key)
            self.member(member.shape.value.wire, member.shape.value, item)
            self.close(entry)
        if not member.flattened:
            self.close(name)

    def scalar(self, member: Member, value: Any) -> str:
        kind = member.shape.kind
        if kind == "timestamp":
            style = member.timestamp or "iso8601"
            if style == "iso8601" and not isinstance(value, int | float):
                return values.iso8601(value, self._milliseconds)
            return values.write_timestamp(value, style)
        if kind == "boolean":
            return values.write_boolean(value)
        if kind in ("integer", "float"):
            return values.write_number(value)
        return values.write_blob(value) if kind == "blob" else str(value)


def namespace(member: Member) -> str:
    if not member.namespace:
        return ""
    prefix = member.namespace.get("prefix")
    return f' xmlns{":" + prefix if prefix else ""}="{escape(member.namespace["uri"])}"'


def start(member: Member, value: Mapping[str, Any]) -> str:
    """The start tag's rest: namespace, then the members that are attributes."""
    return namespace(member) + attributes(member.shape, value)


def attributes(shape: Shape, value: Mapping[str, Any]) -> str:
    """A structure's members that are attributes of its element."""
    present = [m for m in shape.members.values() if m.attribute and value.get(m.name) is not None]
    return "".join(f' {member.wire}="{escape(str(value[member.name]))}"' for member in present)
