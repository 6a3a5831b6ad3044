"""The composition root: opens every part in order, in one async stack, and closes them in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from outcrop import __version__
from outcrop.jobs import Jobs
from outcrop.services.contract import Context, Deps, Principal, Service
from outcrop.services.room import Room
from outcrop.services.surface import HttpRequest, HttpResponse
from outcrop.settings import Settings
from outcrop.storage import Blobs, Database

if TYPE_CHECKING:
    import uvicorn

    from outcrop.wire.gateway import Gateway

log = logging.getLogger("outcrop")


class AlreadyRunning(Exception):
    """Another process holds the data directory."""


ROOMS: Mapping[str, tuple[str, ...]] = {
    "iam": ("iam", "sts"),
    "s3": ("s3", "s3control"),
    "s3vectors": ("s3vectors",),
    "logs": ("logs",),
    "cloudwatch": ("cloudwatch",),
    "lambda_": ("lambda",),
    "apigateway": ("apigatewayv2", "apigateway", "apigatewaymanagementapi"),
    "bedrock": ("bedrock", "bedrock-runtime"),
    "schemas": ("schemas",),
    "knowledge_bases": ("bedrock-agent", "bedrock-agent-runtime"),
}
"""The folders under `services/`, and the botocore services of each. A new service is a folder and a line here; rooms
stop in reverse order."""


def rooms(deps: Deps) -> tuple[Room, ...]:
    """Every service of the stack, each folder imported when its first request comes."""

    def build(folder: str) -> Sequence[Service]:
        made: Sequence[Service] = import_module(f"outcrop.services.{folder}.service").services(deps)
        return made

    return tuple(Room(names, partial(build, folder)) for folder, names in ROOMS.items())


class Stack:
    """Everything that one server holds: built light, opened by `open_stack`."""

    def __init__(self, settings: Settings) -> None:
        from outcrop.engines.inference.models import Models
        from outcrop.services.iam.credentials import Credentials
        from outcrop.wire.gateway import Gateway

        if settings.throttle:
            from outcrop.services.bedrock.reporting.throttling import Throttle

            Throttle(settings.throttle)  # a limit that can't be read shall stop the start, not the first request
        self.settings = settings
        self.url = f"http://{settings.host}:{settings.port}"
        self._has_past = any(path.stem not in ("jobs", "iam") for path in (settings.data / "db").glob("*.sqlite"))
        self._databases: dict[str, Database] = {}
        self.models = Models(settings)
        self.jobs = Jobs(self.database("jobs"))
        self.deps = Deps(
            settings=settings,
            data=settings.data,
            database=self.database,
            blobs=lambda name: Blobs(settings.data / name / "blobs"),
            jobs=self.jobs,
            models=self.models,
            context=self.context,
            lookup=Credentials(self.database("iam"), settings.account).lookup,
            endpoint=lambda: self.url,
        )
        self.rooms = rooms(self.deps)
        self.gateway: Gateway = Gateway(
            self.rooms,
            settings=settings,
            lookup=self.deps.lookup,
            surfaces=(Health(self),),
            endpoint=self.deps.endpoint,
        )

    def database(self, name: str, durable: bool = True) -> Database:
        """The one `Database` of this name."""
        if name not in self._databases:
            self._databases[name] = Database(self.settings.data / "db" / f"{name}.sqlite", durable=durable)
        return self._databases[name]

    def context(self, account: str, region: str, principal: Principal, trace_id: str = "") -> Context:
        return self.gateway.context(account, region, principal, trace_id)

    async def resume(self) -> None:
        """Go on with what an earlier process left: queued jobs, alarms, log retention."""
        if self._has_past:
            for room in self.rooms:
                room.services  # noqa: B018 - builds them
                await self.gateway.start_rooms()
                await asyncio.sleep(0)
        self.jobs.start()

    def close_databases(self) -> None:
        for database in self._databases.values():
            database.close()


class Health:
    """`GET /_outcrop/health`: what runs here, for scripts and people. `services` says of each whether it is loaded:
    that happens at its first request."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._since = time.time()

    def matches(self, request: HttpRequest) -> bool:
        return request.raw_path == "/_outcrop/health"

    async def handle(self, request: HttpRequest, context: Callable[[str, str], Context]) -> HttpResponse:
        body = {
            "status": "ok",
            "version": __version__,
            "pid": os.getpid(),
            "uptime_seconds": round(time.time() - self._since, 3),
            "data": str(self._stack.settings.data),
            "strict": self._stack.settings.strict,
            "models": [asdict(served) for served in self._stack.models.served()],
            "services": {name: room.is_open for room in self._stack.rooms for name in room.names},
        }
        return HttpResponse(200, (("content-type", "application/json"),), json.dumps(body, indent=2).encode())


@asynccontextmanager
async def open_stack(settings: Settings) -> AsyncIterator[Stack]:
    """Take the data directory, build the stack, and undo all in reverse; services start when they are first asked."""
    async with AsyncExitStack() as exits:
        exits.enter_context(hold_directory(settings.data))
        stack = Stack(settings)
        exits.callback(stack.close_databases)
        exits.push_async_callback(stack.models.aclose)
        for room in stack.rooms:
            exits.push_async_callback(room.stop)
        exits.push_async_callback(stack.jobs.aclose)
        yield stack


@contextlib.contextmanager
def hold_directory(data: Path) -> Iterator[None]:
    """Hold `data` for this process alone. Raises AlreadyRunning."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("a+") as lock:
        if not _locked(lock):
            state = read_state(data)
            where = f" (process {state['pid']}, {state['url']})" if state else ""
            raise AlreadyRunning(
                f"another Outcrop already uses {data}{where}. Stop it with `outcrop down`, or choose another --data."
            )
        try:
            yield
        finally:
            (data / "server.json").unlink(missing_ok=True)


def is_held(data: Path) -> bool:
    """Whether a process holds `data` now."""
    try:
        with (data / "lock").open("r+") as lock:
            return not _locked(lock)
    except OSError:
        return False


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def read_state(data: Path) -> dict[str, object] | None:
    """What the server that holds `data` wrote about itself: `pid`, `url`, `version`; None if there is none."""
    try:
        state = json.loads((data / "server.json").read_text())
        return state if isinstance(state, dict) else None
    except (OSError, ValueError):
        return None


async def serve(settings: Settings, started: float) -> None:
    """Run a server until a signal stops it. `started` is when the process began, by `time.perf_counter()`."""
    import uvicorn

    listener = _listen(settings.host, settings.port)
    async with AsyncExitStack() as exits:
        exits.callback(listener.close)
        stack = await exits.enter_async_context(open_stack(settings))
        port = listener.getsockname()[1]
        shown = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
        stack.url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
        config = uvicorn.Config(
            stack.gateway,
            http="httptools",
            lifespan="off",
            ws=_sockets,  # type: ignore[arg-type]
            ws_max_size=128 << 10,
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=True,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
            h11_max_incomplete_event_size=64 << 10,
        )
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[assignment]
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn's own handlers would end the process before we close
            loop.add_signal_handler(number, server.handle_exit, number, None)
        background = asyncio.create_task(_after_start(server, stack, started))
        try:
            await server.serve(sockets=[listener])
        finally:
            background.cancel()
            await asyncio.gather(background, return_exceptions=True)


async def _after_start(server: uvicorn.Server, stack: Stack, started: float) -> None:
    """Once the socket answers: say so, resume jobs, and look for a running Ollama."""
    while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait on
        await asyncio.sleep(0.002)
    state = {"pid": os.getpid(), "url": stack.url, "version": __version__}
    temporary = stack.settings.data / "server.json.new"
    temporary.write_text(json.dumps(state))
    temporary.rename(stack.settings.data / "server.json")
    mapped = [f"{entry.pattern} by {entry.choice}" for entry in stack.models.entries() if entry.task == "text"]
    served = "; ".join(mapped) or "the built-in extractive answerer"
    log.info(
        "Outcrop %s ready in %.2f s at %s (data: %s; text models: %s%s)",
        __version__,
        time.perf_counter() - started,
        stack.url,
        stack.settings.data,
        served,
        "; strict" if stack.settings.strict else "",
    )
    log.info("Use it:  export AWS_ENDPOINT_URL=%s AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test", stack.url)
    await stack.resume()
    if not mapped:
        from outcrop.engines.inference.ollama import detect_ollama

        if names := await detect_ollama():
            log.info(
                "Ollama runs here with %s. To let it write the answers: outcrop up --llm http://localhost:11434/v1#%s",
                ", ".join(names[:5]),
                names[0],
            )


def _sockets(*args: Any, **kwargs: Any) -> Any:
    """uvicorn's protocol for a connection that becomes a WebSocket: loaded when the first one does."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    return WebSocketsSansIOProtocol(*args, **kwargs)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(
            f"can't listen on {host}:{port}: {error.strerror}. Is another stack running there? "
            "Choose another --port (0 takes a free one)."
        ) from None
    listener.listen(2048)
    listener.setblocking(False)
    return listener
