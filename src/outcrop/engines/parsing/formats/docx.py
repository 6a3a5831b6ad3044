"""Word documents (.docx): headings by their styles, lists with their numbers, tables, notes after their paragraphs.

The text is taken as a reader sees it with all changes accepted: nothing deleted, nothing hidden, fields by their
results. Headers, footers and comments are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import Page, ParsedDocument, ParseError
from outcrop.engines.parsing.formats.numbering import Numbering
from outcrop.engines.parsing.formats.outline import Outline, is_code_style, is_contents_style
from outcrop.engines.parsing.formats.package import Package, child, local, number, value

_KIND = "Word document"
_MAIN = "word/document.xml"
_SKIPPED = frozenset(
    """
    del moveFrom Fallback pPrChange rPrChange tblPrChange trPrChange tcPrChange sectPrChange
    """.split()  # noqa: SIM905  (a list of words reads better as words)
)
_OFF = frozenset({"0", "false", "off", "none"})
_MONO = re.compile(r"courier|mono|consolas|menlo|inconsolata", re.I)
_HEADING = re.compile(r"heading ([1-9])", re.I)
_COLUMNS = 500


def read(path: Path, budget: Budget) -> ParsedDocument:
    outline = Outline(budget)
    with Package(path, _KIND) as package:
        main = _main_part(package)
        folder = main.rpartition("/")[0]
        styles = _Styles(package.tree(f"{folder}/styles.xml"))
        numbering = Numbering(package.tree(f"{folder}/numbering.xml"))
        notes = {kind: _notes(package, f"{folder}/{kind}notes.xml") for kind in ("foot", "end")}
        package.walk(main, _Body(outline, styles, numbering, notes, budget))
        title = _core_title(package) or outline.title
    if not outline.blocks:
        raise ParseError("the document has no text")
    title = title or next((block.text for block in outline.blocks if block.kind == "heading"), "")
    return ParsedDocument((Page(None, tuple(outline.blocks)),), title)


def _main_part(package: Package) -> str:
    """Where the text is; nearly always in the same place."""
    if package.has(_MAIN):
        return _MAIN
    relations = package.tree("_rels/.rels")
    for relation in relations if relations is not None else ():
        if (value(relation, "Type") or "").endswith("/officeDocument"):
            return (value(relation, "Target") or _MAIN).lstrip("/")
    return _MAIN


def _core_title(package: Package) -> str:
    core = package.tree("docProps/core.xml")
    title = child(core, "title") if core is not None else None
    text = " ".join((title.text or "").split()) if title is not None else ""
    return text if len(text) <= 300 else ""


def _notes(package: Package, part: str) -> dict[str, str]:
    root = package.tree(part)
    notes = {}
    for note in root if root is not None else ():
        texts = [each.text or "" for each in note.iter() if local(each) == "t"]
        if text := "".join(texts).strip():
            notes[value(note, "id") or ""] = text
    return notes


@dataclass(slots=True)
class _Style:
    name: str = ""
    base: str = ""
    level: int | None = None
    list_id: str | None = None
    depth: int | None = None


class _Styles:
    """What a paragraph style says of its paragraphs, by way of those that it is based on."""

    def __init__(self, root: Element | None) -> None:
        self._styles: dict[str, _Style] = {}
        for element in root if root is not None else ():
            if local(element) != "style":
                continue
            style = _Style(value(child(element, "name")) or "", value(child(element, "basedOn")) or "")
            style.level = number(value(child(element, "pPr", "outlineLvl")))
            style.list_id = value(child(element, "pPr", "numPr", "numId"))
            style.depth = number(value(child(element, "pPr", "numPr", "ilvl")))
            if named := _HEADING.fullmatch(style.name):
                style.level = int(named[1]) - 1
            self._styles[value(element, "styleId") or ""] = style

    def get(self, style_id: str) -> _Style:
        found = _Style()
        for _ in range(20):
            style = self._styles.get(style_id)
            if style is None:
                break
            found.name = found.name or style.name
            found.level = style.level if found.level is None else found.level
            found.list_id = style.list_id if found.list_id is None else found.list_id
            found.depth = style.depth if found.depth is None else found.depth
            style_id = style.base
        return found


@dataclass(slots=True)
class _Paragraph:
    parts: list[str] = field(default_factory=list)
    style_id: str = ""
    level: int | None = None
    list_id: str | None = None
    depth: int | None = None
    notes: list[str] = field(default_factory=list)
    mono: bool = True
    """All of its runs so far are in a typewriter's font."""


@dataclass(slots=True)
class _Cell:
    column: int
    texts: list[str] = field(default_factory=list)
    span: int = 1
    goes_on: bool = False
    """It continues the cell above it."""


@dataclass(slots=True)
class _Table:
    rows: list[list[str]] = field(default_factory=list)
    row: list[_Cell] = field(default_factory=list)
    above: dict[int, str] = field(default_factory=dict)
    """Text of the row before, by column."""


class _Body:
    """Hears the elements of the text. Paragraphs may lie in paragraphs (text boxes), tables in cells."""

    def __init__(
        self, outline: Outline, styles: _Styles, numbering: Numbering, notes: dict[str, dict[str, str]], budget: Budget
    ) -> None:
        self._outline = outline
        self._styles = styles
        self._numbering = numbering
        self._notes = notes
        self._budget = budget
        self._paragraphs: list[_Paragraph] = []
        self._tables: list[_Table] = []
        self._skipped = 0
        self._in_run = False
        self._in_text = False
        self._hidden = False
        self._run_mono = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._skipped or name in _SKIPPED:
            self._skipped += 1
            return
        opening = getattr(self, f"_open_{name}", None)
        if opening is not None:
            opening(attributes)
        elif self._paragraphs:
            self._in_paragraph(name, attributes)

    def end(self, name: str) -> None:
        if self._skipped:
            self._skipped -= 1
        elif name == "t":
            self._in_text = False
        elif name == "r":
            self._in_run = False
        elif name == "p" and self._paragraphs:
            self._close_paragraph(self._paragraphs.pop())
        elif name == "tc" and self._tables and self._tables[-1].row:
            self._close_cell(self._tables[-1])
        elif name == "tr" and self._tables:
            self._close_row(self._tables[-1])
        elif name == "tbl" and self._tables:
            self._close_table(self._tables.pop())

    def data(self, text: str) -> None:
        if self._in_text and not self._skipped and not self._hidden and self._paragraphs:
            self._write(text)

    def _write(self, text: str) -> None:
        paragraph = self._paragraphs[-1]
        paragraph.parts.append(text)
        if text.strip() and not self._run_mono:
            paragraph.mono = False

    def _open_p(self, attributes: dict[str, str]) -> None:
        if len(self._paragraphs) > 100:
            raise ParseError("the document is nested too deeply")
        self._paragraphs.append(_Paragraph())

    def _open_r(self, attributes: dict[str, str]) -> None:
        self._in_run, self._hidden, self._run_mono = True, False, False

    def _open_t(self, attributes: dict[str, str]) -> None:
        self._in_text = True

    def _open_tbl(self, attributes: dict[str, str]) -> None:
        if len(self._tables) > 100:
            raise ParseError("the document is nested too deeply")
        self._tables.append(_Table())

    def _open_tc(self, attributes: dict[str, str]) -> None:
        if self._tables:
            row = self._tables[-1].row
            row.append(_Cell(row[-1].column + row[-1].span if row else 0))

    def _open_gridSpan(self, attributes: dict[str, str]) -> None:
        if self._tables and self._tables[-1].row:
            self._tables[-1].row[-1].span = min(_COLUMNS, max(1, number(attributes.get("val"), 1) or 1))

    def _open_vMerge(self, attributes: dict[str, str]) -> None:
        if self._tables and self._tables[-1].row:
            self._tables[-1].row[-1].goes_on = attributes.get("val", "continue") == "continue"

    def _in_paragraph(self, name: str, attributes: dict[str, str]) -> None:
        paragraph = self._paragraphs[-1]
        given = attributes.get("val")
        if self._in_run:
            self._in_a_run(name, attributes)
        elif name == "pStyle":
            paragraph.style_id = given or ""
        elif name == "numId":
            paragraph.list_id = given
        elif name == "ilvl":
            paragraph.depth = number(given)
        elif name == "outlineLvl":
            paragraph.level = number(given)

    def _in_a_run(self, name: str, attributes: dict[str, str]) -> None:
        paragraph = self._paragraphs[-1]
        if name in ("tab", "ptab"):
            paragraph.parts.append("\t")
        elif name in ("br", "cr"):
            paragraph.parts.append("\n")
        elif name == "noBreakHyphen":
            paragraph.parts.append("-")
        elif name == "vanish":
            self._hidden = attributes.get("val") not in _OFF
        elif name == "rFonts":
            self._run_mono = bool(_MONO.search(attributes.get("ascii", "")))
        elif name == "docPr" and (described := attributes.get("descr", "").strip()):
            self._write(f" {described} ")
        elif name in ("footnoteReference", "endnoteReference"):
            note = self._notes[name.removesuffix("noteReference")].get(attributes.get("id", ""))
            if note:
                paragraph.notes.append(note)

    def _close_paragraph(self, paragraph: _Paragraph) -> None:
        text = "".join(paragraph.parts)
        if self._tables and self._tables[-1].row:
            cell = self._tables[-1].row[-1]
            cell.texts += [part for part in (text.strip(), *paragraph.notes) if part]
            return
        style = self._styles.get(paragraph.style_id)
        list_id = style.list_id if paragraph.list_id is None else paragraph.list_id
        depth = next((each for each in (paragraph.depth, style.depth) if each is not None), 0)
        listed = list_id not in (None, "0") and text.strip()
        label = self._numbering.label(list_id or "", depth) if listed else ""
        level = style.level if paragraph.level is None else paragraph.level
        if style.name.lower() == "title":
            self._outline.document_title(text)
        elif level is not None and 0 <= level < 9 and len(text) <= 300:
            self._outline.heading(f"{label} {text}" if label not in ("", "-") else text, level + 1)
        elif is_contents_style(style.name):
            self._outline.contents_entry(text)
        elif is_code_style(style.name) or (paragraph.mono and text.strip()):
            self._outline.code(text)
        elif label or listed:
            self._outline.item(label or "-", text, depth)
        else:
            self._outline.text(text)
        for note in paragraph.notes:
            self._outline.text(note)

    def _close_cell(self, table: _Table) -> None:
        cell = table.row[-1]
        if cell.goes_on and not cell.texts:
            cell.texts = [table.above.get(cell.column, "")]

    def _close_row(self, table: _Table) -> None:
        row = [" ".join(" ".join(cell.texts).split()) for cell in table.row]
        self._budget.take_characters(sum(len(text) + 3 for text in row))
        table.above = {cell.column: text for cell, text in zip(table.row, row, strict=True)}
        columns = [text for cell, text in zip(table.row, row, strict=True) for text in (text, *[""] * (cell.span - 1))]
        table.row = []
        table.rows.append(columns[:_COLUMNS])

    def _close_table(self, table: _Table) -> None:
        if self._tables and self._tables[-1].row:
            inner = "; ".join(", ".join(filter(None, row)) for row in table.rows)
            self._tables[-1].row[-1].texts.append(inner)
        else:
            self._outline.table(table.rows)
