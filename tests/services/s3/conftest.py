"""S3 with real storage, called as wire calls it."""

import sqlite3
import uuid
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from outcrop.jobs import Jobs
from outcrop.services.contract import Context, Credential, Deps, Principal
from outcrop.services.s3 import service as s3
from outcrop.settings import Settings
from outcrop.storage import Blobs, Database

ACCOUNT = "000000000000"
ROOT = Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
NOBODY = Principal("", "", kind="anonymous")
CREDENTIAL = Credential("test", "secret", ACCOUNT, ROOT)


class Client:
    """`await client.put_object(Bucket="b", Key="k", Body=b"…")`; `client.at(region="eu-west-1")` for another caller."""

    def __init__(self, service, control, context):
        self.service = service
        self.control = control
        self.context = context
        self._operations = {
            name: getattr(resource, name)
            for resource in (*service.resources, *control.resources)
            for name in dir(resource)
            if not name.startswith("_")
        }

    def at(self, **changes):
        return Client(self.service, self.control, replace(self.context, **changes))

    @property
    def anonymous(self):
        return self.at(principal=NOBODY)

    def __getattr__(self, name):
        operation = self._operations[name]

        async def call(**request):
            return dict(await operation(self.context, request))

        return call

    async def text(self, **request):
        """The body of a get."""
        return b"".join([piece async for piece in (await self.get_object(**request))["Body"]])


class _Pieces:
    """A body as wire gives it: in pieces, with trailers at its end."""

    def __init__(self, *pieces, trailers=None, then=None):
        self._pieces = list(pieces)
        self._late = trailers or {}
        self._then = then
        self.trailers = {}

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self._pieces:
            return self._pieces.pop(0)
        if self._then:
            raise self._then
        self.trailers.update(self._late)
        raise StopAsyncIteration


@pytest.fixture
def home(tmp_path):
    """`home.open()` gives a client over the same directory, as a new start of the server would."""
    databases = []

    def database(name, *, durable=True):
        databases.append(Database(tmp_path / f"{name}.sqlite", durable=durable))
        return databases[-1]

    def start(strict=False):
        deps = Deps(
            settings=Settings(data=tmp_path, strict=strict),
            data=tmp_path,
            database=database,
            blobs=lambda name: Blobs(tmp_path / name / "blobs"),
            jobs=Jobs(database("jobs")),
            models=None,
            context=lambda account, region, principal: pytest.fail("no background work is expected"),
            lookup={"test": CREDENTIAL}.get,
            endpoint=lambda: "http://127.0.0.1:4566",
        )
        service, control = s3.services(deps)
        context = Context(ACCOUNT, "us-east-1", ROOT, str(uuid.uuid4()), call=None)
        return Client(service, control, context)

    def files():
        return sorted(path for path in (tmp_path / "s3" / "blobs").glob("*/*") if path.is_file())

    def connect(name):
        """A connection of our own to a database that is in use."""
        return closing(sqlite3.connect(tmp_path / f"{name}.sqlite"))

    yield SimpleNamespace(open=start, files=files, path=tmp_path, database=connect)
    for each in databases:
        each.close()


@pytest.fixture
def client(home):
    return home.open()


@pytest.fixture
async def bucket(client):
    await client.create_bucket(Bucket="books")
    return "books"


@pytest.fixture
def Pieces():
    """The class of a body as wire gives it."""
    return _Pieces
