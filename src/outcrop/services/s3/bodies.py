"""The bytes of objects: on their way in (digested, verified, small ones kept in memory) and out (in ranges)."""

from __future__ import annotations

import asyncio
import hashlib
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from outcrop.services.s3 import checksums, errors
from outcrop.services.s3.checksums import Claim
from outcrop.storage import Blobs, BlobWriter

INLINE = 64 << 10
"""Bodies up to this many bytes live in the database: one commit makes them durable."""
LARGEST_PUT = 5 << 30
"""Bytes that one request may carry."""
_BATCH = 512 << 10


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of an object's bytes in a file."""

    blob: str
    size: int


Content = bytes | tuple[Segment, ...]
"""An object's bytes: in the database, or in files one after the other."""


@dataclass(frozen=True, slots=True)
class Received:
    """A body that has arrived whole, was verified, and is safe on disk unless it is small."""

    content: Content
    size: int
    md5: bytes
    checksums: dict[str, str]
    """Base64 by algorithm."""
    claimed: str | None
    """The algorithm that the client chose, if it did."""

    @property
    def blobs(self) -> list[str]:
        return blob_names(self.content)


class Shelf:
    """Blobs, which stay readable for those who read them when they are discarded."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._held: dict[str, int] = {}
        self._doomed: set[str] = set()

    async def receive(
        self, body: Any, claim: Claim, *, compute: Iterable[str] = (), inline: int = INLINE, limit: int = LARGEST_PUT
    ) -> Received:
        """Take a body (bytes, an async iterator, or None for an empty one) in flat memory. `compute` names further
        algorithms. A body that ends in an error, ours or the client's, leaves nothing. Raises BadDigest,
        EntityTooLarge and whatever the body raises."""
        intake = _Intake(self._blobs, inline, {*compute, *([claim.algorithm] if claim.algorithm else [])})
        try:
            async for piece in _pieces(body):
                await intake.take(piece)
                if intake.size > limit:
                    raise errors.EntityTooLarge(MaxSizeAllowed=str(limit), ProposedSize=str(intake.size))
            claim = claim.with_trailers(getattr(body, "trailers", {}))
            return await intake.finish(claim)
        except BaseException:
            intake.abort()
            raise

    def read(self, content: Content, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes `start` to `end` (exclusive). The files are held from now on, even before the first is read."""
        if isinstance(content, bytes):
            return _once(content[start:end])
        return _Reader(self, _cut(content, start, end))

    async def link(self, content: Content) -> Content:
        """The same bytes as an object of its own, without copying files."""
        if isinstance(content, bytes):
            return content
        names = blob_names(content)
        self.hold(names)
        try:
            return await asyncio.to_thread(self._link, content)
        finally:
            self.release(names)

    def _link(self, content: tuple[Segment, ...]) -> Content:
        made: list[Segment] = []
        try:
            for segment in content:
                made.append(Segment(self._blobs.link(segment.blob).name, segment.size))
        except OSError:
            self._blobs.delete(segment.blob for segment in made)
            raise
        return tuple(made)

    def hold(self, names: Sequence[str]) -> None:
        for name in names:
            self._held[name] = self._held.get(name, 0) + 1

    def release(self, names: Sequence[str]) -> None:
        for name in names:
            self._held[name] -= 1
            if not self._held[name]:
                del self._held[name]
                if name in self._doomed:
                    self._doomed.discard(name)
                    self._blobs.delete((name,))

    async def discard(self, names: Sequence[str]) -> None:
        """Delete blobs that no row names any more, each as soon as nobody reads it."""
        if names:
            held = {name for name in names if name in self._held}
            self._doomed |= held
            await asyncio.to_thread(self._blobs.delete, [name for name in names if name not in held])

    def pieces(self, segment: Segment, start: int, end: int) -> AsyncIterator[bytes]:
        return self._blobs.read(segment.blob, start, end)


class _Intake:
    """Digests a body and puts it down; once it is large in batches, each in a thread while the next one arrives."""

    def __init__(self, blobs: Blobs, inline: int, algorithms: set[str]) -> None:
        self._blobs = blobs
        self._inline = inline
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._digests = {name: checksums.new(name) for name in algorithms}
        self._values: dict[str, str] = {}
        self._writer: BlobWriter | None = None
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._under_way: asyncio.Future[None] | None = None
        self.size = 0

    async def take(self, piece: bytes) -> None:
        self._waiting.append(piece)
        self._waiting_size += len(piece)
        self.size += len(piece)
        if self._waiting_size >= _BATCH or (self._writer is None and self.size > self._inline):
            await self._flush()

    async def finish(self, claim: Claim) -> Received:
        if self._writer is None:
            data = b"".join(self._waiting)
            self._digest(data)
            if claim.algorithm and claim.algorithm not in self._digests:
                self._values[claim.algorithm] = checksums.compute(claim.algorithm, data)
            return self._received(claim, data)
        await self._flush()
        await self._settle()
        self._finish_digests()
        if claim.algorithm is None or claim.algorithm in self._values:
            claim.verify(self._md5.digest(), self._values)
        blob = await self._writer.commit()
        try:
            if claim.algorithm and claim.algorithm not in self._values:
                late = checksums.new(claim.algorithm)
                async for piece in self._blobs.read(blob.name):
                    late.update(piece)
                self._values[claim.algorithm] = checksums.encode(late.digest())
            return self._received(claim, (Segment(blob.name, blob.size),))
        except BaseException:
            self._blobs.delete((blob.name,))
            raise

    def abort(self) -> None:
        if self._under_way is not None:
            self._under_way.cancel()
        if self._writer is not None:
            self._writer.abort()

    def _received(self, claim: Claim, content: Content) -> Received:
        self._finish_digests()
        claim.verify(self._md5.digest(), self._values)
        return Received(content, self.size, self._md5.digest(), self._values, claim.algorithm)

    def _finish_digests(self) -> None:
        while self._digests:
            name, digest = self._digests.popitem()
            self._values[name] = checksums.encode(digest.digest())

    def _digest(self, data: bytes) -> None:
        self._md5.update(data)
        for digest in self._digests.values():
            digest.update(data)

    async def _flush(self) -> None:
        data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_size = 0
        if self._writer is None:
            self._writer = self._blobs.create()
        await self._settle()
        self._under_way = asyncio.get_running_loop().run_in_executor(None, self._write, self._writer, data)

    async def _settle(self) -> None:
        if self._under_way is not None:
            await self._under_way
            self._under_way = None

    def _write(self, writer: BlobWriter, data: bytes) -> None:
        self._digest(data)
        writer.append(data)


class _Reader:
    """Iterates over parts of files and holds them until it is exhausted, closed or forgotten."""

    def __init__(self, shelf: Shelf, cuts: Sequence[tuple[Segment, int, int]]) -> None:
        names = [segment.blob for segment, _, _ in cuts]
        shelf.hold(names)
        self._release = weakref.finalize(self, shelf.release, names)
        self._release.atexit = False
        self._pieces = _read_cuts(shelf, cuts)

    def __aiter__(self) -> _Reader:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._pieces.__anext__()
        except StopAsyncIteration:
            self._release()
            raise

    async def aclose(self) -> None:
        await self._pieces.aclose()
        self._release()


async def _read_cuts(shelf: Shelf, cuts: Sequence[tuple[Segment, int, int]]) -> AsyncGenerator[bytes, None]:
    for segment, start, end in cuts:
        async for piece in shelf.pieces(segment, start, end):
            yield piece


def _cut(segments: Sequence[Segment], start: int, end: int | None) -> list[tuple[Segment, int, int]]:
    cuts, offset = [], 0
    for segment in segments:
        low, high = max(start - offset, 0), segment.size if end is None else min(end - offset, segment.size)
        if low < high:
            cuts.append((segment, low, high))
        offset += segment.size
    return cuts


def blob_names(content: Content) -> list[str]:
    return [] if isinstance(content, bytes) else [segment.blob for segment in content]


async def _once(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data


async def _pieces(body: Any) -> AsyncIterator[bytes]:
    if body is None:
        return
    if isinstance(body, (bytes, bytearray)):
        yield bytes(body)
        return
    async for piece in body:
        yield piece
