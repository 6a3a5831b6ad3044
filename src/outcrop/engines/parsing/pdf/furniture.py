"""Headers, footers and page numbers: what stands at the same height on many pages."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from outcrop.engines.parsing.pdf.segments import PageText, Segment

_BAND = 0.12
"""Part of the page's height, above and below, in which furniture stands."""
_DIGITS = re.compile(r"\d{1,5}")
_ROMAN = re.compile(r"[ivxlc]{1,8}|[IVXLC]{1,8}")
_FEW = 3
_DENSITY = 0.4
"""Part of the pages from its first to its last that a line must be on."""

_Key = tuple[str, int]


def drop_furniture(pages: list[PageText], body_size: float) -> None:
    """Removes repeated lines at the pages' edges, in place.

    Lines count as the same if they differ in nothing but the page's number. At a height where lines repeat, a line
    that ends or begins with the page's number goes too, though its text be found once.
    """
    if len(pages) < _FEW:
        return
    edges = [[segment for segment in page.segments if _at_edge(segment, page, body_size)] for page in pages]
    offset, numbered = _offset(pages, edges)
    seen: dict[_Key, list[int]] = defaultdict(list)
    for position, (page, edge) in enumerate(zip(pages, edges, strict=True)):
        for text, height in {_key(segment, page.number + offset) for segment in edge}:
            for near in (-1, 0, 1):
                seen[text, height + near].append(position)
    repeated = {key for key, positions in seen.items() if _repeats(positions)}
    if not repeated:
        return
    heights = {height for _, height in repeated}

    def is_furniture(segment: Segment, number: int) -> bool:
        text, height = _key(segment, number)
        return (text, height) in repeated or (
            numbered and height in heights and (text.startswith("# ") or text.endswith(" #"))
        )

    for page, edge in zip(pages, edges, strict=True):
        bases = [segment.base for segment in edge if is_furniture(segment, page.number + offset)]
        gone = {id(segment) for segment in edge if any(abs(segment.base - base) < 1 for base in bases)}
        kept = [segment for segment in page.segments if id(segment) not in gone]
        # What is left of a page must be a page: a document of one-liners has no furniture.
        page.segments = kept or page.segments


def _at_edge(segment: Segment, page: PageText, body_size: float) -> bool:
    edge = _BAND * page.height
    return (segment.base < edge or segment.base > page.height - edge) and segment.size < 1.6 * body_size


def _offset(pages: list[PageText], edges: list[list[Segment]]) -> tuple[int, bool]:
    """What the printed page numbers are ahead of the counted ones, and whether pages are numbered at all."""
    offsets: Counter[int] = Counter()
    for page, edge in zip(pages, edges, strict=True):
        numbers = {int(number) for segment in edge for number in _DIGITS.findall(segment.text)}
        offsets.update(number - page.number for number in numbers)
    if not offsets:
        return 0, False
    offset, count = offsets.most_common(1)[0]
    return offset, count >= max(_FEW, _DENSITY * len(pages))


def _key(segment: Segment, number: int) -> _Key:
    text = segment.text
    if _ROMAN.fullmatch(text):
        text = "#"
    else:
        text = _DIGITS.sub(lambda match: "#" if int(match.group()) == number else match.group(), text)
    return text[:80], round(segment.base / 4)


def _repeats(positions: list[int]) -> bool:
    return len(positions) >= _FEW and len(positions) / (positions[-1] - positions[0] + 1) >= _DENSITY
