"""Images and documents that requests carry: where they come from, what they are, what text they hold."""

from __future__ import annotations

import asyncio
import struct
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import Document, Image
from outcrop.engines.parsing.document import ParsedDocument, ParseError
from outcrop.services.contract import ServiceError, ValidationException

if TYPE_CHECKING:
    from outcrop.engines.parsing import Parser
    from outcrop.services.contract import Context

MAX_IMAGE_BYTES = 3_932_160
MAX_IMAGE_SIDE = 8000
MAX_DOCUMENT_BYTES = 4_718_592

_PLAIN = frozenset({"txt", "md", "csv"})
_PARSED = frozenset({"pdf", "html", "doc", "docx", "xls", "xlsx"})


class Media:
    """Reads what messages carry. The parser of PDFs is started when the first one comes."""

    def __init__(self) -> None:
        self._parser: Parser | None = None
        self._opening = asyncio.Lock()

    async def aclose(self) -> None:
        parser, self._parser = self._parser, None
        if parser is not None:
            await parser.aclose()

    async def image(self, ctx: Context, block: Mapping[str, Any], where: str) -> Image:
        data = await _source(ctx, block["source"], where, MAX_IMAGE_BYTES)
        return checked_image(data, where)

    async def document(self, ctx: Context, block: Mapping[str, Any], where: str) -> Document:
        """The document as plain text, whatever its format."""
        name, source = block["name"], block["source"]
        if "text" in source:
            return Document(name, "txt", _bytes(source["text"]))
        if "content" in source:
            return Document(name, "txt", _bytes("\n\n".join(part.get("text", "") for part in source["content"])))
        format = block.get("format")
        if format not in _PLAIN | _PARSED:
            raise ValidationException(
                f"The document at {where} needs a format out of {', '.join(sorted(_PLAIN | _PARSED))}."
            )
        data = await _source(ctx, source, where, MAX_DOCUMENT_BYTES)
        if format in _PLAIN:
            return Document(name, format, data)
        return Document(name, "txt", _bytes(await self._parse(data, format, where)))

    async def _parse(self, data: bytes, format: str, where: str) -> str:
        parser = await self._open_parser()
        with tempfile.TemporaryDirectory(prefix="outcrop-") as folder:
            path = Path(folder, f"document.{format}")
            await asyncio.to_thread(path.write_bytes, data)
            try:
                parsed = await parser.parse(path, path.name)
            except ParseError as error:
                raise ValidationException(
                    f"The document at {where} can't be read as {format}: {error}. Check it, or send its text."
                ) from error
        return _text(parsed)

    async def _open_parser(self) -> Parser:
        async with self._opening:
            if self._parser is None:
                from outcrop.engines.parsing import Parser

                parser = Parser(workers=1)
                await parser.open()
                self._parser = parser
            return self._parser


def _bytes(text: str) -> bytes:
    """JSON can spell half a surrogate pair, UTF-8 can't."""
    return text.encode("utf-8", "replace")


def _text(document: ParsedDocument) -> str:
    return "\n\n".join(block.text for page in document.pages for block in page.blocks)


async def _source(ctx: Context, source: Mapping[str, Any], where: str, limit: int) -> bytes:
    if "bytes" in source:
        data: bytes = source["bytes"]
    elif "s3Location" in source:
        data = await _from_s3(ctx, source["s3Location"]["uri"], where, limit)
    else:
        raise ValidationException(f"The source at {where} must set bytes or s3Location.")
    if len(data) > limit:
        raise ValidationException(f"The content at {where} is {len(data)} bytes; at most {limit} are allowed.")
    return data


async def _from_s3(ctx: Context, uri: str, where: str, limit: int) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        found = await ctx.call("s3", "get_object", {"Bucket": bucket, "Key": key})
    except ServiceError as error:
        raise ValidationException(f"Could not read {uri} at {where}: {error.message}") from error
    body = found["Body"]
    if isinstance(body, bytes):
        return body
    data = bytearray()
    parts: AsyncIterator[bytes] = body
    async for part in parts:
        data += part
        if len(data) > limit:
            break
    return bytes(data)


def checked_image(data: bytes, where: str) -> Image:
    """An image in the format that its bytes are in. Raises ValidationException if they are none, or too large."""
    found = _measure(data)
    if found is None:
        raise ValidationException(f"Could not process image at {where}: it is not a PNG, JPEG, GIF or WebP.")
    format, width, height = found
    if max(width, height) > MAX_IMAGE_SIDE:
        raise ValidationException(
            f"The image at {where} is {width} x {height} pixels; at most {MAX_IMAGE_SIDE} a side are allowed."
        )
    if len(data) > MAX_IMAGE_BYTES:
        raise ValidationException(f"The image at {where} is {len(data)} bytes; at most {MAX_IMAGE_BYTES} are allowed.")
    return Image(format, data)


def _measure(data: bytes) -> tuple[str, int, int] | None:
    """(format, width, height) from an image's header."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack_from(">II", data, 16)
            return "png", width, height
        if data.startswith((b"GIF87a", b"GIF89a")):
            width, height = struct.unpack_from("<HH", data, 6)
            return "gif", width, height
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return ("webp", *_webp(data))
        if data.startswith(b"\xff\xd8\xff"):
            return ("jpeg", *_jpeg(data))
    except (struct.error, IndexError):
        return None
    return None


def _webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg(data: bytes) -> tuple[int, int]:
    at = 2
    while True:
        while data[at] != 0xFF:
            at += 1
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        length = struct.unpack_from(">H", data, at + 1)[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 4)
            return width, height
        at += 1 + max(2, length)
