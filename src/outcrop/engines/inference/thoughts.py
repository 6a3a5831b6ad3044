"""Tells apart what a model thinks and what it says, where its server writes both into one text."""

from __future__ import annotations

from collections.abc import Iterator

from outcrop.engines.inference.engine import ReasoningDelta, TextDelta

_OPEN, _CLOSE = "<think>", "</think>"


class Thoughts:
    """Splits a text that begins with `<think>…</think>`, as it arrives. A tag further on is the answer's own."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "begin"

    def split(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
        if self._state == "said":
            yield TextDelta(text)
            return
        self._held += text
        if self._state == "begin":
            bare = self._held.lstrip()
            if _OPEN.startswith(bare[: len(_OPEN)]) and len(bare) < len(_OPEN):
                return
            if not bare.startswith(_OPEN):
                self._state = "said"
                yield from self.rest()
                return
            self._state, self._held = "thinking", bare[len(_OPEN) :].lstrip("\n")
        if self._state == "thinking":
            yield from self._thinking()
        elif stripped := self._held.lstrip():
            self._state, self._held = "said", ""
            yield TextDelta(stripped)

    def _thinking(self) -> Iterator[TextDelta | ReasoningDelta]:
        thought, closed, rest = self._held.partition(_CLOSE)
        if closed:
            if thought := thought.rstrip("\n"):
                yield ReasoningDelta(thought)
            stripped = rest.lstrip()
            self._state, self._held = ("said", "") if stripped else ("between", "")
            if stripped:
                yield TextDelta(stripped)
            return
        keep = max((n for n in range(1, len(_CLOSE)) if self._held.endswith(_CLOSE[:n])), default=0)
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        if shown:
            yield ReasoningDelta(shown)

    def rest(self) -> Iterator[TextDelta | ReasoningDelta]:
        """What was held back, at the end."""
        held, self._held = self._held, ""
        if held:
            yield ReasoningDelta(held) if self._state == "thinking" else TextDelta(held)
