"""CSV as a table whose first row the chunker repeats, or as records: each row a text with attributes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import Block, Page, ParsedDocument, ParseError, Records
from outcrop.engines.parsing.formats.decoding import read_text


def read(path: Path, budget: Budget) -> ParsedDocument:
    text, warnings = read_text(path, budget)
    lines = [_line(row) for row in _rows(text)]
    if not lines:
        raise ParseError("the CSV has no rows")
    return ParsedDocument((Page(None, (Block("table", "\n".join(lines)),)),), "", warnings)


def read_records(path: Path, budget: Budget, records: Records) -> ParsedDocument:
    """A page a row. Raises `ParseError` if the file lacks a column that `records` names, or has no text in them."""
    text, warnings = read_text(path, budget)
    rows = _rows(text)
    columns = [column.strip() for column in next(rows, [])]
    named = dict.fromkeys((records.content, *records.include, *records.exclude))
    if missing := [name for name in named if name not in columns]:
        raise ParseError(f"the CSV has no column {', '.join(map(repr, missing))}, only {', '.join(map(repr, columns))}")
    content = columns.index(records.content)
    chosen = {
        column: columns.index(column)
        for column in (records.include or columns)
        if column and column != records.content and column not in records.exclude
    }
    pages = []
    for row in rows:
        body = row[content].strip() if content < len(row) else ""
        if body:
            budget.take_characters(sum(map(len, chosen)))
            attributes = tuple((column, row[at].strip() if at < len(row) else "") for column, at in chosen.items())
            pages.append(Page(None, (Block("text", body),), attributes))
    if not pages:
        raise ParseError(f"no row of the CSV has text in the column {records.content!r}")
    return ParsedDocument(tuple(pages), "", warnings, records=True)


def _rows(text: str) -> Iterator[list[str]]:
    """All but the blank ones."""
    try:
        for row in csv.reader(io.StringIO(text, newline="")):
            if any(map(str.strip, row)):
                yield row
    except csv.Error as error:
        raise ParseError(f"the CSV can't be read: {error}") from None


def _line(row: list[str]) -> str:
    return " | ".join(" ".join(cell.split()) for cell in row)
