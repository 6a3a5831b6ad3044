"""IAM and STS with real storage, called as wire would call them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest

from outcrop.jobs import Jobs
from outcrop.services.contract import Context, Deps, Principal
from outcrop.services.iam import service as iam
from outcrop.services.iam.credentials import Credentials
from outcrop.settings import Settings
from outcrop.storage import Blobs, Database

ACCOUNT = "000000000000"


@dataclass
class Caller:
    """`await caller("create_role", RoleName=…)`, `await caller.sts("get_caller_identity")`; as the root of the default
    account unless `as_key` says otherwise."""

    operations: dict[tuple[str, str], Any]
    credentials: Credentials
    account: str = ACCOUNT
    principal: Principal = field(default_factory=lambda: Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "test"))
    notes: dict[str, str] = field(default_factory=dict)

    def as_key(self, key_id: str) -> Caller:
        found = self.credentials.lookup(key_id)
        assert found is not None, f"{key_id} is no key"
        return Caller(self.operations, self.credentials, found.account, found.principal)

    def as_service(self, name: str) -> Caller:
        return Caller(self.operations, self.credentials, self.account, Principal(name, name, kind="service"))

    async def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        return await self._call("iam", operation, request)

    async def sts(self, operation: str, **request: Any) -> dict[str, Any]:
        return await self._call("sts", operation, request)

    async def _call(self, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        context = Context(self.account, "us-east-1", self.principal, str(uuid.uuid4()), self._call)
        self.notes = context.notes
        return dict(await self.operations[service, operation](context, request))


def stack(database: Database, tmp_path, strict: bool = False) -> Caller:
    deps = Deps(
        settings=Settings(data=tmp_path, strict=strict),
        data=tmp_path,
        database=lambda name, durable=True: database,
        blobs=lambda name: Blobs(tmp_path / name),
        jobs=Jobs(Database(tmp_path / "jobs.sqlite")),
        models=None,  # IAM asks for no model
        context=lambda account, region, principal: pytest.fail("no background work is expected"),
        lookup=lambda key: pytest.fail("IAM looks into its own store"),
        endpoint=lambda: "http://127.0.0.1:4566",
    )
    operations = {
        (service.name, name): getattr(resource, name)
        for service in iam.services(deps)
        for resource in service.resources
        for name in dir(resource)
        if not name.startswith("_")
    }
    return Caller(operations, Credentials(database, ACCOUNT))


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "iam.sqlite")
    yield database
    database.close()


@pytest.fixture
def call(database, tmp_path) -> Caller:
    return stack(database, tmp_path)


@pytest.fixture
def strict(database, tmp_path) -> Caller:
    return stack(database, tmp_path, strict=True)


@pytest.fixture
def trust() -> str:
    """A trust policy for Lambda."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    )


@pytest.fixture
def document() -> str:
    """A policy that allows to list a bucket."""
    statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::example"}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


@pytest.fixture
def decoded():
    """A document as boto3 shows it."""
    return lambda text: json.loads(unquote(text))
