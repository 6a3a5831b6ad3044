"""pdfium's characters as segments: runs of words that stand side by side on one baseline, in stream order.

Only the first and the last character of each word are measured: one call for the whole text and three a word are
several times faster than asking for every character.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pypdfium2.raw as pdfium

from outcrop.engines.parsing.pdf.mending import HYPHEN, clean

Box = tuple[float, float, float, float]

_WORD = re.compile("[^\\s\ufffe\ufffd\x00-\x1f\x7f]+")
_CELL_GAP = 0.95
"""A wider gap than this many ems starts a new segment."""
_FIXED_PITCH = 1
_MONO_NAME = re.compile(r"courier|mono|consol|menlo|cmtt|typewriter|inconsolata|fira ?code|sfmono|lucidacons", re.I)
_BOLD_NAME = re.compile(r"bold|black|heavy|cmbx|sfbx|cmssbx|[-,]bd\b|semibd|demi", re.I)


@dataclass(slots=True)
class Segment:
    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    base: float
    """Height of the baseline."""
    size: float
    """Font size in points, of most of its characters."""
    mono: bool = False
    bold: bool = False
    hidden: bool = False
    """Invisible by its render mode: often the text under a scan."""
    white: bool = False


@dataclass(slots=True)
class PageText:
    number: int
    width: float
    height: float
    segments: list[Segment]
    turn: int = 0
    """Quarter turns, counterclockwise, that the text's lines were drawn with; coordinates here are turned back."""
    rotation: int = 0
    """Quarter turns, clockwise, with which the page is shown."""
    aside: list[Segment] = field(default_factory=list)
    """Text that runs in another direction than most, such as the title of an axis."""


@dataclass(slots=True)
class _Word:
    text: str
    index: int
    last: int
    box: Box
    origin: tuple[float, float]
    opens_line: bool
    hyphen: bool
    turn: int | None


def _size(textpage: Any, index: int, height: float, matrix: Any) -> float:
    """The size at which this character is drawn; `height` is its box's, for fonts that tell nothing."""
    size = float(pdfium.FPDFText_GetFontSize(textpage, index))
    if pdfium.FPDFText_GetMatrix(textpage, index, matrix):
        size *= math.hypot(matrix.c, matrix.d) or 1.0
    if 0.5 <= size <= 2000:
        return size
    return height if 0.5 <= height <= 2000 else 10.0


def page_text(page: Any, textpage: Any, number: int, take: Callable[[int], None]) -> PageText:
    """The segments of one page. `take` is told the number of characters before they are fetched."""
    textpage = textpage.raw
    count = max(0, pdfium.FPDFText_CountChars(textpage))
    take(count)
    left, bottom, right, top = page.get_bbox()
    width, height = right - left, top - bottom
    words = _words(textpage, count, left, bottom)
    turns = Counter(word.turn for word in words if word.turn is not None)
    turn = turns.most_common(1)[0][0] if turns else 0
    content = PageText(number, width, height, [], turn, pdfium.FPDFPage_GetRotation(page))
    if turn % 2:
        content.width, content.height = height, width
    content.segments = _segments(textpage, _along(words, turn, width, height))
    for other in sorted(turns):
        if other != turn:
            segments = _segments(textpage, _along(words, other, width, height))
            sides = (height, width) if other % 2 else (width, height)
            for segment in segments:
                box = turned((segment.x0, segment.y0, segment.x1, segment.y1), other - turn, *sides)
                segment.x0, segment.y0, segment.x1, segment.y1 = box
                content.aside.append(segment)
    return content


def _along(words: list[_Word], turn: int, width: float, height: float) -> list[_Word]:
    """The words of one direction, turned back to lie level."""
    chosen = [word for word in words if word.turn == turn]
    if turn:
        for word in chosen:
            x, y = word.origin
            word.box = turned(word.box, -turn, width, height)
            word.origin = turned((x, y, x, y), -turn, width, height)[:2]
    return chosen


def turned(box: Box, turns: int, width: float, height: float) -> Box:
    """The box on the page after quarter turns counterclockwise; `width` and `height` are the page's before."""
    x0, y0, x1, y1 = box
    match turns % 4:
        case 1:
            return (height - y1, x0, height - y0, x1)
        case 2:
            return (width - x1, height - y1, width - x0, height - y0)
        case 3:
            return (y0, width - x1, y1, width - x0)
    return box


def _text(textpage: Any, count: int) -> str:
    """One Python character for each of pdfium's, so that positions agree."""
    buffer = (ctypes.c_ushort * (count + 1))()
    length = max(0, pdfium.FPDFText_GetText(textpage, 0, count, buffer) - 1)
    text = bytes(buffer)[: length * 2].decode("utf-16-le", errors="surrogatepass")
    return text if len(text) == length else "".join(map(chr, buffer[:length]))


def _words(textpage: Any, count: int, left: float, bottom: float) -> list[_Word]:
    if not count:
        return []
    text = _text(textpage, count)
    aligned = len(text) == count
    char_index = pdfium.FPDFText_GetCharIndexFromTextIndex
    loose_box = pdfium.FPDFText_GetLooseCharBox
    char_origin = pdfium.FPDFText_GetCharOrigin
    rect, origin_x, origin_y = pdfium.FS_RECTF(), ctypes.c_double(), ctypes.c_double()
    words: list[_Word] = []
    previous_end = 0
    turn: int | None = 0
    for match in _WORD.finditer(text):
        start, end = match.span()
        index, last = (start, end - 1) if aligned else (char_index(textpage, start), char_index(textpage, end - 1))
        if index < 0 or not loose_box(textpage, index, rect):
            continue
        x0, y0, x1, y1 = rect.left, rect.bottom, rect.right, rect.top
        if last > index and loose_box(textpage, last, rect):
            x0, x1 = min(x0, rect.left), max(x1, rect.right)
            y0, y1 = min(y0, rect.bottom), max(y1, rect.top)
        char_origin(textpage, index, origin_x, origin_y)
        between = text[previous_end:start]
        opens_line = previous_end == 0 or "\n" in between or "\ufffe" in between
        if opens_line:
            turn = _turn(pdfium.FPDFText_GetCharAngle(textpage, index))
        box = (x0 - left, y0 - bottom, x1 - left, y1 - bottom)
        if not all(map(math.isfinite, box)):
            continue
        hyphen = text[end : end + 1] == "\ufffe"
        origin = (origin_x.value - left, origin_y.value - bottom)
        words.append(_Word(match.group(), index, last, box, origin, opens_line, hyphen, turn))
        previous_end = end
    return words


def _turn(clockwise: float) -> int | None:
    quarters = -clockwise / (math.pi / 2)
    nearest = round(quarters)
    return nearest % 4 if abs(quarters - nearest) < 0.15 else None


def _segments(textpage: Any, words: list[_Word]) -> list[Segment]:
    segments: list[Segment] = []
    current: Segment | None = None
    parts: list[str] = []
    written: dict[float, int] = {}
    final = 0
    height, size = -1.0, 10.0
    matrix = pdfium.FS_MATRIX()

    def close() -> None:
        if current is None:
            return
        current.text = clean("".join(parts))
        if current.text:
            if current.mono or current.bold:
                mono, bold = _style(textpage, final)
                current.mono, current.bold = current.mono and mono, current.bold and bold
            segments.append(current)

    for word in words:
        x0, y0, x1, y1 = word.box
        base = word.origin[1]
        if word.opens_line or abs(y1 - y0 - height) > 0.01:
            height = y1 - y0
            size = _size(textpage, word.index, height, matrix)
        text = word.text + HYPHEN if word.hyphen else word.text
        if current is not None:
            em = max(current.size, size)
            gap = x0 - current.x1
            drop = abs(base - current.base)
            if word.opens_line:
                # pdfium also starts a line at a superscript.
                goes_on = not parts[-1].endswith(HYPHEN) and drop <= 0.45 * em and -0.3 * em <= gap <= 0.6 * em
            else:
                goes_on = drop <= 0.6 * em and -0.5 * em <= gap <= _CELL_GAP * em
            if goes_on:
                if not word.opens_line or gap > 0.15 * em:
                    parts.append(" ")
                parts.append(text)
                current.x0, current.x1 = min(current.x0, x0), max(current.x1, x1)
                current.y0, current.y1 = min(current.y0, y0), max(current.y1, y1)
                written[size] = written.get(size, 0) + len(word.text)
                if size != current.size and written[size] > written[current.size]:
                    current.size, current.base = size, base
                final = word.last
                continue
            close()
        mono, bold = _style(textpage, word.index)
        hidden, white = _visibility(textpage, word.index)
        current = Segment("", x0, y0, x1, y1, base, size, mono, bold, hidden, white)
        parts = [text]
        written = {size: len(word.text)}
        final = word.last
    close()
    return segments


def _style(textpage: Any, index: int) -> tuple[bool, bool]:
    """Is this character monospaced, and is it bold?"""
    flags = ctypes.c_int()
    name = ctypes.create_string_buffer(128)
    if pdfium.FPDFText_GetFontInfo(textpage, index, name, 128, flags) > 128:
        return bool(flags.value & _FIXED_PITCH), pdfium.FPDFText_GetFontWeight(textpage, index) >= 600
    font = name.value.decode("utf-8", errors="replace")
    mono = bool(flags.value & _FIXED_PITCH) or bool(_MONO_NAME.search(font))
    bold = bool(_BOLD_NAME.search(font)) or pdfium.FPDFText_GetFontWeight(textpage, index) >= 600
    return mono, bold


def _visibility(textpage: Any, index: int) -> tuple[bool, bool]:
    """Is this character invisible by its render mode or transparent, and is it white?"""
    item = pdfium.FPDFText_GetTextObject(textpage, index)
    hidden = bool(item) and pdfium.FPDFTextObj_GetTextRenderMode(item) == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE
    red, green, blue, alpha = ctypes.c_uint(), ctypes.c_uint(), ctypes.c_uint(), ctypes.c_uint()
    if not pdfium.FPDFText_GetFillColor(textpage, index, red, green, blue, alpha):
        return hidden, False
    return hidden or alpha.value < 8, min(red.value, green.value, blue.value) >= 245
