"""Plain text: paragraphs between blank lines, wrapped lines joined."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import Block, BlockKind, Page, ParsedDocument
from outcrop.engines.parsing.formats.decoding import read_text

_ITEM = re.compile(r"\s*(?:[-*+•◦▪–]|\(?[0-9]{1,3}[.)]|\(?[a-z][.)])\s")
_WRAP = 40
"""A line at least so long may go on in the next one."""


def read(path: Path, budget: Budget) -> ParsedDocument:
    text, warnings = read_text(path, budget)
    blocks = tuple(block for paragraph in text.replace("\f", "\n\n").split("\n\n") if (block := _block(paragraph)))
    return ParsedDocument((Page(None, blocks),), "", warnings)


def _block(paragraph: str) -> Block | None:
    lines = [line.rstrip() for line in paragraph.split("\n") if line.strip()]
    if not lines:
        return None
    if _is_table(lines):
        return Block("table", "\n".join(" | ".join(_cells(line)) for line in lines))
    if len(lines) > 1 and all(line[:1].isspace() for line in lines) and not any(map(_ITEM.match, lines)):
        return Block("code", "\n".join(line.removeprefix("    ") for line in lines))
    kind: BlockKind = "list" if any(map(_ITEM.match, lines)) else "text"
    return Block(kind, _unwrap(lines))


def _unwrap(lines: list[str]) -> str:
    """Joins a line to the one before if that one looks full, and keeps every other line break."""
    width = max(map(len, lines))
    out = lines[0].strip()
    for before, line in pairwise(lines):
        first_word = line.split(None, 1)[0]
        full = len(before) >= _WRAP and len(before) + len(first_word) + 1 > 0.85 * width
        out += (" " if full and not _ITEM.match(line) else "\n") + line.strip()
    return out


def _is_table(lines: list[str]) -> bool:
    return len(lines) > 1 and len({line.count("\t") for line in lines}) == 1 and "\t" in lines[0].strip()


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t")]
