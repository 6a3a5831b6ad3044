"""A place in a text that a rule found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Match:
    start: int
    end: int
    text: str
    rule: str
    """Which rule: a word, an expression's name, a kind of personal data."""


def apart(matches: Iterable[Match]) -> list[Match]:
    """In order of place, without those that overlap a longer one."""
    kept: list[Match] = []
    for match in sorted(matches, key=lambda found: (found.start - found.end, found.start)):
        if all(match.end <= other.start or other.end <= match.start for other in kept):
            kept.append(match)
    return sorted(kept, key=lambda found: found.start)


def masked(text: str, matches: Sequence[Match]) -> str:
    """Each match is replaced by its rule in braces: `Write to {EMAIL}`. The matches may not overlap."""
    pieces: list[str] = []
    at = 0
    for match in matches:
        pieces += [text[at : match.start], f"{{{match.rule}}}"]
        at = match.end
    return "".join([*pieces, text[at:]])
