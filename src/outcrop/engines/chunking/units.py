"""What a chunk is made of: the sentences and lines of one page, and how many tokens lie between any two places."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from outcrop.engines.chunking.sentences import split_sentences
from outcrop.engines.parsing.document import Block, Page

TokenSpans = Callable[[str], list[tuple[int, int]]]
Section = tuple[str, ...]

_WINDOW = 50_000
"""So many characters at a time go to the tokenizer."""
_CHARACTERS_A_TOKEN = 40
"""A token longer than this counts as several: tokenizers make one of any gibberish."""
_TITLE = 150


@dataclass(slots=True)
class Unit:
    """A sentence, a line or a heading: `text[start:end]` of its page."""

    start: int
    end: int
    block: int


class Headings:
    """The path of headings down to where we are; it goes on from page to page."""

    def __init__(self) -> None:
        self._stack: list[tuple[int, str]] = []

    def pass_by(self, block: Block) -> Section:
        """The section that this block belongs to; a heading belongs to its own."""
        if block.kind == "heading":
            while self._stack and self._stack[-1][0] >= block.level:
                self._stack.pop()
            self._stack.append((block.level, " ".join(block.text.split())[:_TITLE]))
        return tuple(text for _, text in self._stack)


class PageText:
    """A page as one string with its blocks, units and tokens."""

    def __init__(self, page: Page, headings: Headings, token_spans: TokenSpans) -> None:
        self.page = page
        self.blocks = [block for block in page.blocks if block.text.strip()]
        self.sections = [headings.pass_by(block) for block in self.blocks]
        parts: list[str] = []
        self.starts: list[int] = []
        """Where each block begins in `text`."""
        length = 0
        for index, block in enumerate(self.blocks):
            if index:
                parts.append("\n" if self.blocks[index - 1].kind == "heading" else "\n\n")
                length += len(parts[-1])
            self.starts.append(length)
            parts.append(block.text)
            length += len(block.text)
        self.text = "".join(parts)
        self._token_ends = array("I")
        for start, end in _windows(self.text):
            self._token_ends.extend(start + token_end for _, token_end in token_spans(self.text[start:end]))

    def tokens(self, start: int, end: int) -> int:
        ends = self._token_ends
        return bisect_right(ends, end) - bisect_right(ends, start)

    def weight(self, start: int, end: int) -> int:
        """What counts against a limit: tokens, and more for what is long all the same."""
        return max(self.tokens(start, end), -(-(end - start) // _CHARACTERS_A_TOKEN))

    def cut(self, start: int, end: int, room: int) -> int:
        """The last good place in `start..end` up to which no more than `room` weighs; `start` if there is none.

        Between words if one ends in the second half of what fits, else between tokens.
        """
        ends = self._token_ends
        first = bisect_right(ends, start)
        limit = min(end, start + room * _CHARACTERS_A_TOKEN)
        if first + room < len(ends):
            limit = min(limit, ends[first + room - 1])
            if first + room < len(ends) and ends[first + room] == limit:
                # Several tokens of one character: all of them or none.
                before = bisect_right(ends, limit - 1) - 1
                limit = ends[before] if before >= first else start
        if limit >= end:
            return end
        space = max(self.text.rfind(" ", start, limit + 1), self.text.rfind("\n", start, limit + 1))
        return space if space > start + (limit - start) // 2 else max(limit, start)

    def tail(self, start: int, end: int, room: int) -> int:
        """Where the last words of `start..end` begin that weigh no more than `room`; `end` if none do."""
        ends = self._token_ends
        last = bisect_right(ends, end)
        if room <= 0 or last - room - 1 < 0:
            return end
        low = max(start, ends[last - room - 1], end - room * _CHARACTERS_A_TOKEN)
        position = low
        while position < end and not self.text[position - 1 : position].isspace():
            position += 1
        return position

    def skip_space(self, start: int, end: int) -> int:
        while start < end and self.text[start].isspace():
            start += 1
        return start

    def units(self, limit: int) -> list[Unit]:
        """All units in order, none heavier than `limit`."""
        out: list[Unit] = []
        for index, block in enumerate(self.blocks):
            base = self.starts[index]
            for start, end in _spans(block):
                for piece_start, piece_end in self._small_enough(base + start, base + end, limit):
                    out.append(Unit(piece_start, piece_end, index))
        return out

    def _small_enough(self, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
        while self.weight(start, end) > limit:
            cut = self.cut(start, end, limit)
            if cut <= start:
                cut = start + 1
            yield start, cut
            start = self.skip_space(cut, end)
        if start < end:
            yield start, end


def _spans(block: Block) -> list[tuple[int, int]]:
    if block.kind == "text":
        return split_sentences(block.text)
    if block.kind == "heading":
        stripped = block.text.strip()
        start = block.text.index(stripped)
        return [(start, start + len(stripped))]
    spans = []
    start = 0
    for line in block.text.split("\n"):
        if line.strip():
            spans.append((start, start + len(line.rstrip())))
        start += len(line) + 1
    return spans


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """The text in stretches that end at white space where there is any."""
    start = 0
    while start < len(text):
        end = min(len(text), start + _WINDOW)
        if end < len(text):
            space = max(text.rfind("\n", start, end), text.rfind(" ", start, end))
            end = space + 1 if space > start else end
        yield start, end
        start = end
