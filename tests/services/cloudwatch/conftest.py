"""The service with real storage, called as wire would call it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from outcrop.services.cloudwatch import service as cloudwatch
from outcrop.services.cloudwatch.store import MetricStore
from outcrop.services.contract import Context, Deps, Principal
from outcrop.settings import Settings
from outcrop.storage import Blobs, Database


@dataclass
class Caller:
    """`await call("put_metric_data", Namespace="App", MetricData=[…])`."""

    operations: dict[str, Any]
    region: str = "us-east-1"

    async def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        principal = Principal("arn:aws:iam::000000000000:root", "000000000000")
        context = Context("000000000000", self.region, principal, str(uuid.uuid4()), self._no_call)
        return dict(await self.operations[operation](context, request))

    async def _no_call(self, service: str, operation: str, request: Any) -> dict[str, Any]:
        raise AssertionError("CloudWatch calls nobody")


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    database = Database(tmp_path / "cloudwatch.sqlite", durable=False)
    yield database
    database.close()


@pytest.fixture
def store(database) -> MetricStore:
    return MetricStore(database)


@pytest.fixture
def call(tmp_path, database) -> Caller:
    deps = Deps(
        settings=Settings(data=tmp_path),
        data=tmp_path,
        database=lambda name, *, durable=True: database,
        blobs=lambda name: Blobs(tmp_path / name),
        jobs=None,
        models=None,  # the service asks for neither
        context=lambda account, region, principal: pytest.fail("no background work is expected"),
        lookup=lambda key: None,
        endpoint=lambda: "http://127.0.0.1:4566",
    )
    (service,) = cloudwatch.services(deps)
    return Caller(
        {
            name: getattr(resource, name)
            for resource in service.resources
            for name in dir(resource)
            if not name.startswith("_")
        }
    )
