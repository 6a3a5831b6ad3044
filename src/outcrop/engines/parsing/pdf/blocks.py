"""Rows -> headings, paragraphs, lists, tables and code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from outcrop.engines.parsing.document import Block, BlockKind
from outcrop.engines.parsing.pdf.mending import is_cjk, join
from outcrop.engines.parsing.pdf.rows import BULLET, WIDE_GAP, Row
from outcrop.engines.parsing.pdf.segments import Box, PageText, Segment

_LEADER = re.compile(r"\s*(?:\.\s?|·\s?|…\s?|_){4,}\s*")
_ENTRY = re.compile(r"….{0,8}$|(?:\s\.){2,}\s*[0-9]{1,4}$")
_DATE = re.compile(r"(?:\w{3,9}\.? [0-9]{1,2}(?:st|nd|rd|th)?|[0-9]{1,2}\.? \w{3,9})\.?,? (?:19|20)[0-9]{2}")
_MARKDOWN_HEADING = re.compile(r"(#{1,6}) +(\S.*?)(?: *#+)?$")
_PIPE = re.compile(r"\|[^|]")
_WRITTEN = re.compile(r"[^\W_]")
_RULE = re.compile(r"(?:[-_=*] ?){6,}$")
_SECTION_NUMBER = re.compile(r"(?:chapter |appendix |section |part )?([0-9A-Z]{1,3}(?:\.[0-9]{1,3})*)[.:)]?\s", re.I)
_NUMBERED = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,2}){1,3}\.? +[^\W\d_][^\W\d_]+")
_TERMINAL = re.compile(r"[.!?:;。！？：；…]['\"”’»)\]」』）]*$")
_ENDED = re.compile(r"[.!?。！？…]['\"”’»)\]」』）]*$")
_LETTERS = re.compile(r"[^\W\d_]")
_HEADING_CHARACTERS = 300
_HEADING_LINE = 180


@dataclass(frozen=True, slots=True)
class Style:
    """What is usual in a document."""

    body_size: float
    body_bold: bool
    body_mono: bool

    @classmethod
    def of(cls, pages: Iterable[PageText]) -> Style:
        sizes: Counter[float] = Counter()
        bold = mono = total = 0
        for page in pages:
            for segment in page.segments:
                length = len(segment.text)
                sizes[round(segment.size, 1)] += length
                total += length
                bold += length * segment.bold
                mono += length * segment.mono
        body_size = sizes.most_common(1)[0][0] if sizes else 10.0
        return cls(body_size, bold > 0.5 * total, mono > 0.6 * total)


@dataclass(slots=True)
class Draft:
    """A block in the making."""

    kind: BlockKind
    text: str
    box: Box
    rank: tuple[float, int, int] = (0.0, 0, 0)
    """Of a heading: smaller is higher."""
    rows: list[Row] = field(default_factory=list)

    def add(self, text: str, row: Row) -> None:
        self.text = text
        self.box = union(self.box, row.box())
        self.rows.append(row)


def union(a: Box, b: Box) -> Box:
    return (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))


class Composer:
    """Takes the rows of one page's regions in order and makes blocks of them."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self.drafts: list[Draft] = []
        self._open: Draft | None = None
        self._right = 0.0

    def region(self, rows: list[Row]) -> None:
        before = self._open
        self._open = None
        self._right = max((row.box()[2] for row in rows), default=0.0)
        index = 0
        while index < len(rows):
            end = self._table_end(rows, index)
            if end > index:
                self._table(rows[index:end])
                index = end
                continue
            self._row(rows[index], rows[index + 1] if index + 1 < len(rows) else None)
            if index == 0 and before is not None:
                self._bridge(before)
            index += 1

    def aside(self, segments: list[Segment]) -> None:
        """Text in another direction, line by line at the end."""
        lines = [segment for segment in segments if len(segment.text) > 2]
        for segment in lines:
            self._line("list", Row([[segment]]), segment.text)

    def _bridge(self, before: Draft) -> None:
        """A paragraph goes on at the top of the next column."""
        after = self._open
        if after is None or before.kind != "text" or after.kind != "text" or self.drafts[-2:] != [before, after]:
            return
        if not _TERMINAL.search(before.text) and (after.text[0].islower() or is_cjk(after.text[0])):
            self.drafts.pop()
            before.text = join(before.text, after.text)
            before.box = union(before.box, after.box)
            before.rows += after.rows
            self._open = before

    def _start(self, kind: BlockKind, text: str, row: Row) -> Draft:
        draft = Draft(kind, text, row.box(), rows=[row])
        self.drafts.append(draft)
        self._open = draft
        return draft

    def _row(self, row: Row, following: Row | None) -> None:
        text = _LEADER.sub(" … ", row.text()).strip()
        if not text or _RULE.match(text):
            self._open = None
        elif not _WRITTEN.search(text) and not row.mono:
            return  # brackets, roots and ornaments on a line of their own
        elif row.mono and not self._style.body_mono and not self._in_paragraph(row, text):
            self._code(row)
        elif match := _MARKDOWN_HEADING.match(text):
            self._start("heading", match[2], row).rank = (self._style.body_size + 1, len(match[1]), 0)
            self._open = None
        elif _PIPE.match(text) or (self._table_is_open() and text.endswith("|")):
            self._pipe_row(row, text)
        elif _ENTRY.search(text):
            self._line("list", row, text)
        elif self._is_heading(row, text, following):
            self._heading(row, text)
        elif row.bulleted or BULLET.match(text.split(" ", 1)[0]):
            self._item(row, text)
        else:
            self._prose(row, text)

    def _in_paragraph(self, row: Row, text: str) -> bool:
        """A line of a paragraph may consist of code words alone."""
        opened = self._open
        if opened is None or opened.kind != "text" or " " in text or _TERMINAL.search(opened.text):
            return False
        return self._continues(opened, row) and abs(row.first.x0 - opened.rows[-1].first.x0) < 1

    # Code, line by line, indented as on the page.

    def _code(self, row: Row) -> None:
        opened = self._open
        gap = opened.rows[-1].lowest_base - row.first.base if opened else 0.0
        if opened is not None and opened.kind == "code" and 0 < gap < 3.2 * row.size:
            opened.add("", row)
        else:
            opened = self._start("code", "", row)
        left = min(each.first.x0 for each in opened.rows)
        opened.text = "\n".join(_code_line(each, left) for each in opened.rows)

    # Tables

    def _table_end(self, rows: list[Row], index: int) -> int:
        """Where the table that begins at `index` ends; `index` if none does."""
        end = index
        tabular = 0
        while end < len(rows):
            row = rows[end]
            if end > index and not (_follows(rows[end - 1], row, 3.0) and _same_table(rows[end - 1], row)):
                break
            if row.tabular and not (row.mono and not self._style.body_mono):
                if not (row.widest_gap() >= WIDE_GAP or self._aligned(rows, end)):
                    break
                tabular += 1
            elif not (end > index and end + 1 < len(rows) and self._is_inner_row(row, rows[end + 1])):
                break
            end += 1
        first = rows[index]
        if tabular >= 2 and not (first.bulleted and BULLET.match(first.first.text)):
            return end
        if tabular == 1 and len(first.cells) >= 3:
            return end
        return index

    def _aligned(self, rows: list[Row], index: int) -> bool:
        neighbours = rows[max(0, index - 1) : index] + rows[index + 1 : index + 2]
        return any(rows[index].aligned_with(other) for other in neighbours)

    def _is_inner_row(self, row: Row, following: Row) -> bool:
        """A line of one cell between rows of several, such as a caption of a group."""
        return (
            following.tabular
            and _follows(row, following, 3.0)
            and len(row.first.text) < 60
            and not _TERMINAL.search(row.first.text)
            and row.size < 1.15 * self._style.body_size
        )

    def _table(self, rows: list[Row]) -> None:
        draft = self._start("table", "", rows[0])
        for row in rows[1:]:
            draft.add("", row)
        draft.text = "\n".join(" | ".join(row.cell_texts()) for row in rows)
        self._open = None

    def _table_is_open(self) -> bool:
        return self._open is not None and self._open.kind == "table"

    def _pipe_row(self, row: Row, text: str) -> None:
        """A table that was typeset as Markdown source."""
        opened = self._open
        if opened is None or opened.kind != "table":
            self._start("table", text, row)
        elif text.startswith("|") and opened.text.endswith("|"):
            opened.add(f"{opened.text}\n{text}", row)
        else:
            opened.add(join(opened.text, text), row)

    # Headings

    def _is_heading(self, row: Row, text: str, following: Row | None) -> bool:
        style = self._style
        letters = len(_LETTERS.findall(text))
        scrap = letters < (2 if row.bold or is_cjk(text[0]) else 3)
        if len(text) > _HEADING_LINE or scrap or _DATE.fullmatch(text) or letters < 0.4 * len(text.replace(" ", "")):
            return False
        if row.tabular and not row.bulleted:
            return False
        if row.size >= 1.14 * style.body_size:
            return True
        if self._is_numbered_title(row, text):
            return True
        bold = row.bold and not style.body_bold and row.size >= 0.95 * style.body_size
        if not bold or text[-1] in ".,;" or text[0].islower() or len(text) > 100:
            return False
        if following is not None and following.bold and _follows(row, following, 1.6):
            # A whole paragraph in bold type.
            width = self._right - row.first.x0
            if row.last.x1 > self._right - 0.15 * width and abs(following.size - row.size) < 0.5:
                return False
        opened = self._open
        return opened is None or opened.kind != "text" or not self._continues(opened, row)

    def _is_numbered_title(self, row: Row, text: str) -> bool:
        """`3.2 Prompting`, though in the type of the text."""
        if not _NUMBERED.match(text) or len(text) > 70 or _TERMINAL.search(text) or self._is_full(row):
            return False
        opened = self._open
        return opened is None or opened.kind != "text" or not self._continues(opened, row)

    def _heading(self, row: Row, text: str) -> None:
        number = _SECTION_NUMBER.match(text)
        depth = number[1].count(".") + 1 if number and any(map(str.isdigit, number[1])) else 1
        rank = (-round(row.size * 2) / 2, 0 if row.bold else 1, depth)
        opened = self._open
        if opened is not None and opened.kind == "heading" and opened.rank[:2] == rank[:2] and not number:
            gap = opened.rows[-1].lowest_base - row.first.base
            if 0 < gap <= 1.7 * row.size and len(opened.text) + len(text) <= _HEADING_CHARACTERS:
                opened.add(join(opened.text, text), row)
                return
        self._start("heading", text, row).rank = rank

    # Lists and prose

    def _line(self, kind: BlockKind, row: Row, text: str) -> None:
        opened = self._open
        if opened is not None and opened.kind == kind:
            opened.add(f"{opened.text}\n{text}", row)
        else:
            self._start(kind, text, row)

    def _item(self, row: Row, text: str) -> None:
        opened = self._open
        inside = opened is not None and opened.kind == "text" and not _TERMINAL.search(opened.text)
        if opened is not None and inside and self._is_full(opened.rows[-1]) and self._continues(opened, row):
            # A dash, a bracket or an initial that happens to stand at the start of a line.
            opened.add(join(opened.text, text), row)
            return
        self._line("list", row, text)

    def _prose(self, row: Row, text: str) -> None:
        opened = self._open
        if opened is None or opened.kind not in ("text", "list", "table") or not self._continues(opened, row):
            self._start("text", text, row)
        elif opened.kind == "table":
            if opened.text.startswith("|") and not opened.text.endswith("|"):
                opened.add(join(opened.text, text), row)
            else:
                self._start("text", text, row)
        else:
            head, _, tail = opened.text.rpartition("\n")
            opened.add(f"{head}\n{join(tail, text)}" if head else join(tail, text), row)

    def _is_full(self, row: Row) -> bool:
        """Does the line reach the right margin?"""
        return row.last.x1 > self._right - 5 * row.size

    def _continues(self, opened: Draft, row: Row) -> bool:
        """Is this row the next line of the open paragraph or item?"""
        previous = opened.rows[-1]
        size = max(previous.size, row.size)
        if _beside(previous, row) and not _TERMINAL.search(opened.text):
            return True
        if abs(previous.size - row.size) > 0.2 * size:
            return False
        gap = previous.lowest_base - row.first.base
        leading = _leading(opened.rows)
        if not -0.3 * size <= gap <= min(2.1 * size, 1.4 * leading if leading else 2.1 * size):
            return False
        left, _, right, _ = opened.box
        if row.first.x0 >= right or row.last.x1 <= left:
            return False
        ended = bool(_ENDED.search(previous.text()))
        if opened.kind == "list":
            # An item goes on below its text, or at the margin below a full line.
            item = next((each for each in reversed(opened.rows) if _begins_item(each)), opened.rows[0])
            return row.first.x0 > item.first.x0 + 0.5 * size or self._is_full(previous)
        if (
            len(opened.rows) > 1
            and _hangs(opened.rows, size)
            and abs(row.first.x0 - opened.rows[0].first.x0) < 0.5 * size
        ):
            return False  # the next entry of a list with hanging indents
        if not ended:
            return True
        indented = row.first.x0 - previous.first.x0 > 0.8 * size and row.first.x0 - left > 0.8 * size
        short = previous.last.x1 < max(right, row.last.x1, min(self._right, right + 4 * size)) - 0.15 * (right - left)
        return not indented and not (short and len(opened.rows) > 1) and not (short and row.last.x1 > right + 2 * size)


def _hangs(rows: list[Row], size: float) -> bool:
    return rows[1].first.x0 - rows[0].first.x0 > 0.8 * size


def _beside(before: Row, after: Row) -> bool:
    """Parts of a formula: short, and at nearly the same height."""
    if min(len(before.last.text), len(after.first.text)) > 20:
        return False
    a, b = before.box(), after.box()
    return min(a[3], b[3]) - max(a[1], b[1]) > 0 and b[0] < a[2] + 3 * before.size


def _begins_item(row: Row) -> bool:
    return row.bulleted or bool(BULLET.match(row.first.text.split(" ", 1)[0]))


def _follows(before: Row, after: Row, ems: float) -> bool:
    return -0.5 * after.size <= before.lowest_base - after.first.base <= ems * max(before.size, after.size)


def _same_table(before: Row, after: Row) -> bool:
    """Rows of another number of cells, after some distance, are another table's."""
    distance = before.box()[1] - after.box()[3]
    return len(before.cells) == len(after.cells) or distance < 1.2 * after.size


def _leading(rows: list[Row]) -> float:
    """The usual distance between the lines so far, or 0 if there is only one."""
    gaps = sorted(a.lowest_base - b.first.base for a, b in pairwise(rows[-6:]))
    return gaps[len(gaps) // 2] if gaps else 0.0


def _code_line(row: Row, left: float) -> str:
    segment = row.first
    width = (segment.x1 - segment.x0) / max(len(segment.text), 1) or 5.0
    line = " " * min(40, max(0, round((segment.x0 - left) / width)))
    position = segment.x0
    for part in row.segments():
        spaces = min(40, max(2, round((part.x0 - position) / width))) if part is not segment else 0
        line += " " * spaces + part.text
        position = part.x1
    return line


def levels(drafts: Iterable[Draft]) -> dict[tuple[float, int, int], int]:
    """Ranks of headings -> levels, from 1; at most 6."""
    ranks = sorted({draft.rank for draft in drafts if draft.kind == "heading"})
    return {rank: min(position + 1, 6) for position, rank in enumerate(ranks)}


def finish(draft: Draft, text: str, level: int, box: Box) -> Block:
    left, bottom, right, top = (round(value, 1) for value in box)
    block = Block(draft.kind, text, (left, bottom, right, top))
    return replace(block, level=level) if draft.kind == "heading" else block
