"""The numbers and bullets of a Word document's lists and headings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from outcrop.engines.parsing.formats.package import child, local, number, value

_LEVELS = 9
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"))
_ROMAN_SMALL = ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


@dataclass(frozen=True, slots=True)
class _Level:
    format: str
    text: str
    """Such as `%1.%2`."""
    start: int


class Numbering:
    """Counts; `label` is to be asked once for each numbered paragraph, in order."""

    def __init__(self, root: Element | None) -> None:
        self._levels: dict[str, dict[int, _Level]] = {}
        self._list_of: dict[str, str] = {}
        self._counts: dict[str, list[int | None]] = {}
        for element in root if root is not None else ():
            if local(element) == "abstractNum":
                self._levels[value(element, "abstractNumId") or ""] = dict(_levels(element))
            elif local(element) == "num":
                self._list_of[value(element, "numId") or ""] = value(child(element, "abstractNumId")) or ""

    def label(self, list_id: str, depth: int) -> str:
        """`-` of a bullet, `2.1` of a number, empty for a list that doesn't exist or shows nothing."""
        abstract = self._list_of.get(list_id)
        levels = self._levels.get(abstract or "")
        if abstract is None or levels is None or depth not in levels:
            return ""
        counts = self._counts.setdefault(abstract, [None] * _LEVELS)
        level = levels[depth]
        before = counts[depth]
        counts[depth] = level.start if before is None else before + 1
        for deeper in range(depth + 1, _LEVELS):
            counts[deeper] = None
        if level.format == "bullet":
            return "-"
        if level.format == "none":
            return ""
        text = level.text
        for upper in range(depth + 1):
            if f"%{upper + 1}" in text:
                shape = levels.get(upper, level)
                count = counts[upper]
                text = text.replace(f"%{upper + 1}", _shown(shape.start if count is None else count, shape.format))
        return text.strip()


def _levels(abstract: Element) -> Iterator[tuple[int, _Level]]:
    for element in abstract:
        depth = number(value(element, "ilvl"))
        if local(element) == "lvl" and depth is not None and 0 <= depth < _LEVELS:
            start = number(value(child(element, "start")), 1)
            text = value(child(element, "lvlText")) or ""
            yield depth, _Level(value(child(element, "numFmt")) or "decimal", text[:50], 1 if start is None else start)


def _shown(count: int, format: str) -> str:
    if format in ("lowerLetter", "upperLetter") and 1 <= count <= 780:
        text = chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 + 1)
    elif format in ("lowerRoman", "upperRoman") and 1 <= count <= 4000:
        text = ""
        for size, letters in _ROMAN + _ROMAN_SMALL:
            text += letters * (count // size)
            count %= size
    else:
        return str(count)
    return text.upper() if format.startswith("upper") else text
