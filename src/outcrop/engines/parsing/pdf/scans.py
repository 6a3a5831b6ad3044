"""Pages whose text is a picture: which ones they are, and what OCR read on them as segments."""

from __future__ import annotations

import itertools
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from outcrop.engines.parsing.pdf.segments import PageText, Segment
from outcrop.engines.parsing.recognised import Recognised

_ENOUGH = 150
"""A page with so many letters isn't a scan, whatever pictures it has."""
_COVER = 0.5
_SOME_COVER = 0.08
_OUTLINES = 150
"""So many drawn shapes on a page without any text may be letters."""
_GARBLED = 0.3
_OBJECTS = 5_000


def is_scan(page: Any, content: PageText, characters: int) -> bool:
    """Is it worth to look at the page? `characters` is how many pdfium found, sense or not."""
    letters = sum(1 for segment in content.segments for character in segment.text if _is_letter(character))
    if letters >= _ENOUGH:
        return False
    if characters >= _ENOUGH and letters < _GARBLED * characters:
        return True  # a font that doesn't tell what its signs are
    cover, outlines = _drawn(page)
    return cover >= _COVER or (not letters and (cover >= _SOME_COVER or outlines >= _OUTLINES))


def as_page(found: Recognised) -> PageText:
    segments = [
        Segment(text, left, bottom, right, top, base, size)
        for text, left, bottom, right, top, base, size in found.lines
    ]
    return PageText(found.number, found.width, found.height, segments, turn=found.quarters)


def _is_letter(character: str) -> bool:
    return character.isalnum() and not "\ue000" <= character <= "\uf8ff"


def _drawn(page: Any) -> tuple[float, int]:
    """The share of the page that its pictures cover, and the number of shapes drawn on it."""
    left, bottom, right, top = page.get_bbox()
    area = max(1.0, (right - left) * (top - bottom))
    cover, outlines = 0.0, 0
    kinds = (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH)
    for item in itertools.islice(page.get_objects(filter=kinds, max_depth=3), _OBJECTS):
        if item.type == pdfium.FPDF_PAGEOBJ_PATH:
            outlines += 1
            continue
        try:
            x0, y0, x1, y1 = item.get_bounds()
        except pypdfium2.PdfiumError:
            continue
        across, down = min(x1, right) - max(x0, left), min(y1, top) - max(y0, bottom)
        if across > 0 and down > 0:
            cover += across * down / area
    return cover, outlines
