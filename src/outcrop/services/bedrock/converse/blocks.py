"""ConverseStream's events of content blocks. Nova's own stream has the same form."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from outcrop.engines.inference.engine import Event, Finish, ReasoningDelta, TextDelta, ToolUseDelta, ToolUseStart


class BlockEvents:
    """Turns the events of one answer, block by block."""

    def __init__(self) -> None:
        self._index = -1
        self._kind = ""
        self._thought: list[str] = []

    def of(self, event: Event) -> Iterator[dict[str, Any]]:
        match event:
            case TextDelta(text):
                yield from self._begin("text")
                yield self._delta({"text": text})
            case ReasoningDelta(text):
                yield from self._begin("reasoning")
                self._thought.append(text)
                yield self._delta({"reasoningContent": {"text": text}})
            case ToolUseStart(id, name):
                yield from self._begin("tool")
                start = {"toolUse": {"toolUseId": id, "name": name}}
                yield {"contentBlockStart": {"start": start, "contentBlockIndex": self._index}}
            case ToolUseDelta(partial):
                yield self._delta({"toolUse": {"input": partial}})
            case Finish():
                yield from self._end()

    def _begin(self, kind: str) -> Iterator[dict[str, Any]]:
        """Texts and thoughts go on in the block that is open; each tool has its own."""
        if kind == self._kind != "tool":
            return
        yield from self._end()
        self._index += 1
        self._kind = kind

    def _end(self) -> Iterator[dict[str, Any]]:
        if self._kind == "reasoning":
            yield self._delta({"reasoningContent": {"signature": signature("".join(self._thought))}})
            self._thought.clear()
        if self._kind:
            self._kind = ""
            yield {"contentBlockStop": {"contentBlockIndex": self._index}}

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        return {"contentBlockDelta": {"delta": delta, "contentBlockIndex": self._index}}


def signature(thought: str) -> str:
    """What clients have to send back with a thought, unread."""
    return base64.b64encode(hashlib.sha256(thought.encode("utf-8", "replace")).digest()).decode()
