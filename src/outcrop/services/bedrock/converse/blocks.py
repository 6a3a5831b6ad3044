"""ConverseStream's events of content blocks. Nova's own stream has the same form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from outcrop.engines.inference.engine import Event, Finish, TextDelta, ToolUseDelta, ToolUseStart


class BlockEvents:
    """Turns the events of one answer, block by block."""

    def __init__(self) -> None:
        self._index = -1
        self._open = False
        self._is_text = False

    def of(self, event: Event) -> Iterator[dict[str, Any]]:
        match event:
            case TextDelta(text):
                if not (self._open and self._is_text):
                    yield from self._begin(is_text=True)
                yield self._delta({"text": text})
            case ToolUseStart(id, name):
                yield from self._begin(is_text=False)
                start = {"toolUse": {"toolUseId": id, "name": name}}
                yield {"contentBlockStart": {"start": start, "contentBlockIndex": self._index}}
            case ToolUseDelta(partial):
                yield self._delta({"toolUse": {"input": partial}})
            case Finish():
                yield from self._end()

    def _begin(self, is_text: bool) -> Iterator[dict[str, Any]]:
        yield from self._end()
        self._index += 1
        self._open, self._is_text = True, is_text

    def _end(self) -> Iterator[dict[str, Any]]:
        if self._open:
            self._open = False
            yield {"contentBlockStop": {"contentBlockIndex": self._index}}

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        return {"contentBlockDelta": {"delta": delta, "contentBlockIndex": self._index}}
