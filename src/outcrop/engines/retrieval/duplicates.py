"""Texts that say the same in the same words."""

from __future__ import annotations

from collections.abc import Sequence

from outcrop.engines.indexing.terms import terms

_RUN = 4
_SHARE = 0.8


class Seen:
    """The texts so far, as runs of four terms."""

    def __init__(self) -> None:
        self._runs: list[frozenset[tuple[str, ...]]] = []

    def add(self, text: str) -> bool:
        """Take a text in, unless four fifths of it, or of an earlier text, are in both. Answers whether it is new."""
        runs = _runs(terms(text))
        for earlier in self._runs:
            if len(runs & earlier) >= _SHARE * min(len(runs), len(earlier)):
                return False
        self._runs.append(runs)
        return True


def _runs(words: Sequence[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(words[at : at + _RUN]) for at in range(max(1, len(words) - _RUN + 1)))
