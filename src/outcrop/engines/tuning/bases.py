"""Where the weights of a base lie: a directory, or `tiny-course`, which is built when it is first needed."""

from __future__ import annotations

import asyncio
import fcntl
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

from outcrop.engines.inference.engine import EngineDown
from outcrop.engines.inference.transformers.engine import MISSING, installed, model_limits
from outcrop.engines.tuning import tiny
from outcrop.engines.tuning.tiny import Recipe
from outcrop.processes.dialogue import Dialogue
from outcrop.processes.errors import WorkerFailure

Progress = Callable[[dict[str, float]], None]
"""Told {"step", "steps", "loss"}."""


class Bases:
    """`cache` is where what was built lies; `recipe` how it is built."""

    def __init__(self, cache: Path, recipe: Recipe | None = None) -> None:
        self._models = cache / "models"
        self._recipe = recipe or Recipe()

    def path(self, name: str) -> Path:
        """Where a base lies, or would."""
        if name == tiny.NAME:
            return self._models / f"{tiny.NAME}-{tiny.VERSION}"
        return Path(name).expanduser()

    async def find(self, name: str, progress: Progress | None = None) -> Path:
        """The directory of a base's weights; `tiny-course` is built if it isn't there. Raises EngineDown."""
        path = self.path(name)
        if (path / "config.json").exists() or (path / "adapter_config.json").exists():
            return path
        if name != tiny.NAME:
            raise EngineDown(
                f"There are no weights at {path}: a directory with config.json, *.safetensors and tokenizer.json is "
                f"expected, or {tiny.NAME}."
            )
        await self.build(progress=progress)
        return path

    async def build(self, source: Path | None = None, progress: Progress | None = None, *, again: bool = False) -> Path:
        """Build `tiny-course` from the `.md` files in a directory, by default the course's. Raises EngineDown."""
        if not installed():
            raise EngineDown(MISSING)
        source = source or course()
        target = self.path(tiny.NAME)
        self._models.mkdir(parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            lock = stack.enter_context((self._models / f"{tiny.NAME}.lock").open("w"))
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            if again or not (target / "config.json").exists():
                await self._build(source, target, progress)
        return target

    async def _build(self, source: Path, target: Path, progress: Progress | None) -> None:
        dialogue = await Dialogue.start("outcrop.engines.tuning.tiny:main", model_limits(8))
        order = {"source": str(source), "target": str(target), "recipe": asdict(self._recipe)}
        try:
            dialogue.send(json.dumps(order).encode())
            while "done" not in (said := json.loads(await dialogue.receive())):
                if "failed" in said:
                    raise EngineDown(f"{tiny.NAME} could not be built: {said['failed']}")
                if progress:
                    progress(said)
        except WorkerFailure as error:
            raise EngineDown(f"{tiny.NAME} could not be built: {error}") from error
        finally:
            await dialogue.aclose()


def course() -> Path:
    """The course's text: beside this module in an installed package, in the source tree otherwise."""
    for directory in (Path(__file__).with_name("course"), Path(__file__).parents[4] / "apps/tutor/course"):
        if directory.is_dir():
            return directory
    raise EngineDown("The course's text is not here. Name a directory of .md files: outcrop models build --from DIR")
