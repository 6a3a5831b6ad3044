"""The same hands on every machine of a Ray cluster. Needs the extra `ray`, and Outcrop on each machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import EngineError
from outcrop.engines.preparing.hands import Hands, Prepared, Recipe
from outcrop.settings import Settings

if TYPE_CHECKING:
    from outcrop.engines.inference.models import Models
    from outcrop.engines.parsing import Parser

RETRIES = 3
"""Times that a document is given to a machine anew after one was lost."""


class Cluster:
    """A worker a machine, which Ray starts again elsewhere if its machine is lost. The constructor is light."""

    def __init__(self, settings: Settings) -> None:
        """`settings.ray`: `local` starts Ray on this machine; else the address of a cluster."""
        self._settings = settings
        self._workers: list[Any] = []
        self._busy: list[int] = []
        self._opening = asyncio.Lock()
        self.processors = 0
        """Of all machines; 0 before `open()`."""

    async def open(self) -> None:
        """Connect, and start the workers. Raises EngineError."""
        async with self._opening:
            if not self._workers:
                await asyncio.to_thread(self._connect)

    async def aclose(self) -> None:
        async with self._opening:
            if self._workers:
                self._workers.clear()
                await asyncio.to_thread(_disconnect)

    async def prepare(self, path: Path, recipe: Recipe, model_id: str) -> Prepared:
        """As `Hands.prepare`, with the embedder of a model id. Raises ParseError, TooLong, EngineError."""
        import ray

        await self.open()
        data = await asyncio.to_thread(path.read_bytes)
        at = min(range(len(self._workers)), key=self._busy.__getitem__)
        self._busy[at] += 1
        try:
            prepared: Prepared = await self._workers[at].prepare.remote(data, recipe, model_id)
            return prepared
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise EngineError(f"the Ray cluster failed: {error}") from None
        finally:
            self._busy[at] -= 1

    def _connect(self) -> None:
        try:
            import ray
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
        except ImportError:
            raise EngineError("Ray isn't installed: pip install 'outcrop[ray]', or unset OUTCROP_RAY.") from None
        address = None if self._settings.ray == "local" else self._settings.ray
        more: dict[str, Any] = {} if address else {"include_dashboard": False}
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False, ignore_reinit_error=True, **more)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise EngineError(f"the Ray cluster {self._settings.ray} can't be reached: {error}") from None
        nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        hands = ray.remote(_Worker)
        # What a machine keeps of its own, such as where its cache is, it knows itself.
        plain = replace(self._settings, ray="")
        for node in nodes:
            count = int(node["Resources"]["CPU"])
            where = NodeAffinitySchedulingStrategy(node["NodeID"], soft=True)
            worker = hands.options(
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=RETRIES,
                max_concurrency=2 * count + 2,
                scheduling_strategy=where,
            ).remote(plain)
            self._workers.append(worker)
            self._busy.append(0)
            self.processors += count
        if not self._workers:
            raise EngineError(f"the Ray cluster {self._settings.ray} has no machine with processors")


class _Worker:
    """Lives in a process of Ray's."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models: Models | None = None
        self._parser: Parser | None = None
        self._opening = asyncio.Lock()

    async def prepare(self, data: bytes, recipe: Recipe, model_id: str) -> Prepared:
        from outcrop.engines.inference.models import Models
        from outcrop.engines.parsing import Parser

        async with self._opening:
            if self._models is None or self._parser is None:
                parser = Parser(workers=max(1, (os.cpu_count() or 2) - 1))
                await parser.open()
                self._models, self._parser = Models(self._settings), parser
        embedder = await self._models.embedder(model_id)
        descriptor, name = tempfile.mkstemp()
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            return await Hands(self._parser, embedder).prepare(Path(name), recipe)
        finally:
            Path(name).unlink(missing_ok=True)


def _disconnect() -> None:
    import ray

    with contextlib.suppress(Exception):
        ray.shutdown()
