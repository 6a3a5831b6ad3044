"""The child that holds a model: questions in, pieces of answers out, as JSON.

in   {"open": DIRECTORY, "threads": N}; then {"id", "ask": {…}}, {"id", "count": {"turns"}}, {"cancel": id}
out  {"ready": {"context", "device", "instructed"}} or {"failed": TEXT}; then {"id", …} as `batches.Tell` says,
     {"id", "counted": N}, {"id", "error": TEXT, "status": N}
"""

from __future__ import annotations

import json
import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.transformers import chat
from outcrop.engines.inference.transformers.batches import Ask, Batch

if TYPE_CHECKING:
    from outcrop.processes.talker import Channel

DEFAULT_TOKENS = 512
_SMALL = 50_000_000


def main(channel: Channel) -> None:
    opening = json.loads(channel.receive() or b"{}")
    try:
        host = _Host(channel, Path(opening["open"]), int(opening["threads"]))
    except Exception as error:
        _send(channel, {"failed": str(error)})
        return
    threading.Thread(target=host.listen, daemon=True).start()
    host.work()


class _Host:
    def __init__(self, channel: Channel, directory: Path, threads: int) -> None:
        import torch

        from outcrop.engines.inference.transformers.loading import context_length, load

        self._channel = channel
        self._model, self._tokenizer = load(directory)
        torch.set_num_threads(threads_for(self._model, threads))
        self._context = context_length(self._model)
        self._batch = Batch(self._model, self._tokenizer, self._tell)
        self._inbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._waiting: list[Ask] = []
        instructed = bool(self._tokenizer.chat_template)
        ready = {"context": self._context, "device": str(self._model.device), "instructed": instructed}
        _send(channel, {"ready": ready})

    def listen(self) -> None:
        while (message := self._channel.receive()) is not None:
            self._inbox.put(json.loads(message))
        self._inbox.put(None)

    def work(self) -> None:
        while self._read(wait=not self._batch and not self._waiting):
            while self._waiting and self._batch.has_room:
                self._guarded(self._waiting.pop(0))
            self._batch.step()

    def _read(self, wait: bool) -> bool:
        """Take in what has arrived. False: the parent is gone."""
        while True:
            try:
                message = self._inbox.get(block=wait)
            except queue.Empty:
                return True
            if message is None:
                return False
            self._handle(message)
            wait = False

    def _handle(self, message: dict[str, Any]) -> None:
        if "cancel" in message:
            self._waiting = [ask for ask in self._waiting if ask.id != message["cancel"]]
            self._batch.drop(message["cancel"])
            return
        identifier = int(message["id"])
        try:
            tokens = chat.encode(self._tokenizer, chat.prompt(self._tokenizer, message["turns"]))
            if "count" in message:
                self._tell(identifier, {"counted": len(tokens)})
                return
            self._waiting.append(self._ask(identifier, tokens, message["ask"]))
        except Exception as error:
            self._tell(identifier, {"error": str(error), "status": 400})

    def _ask(self, identifier: int, tokens: list[int], given: dict[str, Any]) -> Ask:
        room = self._context - len(tokens)
        if room < 1:
            raise ValueError(
                f"the prompt has {len(tokens)} tokens, which is too long for the context window of {self._context}"
            )
        defaults = self._model.generation_config
        sampled = bool(getattr(defaults, "do_sample", False))
        temperature = given.get("temperature")
        if temperature is None:
            temperature = (defaults.temperature or 1.0) if sampled else 0.0
        top_p, top_k = given.get("top_p"), given.get("top_k")
        return Ask(
            identifier,
            tokens or [self._tokenizer.eos_token_id],
            max(1, min(given.get("max_tokens") or DEFAULT_TOKENS, room)),
            float(temperature),
            float(top_p if top_p is not None else (defaults.top_p or 1.0) if sampled else 1.0),
            int(top_k if top_k is not None else (defaults.top_k or 0) if sampled else 0),
            tuple(given.get("stop") or ()),
            given.get("seed"),
        )

    def _guarded(self, ask: Ask) -> None:
        try:
            self._batch.admit(ask)
        except Exception as error:
            self._batch.drop(ask.id)
            self._tell(ask.id, {"error": f"{type(error).__name__}: {error}", "status": 500})

    def _tell(self, identifier: int, what: dict[str, Any]) -> None:
        _send(self._channel, {"id": identifier, **what})


def threads_for(model: Any, most: int) -> int:
    """One for a small model: others would only wait for it."""
    return 1 if sum(weights.numel() for weights in model.parameters()) < _SMALL else most


def _send(channel: Channel, message: dict[str, Any]) -> None:
    channel.send(json.dumps(message).encode())
