"""Parsing in this process: what notebooks call, and what runs in the worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import Block, Page, ParsedDocument, ParseError, Records
from outcrop.engines.parsing.formats import extension, reader


def parse_file(
    path: Path, name: str = "", budget: Budget | None = None, records: Records | None = None
) -> ParsedDocument:
    """The document in `path`; its format is told by `name`, or by the path if there is none. `records` tells how to
    read the rows of a CSV, and nothing to other formats.

    Raises `ParseError` or `UnsupportedFormat`. Runs without limits of time and memory: for files from strangers use
    `Parser`.
    """
    name = name or path.name
    read = reader(name)
    if records is not None and extension(name) == ".csv":
        from outcrop.engines.parsing.formats.csv import read_records

        read = partial(read_records, records=records)
    budget = budget or Budget()
    try:
        budget.check_bytes(path.stat().st_size)
        return read(path, budget)
    except RecursionError:
        raise ParseError("the document is nested too deeply") from None


def work(payload: bytes, report: Callable[[str], None]) -> bytes:
    """The worker's function: a request of `Parser` as JSON in, the document as JSON out."""
    request = json.loads(payload)
    budget = Budget(**request["limits"], report=report)
    records = Records(**request["records"]) if request.get("records") else None
    return dumps(parse_file(Path(request["path"]), request["name"], budget, records))


def dumps(document: ParsedDocument) -> bytes:
    pages = [
        [page.number, page.attributes, [[block.kind, block.text, block.box, block.level] for block in page.blocks]]
        for page in document.pages
    ]
    text = json.dumps(
        [document.title, document.warnings, document.records, pages], ensure_ascii=False, separators=(",", ":")
    )
    return text.encode("utf-8", errors="replace")


def loads(data: bytes) -> ParsedDocument:
    title, warnings, records, pages = json.loads(data)
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
    )
