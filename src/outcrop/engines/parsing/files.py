"""Parsing in this process: what notebooks call, and what runs in the worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import Block, Page, ParsedDocument, ParseError, Records
from outcrop.engines.parsing.formats import extension, reader

if TYPE_CHECKING:
    from outcrop.engines.parsing.recognised import Recognised


def parse_file(
    path: Path, name: str = "", budget: Budget | None = None, records: Records | None = None
) -> ParsedDocument:
    """The document in `path`; its format is told by `name`, or by the path if there is none. `records` tells how to
    read the rows of a CSV, and nothing to other formats.

    Raises `ParseError` or `UnsupportedFormat`. Runs without limits of time and memory: for files from strangers use
    `Parser`.
    """
    name = name or path.name
    budget = budget or Budget()
    document = _read(path, name, replace(budget), records)
    if not document.scanned:
        return document
    from outcrop.engines.parsing import ocr

    recogniser = ocr.find()
    if recogniser is None:
        return ocr.unread(document)
    seen, failures = [], []
    for number in document.scanned:
        try:
            seen.append(ocr.recognise(path, number, recogniser))
        except ParseError as error:
            failures.append(str(error))
    return ocr.unread(_read(path, name, budget, records, seen) if seen else document, failures)


def _read(
    path: Path, name: str, budget: Budget, records: Records | None, seen: Sequence[Recognised] = ()
) -> ParsedDocument:
    read = reader(name)
    if records is not None and extension(name) == ".csv":
        from outcrop.engines.parsing.formats.csv import read_records

        read = partial(read_records, records=records)
    elif seen:
        from outcrop.engines.parsing.pdf.file import read as read_pdf

        read = partial(read_pdf, seen=seen)
    try:
        budget.check_bytes(path.stat().st_size)
        return read(path, budget)
    except RecursionError:
        raise ParseError("the document is nested too deeply") from None


def work(payload: bytes, report: Callable[[str], None]) -> bytes:
    """The worker's function: a request of `Parser` as JSON in, the document as JSON out. Scans are left to it."""
    request = json.loads(payload)
    budget = Budget(**request["limits"], report=report)
    records = Records(**request["records"]) if request.get("records") else None
    seen: list[Recognised] = []
    if request["seen"]:
        from outcrop.engines.parsing.recognised import revived

        seen = [revived(fields) for fields in request["seen"]]
    return dumps(_read(Path(request["path"]), request["name"], budget, records, seen))


def dumps(document: ParsedDocument) -> bytes:
    pages = [
        [page.number, page.attributes, [[block.kind, block.text, block.box, block.level] for block in page.blocks]]
        for page in document.pages
    ]
    text = json.dumps(
        [document.title, document.warnings, document.records, document.scanned, pages],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return text.encode("utf-8", errors="replace")


def loads(data: bytes) -> ParsedDocument:
    title, warnings, records, scanned, pages = json.loads(data)
    return ParsedDocument(
        tuple(
            Page(
                number,
                tuple(Block(kind, text, tuple(box) if box else None, level) for kind, text, box, level in blocks),
                tuple((key, value) for key, value in attributes),
            )
            for number, attributes, blocks in pages
        ),
        title,
        tuple(warnings),
        records,
        tuple(scanned),
    )
