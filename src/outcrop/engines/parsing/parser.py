"""Parsing in child processes with limits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from outcrop.engines.parsing import formats, ocr
from outcrop.engines.parsing.document import ParsedDocument, ParseError, Records, UnsupportedFormat
from outcrop.engines.parsing.files import loads
from outcrop.engines.parsing.recognised import Recognised
from outcrop.processes.errors import WorkerCrashed, WorkerError, WorkerKilled, WorkerTimeout, name_of
from outcrop.processes.limits import MIB, Limits
from outcrop.processes.pool import WorkerPool

Box = tuple[float, float, float, float]

_LARGE = 256 * 1024


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What one document may use."""

    seconds: float = 60.0
    memory_bytes: int = 1024 * MIB
    file_bytes: int = 50 * MIB
    pages: int = 5_000
    characters: int = 20_000_000
    scans: int = 500
    """Pages that OCR reads."""
    scan_seconds: float = 120.0
    """For each of them; they don't count for `seconds`."""
    scan_memory_bytes: int = 3 * 1024 * MIB


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
        self._viewers = WorkerPool(
            "outcrop.engines.parsing.drawing:work",
            Limits(
                wall_seconds=self.limits.scan_seconds,
                memory_bytes=self.limits.scan_memory_bytes,
                retire_bytes=self.limits.scan_memory_bytes // 2,
            ),
            workers,
        )

    async def open(self) -> None:
        await self._pool.open()
        await self._viewers.open()

    async def aclose(self) -> None:
        await self._pool.aclose()
        await self._viewers.aclose()

    def supported(self, name: str) -> bool:
        """Is there a reader for files of this name?"""
        return formats.supported(name)

    async def parse(self, path: Path, name: str, records: Records | None = None) -> ParsedDocument:
        """The document in the file `path`; `name` tells its format, `records` how to read the rows of a CSV.

        Raises `ParseError` with the reason for people, `UnsupportedFormat` if it is the format. Cancelling ends the
        work at once.
        """
        formats.reader_name(name)
        document = await self._read(path, name, records)
        return await self._with_scans(path, name, document) if document.scanned else document

    async def draw(self, path: Path, page: int, region: Box | None = None, dpi: float = 150) -> bytes:
        """A page of the PDF in `path`, counted from 1, or the `region` of it (as `Block.box`), as a PNG.

        Raises `ParseError`. Never more than 16 million pixels, whatever `dpi` asks for.
        """
        request = {"do": "draw", "path": str(path), "page": page, "region": region, "dpi": dpi}
        return await _call(self._viewers, request, "drawing")

    async def figures(self, path: Path) -> list[tuple[int, Box]]:
        """Where the PDF in `path` has pictures that are worth a look: page numbers, and boxes for `draw`. Tables are
        blocks of the document with a box. Raises `ParseError`."""
        request = {"do": "figures", "path": str(path), "pages": self.limits.pages}
        found = json.loads(await _call(self._viewers, request, "looking for figures"))
        return [(number, (left, bottom, right, top)) for number, (left, bottom, right, top) in found]

    async def _read(
        self, path: Path, name: str, records: Records | None = None, seen: Sequence[Recognised] = ()
    ) -> ParsedDocument:
        limits = self.limits
        request = {
            "path": str(path),
            "name": name,
            "limits": {"file_bytes": limits.file_bytes, "pages": limits.pages, "characters": limits.characters},
            "records": records and asdict(records),
            "seen": [astuple(page) for page in seen],
        }
        data = await _call(self._pool, request, "parsing")
        return await asyncio.to_thread(loads, data) if len(data) > _LARGE else loads(data)

    async def _with_scans(self, path: Path, name: str, document: ParsedDocument) -> ParsedDocument:
        """The document read again with what OCR finds on its scanned pages. A page that fails is a warning."""
        recogniser = ocr.find()
        if recogniser is None:
            return ocr.unread(document)
        numbers = document.scanned[: self.limits.scans]
        failures: list[str] = []

        async def recognise(number: int) -> Recognised | None:
            request = {"do": "recognise", "path": str(path), "page": number, "recogniser": recogniser}
            try:
                return ocr.loads(await _call(self._viewers, request, "OCR"))
            except ParseError as error:
                failures.append(str(error))
                return None

        seen = [page for page in await asyncio.gather(*map(recognise, numbers)) if page is not None]
        if len(numbers) < len(document.scanned):
            failures.append(f"at most {self.limits.scans} scanned pages are read")
        if not seen:
            return ocr.unread(document, failures)
        return ocr.unread(await self._read(path, name, seen=seen), failures)


async def _call(pool: WorkerPool, request: object, doing: str) -> bytes:
    """The answer of a child process. Raises `ParseError` with what went wrong, for people."""
    try:
        return await pool.call(json.dumps(request).encode())
    except WorkerError as error:
        raise _named(error) from None
    except WorkerTimeout as error:
        raise ParseError(f"{doing} took longer than {error.seconds:g} s{_where(error.progress)}") from None
    except WorkerKilled as error:
        amount = f"{pool.limits.memory_bytes // MIB:,} MiB of memory" if error.resource == "memory" else "time"
        raise ParseError(f"{doing} needed more than {amount}{_where(error.progress)}") from None
    except WorkerCrashed as error:
        cause = name_of(error.code)
        raise ParseError(f"the document makes its reader crash with {cause}{_where(error.progress)}") from None


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
