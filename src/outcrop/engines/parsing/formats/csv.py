"""CSV as text: a table, each row naming nothing but its values, the first row repeated by the chunker."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import Block, Page, ParsedDocument, ParseError
from outcrop.engines.parsing.formats.decoding import read_text


def read(path: Path, budget: Budget) -> ParsedDocument:
    text, warnings = read_text(path, budget)
    try:
        lines = [_line(row) for row in csv.reader(io.StringIO(text, newline="")) if any(map(str.strip, row))]
    except csv.Error as error:
        raise ParseError(f"the CSV can't be read: {error}") from None
    if not lines:
        raise ParseError("the CSV has no rows")
    return ParsedDocument((Page(None, (Block("table", "\n".join(lines)),)),), "", warnings)


def _line(row: list[str]) -> str:
    return " | ".join(" ".join(cell.split()) for cell in row)
