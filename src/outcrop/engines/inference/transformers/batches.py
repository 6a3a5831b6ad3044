"""Writes several answers at once: one pass of the model gives each its next token. Runs in child processes.

A new question joins at the next token: its prompt is read alone, and its cache is put beside the others', padded on
the left. A model whose cache can't be put together that way (sliding windows) takes new questions when the batch has
ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from outcrop.engines.inference.stops import StopScanner


@dataclass(slots=True)
class Ask:
    """One question, as tokens, and how its answer is to be chosen."""

    id: int
    tokens: list[int]
    max_tokens: int
    temperature: float = 0.0
    """0: always the likeliest token."""
    top_p: float = 1.0
    top_k: int = 0
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(slots=True)
class _Row:
    ask: Ask
    scanner: StopScanner
    generator: Any
    written: list[int] = field(default_factory=list)
    shown: int = 0
    """How many characters of the decoded text were passed on."""


Tell = Callable[[int, dict[str, Any]], None]
"""Told `(id, {"text": …})` and at the end `(id, {"finish": REASON, "stop": …, "input": N, "output": N})`."""


class Batch:
    def __init__(self, model: Any, tokenizer: Any, tell: Tell, size: int = 8) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._tell = tell
        self._size = size
        self._rows: list[_Row] = []
        self._cache: Any = None
        self._mask: Any = None
        self._next: Any = None
        self.widest = 0
        """The most answers that were written at once."""
        ends = model.generation_config.eos_token_id if model.generation_config else None
        own = [ends] if isinstance(ends, int) else list(ends or ())
        self._ends = {*own, tokenizer.eos_token_id} - {None}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def has_room(self) -> bool:
        return len(self._rows) < self._size and (self._cache is None or _can_grow(self._cache))

    def drop(self, identifier: int) -> None:
        """Forget a question whose asker has left."""
        self._keep([at for at, row in enumerate(self._rows) if row.ask.id != identifier])

    def admit(self, ask: Ask) -> None:
        """Read a prompt, and write the first token of its answer."""
        import torch
        from transformers import DynamicCache

        device = self._model.device
        generator = None
        if ask.seed is not None:
            generator = torch.Generator(device=device).manual_seed(ask.seed)
        row = _Row(ask, StopScanner(ask.stop), generator)
        with torch.inference_mode():
            tokens = torch.tensor([ask.tokens], device=device)
            cache = DynamicCache(config=self._model.config)
            answer = self._model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
            chosen = _choose(answer.logits[0, -1], ask, generator)
            mask = torch.ones_like(tokens)
            if self._cache is None:
                self._cache, self._mask, self._next = answer.past_key_values, mask, chosen.view(1, 1)
            else:
                self._cache = _beside(self._cache, answer.past_key_values, self._model.config)
                width = max(self._mask.shape[1], mask.shape[1])
                self._mask = torch.cat([_left(self._mask, width), _left(mask, width)])
                self._next = torch.cat([self._next, chosen.view(1, 1)])
        self._rows.append(row)
        self.widest = max(self.widest, len(self._rows))
        self._take([(len(self._rows) - 1, int(chosen))])

    def step(self) -> None:
        """One more token for every answer."""
        import torch

        if not self._rows:
            return
        with torch.inference_mode():
            self._mask = torch.cat([self._mask, torch.ones_like(self._next)], dim=1)
            positions = self._mask.sum(dim=1, keepdim=True) - 1
            answer = self._model(
                input_ids=self._next,
                attention_mask=self._mask,
                position_ids=positions,
                past_key_values=self._cache,
                use_cache=True,
            )
            self._cache = answer.past_key_values
            logits = answer.logits[:, -1]
            chosen = [_choose(logits[at], row.ask, row.generator) for at, row in enumerate(self._rows)]
            self._next = torch.stack(chosen).view(-1, 1)
            self._take(list(enumerate(int(token) for token in chosen)))

    def _take(self, chosen: Sequence[tuple[int, int]]) -> None:
        ended = {at for at, token in chosen if self._ends_with(self._rows[at], token)}
        if ended:
            self._keep([at for at in range(len(self._rows)) if at not in ended])

    def _ends_with(self, row: _Row, token: int) -> bool:
        ask = row.ask
        if token in self._ends:
            self._finish(row, "end_turn", 1)
            return True
        row.written.append(token)
        self._show(row)
        if row.scanner.found is not None:
            self._finish(row, "stop_sequence")
        elif len(row.written) >= ask.max_tokens:
            self._finish(row, "max_tokens")
        else:
            return False
        return True

    def _show(self, row: _Row, whole: bool = False) -> None:
        """Pass on what is new. A character of several tokens is held back until it is whole."""
        text = self._tokenizer.decode(row.written, skip_special_tokens=True)
        if not whole and text.endswith("�"):
            return
        new, row.shown = text[row.shown :], len(text)
        if visible := row.scanner.feed(new):
            self._tell(row.ask.id, {"text": visible})

    def _finish(self, row: _Row, reason: str, unseen: int = 0) -> None:
        if row.scanner.found is None:
            self._show(row, whole=True)
            if row.scanner.found is not None:
                reason = "stop_sequence"
            elif held := row.scanner.flush():
                self._tell(row.ask.id, {"text": held})
        said = {"finish": reason, "stop": row.scanner.found, "input": len(row.ask.tokens)}
        self._tell(row.ask.id, {**said, "output": len(row.written) + unseen})

    def _keep(self, rows: list[int]) -> None:
        import torch

        if len(rows) == len(self._rows):
            return
        self._rows = [self._rows[at] for at in rows]
        if not rows:
            self._cache = self._mask = self._next = None
            return
        kept = torch.tensor(rows, device=self._mask.device)
        self._cache.batch_select_indices(kept)
        self._mask, self._next = self._mask[kept], self._next[kept]


def _choose(logits: Any, ask: Ask, generator: Any) -> Any:
    import torch

    if ask.temperature <= 0:
        return logits.argmax()
    scores = logits.float() / ask.temperature
    if ask.top_k:
        scores[scores < scores.topk(min(ask.top_k, scores.shape[-1])).values[-1]] = float("-inf")
    ordered, order = scores.softmax(-1).sort(descending=True)
    ordered[ordered.cumsum(-1) - ordered >= max(ask.top_p, 1e-6)] = 0
    return order[torch.multinomial(ordered, 1, generator=generator)[0]]


def _can_grow(cache: Any) -> bool:
    return all(type(layer).__name__ == "DynamicLayer" for layer in cache.layers)


def _beside(one: Any, other: Any, config: Any) -> Any:
    """Two caches as one, the shorter padded on the left."""
    import torch
    from transformers import DynamicCache

    width = max(one.get_seq_length(), other.get_seq_length())
    joined = DynamicCache(config=config)
    for at, (first, second) in enumerate(zip(one.layers, other.layers, strict=True)):
        joined.update(
            torch.cat([_left(first.keys, width, 2), _left(second.keys, width, 2)]),
            torch.cat([_left(first.values, width, 2), _left(second.values, width, 2)]),
            at,
        )
    return joined


def _left(tensor: Any, width: int, dim: int = 1) -> Any:
    """Zeros on the left of a dimension, up to `width`."""
    import torch

    missing = width - tensor.shape[dim]
    if not missing:
        return tensor
    shape = list(tensor.shape)
    shape[dim] = missing
    return torch.cat([tensor.new_zeros(shape), tensor], dim=dim)
