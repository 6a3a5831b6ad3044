"""Parsing in child processes with limits."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from outcrop.engines.parsing import formats
from outcrop.engines.parsing.document import ParsedDocument, ParseError, Records, UnsupportedFormat
from outcrop.engines.parsing.files import loads
from outcrop.processes.errors import WorkerCrashed, WorkerError, WorkerKilled, WorkerTimeout, name_of
from outcrop.processes.limits import MIB, Limits
from outcrop.processes.pool import WorkerPool

_LARGE = 256 * 1024


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What one document may use."""

    seconds: float = 60.0
    memory_bytes: int = 1024 * MIB
    file_bytes: int = 50 * MIB
    pages: int = 5_000
    characters: int = 20_000_000


class Parser:
    """Reads documents that nobody vouches for. The constructor is light; `open()` starts no worker yet."""

    def __init__(self, limits: ParseLimits | None = None, workers: int = 1) -> None:
        self.limits = limits or ParseLimits()
        self._pool = WorkerPool(
            "outcrop.engines.parsing.files:work",
            Limits(
                wall_seconds=self.limits.seconds,
                memory_bytes=self.limits.memory_bytes,
                result_bytes=max(4 * MIB, 8 * self.limits.characters),
            ),
            workers,
        )

    async def open(self) -> None:
        await self._pool.open()

    async def aclose(self) -> None:
        await self._pool.aclose()

    def supported(self, name: str) -> bool:
        """Is there a reader for files of this name?"""
        return formats.supported(name)

    async def parse(self, path: Path, name: str, records: Records | None = None) -> ParsedDocument:
        """The document in the file `path`; `name` tells its format, `records` how to read the rows of a CSV.

        Raises `ParseError` with the reason for people, `UnsupportedFormat` if it is the format. Cancelling ends the
        work at once.
        """
        formats.reader_name(name)
        limits = self.limits
        allowed = {"file_bytes": limits.file_bytes, "pages": limits.pages, "characters": limits.characters}
        request = {"path": str(path), "name": name, "limits": allowed, "records": records and asdict(records)}
        try:
            data = await self._pool.call(json.dumps(request).encode())
        except WorkerError as error:
            raise _named(error) from None
        except WorkerTimeout as error:
            raise ParseError(f"parsing took longer than {error.seconds:g} s{_where(error.progress)}") from None
        except WorkerKilled as error:
            amount = f"{limits.memory_bytes // MIB:,} MiB of memory" if error.resource == "memory" else "time"
            raise ParseError(f"parsing needed more than {amount}{_where(error.progress)}") from None
        except WorkerCrashed as error:
            cause = name_of(error.code)
            raise ParseError(f"the document makes its reader crash with {cause}{_where(error.progress)}") from None
        return await asyncio.to_thread(loads, data) if len(data) > _LARGE else loads(data)


def _named(error: WorkerError) -> ParseError:
    if error.kind == "UnsupportedFormat":
        return UnsupportedFormat(str(error))
    if error.kind == "ParseError":
        return ParseError(str(error))
    if error.kind in ("FileNotFoundError", "PermissionError", "IsADirectoryError", "OSError"):
        return ParseError(f"the file can't be read: {error}")
    return ParseError(f"the document can't be read: {error.kind}: {error}")


def _where(progress: str) -> str:
    return f" ({progress})" if progress else ""
