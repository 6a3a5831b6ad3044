"""What a parser delivers: pages (or sections) of blocks, in reading order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BlockKind = Literal["heading", "text", "list", "table", "code"]


@dataclass(frozen=True, slots=True)
class Block:
    kind: BlockKind
    text: str
    """Plain text; lines separated by `\\n` only where the line break means something (lists, tables, code)."""
    box: tuple[float, float, float, float] | None = None
    """Left, bottom, right, top in PDF points from the page's lower left corner, where the format has pages."""
    level: int = 0
    """Of a heading: 1 is the topmost."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a PDF, or the whole of a format without pages."""

    number: int | None
    """Counted from 1; None where the format has no pages."""
    blocks: tuple[Block, ...]
    attributes: tuple[tuple[str, str], ...] = ()
    """Metadata of this part alone, such as the columns of a CSV record."""


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    pages: tuple[Page, ...]
    title: str = ""
    warnings: tuple[str, ...] = ()
    """What was lost, for people: `page 7 has no text`."""
    records: bool = False
    """Each page is a text of its own, such as a row of a CSV: no chunk is made of two."""
    scanned: tuple[int, ...] = ()
    """Numbers of the pages that are pictures of text and were not read."""


@dataclass(frozen=True, slots=True)
class Records:
    """How the rows of a CSV file become texts with attributes. The columns are named by its first row."""

    content: str
    """The column that holds the text."""
    include: tuple[str, ...] = ()
    """Columns that become attributes; with none, all but the text's."""
    exclude: tuple[str, ...] = ()
    """Columns that don't."""


class ParseError(Exception):
    """The document can't be read; the text says why, for people (`the PDF is encrypted`)."""


class UnsupportedFormat(ParseError):
    """Nothing here reads this kind of file."""
