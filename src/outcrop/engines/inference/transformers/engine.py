"""The engine: one or more child processes that hold the same weights, each writing several answers at once."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.engines.inference.engine import (
    Block,
    Document,
    EngineDown,
    EngineError,
    EngineUnsupported,
    Event,
    Finish,
    Generation,
    Message,
    Reasoning,
    Text,
    TextDelta,
)
from outcrop.processes.dialogue import Dialogue
from outcrop.processes.errors import WorkerFailure
from outcrop.processes.limits import MIB, Limits

NEEDED = ("torch", "transformers", "peft")
MISSING = (
    "Local weights need PyTorch and transformers, which are not installed. Install them with: pip install "
    "'outcrop[training]'"
)


def installed() -> bool:
    """Whether the packages are here; imports none of them."""
    return all(importlib.util.find_spec(name) for name in NEEDED)


def model_limits(gibibytes: float) -> Limits:
    """What a child that holds a model may use. Drivers of graphics cards map more addresses than there is memory, so
    where one is, addresses are not counted."""
    has_card = os.path.exists("/dev/nvidiactl") or os.path.exists("/dev/kfd")
    return Limits(memory_bytes=1 << 62 if has_card else int(gibibytes * 1024) * MIB)


@dataclass(frozen=True, slots=True)
class Seen:
    """What loading weights once has shown."""

    context: int
    """The most tokens of prompt and answer together."""
    is_instructed: bool
    """It has a chat template."""


async def inspect(directory: Path, memory: float) -> Seen:
    """Load weights in a child process and let them go. Raises EngineDown if they can't be."""
    if not installed():
        raise EngineDown(MISSING)
    host = await _Host.start(directory, model_limits(memory), 1)
    await host.aclose()
    return Seen(host.ready["context"], host.ready["instructed"])


class Transformers:
    """`find` answers the directory of the weights (a base, or an adapter), and may build it first.

    `units` child processes share the work; `memory` is in gibibytes each.
    """

    extractive = False

    def __init__(
        self, label: str, find: Callable[[], Awaitable[Path]], *, units: int = 1, memory: float = 16.0, threads: int = 0
    ) -> None:
        self._label = label
        self._find = find
        self._units = max(1, units)
        self._limits = model_limits(memory)
        self._threads = threads or max(1, (os.cpu_count() or 1) // self._units)
        self._hosts: list[_Host] = []
        self._directory: Path | None = None

    @property
    def name(self) -> str:
        return f"transformers:{self._label}"

    async def open(self) -> None:
        if not installed():
            raise EngineDown(MISSING)
        self._directory = await self._find()
        starts = [_Host.start(self._directory, self._limits, self._threads) for _ in range(self._units)]
        opened = await asyncio.gather(*starts, return_exceptions=True)
        self._hosts = [host for host in opened if isinstance(host, _Host)]
        for failure in opened:
            if isinstance(failure, BaseException):
                await self.aclose()
                raise failure

    async def aclose(self) -> None:
        hosts, self._hosts = self._hosts, []
        for host in hosts:
            await host.aclose()

    async def generate(self, generation: Generation) -> AsyncGenerator[Event, None]:
        if generation.tools and generation.tool_choice:
            raise EngineUnsupported(
                f"{self.name} calls no tools. Map the model to an OpenAI-compatible endpoint with `outcrop models map`."
            )
        asked = {
            "turns": turns(generation),
            "ask": {
                "max_tokens": generation.max_tokens,
                "temperature": generation.temperature,
                "top_p": generation.top_p,
                "top_k": generation.top_k,
                "stop": list(generation.stop),
                "seed": _seed(generation),
            },
        }
        host = await self._host()
        async with contextlib.aclosing(host.ask(asked)) as answers:
            async for answer in answers:
                if "text" in answer:
                    yield TextDelta(answer["text"])
                else:
                    yield Finish(answer["finish"], answer["input"], answer["output"], answer["stop"])

    async def count(self, generation: Generation) -> int:
        host = await self._host()
        async with contextlib.aclosing(host.ask({"turns": turns(generation), "count": True})) as answers:
            async for answer in answers:
                return int(answer["counted"])
        raise EngineError("The model's process counted nothing.", retryable=True)

    async def _host(self) -> _Host:
        """The least busy child; one that died is started again."""
        if not self._hosts or self._directory is None:
            raise EngineDown(f"{self.name} is not open.")
        for at, host in enumerate(self._hosts):
            if host.is_gone and not host.restarting:
                host.restarting = True
                try:
                    self._hosts[at] = await _Host.start(self._directory, self._limits, self._threads)
                finally:
                    host.restarting = False
        return min(self._hosts, key=lambda host: (host.is_gone, host.busy))


class _Host:
    """One child and the questions that it has."""

    def __init__(self, dialogue: Dialogue, ready: dict[str, Any]) -> None:
        self._dialogue = dialogue
        self.ready = ready
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Queue[dict[str, Any] | EngineError]] = {}
        self._reading = asyncio.get_running_loop().create_task(self._read())
        self.is_gone = False
        self.restarting = False

    @classmethod
    async def start(cls, directory: Path, limits: Limits, threads: int) -> _Host:
        """Raises EngineDown."""
        dialogue = await Dialogue.start("outcrop.engines.inference.transformers.host:main", limits)
        try:
            dialogue.send(json.dumps({"open": str(directory), "threads": threads}).encode())
            first = json.loads(await dialogue.receive())
        except WorkerFailure as error:
            raise EngineDown(f"The process that loads {directory} failed: {error}") from error
        except BaseException:
            await dialogue.aclose()
            raise
        if "failed" in first:
            await dialogue.aclose()
            raise EngineDown(first["failed"])
        return cls(dialogue, first["ready"])

    @property
    def busy(self) -> int:
        return len(self._answers)

    async def ask(self, message: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Answers up to the one that ends it. Closing it tells the child to stop writing."""
        number = next(self._numbers)
        answers: asyncio.Queue[dict[str, Any] | EngineError] = asyncio.Queue()
        self._answers[number] = answers
        ended = False
        try:
            self._dialogue.send(json.dumps({"id": number, **message}).encode())
            while not ended:
                answer = await answers.get()
                if isinstance(answer, EngineError):
                    ended = True
                    raise answer
                ended = "text" not in answer
                yield answer
        finally:
            del self._answers[number]
            if not ended:
                self._dialogue.send(json.dumps({"cancel": number}).encode())

    async def _read(self) -> None:
        try:
            while True:
                answer = json.loads(await self._dialogue.receive())
                if (queue := self._answers.get(answer["id"])) is None:
                    continue
                if "error" in answer:
                    queue.put_nowait(EngineError(answer["error"], status=answer["status"]))
                else:
                    queue.put_nowait(answer)
        except WorkerFailure as error:
            self.is_gone = True
            for queue in self._answers.values():
                queue.put_nowait(EngineError(f"The model's process failed: {error}", status=500, retryable=True))

    async def aclose(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._dialogue.aclose()


def turns(generation: Generation) -> list[dict[str, str]]:
    """Messages as the chat templates take them. Raises EngineUnsupported for what isn't text."""
    system = [{"role": "system", "content": generation.system}] if generation.system else []
    return [*system, *({"role": message.role, "content": _text(message)} for message in generation.messages)]


def _text(message: Message) -> str:
    return "\n\n".join(filter(None, (_block(block) for block in message.content)))


def _block(block: Block) -> str:
    match block:
        case Text(text):
            return text
        case Document(name, _, data):
            return f"{name}\n{data.decode(errors='replace')}"
        case Reasoning():
            return ""
    raise EngineUnsupported("Local weights take text and documents only: no images, and no tools.")


def _seed(generation: Generation) -> int | None:
    given = generation.extra.get("seed")
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 1 << 63 else None
