"""Headers, footers and page numbers: what stands at the same height on many pages."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from outcrop.engines.parsing.pdf.segments import PageText, Segment

_BAND = 0.12
"""Part of the page's height, above and below, in which furniture stands."""
_NUMBER = re.compile(r"\d+|\b[ivxlcIVXLC]{1,7}\b")
_AT_END = re.compile(r"^\W*(\d{1,5})\b|\b(\d{1,5})\W*$")
_AROUND_NUMBER = "# -–—|./"
_FEW = 3
_DENSITY = 0.4
"""Part of the pages from its first to its last that a line must be on."""

_Key = tuple[str, int]


def drop_furniture(pages: list[PageText], body_size: float) -> None:
    """Removes repeated lines at the pages' edges, in place.

    Lines that differ in their numbers count as the same, unless they are larger than the text. At a height where
    lines repeat, a line that names the page's number goes too, though its text be found once.
    """
    if len(pages) < _FEW:
        return
    seen: dict[_Key, list[int]] = defaultdict(list)
    offsets: Counter[int] = Counter()
    for position, page in enumerate(pages):
        edge = [segment for segment in page.segments if _at_edge(segment, page, body_size)]
        for text, height in {_key(segment, body_size) for segment in edge}:
            for near in (-1, 0, 1):
                seen[text, height + near].append(position)
        offsets.update({number - page.number for segment in edge for number in _numbers(segment)})
    repeated = {key for key, positions in seen.items() if _repeats(positions)}
    if not repeated:
        return
    heights = {height for _, height in repeated}
    offset, count = offsets.most_common(1)[0] if offsets else (0, 0)
    numbered = count >= max(_FEW, _DENSITY * len(pages))

    def is_furniture(segment: Segment, page: PageText) -> bool:
        text, height = _key(segment, body_size)
        if numbered and height in heights and page.number + offset in _numbers(segment):
            return True
        only_digits = not text.strip(_AROUND_NUMBER) and any(map(str.isdigit, segment.text))
        return (text, height) in repeated and not (numbered and only_digits)

    for page in pages:
        edge = [segment for segment in page.segments if _at_edge(segment, page, body_size)]
        bases = [segment.base for segment in edge if is_furniture(segment, page)]
        gone = {id(segment) for segment in edge if any(abs(segment.base - base) < 1 for base in bases)}
        kept = [segment for segment in page.segments if id(segment) not in gone]
        # What is left of a page must be a page: a document of one-liners has no furniture.
        page.segments = kept or page.segments


def _at_edge(segment: Segment, page: PageText, body_size: float) -> bool:
    edge = _BAND * page.height
    return (segment.base < edge or segment.base > page.height - edge) and segment.size < 1.6 * body_size


def _key(segment: Segment, body_size: float) -> _Key:
    text = _NUMBER.sub("#", segment.text)
    if segment.size >= 1.15 * body_size and text.strip(_AROUND_NUMBER):
        text = segment.text
    return text[:80], round(segment.base / 4)


def _numbers(segment: Segment) -> set[int]:
    return {int(first or last) for first, last in _AT_END.findall(segment.text)}


def _repeats(positions: list[int]) -> bool:
    return len(positions) >= _FEW and len(positions) / (positions[-1] - positions[0] + 1) >= _DENSITY
