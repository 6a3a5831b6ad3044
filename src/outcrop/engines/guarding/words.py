"""Words and phrases in a text, whatever their case: whole words only, in time linear in the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from outcrop.engines.guarding.match import Match

_TOKEN = re.compile(r"\w+|[^\w\s]")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"'})


class Words:
    def __init__(self, words: Iterable[str]) -> None:
        self._phrases: dict[str, dict[tuple[str, ...], str]] = {}
        for word in words:
            if tokens := tuple(token for token, _, _ in _tokens(word)):
                self._phrases.setdefault(tokens[0], {})[tokens] = word

    def find(self, text: str) -> Iterator[Match]:
        tokens = list(_tokens(text))
        for at, (first, start, _) in enumerate(tokens):
            for phrase, word in self._phrases.get(first, {}).items():
                found = tokens[at : at + len(phrase)]
                if tuple(token for token, _, _ in found) == phrase:
                    end = found[-1][2]
                    yield Match(start, end, text[start:end], word)


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    for found in _TOKEN.finditer(text.translate(_QUOTES)):
        yield found.group().casefold(), found.start(), found.end()
