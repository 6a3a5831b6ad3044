"""One environment: a process that runs a function, and the conversation with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from outcrop.engines.functions.box import LANG, OPT, RUNTIME, TASK, View
from outcrop.engines.functions.extensions import SHUTDOWN_SECONDS, Extensions
from outcrop.engines.functions.launch import BOOT, Launch
from outcrop.engines.functions.output import LineSplitter
from outcrop.engines.functions.process import Sandbox
from outcrop.engines.functions.runtime_api import Connection, RuntimeApi
from outcrop.engines.functions.spec import (
    MAX_RESPONSE,
    EnvironmentInfo,
    FunctionSpec,
    Invocation,
    Line,
    Outcome,
    Owner,
    Status,
    Variables,
)
from outcrop.engines.functions.stream import AnswerStream

INIT_SECONDS = 10.0
MEASURE_SECONDS = 0.05
READ_BYTES = 1 << 18
MAX_DRAIN = 1 << 22
ENTRY_FAILED = re.compile(r"bwrap: execvp (.+): (.+)\n")
"""What bubblewrap says of a command that can't be run."""
BESIDE = 'while [ "$1" != -- ]; do "$1" & shift; done; shift; exec "$@"'
"""Starts programs up to `--` in the background, and becomes the command behind it."""
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
TIMEOUT, TOO_LARGE = "Sandbox.Timedout", "Function.ResponseSizeTooLarge"
SIGNALS = {signal.SIGKILL: "killed", signal.SIGSEGV: "segmentation fault", signal.SIGABRT: "aborted"}

State = Literal["starting", "idle", "busy", "finishing", "dead"]


class Environment:
    """`open()`, then `invoke()` again and again, each once `on_idle` was called; `close()` at any time."""

    def __init__(
        self,
        info: EnvironmentInfo,
        owner: Owner,
        home: Path,
        on_idle: Callable[[Environment], None],
        on_closed: Callable[[Environment], None],
    ) -> None:
        self.info = info
        self.state: State = "starting"
        self.expires_at = float("inf")
        self.retired = False
        """To be closed instead of kept for more work."""
        self.served = False
        """Whether it has ended an invocation."""
        self.idle_since = 0.0
        self._owner = owner
        self._home = home
        self._on_idle = on_idle
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._api = RuntimeApi(self)
        self._address = ""
        self._sandbox: Sandbox | None = None
        self.extensions = Extensions(self._about, self._asked)
        self._lines = LineSplitter()
        self._reading = False
        self._waiting: Connection | None = None
        self._invocation: Invocation | None = None
        self._result: asyncio.Future[_Result] = self._loop.create_future()
        self._exited = self._loop.create_future()
        self._watch: asyncio.Task[None] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._measuring: asyncio.TimerHandle | None = None
        self._started = 0.0
        self._init_ms: float | None = None
        self._over_limit = False
        self._ended_for_good = False
        self._variables: Mapping[str, str] = {}

    # starting and ending

    @property
    def temporary(self) -> Path:
        """The folder that is its /tmp."""
        return self._home / "tmp"

    async def open(self, launch: Launch, view: View, variables: Variables) -> bool:
        """Start the process and wait until it asks for work. False: it failed; `fail()` says how, then `close()`."""
        spec = self.info.spec
        self.expires_at = variables.expires_at
        self._variables = variables.values
        self._address = await self._api.open()
        environment = {
            **_places(spec, launch, view, self.temporary),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONDONTWRITEBYTECODE": "1",
            **variables.values,
            "LAMBDA_TASK_ROOT": view(spec.code),
            "LAMBDA_RUNTIME_DIR": RUNTIME if view.boxed else str(BOOT),
            "_HANDLER": spec.handler,
            "AWS_LAMBDA_RUNTIME_API": self._address,
        }
        self._started = time.perf_counter()
        self._owner.init_started(self.info, launch.note)
        programs = await asyncio.to_thread(_extensions, spec) if spec.layers else []
        self.extensions.expected = len(programs)
        command = _command(launch, view, environment.get("AWS_LAMBDA_EXEC_WRAPPER", ""), spec, programs)
        sandbox = Sandbox(command, environment, spec.code, spec.memory_mb, spec.storage_mb, boxed=view.boxed)
        try:
            sandbox.open()
        except OSError as error:
            self._settle(
                _Result(b"", "Runtime.InvalidEntrypoint", f"fork/exec {view(launch.command[0])}: {error.strerror}")
            )
        else:
            self._sandbox = sandbox
            self._resume_reading()
            self._watch = asyncio.create_task(self._wait_for_exit(sandbox), name=f"environment {self.info.id}")
            self._limit = self._loop.call_later(INIT_SECONDS + spec.timeout_s, self._time_out)
            self._measure()
        result = await self._result
        self._init_ms = (time.perf_counter() - self._started) * 1000
        self._drain()
        if result.error_type:
            self._owner.init_failed(self.info, self._outcome(result, self._init_ms, None))
            return False
        self._become_idle()
        return True

    def close(self) -> None:
        """Kill the process and all it started."""
        if self.state == "dead":
            return
        was_idle, self.state = self.state == "idle", "dead"
        self._cancel_timers()
        self._settle(_Result(b"", "Runtime.ExitError", "Runtime exited with error: signal: killed"))
        self._on_closed(self)
        if was_idle and self.extensions.shutdown("spindown", time.time() + SHUTDOWN_SECONDS):
            self._limit = self._loop.call_later(SHUTDOWN_SECONDS, self._end)
            self._exited.add_done_callback(lambda _: self._end())
        else:
            self._end()

    def _end(self) -> None:
        if self._ended_for_good:
            return
        self._ended_for_good = True
        self._cancel_timers()
        self.extensions.close()
        self._api.close()
        self._drain()
        self._stop_reading()
        if self._sandbox is None:
            self._exited.set_result(None)
        else:
            self._sandbox.close()
        if rest := self._lines.flush():
            self._owner.output(self.info, rest)
        self._owner.closed(self.info)

    async def wait_closed(self) -> None:
        """Until the process is gone and its private files are removed."""
        await self._exited
        if self._sandbox is not None and not self._sandbox.boxed:
            await asyncio.to_thread(self._sandbox.kill_escaped, f"AWS_LAMBDA_RUNTIME_API={self._address}")
        await asyncio.to_thread(shutil.rmtree, self._home, True)

    async def _wait_for_exit(self, sandbox: Sandbox) -> None:
        status = await sandbox.wait()
        self._drain()
        message = "Runtime exited without providing a reason"
        if status > 0:
            message = f"Runtime exited with error: exit status {status}"
        elif status < 0:
            message = f"Runtime exited with error: signal: {_signal(-status)}"
        self._settle(_Result(b"", "Runtime.OutOfMemory" if self._over_limit else "Runtime.ExitError", message))
        self._exited.set_result(None)
        if self.state in ("idle", "finishing"):
            self.close()

    # invoking

    async def invoke(self, invocation: Invocation) -> Outcome:
        assert self.state == "idle", f"the environment is {self.state}"
        self.state = "busy"
        self._invocation = invocation
        result = self._result = self._loop.create_future()
        timeout = self.info.spec.timeout_s
        self._owner.invoke_started(self.info, invocation)
        waiting, self._waiting = self._waiting, None
        self._started = time.perf_counter()
        deadline = time.time() + timeout
        self.extensions.record("platform.start", {"requestId": invocation.request_id})
        self.extensions.invoke(invocation.request_id, deadline, invocation.function, invocation.trace_id)
        if waiting is None or not waiting.send(invocation, deadline):
            self._settle(_Result(b"", "Runtime.ExitError", "Runtime exited without providing a reason"))
        self._limit = self._loop.call_later(timeout, self._time_out)
        self._measuring = self._loop.call_later(MEASURE_SECONDS, self._measure)
        try:
            return self._ended(invocation, await asyncio.shield(result))
        except asyncio.CancelledError:  # nobody waits for it any more: as on AWS, it runs on
            result.add_done_callback(lambda done: self._ended(invocation, done.result()))
            raise

    def fail(self, invocation: Invocation) -> Outcome:
        """The outcome of an invocation that came to an environment whose start failed."""
        self._owner.invoke_started(self.info, invocation)
        outcome = self._outcome(self._result.result(), 0.0, None, invocation.request_id)
        self._owner.invoke_ended(self.info, invocation, outcome)
        return outcome

    def _ended(self, invocation: Invocation, result: _Result) -> Outcome:
        duration = min((time.perf_counter() - self._started) * 1000, self.info.spec.timeout_s * 1000)
        self._invocation = None
        self._drain()
        init_ms, self._init_ms = self._init_ms, None
        outcome = self._outcome(result, duration, init_ms, invocation.request_id)
        if invocation.stream is not None:
            invocation.stream.end()
        self._record_end(invocation, outcome)
        self._owner.invoke_ended(self.info, invocation, outcome)
        if result.error_type == TIMEOUT or self._exited.done():
            self.close()
        elif self.state == "busy":
            self.state = "finishing"
            self.served = True
            self._asked()
        return outcome

    def _record_end(self, invocation: Invocation, outcome: Outcome) -> None:
        metrics = {"durationMs": round(outcome.duration_ms, 3)}
        about = {"requestId": invocation.request_id, "status": outcome.status, "metrics": metrics}
        self.extensions.record("platform.runtimeDone", about)
        memory = {"memorySizeMB": self.info.spec.memory_mb, "maxMemoryUsedMB": outcome.max_memory_mb}
        self.extensions.record("platform.report", {**about, "metrics": {**metrics, **memory}})

    def _outcome(self, result: _Result, duration: float, init_ms: float | None, request_id: str = "") -> Outcome:
        body, kind, text = result.body, result.error_type, result.message
        status: Status = "success"
        if kind:
            status = "timeout" if kind == TIMEOUT else "error"
        if text:
            message = text if kind == TOO_LARGE else f"RequestId: {request_id} Error: {text}"
            body = json.dumps({"errorType": kind, "errorMessage": message}, separators=(",", ":")).encode()
        memory = -(-self._sandbox.measure() >> 20) if self._sandbox is not None else 0
        memory = min(memory, self.info.spec.memory_mb)
        return Outcome(body, status, self.info.id, kind, duration, init_ms, memory, result.content_type)

    def _become_idle(self) -> None:
        self._cancel_timers()
        self.state = "idle"
        self.idle_since = time.monotonic()
        self._on_idle(self)

    def _time_out(self) -> None:
        if self.state == "finishing":  # it answered in time, but never asked for more work
            self.close()
        else:
            self._settle(_Result(b"", TIMEOUT, f"Task timed out after {self.info.spec.timeout_s:.2f} seconds"))

    def _measure(self) -> None:
        if self._sandbox is None or self.state == "dead":
            return
        if self._sandbox.check():
            self._measuring = self._loop.call_later(MEASURE_SECONDS, self._measure)
        else:
            self._over_limit = True
            self._sandbox.kill()

    def _settle(self, result: _Result) -> None:
        if not self._result.done():
            self._result.set_result(result)

    def _cancel_timers(self) -> None:
        for timer in (self._limit, self._measuring):
            if timer is not None:
                timer.cancel()

    # what the runtime says

    def next(self, connection: Connection) -> bool:
        if self._waiting is not None and self._waiting.is_open:
            return False
        self._waiting = connection
        self._asked()
        return True

    def _asked(self) -> None:
        """The runtime, or an extension, has asked for more. Once all have, there is room for an invocation."""
        if self._waiting is not None and self.extensions.are_ready:
            if self.state == "starting":
                self._settle(_Result(b""))
            elif self.state == "finishing":
                self._become_idle()

    def stream(self) -> AnswerStream | None:
        return self._invocation.stream if self._invocation else None

    def extension_failed(self, name: str, error_type: str) -> None:
        self._settle(_Result(b"", error_type, f"The extension {name} has failed"))
        if self.state != "starting":
            self.close()

    def _about(self) -> dict[str, str]:
        return {
            "functionName": self._variables.get("AWS_LAMBDA_FUNCTION_NAME", ""),
            "functionVersion": self._variables.get("AWS_LAMBDA_FUNCTION_VERSION", ""),
            "handler": self.info.spec.handler,
        }

    def current(self) -> str:
        return self._invocation.request_id if self._invocation else ""

    def answered(self, body: bytes, size: int, headers: Mapping[bytes, bytes]) -> None:
        if size > MAX_RESPONSE:
            message = (
                f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
            )
            self._settle(_Result(b"", TOO_LARGE, message))
        else:
            content_type = headers.get(b"content-type", b"application/json").decode("latin-1")
            self._settle(_Result(body, content_type=content_type))

    def failed(self, body: bytes, error_type: str) -> None:
        self._settle(_Result(body, error_type or _error_type(body) or "Runtime.Unknown"))

    def init_failed(self, body: bytes, error_type: str) -> None:
        if self.state == "starting":
            self._settle(_Result(body, error_type or _error_type(body) or "Runtime.Unknown"))

    # its output

    def resume(self) -> None:
        """Read output again, after the owner had refused more."""
        if self.state != "dead":
            self._resume_reading()

    def _resume_reading(self) -> None:
        if not self._reading and self._sandbox is not None:
            self._reading = True
            self._loop.add_reader(self._sandbox.output, self._read)

    def _stop_reading(self) -> None:
        if self._reading and self._sandbox is not None:
            self._reading = False
            self._loop.remove_reader(self._sandbox.output)

    def _read(self) -> None:
        if self._read_once() == 0:
            self._stop_reading()

    def _read_once(self) -> int:
        """How many bytes there were; 0 at the end."""
        assert self._sandbox is not None
        try:
            data = os.read(self._sandbox.output, READ_BYTES)
        except BlockingIOError:
            return -1
        if data and (lines := self._lines.feed(data)) and not self._hear(lines):
            self._stop_reading()
        return len(data)

    def _hear(self, lines: list[Line]) -> bool:
        """False: the owner takes no more for now."""
        if self.state == "starting":
            for line in lines:
                if match := ENTRY_FAILED.fullmatch(line[1]):
                    self._settle(_Result(b"", "Runtime.InvalidEntrypoint", f"fork/exec {match[1]}: {match[2]}"))
                    lines.remove(line)
                    break
        self.extensions.lines(lines)
        return self._owner.output(self.info, lines)

    def _drain(self) -> None:
        """Read what was written up to now."""
        read = 0
        while self._sandbox is not None and self._sandbox.output >= 0 and read < MAX_DRAIN:
            size = self._read_once()
            if size <= 0:
                break
            read += size


def _places(spec: FunctionSpec, launch: Launch, view: View, temporary: Path) -> dict[str, str]:
    """The variables that name places."""
    if view.boxed:
        generation = f"{OPT}/nodejs/node{spec.runtime.removeprefix('nodejs').removesuffix('.x')}/node_modules"
        return {
            "PATH": f"{LANG}/bin:/usr/local/bin:/usr/bin/:/bin:{OPT}/bin",
            "LD_LIBRARY_PATH": f"{LANG}/lib:/lib64:/usr/lib64:{RUNTIME}:{RUNTIME}/lib:{TASK}:{TASK}/lib:{OPT}/lib",
            "NODE_PATH": f"{generation}:{OPT}/nodejs/node_modules:{RUNTIME}/node_modules:{RUNTIME}:{TASK}",
            "HOME": "/tmp",
        }
    layers = [str(layer) for layer in spec.layers]
    folders = [os.path.dirname(launch.program), *SYSTEM_PATH.split(":"), *(f"{layer}/bin" for layer in layers)]
    return {
        "PATH": ":".join(dict.fromkeys(folders)),
        "LD_LIBRARY_PATH": ":".join([str(spec.code), f"{spec.code}/lib", *(f"{layer}/lib" for layer in layers)]),
        "NODE_PATH": ":".join(f"{layer}/nodejs/node_modules" for layer in layers),
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
    }


def _extensions(spec: FunctionSpec) -> list[Path]:
    """The extensions' programs; of two of one name, that of the later layer."""
    found = {path.name: path for layer in spec.layers for path in sorted((layer / "extensions").glob("*"))}
    return [path for path in found.values() if path.is_file() and os.access(path, os.X_OK)]


def _command(launch: Launch, view: View, wrapper: str, spec: FunctionSpec, programs: Sequence[Path]) -> list[str]:
    """What is run: the runtime, inside the wrapper script that the function names, beside extensions, in the box."""
    seen = (":".join(map(view, argument.split(":"))) for argument in launch.command)
    command = list(dict.fromkeys(seen))  # merged layers are one place
    if wrapper and not view.boxed:
        for folder, places in ((OPT, reversed(spec.layers)), (TASK, iter([spec.code]))):
            if wrapper.startswith(f"{folder}/"):
                found = (place / wrapper[len(folder) + 1 :] for place in places)
                wrapper = next((str(path) for path in found if path.is_file()), wrapper)
    beside = ("/bin/sh", "-c", BESIDE, "sh", *map(view, programs), "--") if programs else ()
    return [*view.enter, *beside, *([wrapper] if wrapper else ()), *command]


class _Result:
    __slots__ = ("body", "content_type", "error_type", "message")

    def __init__(
        self,
        body: bytes,
        error_type: str = "",
        message: str = "",
        content_type: str = "application/json",
    ) -> None:
        self.body = body
        self.error_type = error_type
        self.message = message
        self.content_type = content_type


def _error_type(body: bytes) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        kind = json.loads(body).get("errorType")
        return kind if isinstance(kind, str) else ""
    return ""


def _signal(number: int) -> str:
    try:
        known = signal.Signals(number)
    except ValueError:
        return str(number)
    return SIGNALS.get(known, known.name)
