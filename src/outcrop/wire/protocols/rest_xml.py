"""rest-xml: XML bodies, everything else bound to HTTP. S3."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from outcrop.wire.errors import Failure, MalformedXML, Unreadable
from outcrop.wire.models.shapes import Member, Model, Operation, Shape
from outcrop.wire.protocols import eventstream, xml
from outcrop.wire.protocols.base import Answer
from outcrop.wire.protocols.rest import Rest, failure_headers

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"


class RestXml(Rest):
    """`wrapper`: errors stand inside `<ErrorResponse>`. `roots` names the root elements of answers by operation, where
    they aren't named as their shapes; a root named as the shape's only member is that member itself."""

    name = "rest-xml"
    content_type = "application/xml"

    def __init__(self, wrapper: bool = True, roots: Mapping[str, str] | None = None, namespace: str = "") -> None:
        self._wrapper = wrapper
        self._roots = roots or {}
        self._namespace = namespace

    def read_body(self, operation: Operation, shape: Shape, body: bytes) -> dict[str, Any]:
        return {**_read(body, lambda root: xml.read_members(shape, root))}

    def read_payload(self, member: Member, body: bytes) -> Any:
        names = {member.wire.rpartition(":")[2], member.shape.wire_name, member.shape.name}
        return _read(body, lambda root: xml.read(member, [root]), names)

    def write_body(self, model: Model, operation: Operation, shape: Shape, result: Mapping[str, Any]) -> bytes:
        root = self._roots.get(operation.name) or shape.wire_name or shape.name
        uri = self._namespace or model.namespace
        writer = xml.Writer(milliseconds=True)
        writer.open(root, (f' xmlns="{xml.escape(uri)}"' if uri else "") + xml.attributes(shape, result))
        if list(shape.by_wire) == [root]:
            member = shape.by_wire[root]
            if result.get(member.name) is not None:
                writer.raw(writer.scalar(member, result[member.name]))
        else:
            writer.members(shape, result)
        writer.close(root)
        return (_DECLARATION + writer.text()).encode("utf-8", "replace")

    def write_payload(self, member: Member, value: Any) -> bytes:
        root = member.wire if member.named else member.shape.wire_name or member.shape.name
        uri = f' xmlns="{xml.escape(self._namespace)}"' if self._namespace and not member.namespace else ""
        writer = xml.Writer(milliseconds=True)
        writer.open(root, uri + xml.start(member, value))
        writer.members(member.shape, value)
        writer.close(root)
        return (_DECLARATION + writer.text()).encode("utf-8", "replace")

    @property
    def event_format(self) -> eventstream.Format:
        return EVENTS

    def error(self, model: Model | None, failure: Failure, request_id: str) -> Answer:
        writer = xml.Writer(milliseconds=True)
        if self._wrapper:
            uri = model.namespace if model else ""
            writer.open("ErrorResponse", f' xmlns="{xml.escape(uri)}"' if uri else "")
        writer.open("Error")
        if self._wrapper:
            writer.leaf("Type", failure.fault)
        writer.leaf("Code", failure.code)
        writer.leaf("Message", failure.message)
        write_details(writer, failure)
        if not self._wrapper:
            writer.leaf("RequestId", request_id)
        writer.close("Error")
        if self._wrapper:
            writer.leaf("RequestId", request_id)
            writer.close("ErrorResponse")
        headers = [("Content-Type", self.content_type), *failure_headers(failure.shape, failure.members)]
        return Answer(failure.status, headers, (_DECLARATION + writer.text()).encode("utf-8", "replace"))


def write_details(writer: xml.Writer, failure: Failure) -> None:
    """An error's members besides code, message and type."""
    known = failure.shape.by_wire if failure.shape else {}
    bound = {member.name for member in failure.shape.bound} if failure.shape else set()
    for wire, member in known.items():
        value = failure.members.get(member.name)
        if value is not None and member.name.lower() not in ("message", "code", "type"):
            writer.member(wire, member, value)
    named = {member.name for member in known.values()} | bound
    for name, value in failure.members.items():
        if name not in named and name.lower() not in ("message", "code") and value is not None:
            writer.leaf(name, str(value))


def _read(body: bytes, reader: Callable[[xml.Node], Any], roots: Collection[str] = ()) -> Any:
    try:
        node = xml.decode(body)
        if roots and node.name not in roots:
            raise Unreadable(f"The root element is <{node.name}>")
        return reader(node)
    except Unreadable:
        raise MalformedXML(_MALFORMED) from None


def _write_event(shape: Shape, value: Mapping[str, Any]) -> bytes:
    writer = xml.Writer(milliseconds=True)
    writer.open(shape.name)
    writer.members(shape, value)
    writer.close(shape.name)
    return writer.text().encode()


EVENTS = eventstream.Format("text/xml", _write_event)
