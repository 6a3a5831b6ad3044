"""Units of a page -> chunks of as many whole units as fit, each beginning with the end of the one before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from outcrop.engines.chunking.units import PageText, Section, Unit

_SECTION_FILL = 0.3
"""A heading starts a new chunk once so much of the current one is filled."""
_FIXED_FILL = 0.75
"""A fixed chunk is cut inside a sentence rather than left emptier than this."""
_HEADER_SHARE = 0.25
"""A table's header row is repeated if it takes no more of a chunk than this."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Packed:
    """A chunk in the making."""

    text: str
    section: Section
    box: Box | None
    tokens: int
    start: int
    end: int
    """Where it lies on its page's text, a repeated table header apart."""
    boxes: tuple[Box, ...]


class Packer:
    """Packs one page, or the `span` of it, with an overlap of so many tokens. `strict_size` cuts sentences to come
    near the size, otherwise they stay whole if they can."""

    def __init__(
        self, page: PageText, max_tokens: int, overlap: int, strict_size: bool, span: tuple[int, int] | None = None
    ) -> None:
        self._page = page
        self._max = max_tokens
        self._overlap = overlap
        self._strict_size = strict_size
        every = page.units(max_tokens)
        self._headers = _headers(page, every)
        self._units = every if span is None else _inside(every, *span)

    def pack(self) -> Iterator[Packed]:
        units = self._units
        position = 0
        begin = units[0].start if units else 0
        while position < len(units):
            fresh = units[position].start
            header = self._header(position) if begin == fresh else None
            following, end = self._fill(begin, position, header)
            if end <= fresh:
                # What goes before leaves no room for anything new.
                begin, header = fresh, None
                following, end = self._fill(begin, position, None)
            yield self._packed(begin, end, position, following, header)
            begin = self._next_begin(begin, end, position, following)
            position = following

    def _kind(self, unit: Unit) -> str:
        return self._page.blocks[unit.block].kind

    def _fill(self, begin: int, position: int, header: tuple[int, int] | None) -> tuple[int, int]:
        """Index of the first unit that is not (wholly) in the chunk, and where the chunk ends."""
        page, units = self._page, self._units
        room = self._max - (page.weight(*header) if header else 0)
        end = units[position].start
        following = position
        while following < len(units):
            unit = units[following]
            if (
                following > position
                and self._opens_section(following)
                and (page.weight(begin, end) >= _SECTION_FILL * self._max)
            ):
                return following, end
            if page.weight(begin, unit.end) > room:
                break
            end = unit.end
            following += 1
        if following == len(units):
            return following, end
        unit = units[following]
        cuttable = self._strict_size and self._kind(unit) in ("text", "list")
        if cuttable and (following == position or page.weight(begin, end) < _FIXED_FILL * room):
            cut = page.cut(begin, unit.end, room)
            if unit.start < cut < unit.end:
                rest = page.skip_space(cut, unit.end)
                units[following] = Unit(rest, unit.end, unit.block)
                return following, cut
        last = following
        while last - 1 > position and self._kind(units[last - 1]) == "heading":
            last -= 1
        return (last, units[last - 1].end) if last < following else (following, end)

    def _opens_section(self, index: int) -> bool:
        units = self._units
        return self._kind(units[index]) == "heading" and self._kind(units[index - 1]) != "heading"

    def _next_begin(self, begin: int, end: int, position: int, following: int) -> int:
        """Where the next chunk begins: at its first new unit, or before it by the overlap."""
        page, units = self._page, self._units
        if following >= len(units):
            return end
        fresh = units[following].start
        if self._kind(units[following]) in ("heading", "table"):
            return fresh
        best = fresh
        for unit in reversed(units[position:following]):
            inside = unit.start > begin and self._kind(unit) not in ("heading", "table")
            if not inside or page.weight(unit.start, end) > self._overlap:
                break
            if not self._strict_size and page.weight(unit.start, units[following].end) > self._max:
                break
            best = unit.start
        little = page.weight(best, end) < self._overlap // 2 if best < fresh else True
        if self._strict_size and little and self._kind(units[max(position, following - 1)]) == "text":
            tail = page.tail(begin, end, self._overlap)
            best = tail if begin < tail < end else best
        return best

    def _header(self, position: int) -> tuple[int, int] | None:
        """The span of a table's header rows, where the chunk begins in the middle of it."""
        unit = self._units[position]
        start, header_end, rule_end = self._headers.get(unit.block, (unit.start, 0, 0))
        if unit.start <= start:
            return None
        end = rule_end if unit.start >= rule_end else header_end
        fits = self._page.weight(start, end) <= _HEADER_SHARE * self._max
        return (start, end) if fits else None

    def _packed(self, begin: int, end: int, position: int, following: int, header: tuple[int, int] | None) -> Packed:
        page, units = self._page, self._units
        text = page.text[begin:end].strip("\n").rstrip()
        tokens = page.tokens(begin, end)
        if header:
            text = f"{page.text[slice(*header)]}\n{text}"
            tokens += page.tokens(*header)
        whole = following > position and end <= units[following - 1].end
        last = units[following - 1 if whole else following].block
        blocks = range(self._first_block(begin, position), last + 1)
        fresh = range(units[position].block, last + 1)
        bodies = [index for index in fresh if page.blocks[index].kind != "heading"]
        sections = [page.sections[index] for index in bodies or fresh]
        boxes = tuple(box for index in blocks if (box := self._box(index, begin, end)))
        return Packed(text, _common(sections), _union(boxes), tokens, begin, end, boxes)

    def _box(self, index: int, begin: int, end: int) -> Box | None:
        """Of a block, or from top to bottom of the part of it that lies in `begin..end`."""
        block, start = self._page.blocks[index], self._page.starts[index]
        if block.box is None:
            return None
        left, bottom, right, top = block.box
        length = len(block.text)
        first, last = max(0, begin - start) / length, min(length, end - start) / length
        if last <= first:
            return None
        return (left, top - last * (top - bottom), right, top - first * (top - bottom))

    def _first_block(self, begin: int, position: int) -> int:
        units = self._units
        while position > 0 and units[position - 1].end > begin:
            position -= 1
        return units[position].block


def _headers(page: PageText, units: list[Unit]) -> dict[int, tuple[int, int, int]]:
    """Of each table: where its header row begins and ends, and where the rule below it ends if there is one."""
    found: dict[int, tuple[int, int, int]] = {}
    for at, unit in enumerate(units):
        if page.blocks[unit.block].kind != "table" or unit.block in found:
            continue
        rule = units[at + 1] if at + 1 < len(units) and units[at + 1].block == unit.block else unit
        ruled = not any(map(str.isalnum, page.text[rule.start : rule.end]))
        found[unit.block] = (unit.start, unit.end, rule.end if ruled else unit.end)
    return found


def _inside(units: list[Unit], start: int, end: int) -> list[Unit]:
    return [
        Unit(max(unit.start, start), min(unit.end, end), unit.block)
        for unit in units
        if unit.end > start and unit.start < end
    ]


def _common(sections: list[Section]) -> Section:
    """The path that all share; if they share none, the first that there is."""
    shared = sections[0]
    for section in sections[1:]:
        length = 0
        while length < min(len(shared), len(section)) and shared[length] == section[length]:
            length += 1
        shared = shared[:length]
    return shared or next((section for section in sections if section), ())


def _union(boxes: tuple[Box, ...]) -> Box | None:
    if not boxes:
        return None
    left, bottom, right, top = zip(*boxes, strict=True)
    return (min(left), min(bottom), max(right), max(top))
