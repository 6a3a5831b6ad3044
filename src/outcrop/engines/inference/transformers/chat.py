"""From messages to the text that a model continues, by its own chat template where it has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Turn = Mapping[str, str]
"""`{"role": "system" | "user" | "assistant", "content": TEXT}`"""


def prompt(tokenizer: Any, turns: Sequence[Turn], *, open_answer: bool = True) -> str:
    """The whole conversation as text; with `open_answer` it ends where the assistant goes on."""
    if tokenizer.chat_template:
        turns = _joined(turns)
        try:
            return str(tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=open_answer))
        except Exception:
            return str(
                tokenizer.apply_chat_template(_without_system(turns), tokenize=False, add_generation_prompt=open_answer)
            )
    text = "\n".join(turn["content"] for turn in turns)
    return f"{text}\n" if open_answer else text


def encode(tokenizer: Any, text: str) -> list[int]:
    """Token ids; templates write the special tokens themselves."""
    return list(tokenizer(text, add_special_tokens=not tokenizer.chat_template)["input_ids"])


def _joined(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """Turns of one role in a row are one: templates want them to alternate."""
    joined: list[dict[str, str]] = []
    for turn in turns:
        if joined and joined[-1]["role"] == turn["role"]:
            joined[-1]["content"] += "\n\n" + turn["content"]
        else:
            joined.append(dict(turn))
    return joined


def _without_system(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """For templates that refuse a system message: it goes before the first question."""
    if not turns or turns[0]["role"] != "system":
        return [dict(turn) for turn in turns]
    return _joined([{**turns[0], "role": "user"}, *turns[1:]])
