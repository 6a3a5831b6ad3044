"""aws-chunked bodies: chunks with sizes, perhaps signatures, and perhaps trailing headers."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from hashlib import sha256

from outcrop.wire.auth.errors import IncompleteBody, InvalidChunk, SignatureDoesNotMatch
from outcrop.wire.auth.sigv4 import EMPTY_HASH, sign

_MAX_LINE = 16 << 10
_MAX_TRAILERS = 64 << 10


class ChunkSignatures:
    """Checks the chain of chunk signatures that begins with the request's own."""

    def __init__(self, key: bytes, moment: str, scope: str, seed: str) -> None:
        self._key = key
        self._head = f"{moment}\n{scope}\n"
        self._previous = seed

    def check_chunk(self, digest: str, given: str) -> None:
        self._check(f"AWS4-HMAC-SHA256-PAYLOAD\n{self._head}{self._previous}\n{EMPTY_HASH}\n{digest}", given)

    def check_trailers(self, lines: bytes, given: str) -> None:
        digest = sha256(lines).hexdigest()
        self._check(f"AWS4-HMAC-SHA256-TRAILER\n{self._head}{self._previous}\n{digest}", given)

    def _check(self, text: str, given: str) -> None:
        expected = sign(self._key, text)
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise SignatureDoesNotMatch("The signature of a chunk does not match its content.")
        self._previous = expected


class _Reader:
    """Lines and counted bytes out of arbitrary pieces."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._buffer = b""

    async def line(self) -> bytes | None:
        """Without its end; None if the body is over."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _MAX_LINE:
                raise InvalidChunk("A line of the chunked body is too long.")
            piece = await anext(self._source, None)
            if piece is None:
                rest, self._buffer = self._buffer, b""
                return rest or None
            self._buffer += piece
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        return line.removesuffix(b"\r")

    async def take(self, size: int) -> AsyncIterator[bytes]:
        """Exactly `size` bytes, in pieces. Raises `IncompleteBody`."""
        while size:
            if not self._buffer:
                piece = await anext(self._source, None)
                if piece is None:
                    raise IncompleteBody("The request body terminated unexpectedly")
                self._buffer = piece
            part, self._buffer = self._buffer[:size], self._buffer[size:]
            size -= len(part)
            yield part


async def decode(
    source: AsyncIterator[bytes],
    trailers: dict[str, str],
    signatures: ChunkSignatures | None,
    *,
    signed_trailers: bool = False,
    length: int | None = None,
) -> AsyncIterator[bytes]:
    """The body's content; fills `trailers` at the end. Raises at the end of the chunk or body that doesn't check."""
    reader = _Reader(source)
    total = 0
    while True:
        size, given = _chunk_head(await reader.line())
        digest = sha256()
        async for piece in reader.take(size):
            if signatures is not None:
                digest.update(piece)
            total += len(piece)
            yield piece
        if signatures is not None:
            signatures.check_chunk(digest.hexdigest(), given)
        if size == 0:
            break
        if await reader.line() != b"":
            raise InvalidChunk("A chunk is longer than it says.")
    await _read_trailers(reader, trailers, signatures if signed_trailers else None)
    if length is not None and total != length:
        raise IncompleteBody("You did not provide the number of bytes specified by x-amz-decoded-content-length")


def _chunk_head(line: bytes | None) -> tuple[int, str]:
    if line is None:
        raise IncompleteBody("The request body terminated unexpectedly")
    size, _, extension = line.partition(b";")
    try:
        if len(size) > 16 or not size.strip().isalnum():
            raise ValueError
        count = int(size, 16)
    except ValueError:
        raise InvalidChunk("A chunk's size is not a hexadecimal number.") from None
    name, _, value = extension.decode("latin-1").strip().partition("=")
    return count, value if name == "chunk-signature" else ""


async def _read_trailers(reader: _Reader, trailers: dict[str, str], signatures: ChunkSignatures | None) -> None:
    signed = b""
    given = ""
    while line := await reader.line():
        name, _, value = line.decode("latin-1").partition(":")
        if name.strip().lower() == "x-amz-trailer-signature":
            given = value.strip()
            continue
        trailers[name.strip().lower()] = value.strip()
        signed += line.strip() + b"\n"
        if len(signed) > _MAX_TRAILERS:
            raise InvalidChunk("The trailing headers are too long.")
    if signatures is not None:
        signatures.check_trailers(signed, given)
