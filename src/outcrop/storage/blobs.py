"""Large bodies as files: written under a temporary name, synced, renamed. A name, once answered, is whole on disk."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import threading
import time
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
        self._lock = threading.Lock()
        """A cancelled `write` goes on in its thread: `abort` must not close the file under it."""
        self.size = 0

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        await asyncio.to_thread(self.append, data)

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """`write` for callers that are in a thread already."""
        with self._lock:
            assert self._file is not None, "the blob is already committed or aborted"
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
            self.size += len(data)

    async def commit(self) -> Blob:
        assert self._file is not None, "the blob is already committed or aborted"
        file, self._file = self._file, None
        await asyncio.to_thread(self._finish, file)
        return Blob(self._final.name, self.size)

    def _finish(self, file: BinaryIO) -> None:
        with file:
            os.fsync(file.fileno())
        _make_directory(self._final.parent)
        self._temporary.rename(self._final)
        _sync(self._final.parent)

    def abort(self) -> None:
        """Forget the body. Does nothing after `commit()`."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
                self._temporary.unlink(missing_ok=True)


class Blobs:
    """A directory of blobs, each under a random name; 256 sub-directories keep listings short."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._opened = time.time_ns()

    def create(self) -> BlobWriter:
        name = _new_name()
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

    def link(self, name: str) -> Blob:
        """The same body under a second name, without copying it where the file system has hard links. Either name may
        be deleted without harm to the other. Raises FileNotFoundError if it is gone."""
        source, target = self.path(name), self.path(_new_name())
        _make_directory(target.parent)
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:
            staged = self._directory / "staging" / target.name
            staged.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, staged)
            _sync(staged)
            staged.rename(target)
        _sync(target.parent)
        return Blob(target.name, target.stat().st_size)

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def sweep(self, in_use: Callable[[str], bool]) -> int:
        """Remove what a crash left: staged bodies and blobs that no row names. Answers how many. What was created since
        this object was opened is left alone, so it may run in a thread beside writers."""
        removed = 0
        for path in self._directory.glob("*/*"):
            if _created(path.name) < self._opened and (path.parent.name == "staging" or not in_use(path.name)):
                path.unlink(missing_ok=True)
                removed += 1
        return removed


def _new_name() -> str:
    """Random first, which spreads names over the sub-directories, then the time in nanoseconds."""
    return f"{secrets.token_hex(8)}{time.time_ns():016x}"


def _created(name: str) -> int:
    try:
        return int(name[16:], 16)
    except ValueError:
        return 0


def _make_directory(path: Path) -> None:
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
