"""Word's binary documents (.doc, of Word 97 to 2003), by Microsoft's open specification [MS-DOC].

word_file.py reads the file's tables; here its characters become paragraphs, and those become blocks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import Page, ParsedDocument, ParseError
from outcrop.engines.parsing.formats.outline import Outline, is_code_style, is_contents_style
from outcrop.engines.parsing.formats.word_file import Paragraph, WordFile

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OTHERS = (
    (b"{\\rtf", "the file is rich text (RTF) under the name of a Word document; save it as .docx"),
    (b"PK\x03\x04", "the file is a newer Word document; give it the name .docx"),
    (b"<", "the file is HTML or XML under the name of a Word document; give it the name .html"),
)
_FIELD, _RESULT, _FIELD_END = "\x13", "\x14", "\x15"
_PLAIN = str.maketrans(
    {"\x1e": "-", "\x0b": "\n", "\xa0": " ", "\x1f": None, **dict.fromkeys("\x01\x02\x03\x04\x05\x06\x08")}
)
_TITLE = 62


def read(path: Path, budget: Budget) -> ParsedDocument:
    import olefile

    with path.open("rb") as file:
        start = file.read(8)
    if start != _OLE:
        reason = next((reason for sign, reason in _OTHERS if start.startswith(sign)), None)
        raise ParseError(reason or "the file is not a Word document, or is damaged")
    try:
        with olefile.OleFileIO(path) as ole:
            word = WordFile.read(ole, budget)
            title = _title(ole)
        outline = Outline(budget)
        _Body(outline).add(word)
    except (OSError, struct.error, IndexError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParseError(f"the Word document is damaged: {error}") from None
    if not outline.blocks:
        raise ParseError("the document has no text")
    title = title or outline.title or next((block.text for block in outline.blocks if block.kind == "heading"), "")
    return ParsedDocument((Page(None, tuple(outline.blocks)),), title)


def _title(ole: object) -> str:
    try:
        title = ole.get_metadata().title or b""  # type: ignore[attr-defined]
    except Exception:  # olefile's reader of properties raises anything
        return ""
    text = title.decode("cp1252", "replace") if isinstance(title, bytes) else str(title)
    return " ".join(text.replace("\0", "").split())[:300]


@dataclass(slots=True)
class _Body:
    outline: Outline
    _cells: list[str] = field(default_factory=list)
    _cell: list[str] = field(default_factory=list)
    _rows: list[list[str]] = field(default_factory=list)

    def add(self, word: WordFile) -> None:
        fields = _Fields()
        for paragraph in word.paragraphs():
            text = fields.shown(paragraph.text).translate(_PLAIN)
            if paragraph.in_table:
                self._table_text(paragraph, text)
            else:
                self._close_table()
                self._paragraph(paragraph, text)
        self._close_table()

    def _table_text(self, paragraph: Paragraph, text: str) -> None:
        if paragraph.ends_row:
            self._rows.append([*self._cells, *([" ".join(self._cell)] if self._cell else [])])
            self._cells, self._cell = [], []
            return
        if text.strip():
            self._cell.append(" ".join(text.split()))
        if paragraph.ends_cell:
            self._cells.append(" ".join(self._cell))
            self._cell = []

    def _close_table(self) -> None:
        if self._cells or self._cell:
            self._rows.append([*self._cells, " ".join(self._cell)])
            self._cells, self._cell = [], []
        if self._rows:
            self.outline.table(self._rows)
            self._rows = []

    def _paragraph(self, paragraph: Paragraph, text: str) -> None:
        style = paragraph.style
        if style.number == _TITLE:
            self.outline.document_title(text)
        elif paragraph.level is not None and len(text) <= 300:
            self.outline.heading(text, paragraph.level + 1)
        elif is_contents_style(style.name):
            self.outline.contents_entry(text)
        elif is_code_style(style.name):
            for line in text.split("\n"):
                self.outline.code(line)
        elif paragraph.listed:
            self.outline.item("-", text, paragraph.depth)
        else:
            self.outline.text(text)


class _Fields:
    """Fields show their result, not their code; they nest, and go on from paragraph to paragraph."""

    def __init__(self) -> None:
        self._codes = 0
        self._open: list[bool] = []

    def shown(self, text: str) -> str:
        if not self._open and _FIELD not in text and _FIELD_END not in text:
            return text
        out = []
        for character in text:
            if character == _FIELD:
                self._open.append(True)
                self._codes += 1
            elif character == _RESULT and self._open:
                self._codes -= self._open[-1]
                self._open[-1] = False
            elif character == _FIELD_END and self._open:
                self._codes -= self._open.pop()
            elif not self._codes:
                out.append(character)
        return "".join(out)
