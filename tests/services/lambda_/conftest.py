"""Lambda beside the services that it calls, all of them real, called as `wire` would call them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
import textwrap
import uuid
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from outcrop.jobs import Jobs
from outcrop.services.changes import ObjectChanges
from outcrop.services.cloudwatch import service as cloudwatch
from outcrop.services.contract import Context, Deps, Principal, Service, ServiceError
from outcrop.services.iam import service as iam
from outcrop.services.lambda_ import service as lambda_
from outcrop.services.lambda_.events import Schedule
from outcrop.services.logs import service as logs
from outcrop.services.s3 import service as s3
from outcrop.settings import Settings
from outcrop.storage import Blobs, Database

PYTHON = f"python3.{sys.version_info.minor}"
ROLE = "arn:aws:iam::000000000000:role/course"
ACCOUNT = "000000000000"
ROOT = Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function"
ECHO = "def handler(event, context):\n    return event"


@dataclass
class Caller:
    """`await caller("create_function", FunctionName="f", …)`; `service=` names another service."""

    services: tuple[Service, ...]
    principal: Principal = ROOT
    region: str = "us-east-1"
    context_of_last: Context | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def operation(self, service: str, name: str) -> Any:
        for each in self.services:
            if each.name == service:
                for resource in each.resources:
                    if hasattr(type(resource), name):
                        return getattr(resource, name)
        raise LookupError(f"{service} has no {name}")

    def context(
        self, account: str = ACCOUNT, region: str = "", principal: Principal | None = None, trace_id: str = ""
    ) -> Context:
        principal = principal or self.principal

        async def call(service: str, operation: str, request: Any) -> dict[str, Any]:
            self.asked.append((service, operation))
            ctx = self.context(account, region, principal, trace_id)
            return dict(await self.operation(service, operation)(ctx, request))

        return Context(account, region or self.region, principal, str(uuid.uuid4()), call, trace_id=trace_id)

    async def __call__(self, operation: str, service: str = "lambda", **request: Any) -> dict[str, Any]:
        ctx = self.context_of_last = self.context()
        return dict(await self.operation(service, operation)(ctx, request))

    def as_service(self, name: str, source_arn: str = "") -> Caller:
        return replace(self, principal=Principal(name, source_arn, kind="service"))

    # what most tests do

    async def create(self, code: str = ECHO, name: str = "f", **settings: Any) -> dict[str, Any]:
        request = {
            "FunctionName": name,
            "Runtime": PYTHON,
            "Role": ROLE,
            "Handler": "app.handler",
            "Code": {"ZipFile": zipped(code)},
            "Timeout": 10,
            **settings,
        }
        return await self("create_function", **request)

    async def invoke(self, event: Any = None, name: str = "f", **request: Any) -> Any:
        """What the function answers; an error's description if it fails."""
        answer = await self("invoke", FunctionName=name, Payload=json.dumps(event).encode(), **request)
        return json.loads(answer["Payload"])

    async def tail(self, event: Any = None, name: str = "f") -> str:
        """The log of an invocation."""
        answer = await self("invoke", FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail")
        return base64.b64decode(answer["LogResult"]).decode()

    async def messages(self, group: str, containing: str = "REPORT", count: int = 1) -> list[str]:
        """All messages of a log group, as soon as `count` of them contain a text."""
        for _ in range(250):
            try:
                found = await self("filter_log_events", service="logs", logGroupName=group)
            except ServiceError:  # the group isn't there yet
                found = {"events": []}
            messages = [event["message"] for event in found["events"]]
            if sum(containing in message for message in messages) >= count:
                return messages
            await asyncio.sleep(0.02)
        raise AssertionError(f"{group} has no {count} messages with {containing}: {messages}")


def zipped(code: str | None = None, **files: str) -> bytes:
    """An archive with `app.py`, and `files` by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if code is not None:
            archive.writestr("app.py", textwrap.dedent(code))
        for name, text in files.items():
            archive.writestr(name, textwrap.dedent(text))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@dataclass
class Opened:
    """A stack of the services; `close()` and `open()` again are a restart."""

    data: Path
    cache: Path
    strict: bool = False
    sandbox: str = "none"
    """What functions run in. Plain processes: most tests have them write to a file that the test reads."""
    schedule: Schedule = field(default_factory=lambda: Schedule(retries=(0.05, 0.05), throttle_first=0.05))
    databases: dict[str, Database] = field(default_factory=dict)
    changes: ObjectChanges = field(default_factory=ObjectChanges)

    def _database(self, name: str, *, durable: bool = True) -> Database:
        return self.databases.setdefault(name, Database(self.data / f"{name}.sqlite", durable=durable))

    async def open(self) -> Caller:
        self.jobs = Jobs(self._database("jobs"))
        caller = Caller(())
        deps = Deps(
            settings=Settings(data=self.data, cache=self.cache, strict=self.strict, function_sandbox=self.sandbox),
            data=self.data,
            database=self._database,
            blobs=lambda name: Blobs(self.data / name / "blobs"),
            jobs=self.jobs,
            models=None,  # no service here asks for a model
            context=caller.context,
            lookup=lambda key: None,
            endpoint=lambda: "http://127.0.0.1:1",
            changes=self.changes,
        )
        services = (
            *iam.services(deps),
            *s3.services(deps),
            *logs.services(deps),
            *cloudwatch.services(deps),
            *lambda_.services(deps, self.schedule),
        )
        caller.services = services
        for service in services:
            if service.on_start:
                await service.on_start()
        self.jobs.start()
        self.caller = caller
        return caller

    async def close(self) -> None:
        await self.jobs.aclose()
        for service in reversed(self.caller.services):
            if service.on_stop:
                await service.on_stop()
        for database in self.databases.values():
            database.close()
        self.databases.clear()


@pytest.fixture
async def stack(tmp_path, cache) -> AsyncIterator[Opened]:
    opened = Opened(tmp_path, cache)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def call(stack) -> Caller:
    return stack.caller


@pytest.fixture
async def strict(tmp_path, cache) -> AsyncIterator[Caller]:
    opened = Opened(tmp_path / "strict", cache, strict=True)
    yield await opened.open()
    await opened.close()


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait until `condition()` is true; it may be a coroutine function."""
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if await value if asyncio.iscoroutine(value) else value:
                return
            await asyncio.sleep(0.02)
