"""Engines that answer from a tape, and nothing else."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import EngineError, Event, Generation
from outcrop.engines.inference.recording import EVENTS
from outcrop.engines.inference.tape import key_of
from outcrop.engines.inference.tokens import by_rule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.embedding import Purpose
    from outcrop.engines.inference.images import Drawing
    from outcrop.engines.inference.mapping import Task
    from outcrop.engines.inference.tape import Tape


def _answer(tape: Tape, task: Task, key: str) -> Any:
    answer = tape.next(task, key)
    if answer is None:
        raise EngineError(
            f"The recording {tape.path} has no answer to this request. Record it with the engine that is to answer: "
            f"outcrop up --record {tape.path}"
        )
    return answer


class ReplayedText:
    """The same events as in the recording, without its pauses."""

    extractive = False

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    @property
    def name(self) -> str:
        return f"replay:{self._tape.path.name}"

    async def open(self) -> None:
        """Nothing to do: the tape is read when it is first asked."""

    async def aclose(self) -> None:
        """Nothing is held."""

    async def generate(self, generation: Generation) -> AsyncIterator[Event]:
        for entry in _answer(self._tape, "text", key_of(generation)):
            fields = dict(entry)
            yield EVENTS[fields.pop("event")](**fields)

    async def count(self, generation: Generation) -> int:
        return int(_answer(self._tape, "text", key_of(["count", asdict(generation)])))


class ReplayedEmbedder:
    dimensions: int
    name: str

    def __init__(self, model: str, tape: Tape) -> None:
        self._model = model
        self._tape = tape

    async def open(self) -> None:
        about = _answer(self._tape, "embedding", key_of(self._model))
        self.name, self.dimensions = about["name"], about["dimensions"]

    async def aclose(self) -> None:
        """Nothing is held."""

    async def embed(self, texts: Sequence[str], purpose: Purpose = "document") -> NDArray[np.float32]:
        import numpy as np

        keys = [key_of([self._model, purpose, text]) for text in texts]
        rows = [np.frombuffer(base64.b64decode(_answer(self._tape, "embedding", key)), "<f4") for key in keys]
        return np.array(rows, np.float32).reshape(-1, self.dimensions)

    def count_tokens(self, text: str) -> int:
        return len(by_rule(text))

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return by_rule(text)


class ReplayedImages:
    def __init__(self, model: str, tape: Tape) -> None:
        self._model = model
        self._tape = tape

    @property
    def name(self) -> str:
        return f"replay:{self._tape.path.name}"

    async def open(self) -> None:
        """Nothing to do: the tape is read when it is first asked."""

    async def aclose(self) -> None:
        """Nothing is held."""

    async def draw(self, drawing: Drawing) -> list[bytes]:
        images = _answer(self._tape, "image", key_of([self._model, asdict(drawing)]))
        return [base64.b64decode(image) for image in images]
