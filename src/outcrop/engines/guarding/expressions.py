"""Regular expressions as rules."""

from __future__ import annotations

from collections.abc import Iterator

from outcrop.engines.guarding.match import Match
from outcrop.engines.linear_regex import compiled


class Expression:
    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self._compiled = compiled(source)

    def find(self, text: str) -> Iterator[Match]:
        for found in self._compiled.finditer(text):
            if found.group():
                yield Match(found.start(), found.end(), found.group(), self.name)
