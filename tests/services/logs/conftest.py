"""The service with real storage, called as wire would call it, with CloudWatch bound beside it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from outcrop.jobs import Jobs
from outcrop.services.cloudwatch import service as cloudwatch
from outcrop.services.contract import Context, Deps, Principal, Service
from outcrop.services.logs import service as logs
from outcrop.settings import Settings
from outcrop.storage import Blobs, Database


@dataclass
class Caller:
    """`await caller("logs", "create_log_group", logGroupName="g")`."""

    operations: dict[tuple[str, str], Any]
    account: str = "000000000000"
    region: str = "us-east-1"

    def context(self) -> Context:
        principal = Principal(f"arn:aws:iam::{self.account}:root", self.account)
        return Context(self.account, self.region, principal, str(uuid.uuid4()), self._call)

    async def _call(self, service: str, operation: str, request: Any) -> dict[str, Any]:
        return dict(await self.operations[service, operation](self.context(), request))

    async def __call__(self, operation: str, service: str = "logs", **request: Any) -> dict[str, Any]:
        return await self._call(service, operation, request)


def operations(*services: Service) -> dict[tuple[str, str], Any]:
    return {
        (service.name, name): getattr(resource, name)
        for service in services
        for resource in service.resources
        for name in dir(resource)
        if not name.startswith("_") and callable(getattr(resource, name))
    }


@pytest.fixture
def databases(tmp_path) -> Iterator[Callable[..., Database]]:
    opened: dict[str, Database] = {}

    def database(name: str, *, durable: bool = True) -> Database:
        return opened.setdefault(name, Database(tmp_path / f"{name}.sqlite", durable=durable))

    yield database
    for each in opened.values():
        each.close()


@pytest.fixture
def deps(tmp_path, databases) -> Deps:
    return Deps(
        settings=Settings(data=tmp_path),
        data=tmp_path,
        database=databases,
        blobs=lambda name: Blobs(tmp_path / name),
        jobs=Jobs(databases("jobs")),
        models=None,  # neither service asks for a model
        context=lambda account, region, principal: pytest.fail("no background work is expected"),
        lookup=lambda key: None,
        endpoint=lambda: "http://127.0.0.1:4566",
    )


@pytest.fixture
def call(deps) -> Caller:
    return Caller(operations(*logs.services(deps), *cloudwatch.services(deps)))
