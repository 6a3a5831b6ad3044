"""`application/vnd.amazon.eventstream`: events framed as AWS frames them, for every protocol.

total length (4) · headers length (4) · CRC32 of these 8 bytes · headers · payload · CRC32 of all before
"""

from __future__ import annotations

import logging
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from outcrop.services.contract import ServiceError
from outcrop.wire.models.shapes import Shape
from outcrop.wire.protocols import json_values

CONTENT_TYPE = "application/vnd.amazon.eventstream"

log = logging.getLogger("outcrop.wire")


@dataclass(frozen=True, slots=True)
class Format:
    """How a protocol writes an event's structure."""

    content_type: str
    write: Callable[[Shape, Mapping[str, Any]], bytes]


JSON = Format("application/json", lambda shape, value: json_values.encode(json_values.write_members(shape, value)))


async def frames(
    stream: Shape,
    events: AsyncIterator[Mapping[str, Any]],
    style: Format,
    initial: tuple[Shape, Mapping[str, Any]] | None = None,
) -> AsyncIterator[bytes]:
    """Each event as a frame. A modelled error raised by `events` becomes an exception frame, any other an error
    frame; either ends the stream. An error before the first event is raised, so that it can be an HTTP error."""
    started = False
    try:
        async for event in events:
            if not started and initial is not None:
                yield frame(_headers("event", "initial-response", style.content_type), style.write(*initial))
            started = True
            for name, value in event.items():
                if value is not None:
                    yield event_frame(stream, name, value, style)
        if not started and initial is not None:
            yield frame(_headers("event", "initial-response", style.content_type), style.write(*initial))
    except ServiceError as error:
        if not started:
            raise
        yield error_frame(stream, error, style)
    except Exception:
        if not started:
            raise
        log.exception("an event stream broke")
        yield frame(
            {
                ":message-type": "error",
                ":error-code": "InternalFailure",
                ":error-message": "The stream ended by an internal failure; the server's log has the details.",
            },
            b"",
        )
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def event_frame(stream: Shape, name: str, value: Any, style: Format) -> bytes:
    """One event: its payload member, or else what isn't in headers, is the payload."""
    member = stream.members[name]
    headers: dict[str, Any] = {":message-type": "event", ":event-type": member.wire}
    payload = next((m for m in member.shape.members.values() if m.event_payload), None)
    body = b""
    for inner in member.shape.members.values():
        if inner.event_header and value.get(inner.name) is not None:
            headers[inner.wire] = value[inner.name]
    if payload is None:
        rest = {key: item for key, item in value.items() if not member.shape.members[key].event_header}
        headers[":content-type"] = style.content_type
        body = style.write(member.shape, rest)
    elif (content := value.get(payload.name)) is not None:
        if payload.shape.kind == "blob":
            headers[":content-type"] = "application/octet-stream"
            body = content.encode() if isinstance(content, str) else content
        elif payload.shape.kind == "string":
            headers[":content-type"] = "text/plain"
            body = str(content).encode()
        else:
            headers[":content-type"] = style.content_type
            body = style.write(payload.shape, content)
    return frame(headers, body)


def error_frame(stream: Shape, error: ServiceError, style: Format) -> bytes:
    """A modelled error as an exception frame, any other as an error frame."""
    for member in stream.members.values():
        if member.shape.exception and error.code in (member.shape.name, member.wire, member.shape.error_code):
            named = next((name for name in member.shape.members if name.lower() == "message"), "message")
            body = style.write(member.shape, {named: error.message} | error.members)
            headers = {
                ":message-type": "exception",
                ":exception-type": member.wire,
                ":content-type": style.content_type,
            }
            return frame(headers, body)
    return frame({":message-type": "error", ":error-code": error.code, ":error-message": error.message}, b"")


def frame(headers: Mapping[str, Any], payload: bytes) -> bytes:
    packed = b"".join(_pack_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack("!I", crc32(prelude)) + packed + payload
    return message + struct.pack("!I", crc32(message))


def _headers(kind: str, event: str, content_type: str) -> dict[str, str]:
    return {":message-type": kind, ":event-type": event, ":content-type": content_type}


def _pack_header(name: str, value: Any) -> bytes:
    label = name.encode()
    return struct.pack("!B", len(label)) + label + _pack_value(value)


def _pack_value(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"\x00" if value else b"\x01"
    if isinstance(value, int):
        return b"\x04" + struct.pack("!i", value) if -(2**31) <= value < 2**31 else b"\x05" + struct.pack("!q", value)
    if isinstance(value, datetime):
        return b"\x08" + struct.pack("!q", int(value.timestamp() * 1000))
    content = value if isinstance(value, bytes) else str(value).encode()[:0xFFFF]
    return (b"\x06" if isinstance(value, bytes) else b"\x07") + struct.pack("!H", len(content)) + content
