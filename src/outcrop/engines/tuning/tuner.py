"""Trains in a child process with limits; one at a time, so that two don't starve each other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.engines.inference.transformers.engine import MISSING, installed, model_limits
from outcrop.engines.tuning.plan import ADAPTER, Plan
from outcrop.processes.dialogue import Dialogue
from outcrop.processes.errors import WorkerFailure

Point = tuple[int, int, float]
"""Step and epoch, both from 0, and the loss."""


class TuningError(Exception):
    """The training failed; the text says why."""


@dataclass(frozen=True, slots=True)
class Trained:
    adapter: Path
    training: list[Point]
    validation: list[list[Point]]
    """For each file of validation data."""
    tokens: int
    """Of one epoch."""
    truncated: int
    """Examples that were longer than the model reads."""


class Tuner:
    """`memory` in gibibytes, `hours` for one training."""

    def __init__(self, memory: float = 16.0, hours: float = 24.0) -> None:
        self._limits = model_limits(memory)
        self._seconds = hours * 3600
        self._turn = asyncio.Semaphore(1)

    async def train(self, plan: Plan, hear: Callable[[dict[str, Any]], None]) -> Trained:
        """Train, or go on from the checkpoint in `plan.work`. `hear` is told what `training.py` says. Cancelling ends
        the child at once and keeps the checkpoint. Raises TuningError."""
        if not installed():
            raise TuningError(MISSING)
        async with self._turn:
            dialogue = await Dialogue.start("outcrop.engines.tuning.training:main", self._limits)
            try:
                async with asyncio.timeout(self._seconds):
                    dialogue.send(plan.dumps())
                    return await _listen(dialogue, plan, hear)
            except TimeoutError:
                raise TuningError(f"the training took longer than {self._seconds / 3600:g} hours") from None
            except WorkerFailure as error:
                raise TuningError(f"the training process failed: {error}") from error
            finally:
                await dialogue.aclose()


async def _listen(dialogue: Dialogue, plan: Plan, hear: Callable[[dict[str, Any]], None]) -> Trained:
    while True:
        said = json.loads(await dialogue.receive())
        if "failed" in said:
            raise TuningError(said["failed"])
        if "done" in said:
            done = said["done"]
            points = [[_point(point) for point in one] for one in (done["training"], *done["validation"])]
            return Trained(Path(plan.work) / ADAPTER, points[0], points[1:], done["tokens"], done["truncated"])
        hear(said)


def _point(given: list[Any]) -> Point:
    step, epoch, loss = given
    return int(step), int(epoch), float(loss)
