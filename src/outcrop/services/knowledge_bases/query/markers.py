"""The citation markers of a generative model, such as `[1]`, found in its text while it arrives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Text to show, without markers."""

    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """The words since the last mark rest on these results, counted from 0."""

    results: tuple[int, ...]


_ONE = r"\[\d{1,3}(?: ?[,;–-] ?\d{1,3})*\]"
_MARKERS = re.compile(rf"[ \t]*({_ONE}(?:[ ,]*{_ONE})*)([.!?]?)")
_UNFINISHED = re.compile(r"[ ,]*(?:\[[\d ,;–-]{0,40})?")
"""What may follow markers while more of them, or a full stop, are still to come."""
_BEGUN = re.compile(r"(?:[ \t]+|[ \t]*\[[\d ,;–-]{0,40})$")
"""What may be the beginning of a marker."""
_MOST = 100


class MarkerReader:
    """Takes a model's text as it comes and gives it out at once, except what may yet turn out to be a marker."""

    def __init__(self, results: int) -> None:
        self._results = results
        self._pending = ""

    def feed(self, text: str) -> Iterator[Words | Mark]:
        self._pending += text
        while match := _MARKERS.search(self._pending):
            yield from self._words(match.start())
            if not match.group(2) and _UNFINISHED.fullmatch(self._pending, match.end() - match.start()):
                return
            yield from self._mark()
        begun = _BEGUN.search(self._pending)
        yield from self._words(begun.start() if begun else len(self._pending))

    def finish(self) -> Iterator[Words | Mark]:
        while match := _MARKERS.search(self._pending):
            yield from self._words(match.start())
            yield from self._mark()
        self._pending = self._pending.rstrip()
        yield from self._words(len(self._pending))

    def _words(self, length: int) -> Iterator[Words]:
        text, self._pending = self._pending[:length], self._pending[length:]
        if text:
            yield Words(text)

    def _mark(self) -> Iterator[Words | Mark]:
        """The markers that now stand first, after the stop that follows them."""
        match = _MARKERS.match(self._pending)
        assert match is not None
        self._pending = self._pending[match.end() :]
        if match.group(2):
            yield Words(match.group(2))
        yield Mark(tuple(sorted(number for number in self._numbers(match.group(1)))))

    def _numbers(self, markers: str) -> set[int]:
        found: set[int] = set()
        for first, last in re.findall(r"(\d{1,3})(?: ?[–-] ?(\d{1,3}))?", markers):
            found.update(range(int(first) - 1, min(int(last or first), int(first) + _MOST)))
        return {number for number in found if 0 <= number < self._results}
