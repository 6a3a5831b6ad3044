"""Segments of a region -> rows of cells."""

from __future__ import annotations

import re
from dataclasses import dataclass

from outcrop.engines.parsing.pdf.mending import join
from outcrop.engines.parsing.pdf.segments import Box, Segment

BULLET = re.compile(r"(?:[•◦▪▫‣●○■□❒❑➢✓✔·⁃∙*–—-]|\(?[0-9]{1,3}[.)]|\(?[a-zA-Z][.)]|\[[0-9]{1,3}\])$")
_NUMBER = re.compile(r"(?:[A-Z]\.?)?[0-9]{1,3}(?:\.[0-9]{1,3})*\.?$")
WIDE_GAP = 2.0
"""Cells that stand so many ems apart are a table's; closer ones are if they are aligned."""
_CELL_LINES = 4
"""A first cell of more lines than this is taken for a column of its own."""


@dataclass(slots=True)
class Row:
    """One line, or a line of cells of which some are wrapped."""

    cells: list[list[Segment]]

    @property
    def first(self) -> Segment:
        return self.cells[0][0]

    @property
    def last(self) -> Segment:
        return self.cells[-1][-1]

    def segments(self) -> list[Segment]:
        return [segment for cell in self.cells for segment in cell]

    def box(self) -> Box:
        parts = self.segments()
        return (
            min(part.x0 for part in parts),
            min(part.y0 for part in parts),
            max(part.x1 for part in parts),
            max(part.y1 for part in parts),
        )

    @property
    def size(self) -> float:
        return max(self.segments(), key=lambda segment: len(segment.text)).size

    @property
    def lowest_base(self) -> float:
        return min(segment.base for segment in self.segments())

    @property
    def mono(self) -> bool:
        return all(segment.mono for segment in self.segments())

    @property
    def bold(self) -> bool:
        return all(segment.bold for segment in self.segments() if not BULLET.match(segment.text))

    @property
    def bulleted(self) -> bool:
        """Its first cell is nothing but a bullet or a number."""
        return len(self.cells) > 1 and bool(BULLET.match(self.first.text) or _NUMBER.match(self.first.text))

    @property
    def tabular(self) -> bool:
        """Has cells, beside a bullet or the number of a section."""
        if self.bulleted and (BULLET.match(self.first.text) or self.cells[1][0].text[0].isalpha()):
            return len(self.cells) > 2
        return len(self.cells) > 1

    def aligned_with(self, other: Row) -> bool:
        """Do two cells, other than the first, stand below each other by their left, their right or their middle?"""
        for cell in self.cells[1:]:
            left, right = cell[0].x0, cell[0].x1
            for below in other.cells[1:]:
                a, b = left - below[0].x0, right - below[0].x1
                if min(abs(a), abs(b), abs(a + b) / 2) <= 0.5 * self.size:
                    return True
        return False

    def widest_gap(self) -> float:
        """Between two cells, in ems."""
        gaps = (after[0].x0 - max(part.x1 for part in before) for before, after in self._pairs())
        return max(gaps, default=0.0) / max(self.size, 1.0)

    def _pairs(self) -> list[tuple[list[Segment], list[Segment]]]:
        return list(zip(self.cells, self.cells[1:], strict=False))

    def cell_texts(self) -> list[str]:
        texts = []
        for cell in self.cells:
            text = ""
            for segment in cell:
                text = join(text, segment.text)
            texts.append(text)
        return texts

    def text(self) -> str:
        """As a line of prose: cells are nothing but wide spaces."""
        texts = self.cell_texts()
        separator = " | " if len(texts) > 1 and self.widest_gap() >= WIDE_GAP and not self.bulleted else " "
        return separator.join(texts)


def rows(segments: list[Segment]) -> list[Row]:
    """Segments that follow each other in the stream on one baseline are cells of a row; so is what goes on below a
    cell or beside a wrapped one."""
    out: list[Row] = []
    for segment in segments:
        if out and (_joins(out[-1], segment) or _joins_wrapped(out, segment)):
            continue
        out.append(Row([[segment]]))
    return out


def _joins_wrapped(rows: list[Row], segment: Segment) -> bool:
    """Puts the segment beside the lines of a wrapped first cell, which looked like rows of their own so far."""
    first = len(rows)
    while first > 0 and len(rows) - first < _CELL_LINES and len(rows[first - 1].cells) == 1:
        if first < len(rows) and not _stacked(rows[first - 1], rows[first]):
            break
        first -= 1
    lines = rows[first:]
    if len(lines) < 2 or (first > 0 and len(rows[first - 1].cells) == 1 and _stacked(rows[first - 1], lines[0])):
        return False
    em = max(segment.size, lines[0].size)
    right = max(line.last.x1 for line in lines)
    level = abs(lines[0].first.base - segment.base) <= 0.45 * em
    if not level or segment.x0 < right + 0.5 * em:
        return False
    rows[first:] = [Row([[line.first for line in lines], [segment]])]
    return True


def _stacked(above: Row, below: Row) -> bool:
    drop = above.last.base - below.first.base
    return abs(above.first.x0 - below.first.x0) < 0.5 * below.size and 0 < drop <= 1.7 * below.size


def _joins(row: Row, segment: Segment) -> bool:
    """Puts the segment into the row if it belongs there."""
    last = row.last
    em = max(last.size, segment.size)
    cell_right = max(part.x1 for part in row.cells[-1])
    to_the_right = segment.x0 >= cell_right - 0.3 * em
    if to_the_right and abs(last.base - segment.base) <= 0.45 * em:
        row.cells.append([segment])
        return True
    below = 0 < last.base - segment.base <= 1.7 * em
    cell_left = row.cells[-1][0].x0
    if BULLET.match(segment.text) or _NUMBER.match(segment.text):
        return False
    if len(row.cells) > 1 and below and abs(segment.x0 - cell_left) <= 0.7 * em and segment.x0 > row.first.x1:
        row.cells[-1].append(segment)
        return True
    wrapped = len(row.cells[-1]) > 1
    beside = row.lowest_base - 0.45 * em <= segment.base <= row.first.base + 0.45 * em
    if wrapped and to_the_right and beside:
        row.cells.append([segment])
        return True
    return False
