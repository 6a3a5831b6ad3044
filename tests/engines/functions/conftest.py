"""A host with real child processes, and an owner that writes down what it hears."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import textwrap
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from outcrop.engines.functions import FunctionHost, FunctionSpec, Invocation, Outcome, Runtimes, Variables
from outcrop.engines.functions.box import Boxes

PYTHON = f"python3.{sys.version_info.minor}"


@dataclass
class Recorder:
    """An `Owner`."""

    variables: dict[str, str] = field(default_factory=dict)
    expires_at: float = float("inf")
    events: list[tuple[str, str]] = field(default_factory=list)
    text: str = ""
    takes: int = 1 << 60
    """How many lines it takes before it wants no more."""

    @property
    def last(self) -> str:
        """What happened last."""
        return self.events[-1][0] if self.events else ""

    async def prepare(self, environment):
        return Variables(self.variables, self.expires_at)

    def init_started(self, environment, note):
        self.events.append(("init", note))

    def init_failed(self, environment, outcome):
        self.events.append(("init failed", outcome.error_type))

    def invoke_started(self, environment, invocation):
        self.events.append(("start", invocation.request_id))

    def invoke_ended(self, environment, invocation, outcome):
        self.events.append(("end", invocation.request_id))

    def output(self, environment, lines):
        self.events += [("line", text) for _, text in lines]
        self.text += "".join(text for _, text in lines)
        self.takes -= len(lines)
        return self.takes > 0

    def closed(self, environment):
        self.events.append(("closed", ""))


@dataclass
class Functions:
    """`await functions(event, "def handler(event, context): …")` runs code in the host under test."""

    host: FunctionHost
    owner: Recorder
    directory: Path
    specs: dict[str, FunctionSpec] = field(default_factory=dict)

    def spec(self, code: str, *, handler: str = "app.handler", runtime: str = PYTHON, **limits: Any) -> FunctionSpec:
        key = f"{handler} {runtime} {limits} {code}"
        if key not in self.specs:
            folder = self.directory / str(len(self.specs))
            folder.mkdir(parents=True)
            (folder / "app.py").write_text(textwrap.dedent(code))
            spec = FunctionSpec(key, runtime, handler, folder, memory_mb=256, timeout_s=10.0)
            self.specs[key] = replace(spec, **limits)
        return self.specs[key]

    async def __call__(self, event: Any, code: str, **limits: Any) -> Outcome:
        return await self.run(self.spec(code, **limits), event)

    async def run(self, spec: FunctionSpec, event: Any = None) -> Outcome:
        return await self.host.invoke(spec, Invocation(str(uuid.uuid4()), json.dumps(event).encode()))


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def runtimes(cache) -> Runtimes:
    return Runtimes(cache, search_path=os.environ["PATH"], home=Path.home())


@pytest.fixture
def boxes(tmp_path) -> Boxes | None:
    """None: plain processes. Test modules that want boxes override it."""
    return None


@pytest.fixture
async def make_host(tmp_path, runtimes, boxes) -> AsyncIterator[Callable[..., Functions]]:
    made: list[FunctionHost] = []

    def make(**options: Any) -> Functions:
        owner = Recorder()
        runtimes_ = options.pop("runtimes", runtimes)
        host = FunctionHost(owner, runtimes_, tmp_path / f"env{len(made)}", **{"boxes": boxes, **options})
        made.append(host)
        return Functions(host, owner, tmp_path / f"code{len(made)}")

    yield make
    for host in made:
        await host.aclose()


@pytest.fixture
async def functions(make_host) -> Functions:
    return make_host()


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait until `condition()` is true."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
