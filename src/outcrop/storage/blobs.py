"""Large bodies as files: written under a temporary name, synced, renamed. A name, once answered, is whole on disk."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Blob:
    name: str
    size: int
    """Bytes."""


class BlobWriter:
    """A body on its way to disk. Ends in `commit()` or `abort()`; an abandoned one leaves nothing behind a restart."""

    def __init__(self, temporary: Path, final: Path) -> None:
        self._temporary = temporary
        self._final = final
        self._file: BinaryIO | None = temporary.open("xb", buffering=0)
        self.size = 0

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        assert self._file is not None, "the blob is already committed or aborted"
        await asyncio.to_thread(self._file.write, data)
        self.size += len(data)

    async def commit(self) -> Blob:
        assert self._file is not None, "the blob is already committed or aborted"
        file, self._file = self._file, None
        await asyncio.to_thread(self._finish, file)
        return Blob(self._final.name, self.size)

    def _finish(self, file: BinaryIO) -> None:
        with file:
            os.fsync(file.fileno())
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self._temporary.rename(self._final)
        directory = os.open(self._final.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def abort(self) -> None:
        """Forget the body. Does nothing after `commit()`."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._temporary.unlink(missing_ok=True)


class Blobs:
    """A directory of blobs, each under a random name; 256 sub-directories keep listings short."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def create(self) -> BlobWriter:
        name = secrets.token_hex(16)
        staging = self._directory / "staging"
        staging.mkdir(parents=True, exist_ok=True)
        return BlobWriter(staging / name, self.path(name))

    def path(self, name: str) -> Path:
        return self._directory / name[:2] / name

    async def read(self, name: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes `start` to `end` (exclusive; None: to the end) in pieces. Raises FileNotFoundError if it is gone."""
        file = await asyncio.to_thread(self.path(name).open, "rb")
        with file:
            if start:
                file.seek(start)
            left = (1 << 63) if end is None else end - start
            while left > 0 and (piece := await asyncio.to_thread(file.read, min(CHUNK, left))):
                left -= len(piece)
                yield piece

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def sweep(self, in_use: Callable[[str], bool]) -> int:
        """Remove what a crash left: staged bodies and blobs that no row names. Answers how many. Call it before any
        writer is open."""
        removed = 0
        for path in self._directory.glob("*/*"):
            if path.parent.name == "staging" or not in_use(path.name):
                path.unlink(missing_ok=True)
                removed += 1
        return removed
