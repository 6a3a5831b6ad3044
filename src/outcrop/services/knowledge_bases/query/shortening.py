"""Answers of the built-in engine, ended where a model's would be: at a stop sequence or the most tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from outcrop.engines.answering.answer import Answer


def shorten(
    answers: Sequence[Answer], inference: Mapping[str, Any], cut: Callable[[str, int], str], between: str = "\n\n"
) -> list[Answer]:
    """The answers as far as they may go. `cut` gives the beginning of a text of so many tokens."""
    text = between.join(answer.text for answer in answers)
    length = len(text)
    for stop in inference.get("stopSequences", ()):
        at = text.find(stop)
        length = min(length, at if at >= 0 else length)
    if "maxTokens" in inference:
        length = min(length, len(cut(text, inference["maxTokens"])))
    kept, start = [], 0
    for answer in answers:
        if start < length:
            kept.append(_ended(answer, length - start))
        start += len(answer.text) + len(between)
    return [answer for answer in kept if answer.parts]


def _ended(answer: Answer, length: int) -> Answer:
    if length >= len(answer.text):
        return answer
    text = answer.text[:length].rstrip()
    parts = [replace(part, end=min(part.end, len(text))) for part in answer.parts if part.start < len(text)]
    return Answer(text, parts)
