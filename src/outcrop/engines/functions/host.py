"""Keeps environments: warm for the next invocation, no more than the machine bears, none for functions at rest."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import time
from collections import Counter, deque
from collections.abc import Coroutine, Sequence
from pathlib import Path

from outcrop.engines.functions.box import Boxes
from outcrop.engines.functions.environment import Environment
from outcrop.engines.functions.launch import BOOT
from outcrop.engines.functions.pace import Pace
from outcrop.engines.functions.runtimes import Runtimes
from outcrop.engines.functions.spec import Busy, EnvironmentInfo, FunctionSpec, Invocation, Outcome, Owner

log = logging.getLogger(__name__)

MAX_ENVIRONMENTS = 1000
MEMORY_EACH = 48 << 20
"""What an environment is reckoned to need, in bytes, when the machine decides how many there may be."""
PACE_SECONDS = 1.0
FINISHING_SECONDS = 0.01
SWEEP_SECONDS = 15.0


class FunctionHost:
    """Opens nothing until the first `invoke`. `directory` holds the environments' private files.

    A call takes the environment that was used last, or starts another. When `max_environments` run, the one that has
    been idle longest makes room; when all are at work a call waits `patience` seconds, then raises `Busy`.
    """

    def __init__(
        self,
        owner: Owner,
        runtimes: Runtimes,
        directory: Path,
        *,
        boxes: Boxes | None = None,
        max_environments: int | None = None,
        idle_seconds: float = 300.0,
        patience: float = 5.0,
    ) -> None:
        self._owner = owner
        self._runtimes = runtimes
        self._directory = directory
        self._boxes = boxes or Boxes(directory, search_path="", wanted="none")
        self._max = max_environments or _room()
        self._idle_seconds = idle_seconds
        self._patience = patience
        self._all: dict[str, Environment] = {}
        self._idle: dict[str, list[Environment]] = {}
        self._queues: dict[str, deque[_Waiting]] = {}
        self._starts: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.Task[None]] = set()
        self._starting: Counter[str] = Counter()
        self._kept: dict[str, tuple[FunctionSpec, int]] = {}
        self._failed: set[str] = set()
        self._want_room: list[asyncio.Future[None]] = []
        self._pace = Pace(2 * (os.cpu_count() or 1), PACE_SECONDS)  # a burst shall not starve what already runs
        self._cleaning: asyncio.Future[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closing = False

    @property
    def environments(self) -> int:
        """How many environments there are now, idle ones included."""
        return len(self._all)

    async def invoke(self, spec: FunctionSpec, invocation: Invocation) -> Outcome:
        """Run one invocation. A function that fails is an outcome; Busy and RuntimeMissing are raised, and so is what
        the owner's `prepare` raises."""
        environment = self._take_idle(spec.key)
        while environment is None or environment.state != "idle":
            got = await self._start_or_wait(spec, invocation)
            if isinstance(got, Outcome):
                return got
            environment = got
        return await environment.invoke(invocation)

    def provision(self, wanted: Sequence[tuple[FunctionSpec, int]]) -> None:
        """Keep so many environments for each spec, started now, and no longer those of earlier calls."""
        self._kept = {spec.key: (spec, count) for spec, count in wanted}
        self._failed.clear()
        for key in self._kept:
            self._refill(key)

    def provisioned(self, key: str) -> tuple[int, bool]:
        """How many environments have started, and whether the last start for `provision` failed."""
        started = sum(e.info.spec.key == key and e.state != "starting" for e in self._all.values())
        return started, key in self._failed

    def _refill(self, key: str) -> None:
        if self._closing or key not in self._kept or key in self._failed:
            return
        spec, count = self._kept[key]
        for _ in range(count - sum(e.info.spec.key == key and not e.retired for e in self._all.values())):
            if not self._make_room():
                return
            info = EnvironmentInfo(secrets.token_hex(16), spec, provisioned=True)
            environment = Environment(info, self._owner, self._directory / info.id, self._became_idle, self._was_closed)
            self._all[info.id] = environment
            _in_background(self._warm(environment), self._starts)

    async def _warm(self, environment: Environment) -> None:
        """Start an environment that nobody waits for."""
        opened = False
        try:
            async with self._pace.turn():
                if environment.info.spec.key in self._kept:
                    opened = await self._open(environment)
        except Exception:
            log.exception("an environment that was to be kept ready has not started")
        finally:
            if not opened:
                self._failed.add(environment.info.spec.key)
                environment.close()

    def retire(self, key: str) -> None:
        """End the environments of this key: idle ones now, busy ones after their work."""
        self._kept.pop(key, None)
        for environment in self._idle.pop(key, []):
            environment.close()
        for environment in self._all.values():
            if environment.info.spec.key == key:
                environment.retired = True

    def resume(self, environment_id: str) -> None:
        """Take output again from an environment whose output the owner had refused."""
        if environment := self._all.get(environment_id):
            environment.resume()

    async def aclose(self) -> None:
        """Kill everything."""
        self._closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for task in self._starts:
            task.cancel()
        for waiting in [waiting for queue in self._queues.values() for waiting in queue]:
            if not waiting.future.done():
                waiting.future.set_exception(Busy("the function host is closing"))
        for environment in list(self._all.values()):
            environment.close()
        await asyncio.gather(*self._starts, *self._ends, return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, self._directory, True)

    # idle environments

    def _take_idle(self, key: str) -> Environment | None:
        idle = self._idle.get(key, [])
        while idle:
            environment = idle.pop()
            if not self._expires(environment):
                return environment
            environment.close()
        return None

    def _expires(self, environment: Environment) -> bool:
        """Whether its variables may expire in the middle of an invocation."""
        return environment.expires_at < time.time() + environment.info.spec.timeout_s

    def _became_idle(self, environment: Environment) -> None:
        key = environment.info.spec.key
        if environment.served and (environment.retired or self._expires(environment)):
            environment.close()
            return
        for waiting in self._queues.get(key, ()):
            if not waiting.future.done():
                waiting.future.set_result(environment)
                return
        if self._closing or environment.retired:
            environment.close()
            return
        self._idle.setdefault(key, []).append(environment)
        self._tell_room()
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _was_closed(self, environment: Environment) -> None:
        key = environment.info.spec.key
        del self._all[environment.info.id]
        with contextlib.suppress(ValueError):
            self._idle.get(key, []).remove(environment)
        if not self._idle.get(key):
            self._idle.pop(key, None)
        self._tell_room()
        _in_background(environment.wait_closed(), self._ends)
        if key in self._kept:
            asyncio.get_running_loop().call_soon(self._refill, key)

    def _sweep(self) -> None:
        self._sweeper = None
        oldest = time.monotonic() - self._idle_seconds
        for key, idle in list(self._idle.items()):
            for environment in [e for e in self._spare(key, idle) if e.idle_since < oldest]:
                environment.close()
        if any(self._idle.values()):
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _spare(self, key: str, idle: list[Environment]) -> list[Environment]:
        """Those of the idle ones that needn't be kept."""
        kept = self._kept[key][1] if key in self._kept else 0
        return idle[: max(0, len(idle) - kept)]

    # new environments

    async def _start_or_wait(self, spec: FunctionSpec, invocation: Invocation) -> Environment | Outcome:
        """Start an environment, and take it or whichever becomes free first."""
        if self._closing:
            raise Busy("the function host is closing")
        waiting = _Waiting(invocation, asyncio.get_running_loop().create_future())
        queue = self._queues.setdefault(spec.key, deque())
        queue.append(waiting)
        try:
            if self._finishing(spec.key) >= len(queue):
                await asyncio.wait([waiting.future], timeout=FINISHING_SECONDS)
            if self._starting[spec.key] < self._unserved(spec.key) and await self._find_room(waiting):
                info = EnvironmentInfo(secrets.token_hex(16), spec)
                home = self._directory / info.id
                environment = Environment(info, self._owner, home, self._became_idle, self._was_closed)
                self._all[info.id] = environment
                self._starting[spec.key] += 1
                _in_background(self._start(environment), self._starts)
            return await waiting.future
        except asyncio.CancelledError:
            if waiting.future.done() and not waiting.future.cancelled():
                got = waiting.future.result()
                if isinstance(got, Environment) and got.state == "idle":
                    self._became_idle(got)
            raise
        finally:
            if waiting in queue:
                queue.remove(waiting)
            if not queue:
                self._queues.pop(spec.key, None)

    async def _find_room(self, waiting: _Waiting) -> bool:
        """True: another environment may be started. False: `waiting` got one meanwhile."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        while not self._make_room():
            room = loop.create_future()
            self._want_room.append(room)
            await asyncio.wait([room, waiting.future], timeout=until - loop.time(), return_when="FIRST_COMPLETED")
            self._want_room.remove(room)
            if waiting.future.done():
                return False
            if loop.time() >= until:
                raise Busy(f"{self._max} environments are at work")
        return True

    def _make_room(self) -> bool:
        if len(self._all) >= self._max:
            idle = [environment for key, idle in self._idle.items() for environment in self._spare(key, idle)]
            if idle:
                min(idle, key=lambda environment: environment.idle_since).close()
        return len(self._all) < self._max

    def _tell_room(self) -> None:
        if room := next((room for room in self._want_room if not room.done()), None):
            room.set_result(None)

    async def _start(self, environment: Environment) -> None:
        spec = environment.info.spec
        opened = False
        failure: Exception | None = None
        try:
            async with self._pace.turn():
                if self._starting[spec.key] <= self._unserved(spec.key):
                    opened = await self._open(environment)
        except Exception as error:
            failure = error
        finally:
            self._starting[spec.key] -= 1
            if not self._starting[spec.key]:
                del self._starting[spec.key]
            if not opened:
                if self._starting[spec.key] < self._unserved(spec.key):
                    self._report_failure(environment, failure)
                environment.close()

    async def _open(self, environment: Environment) -> bool:
        spec = environment.info.spec
        await self._clean()
        launch = await self._runtimes.launch(spec)
        variables = await self._owner.prepare(environment.info)
        environment.temporary.mkdir(parents=True, exist_ok=True)
        view = await self._boxes.view(spec, environment.temporary, BOOT, launch.program, launch.packages)
        return await environment.open(launch, view, variables)

    def _report_failure(self, environment: Environment, failure: Exception | None) -> None:
        """Tell the call that has waited longest."""
        queue = self._queues[environment.info.spec.key]
        waiting = next(waiting for waiting in queue if not waiting.future.done())
        if failure is not None:
            waiting.future.set_exception(failure)
        elif environment.state == "starting":
            waiting.future.set_result(environment.fail(waiting.invocation))
        else:
            waiting.future.set_exception(Busy("the function was changed or the host is closing"))

    def _unserved(self, key: str) -> int:
        """How many calls wait for an environment."""
        return sum(not waiting.future.done() for waiting in self._queues.get(key, ()))

    def _finishing(self, key: str) -> int:
        """How many environments have answered and will ask for more within microseconds."""
        return sum(e.state == "finishing" and e.info.spec.key == key for e in self._all.values())

    async def _clean(self) -> None:
        """Once: remove the private files of environments that a crash left."""
        if self._cleaning is None:
            self._cleaning = asyncio.ensure_future(asyncio.to_thread(shutil.rmtree, self._directory, True))
        await asyncio.shield(self._cleaning)


class _Waiting:
    """A call that has no environment yet."""

    __slots__ = ("future", "invocation")

    def __init__(self, invocation: Invocation, future: asyncio.Future[Environment | Outcome]) -> None:
        self.invocation = invocation
        self.future = future


def _in_background(work: Coroutine[None, None, None], tasks: set[asyncio.Task[None]]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _room() -> int:
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 64
    return max(16, min(MAX_ENVIRONMENTS, memory // 2 // MEMORY_EACH))
