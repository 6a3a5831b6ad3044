"""The tables of a binary Word file: pieces of text, the properties of paragraphs and characters, styles.

Names in the code are ours; in brackets behind them stand the specification's.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import ParseError

_MAGIC = 0xA5EC
_WORD_95 = 104
_ENCRYPTED, _TABLE_1 = 0x0100, 0x0200
_COUNTS = 0x4C
_STYLES, _CHARACTER_RUNS, _PARAGRAPH_RUNS, _PIECES = 0xA2, 0xFA, 0x102, 0x1A2
_FIB = 0x1AA
_PAGE = 512
_COMPRESSED = 0x40000000
_OPERAND = (1, 1, 2, 4, 2, 2, 0, 3)
_DEFINE_TABLE = 0xD608
_IN_TABLE, _ROW_END = 0x2416, 0x2417
_LEVEL, _LIST_DEPTH, _LIST = 0x2640, 0x260A, 0x460B
_DELETED, _HIDDEN = 0x0800, 0x083C
_NO_LISTS = frozenset({0, 0xF801})
_ENDS = "\r\x07\x0c"


@dataclass(frozen=True, slots=True)
class Style:
    number: int = 4095
    """Of Word's own styles (`sti`): 0 is normal, 1 to 9 are headings."""
    name: str = ""
    level: int | None = None
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Properties:
    """Of a paragraph (`PAPX`)."""

    style: int = 0
    in_table: bool = False
    ends_row: bool = False
    level: int | None = None
    listed: bool | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str
    style: Style
    level: int | None
    """Of a heading, from 0."""
    listed: bool
    depth: int
    in_table: bool
    ends_cell: bool
    ends_row: bool


@dataclass(slots=True)
class _Piece:
    text: str
    offset: int
    """Of its first character in the file."""
    width: int
    """Bytes a character."""


@dataclass(slots=True)
class WordFile:
    pieces: list[_Piece]
    styles: dict[int, Style]
    paragraph_ends: list[int]
    paragraph_properties: list[Properties]
    """Each up to the file offset of the same position in `paragraph_ends`."""
    unseen: list[tuple[int, int]] = field(default_factory=list)
    """File offsets of text that is deleted or hidden."""

    @classmethod
    def read(cls, ole: Any, budget: Budget) -> WordFile:
        """Raises `ParseError`, `struct.error` or what olefile raises for a damaged file."""
        if not ole.exists("WordDocument"):
            raise ParseError("the file is not a Word document, though of its kind (a workbook or a mail, perhaps)")
        main: bytes = ole.openstream("WordDocument").read()
        magic, version = struct.unpack_from("<HH", main)
        if magic != _MAGIC or version <= _WORD_95 or len(main) < _FIB:
            raise ParseError("the document is of Word 95 or older; save it as .docx")
        (flags,) = struct.unpack_from("<H", main, 0x0A)
        if flags & _ENCRYPTED:
            raise ParseError("the Word document is encrypted; save it without a password")
        tables: bytes = ole.openstream("1Table" if flags & _TABLE_1 else "0Table").read()
        pieces = list(_pieces(main, _section(main, tables, _PIECES), budget))
        ends, properties = _paragraph_runs(main, _section(main, tables, _PARAGRAPH_RUNS))
        unseen = list(_unseen(main, _section(main, tables, _CHARACTER_RUNS)))
        return cls(pieces, _styles(_section(main, tables, _STYLES)), ends, properties, unseen)

    def paragraphs(self) -> Iterator[Paragraph]:
        parts: list[str] = []
        for piece in self.pieces:
            begin = 0
            text = self._seen(piece)
            for at, character in enumerate(piece.text):
                if character in _ENDS:
                    parts.append(text[begin:at])
                    yield self._paragraph("".join(parts), piece.offset + at * piece.width, character)
                    parts, begin = [], at + 1
            parts.append(text[begin:])
        if any(parts):
            yield self._paragraph("".join(parts), -1, "\r")

    def _seen(self, piece: _Piece) -> str:
        """The piece's text with blanks where nothing is seen."""
        end = piece.offset + len(piece.text) * piece.width
        text = piece.text
        for start, stop in self.unseen:
            if start < end and stop > piece.offset:
                first = max(0, (start - piece.offset) // piece.width)
                last = min(len(text), (stop - piece.offset) // piece.width)
                text = text[:first] + "\x01" * (last - first) + text[last:]
        return text

    def _paragraph(self, text: str, offset: int, end: str) -> Paragraph:
        at = bisect_right(self.paragraph_ends, offset)
        given = self.paragraph_properties[at] if offset >= 0 and at < len(self.paragraph_ends) else Properties()
        style = self.styles.get(given.style, Style())
        level = style.level if given.level is None else given.level
        return Paragraph(
            text.replace("\x01", ""),
            style,
            level if level is not None and level < 9 else None,
            style.listed if given.listed is None else given.listed,
            given.depth,
            given.in_table,
            end == "\x07",
            given.ends_row,
        )


def _section(main: bytes, tables: bytes, where: int) -> bytes:
    offset, length = struct.unpack_from("<II", main, where)
    return tables[offset : offset + length]


def _pieces(main: bytes, data: bytes, budget: Budget) -> Iterator[_Piece]:
    """The text in order (`Clx`); all of it, notes and text boxes after the main text, but for headers and comments."""
    position = 0
    while position < len(data) and data[position] == 1:
        position += 3 + int(struct.unpack_from("<H", data, position + 1)[0])
    if position >= len(data) or data[position] != 2:
        raise ParseError("the Word document is damaged: its table of pieces is missing")
    (length,) = struct.unpack_from("<I", data, position + 1)
    table = data[position + 5 : position + 5 + length]
    count = (len(table) - 4) // 12
    borders = struct.unpack_from(f"<{count + 1}I", table)
    wanted = _wanted(main)
    for index in range(count):
        start, end = borders[index], borders[index + 1]
        (packed,) = struct.unpack_from("<I", table, 4 * (count + 1) + 8 * index + 2)
        width = 1 if packed & _COMPRESSED else 2
        offset = (packed & ~_COMPRESSED & 0x7FFFFFFF) // (3 - width)
        for low, high in wanted:
            first, last = max(start, low), min(end, high)
            if first < last:
                budget.take_characters(last - first)
                begin = offset + (first - start) * width
                raw = main[begin : begin + (last - first) * width]
                text = raw.decode("cp1252" if width == 1 else "utf-16-le", "replace")
                if width == 2 and len(text) * 2 != len(raw):
                    text = "".join(map(chr, struct.unpack(f"<{len(raw) // 2}H", raw[: len(raw) // 2 * 2])))
                yield _Piece(text, begin, width)


def _wanted(main: bytes) -> list[tuple[int, int]]:
    """Ranges of characters: main text, footnotes, endnotes and text boxes, not headers, macros and comments."""
    text, notes, headers, macros, comments, endnotes, boxes = struct.unpack_from("<7i", main, _COUNTS)
    ranges = []
    start = 0
    for length, keep in ((text, 1), (notes, 1), (headers, 0), (macros, 0), (comments, 0), (endnotes, 1), (boxes, 1)):
        if keep and length > 0:
            ranges.append((start, start + length))
        start += max(0, length)
    return ranges


def _modifiers(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Property changes (`Prl`): what is changed, and its operand."""
    position = 0
    while position + 2 <= len(data):
        (kind,) = struct.unpack_from("<H", data, position)
        position += 2
        length = _OPERAND[kind >> 13]
        if kind == _DEFINE_TABLE:
            length = int.from_bytes(data[position : position + 2], "little") + 1
        elif not length:
            length = 1 + data[position] if position < len(data) else 1
        yield kind, data[position : position + length]
        position += length


def _runs(main: bytes, data: bytes) -> Iterator[bytes]:
    """The pages that tell of runs (`FKP`), by their table (`PlcBte`)."""
    count = max(0, (len(data) - 4) // 8)
    for (number,) in struct.iter_unpack("<I", data[4 * (count + 1) : 4 * (count + 1) + 4 * count]):
        page = main[(number & 0x3FFFFF) * _PAGE : ((number & 0x3FFFFF) + 1) * _PAGE]
        if len(page) == _PAGE:
            yield page


def _paragraph_runs(main: bytes, data: bytes) -> tuple[list[int], list[Properties]]:
    runs: list[tuple[int, Properties]] = []
    for page in _runs(main, data):
        count = min(page[511], 29)
        ends = struct.unpack_from(f"<{count + 1}I", page)[1:]
        for index, end in enumerate(ends):
            at = page[4 * (count + 1) + 13 * index] * 2
            runs.append((end, _paragraph_properties(page, at) if at else Properties()))
    runs.sort(key=lambda run: run[0])
    return [end for end, _ in runs], [properties for _, properties in runs]


def _paragraph_properties(page: bytes, at: int) -> Properties:
    length = 2 * page[at] - 1
    start = at + 1
    if not page[at]:
        length = 2 * page[at + 1]
        start = at + 2
    data = page[start : min(start + length, _PAGE)]
    if len(data) < 2:
        return Properties()
    return _changed(Properties(int.from_bytes(data[:2], "little")), data[2:])


def _changed(properties: Properties, modifiers: bytes) -> Properties:
    changes: dict[str, Any] = {}
    for kind, operand in _modifiers(modifiers):
        amount = int.from_bytes(operand[:2], "little")
        if kind == _IN_TABLE:
            changes["in_table"] = bool(amount)
        elif kind == _ROW_END:
            changes["ends_row"] = bool(amount)
        elif kind == _LEVEL:
            changes["level"] = amount
        elif kind == _LIST:
            changes["listed"] = amount not in _NO_LISTS
        elif kind == _LIST_DEPTH:
            changes["depth"] = min(amount, 8)
    return replace(properties, **changes) if changes else properties


def _unseen(main: bytes, data: bytes) -> Iterator[tuple[int, int]]:
    for page in _runs(main, data):
        count = min(page[511], 101)
        borders = struct.unpack_from(f"<{count + 1}I", page)
        for index in range(count):
            at = page[4 * (count + 1) + index] * 2
            if at and any(
                kind in (_DELETED, _HIDDEN) and operand[:1] == b"\1"
                for kind, operand in _modifiers(page[at + 1 : at + 1 + page[at]])
            ):
                yield borders[index], borders[index + 1]


def _styles(data: bytes) -> dict[int, Style]:
    """The style sheet (`STSH`) by position."""
    if len(data) < 6:
        return {}
    header, _, base = struct.unpack_from("<HHH", data)
    position = 2 + header
    found: dict[int, tuple[Style, int]] = {}
    index = 0
    while position + 2 <= len(data) and index < 4096:
        (length,) = struct.unpack_from("<H", data, position)
        entry = data[position + 2 : position + 2 + length]
        if len(entry) > base + 2:
            found[index] = _style(entry, base)
        position += 2 + length + length % 2
        index += 1
    return {index: _inherited(found, index) for index in found}


def _style(entry: bytes, base: int) -> tuple[Style, int]:
    """One style, and the position of the one that it is based on."""
    number, kinds = struct.unpack_from("<HH", entry)
    number &= 0x0FFF
    length = int.from_bytes(entry[base : base + 2], "little")
    name = entry[base + 2 : base + 2 + 2 * length].decode("utf-16-le", "replace")
    properties = Properties()
    if kinds & 0xF == 1:
        at = base + 2 + 2 * (length + 1)
        at += at % 2
        size = int.from_bytes(entry[at : at + 2], "little")
        properties = _changed(properties, entry[at + 4 : at + 2 + size])
    level = number - 1 if 1 <= number <= 9 else properties.level
    return Style(number, name, level, bool(properties.listed)), kinds >> 4


def _inherited(found: dict[int, tuple[Style, int]], index: int) -> Style:
    style, base = found[index]
    for _ in range(20):
        if base == index or base not in found:
            break
        parent, base = found[base]
        level = parent.level if style.level is None else style.level
        style = replace(style, level=level, listed=style.listed or parent.listed, name=style.name or parent.name)
    return style
