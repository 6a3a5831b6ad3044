"""Training examples as tokens, with what the model is to learn of each. Runs in child processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.engines.inference.transformers import chat

_IGNORED = -100
"""Label of a token that isn't to be learned."""


@dataclass(frozen=True, slots=True)
class Example:
    tokens: list[int]
    labels: list[int]


@dataclass(frozen=True, slots=True)
class Examples:
    items: list[Example]
    truncated: int
    """How many were longer than the model reads, and lost their end."""

    @property
    def tokens(self) -> int:
        return sum(len(item.tokens) for item in self.items)


def read(path: Path, tokenizer: Any, context: int) -> Examples:
    """`path` has a JSON object a line: {"turns": […]}, of which the assistant's are learned, or {"text": …}, which is
    learned whole, in pieces of the model's context. Raises ValueError if nothing is left to learn."""
    items: list[Example] = []
    truncated = 0
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if "text" in record:
                items.extend(_pieces(record["text"], tokenizer, context))
                continue
            example = _conversation(record["turns"], tokenizer)
            truncated += len(example.tokens) > context
            items.append(Example(example.tokens[:context], example.labels[:context]))
    items = [item for item in items if any(label != _IGNORED for label in item.labels[1:])]
    if not items:
        raise ValueError(f"no example leaves room for its answer in the {context} tokens that the model reads")
    return Examples(items, truncated)


def _pieces(text: str, tokenizer: Any, context: int) -> Iterator[Example]:
    tokens = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    for start in range(0, len(tokens), context):
        piece = tokens[start : start + context]
        yield Example(piece, piece)


def _conversation(turns: list[dict[str, str]], tokenizer: Any) -> Example:
    text = chat.prompt(tokenizer, turns, open_answer=False)
    spans = []
    for at, turn in enumerate(turns):
        if turn["role"] == "assistant":
            before = chat.prompt(tokenizer, turns[:at])
            after = chat.prompt(tokenizer, turns[: at + 1], open_answer=False)
            if text.startswith(before) and text.startswith(after):
                spans.append((len(before), len(after)))
    encoded = tokenizer(text, add_special_tokens=not tokenizer.chat_template, return_offsets_mapping=True)
    tokens = list(encoded["input_ids"])
    labels = list(tokens)
    if spans:  # a template that rewrites earlier turns leaves none: then the whole is learned
        labels = [
            token if any(start <= first and last <= end and last > first for start, end in spans) else _IGNORED
            for token, (first, last) in zip(tokens, encoded["offset_mapping"], strict=True)
        ]
    if not tokenizer.chat_template:
        tokens, labels = [*tokens, tokenizer.eos_token_id], [*labels, tokenizer.eos_token_id]
    return Example(tokens, labels)


def collate(items: list[Example], pad: int, device: Any) -> dict[str, Any]:
    """A batch of tensors, padded on the right."""
    import torch

    width = max(len(item.tokens) for item in items)
    rows = [(item, width - len(item.tokens)) for item in items]
    return {
        "input_ids": torch.tensor([item.tokens + [pad] * gap for item, gap in rows], device=device),
        "labels": torch.tensor([item.labels + [_IGNORED] * gap for item, gap in rows], device=device),
        "attention_mask": torch.tensor([[1] * len(item.tokens) + [0] * gap for item, gap in rows], device=device),
    }
