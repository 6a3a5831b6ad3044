"""Reading order: segments -> regions, each read from top to bottom.

A PDF's stream order is mostly the reading order, and knows more than geometry does (cells, captions, formulas). So it
is kept, except where the page shows columns of prose or where the stream jumps about.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from outcrop.engines.parsing.pdf.mending import is_cjk
from outcrop.engines.parsing.pdf.segments import Segment

_BIN = 2.0
_GUTTER = 6.0
"""Columns stand at least so many points apart."""
_LONG_LINES = 4
"""So many lines of prose make a column."""
_PROSE_SHARE = 0.5
"""Part of a column's characters that is in lines of prose."""
_TABLE_ROWS = 9
"""Up to so many lines, two texts side by side that the stream gives row by row are a table."""


@dataclass(frozen=True, slots=True)
class _Gutter:
    left: float
    right: float

    def crossed_by(self, segment: Segment) -> bool:
        return segment.x0 < self.left + 1 and segment.x1 > self.right - 1


def regions(segments: list[Segment]) -> list[list[Segment]]:
    """The segments again, those of one column or of the full width together, in reading order."""
    gutter = _find_gutter(segments)
    if gutter is None:
        return [_in_order(segments)] if segments else []
    out: list[list[Segment]] = []
    for full_width, group in _bands(segments, gutter):
        left = [segment for segment in group if segment.x1 <= gutter.right]
        right = [segment for segment in group if segment.x1 > gutter.right]
        if full_width or not (_is_prose(left) and _is_prose(right)) or _is_small_table(group, gutter):
            out.append(_in_order(group))
        else:
            out += regions(left) + regions(right)
    return out


def _find_gutter(segments: list[Segment]) -> _Gutter | None:
    """The vertical strip with most prose on both sides and little text across."""
    long = [segment for segment in segments if _is_long(segment)]
    if len(long) < 2 * _LONG_LINES:
        return None
    low = min(segment.x0 for segment in segments)
    width = max(segment.x1 for segment in segments) - low
    bins = int(width / _BIN) + 1
    if not 30 <= bins <= 20_000:
        return None
    changes = [0] * (bins + 2)
    for segment in segments:
        changes[max(0, int((segment.x0 - low) / _BIN))] += 1
        changes[min(bins, int((segment.x1 - low) / _BIN)) + 1] -= 1
    across = []
    count = 0
    for change in changes[:bins]:
        count += change
        across.append(count)
    best: tuple[float, _Gutter] | None = None
    for start, end in _valleys(across, len(segments)):
        gutter = _Gutter(low + start * _BIN, low + end * _BIN)
        lefts = sum(1 for segment in long if segment.x1 <= gutter.right)
        rights = sum(1 for segment in long if segment.x0 >= gutter.left)
        score = min(lefts, rights) - 0.2 * (len(long) - lefts - rights) - 0.01 * (end - start)
        if min(lefts, rights) >= _LONG_LINES and (best is None or score > best[0]):
            best = (score, gutter)
    return best[1] if best else None


def _valleys(across: list[int], total: int) -> list[tuple[int, int]]:
    """Strips, wide enough for a gutter, that few segments cross; some lines may hang over into them."""
    found: set[tuple[int, int]] = set()
    for ceiling in sorted({0, 1, 2, total // 20, total // 10, total // 5, total * 2 // 5}):
        start = None
        for position, count in enumerate(across):
            if count <= ceiling:
                start = position if start is None else start
            elif start is not None:
                if start > 0 and (position - start) * _BIN >= _GUTTER:
                    found.add((start, position))
                start = None
    return sorted(found)


def _bands(segments: list[Segment], gutter: _Gutter) -> list[tuple[bool, list[Segment]]]:
    """The page from top to bottom, cut wherever text crosses the gutter; each with whether it does."""
    ordered = sorted(segments, key=lambda segment: -segment.y1)
    edges: list[tuple[float, float]] = []
    for segment in ordered:
        if gutter.crossed_by(segment):
            if edges and segment.y1 >= edges[-1][0] - 0.9 * segment.size:
                edges[-1] = (min(edges[-1][0], segment.y0), edges[-1][1])
            else:
                edges.append((segment.y0, segment.y1))
    bands: list[tuple[bool, list[Segment]]] = [(index % 2 == 1, []) for index in range(2 * len(edges) + 1)]
    for segment in segments:
        middle = (segment.y0 + segment.y1) / 2
        index = 0
        for bottom, top in edges:
            if middle > top:
                break
            index += 1
            if middle >= bottom:
                break
            index += 1
        bands[index][1].append(segment)
    return [(full_width, group) for full_width, group in bands if group]


def _is_long(segment: Segment) -> bool:
    text = segment.text
    return len(text) >= 24 or (len(text) >= 11 and is_cjk(text[len(text) // 2]))


def _is_prose(segments: list[Segment]) -> bool:
    long = [len(segment.text) for segment in segments if _is_long(segment)]
    return len(long) >= _LONG_LINES and sum(long) >= _PROSE_SHARE * sum(len(segment.text) for segment in segments)


def _is_small_table(group: list[Segment], gutter: _Gutter) -> bool:
    rows = 0
    for before, after in itertools.pairwise(group):
        across = before.x1 <= gutter.right <= after.x1 and before.x0 < after.x0
        if across and abs(before.base - after.base) < 0.4 * max(before.size, after.size):
            rows += 1
    return 2 <= rows <= _TABLE_ROWS and rows >= 0.3 * len(group)


def _in_order(segments: list[Segment]) -> list[Segment]:
    """Stream order, unless the stream often goes up within a column; then from top to bottom."""
    jumps = 0
    for before, after in itertools.pairwise(segments):
        overlap = min(before.x1, after.x1) - max(before.x0, after.x0)
        higher = after.base - before.base > 1.5 * max(before.size, after.size)
        if higher and overlap > 0.5 * min(before.x1 - before.x0, after.x1 - after.x0):
            jumps += 1
    if jumps <= max(1, 0.15 * len(segments)):
        return segments
    lines: list[list[Segment]] = []
    for segment in sorted(segments, key=lambda segment: -segment.base):
        if lines and abs(lines[-1][0].base - segment.base) <= 0.4 * segment.size:
            lines[-1].append(segment)
        else:
            lines.append([segment])
    return [segment for line in lines for segment in sorted(line, key=lambda segment: segment.x0)]
