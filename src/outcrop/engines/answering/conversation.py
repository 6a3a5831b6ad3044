from __future__ import annotations

from collections.abc import Sequence


def resolve(question: str, history: Sequence[tuple[str, str]]) -> str:
    return question
