"""Bedrock over real engines: the extractive one, or an OpenAI-compatible one over a scripted endpoint."""

import json
import zlib
from dataclasses import replace
from types import SimpleNamespace

import pytest

from outcrop.engines.embedding import weights
from outcrop.engines.embedding.minilm import NAME
from outcrop.engines.inference.models import Models
from outcrop.jobs import Jobs
from outcrop.services.bedrock import service as bedrock
from outcrop.services.contract import Context, Deps, Principal, ResourceNotFoundException
from outcrop.settings import Settings
from outcrop.storage import Blobs, Database
from outcrop.testing.llm import ScriptedEndpoint

ACCOUNT = "000000000000"
ROOT = Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"


class Client:
    """`await client.converse(modelId=…, messages=[…])`; the notes and headers of the last call stay readable."""

    def __init__(self, services, context):
        self._services = services
        self._context = context
        self.notes = {}
        self.headers = {}
        self._operations = {
            name: getattr(resource, name)
            for service in services
            for resource in service.resources
            for name in dir(resource)
            if not name.startswith("_")
        }

    def at(self, **changes):
        return Client(self._services, replace(self._context, **changes))

    def __getattr__(self, name):
        operation = self._operations[name]

        async def call(**request):
            context = replace(self._context, notes={}, headers={})
            self.notes, self.headers = context.notes, context.headers
            return dict(await operation(context, request))

        return call

    async def ask(self, text="Hello", model=CLAUDE, **more):
        """Converse with one question."""
        messages = [{"role": "user", "content": [{"text": text}]}]
        return await self.converse(modelId=model, messages=messages, **more)

    async def stream(self, text="Hello", model=CLAUDE, **more):
        """The events of ConverseStream with one question."""
        messages = [{"role": "user", "content": [{"text": text}]}]
        answer = await self.converse_stream(modelId=model, messages=messages, **more)
        return [event async for event in answer["stream"]]

    async def invoke(self, model, body):
        """The decoded body of InvokeModel."""
        return json.loads((await self.invoke_model(modelId=model, body=json.dumps(body).encode()))["body"])

    async def invoke_stream(self, model, body):
        """The decoded chunks of InvokeModelWithResponseStream."""
        answer = await self.invoke_model_with_response_stream(modelId=model, body=json.dumps(body).encode())
        return [json.loads(event["chunk"]["bytes"]) async for event in answer["body"]]


@pytest.fixture(scope="session")
def cache():
    cache = Settings.read().cache
    weights.pull(NAME, cache, print)
    return cache


@pytest.fixture
async def make(tmp_path, cache):
    """Builds Bedrock with these settings; `objects` are what S3 holds, by (bucket, key)."""
    opened = []

    def build(objects=None, **settings):
        heard = []

        async def told(service, operation, request):
            heard.append((service, operation, request))
            return {}

        jobs = Jobs(Database(tmp_path / "jobs.sqlite"))
        models = Models(Settings(cache=cache, **settings))
        deps = Deps(
            settings=Settings(data=tmp_path, cache=cache, **settings),
            data=tmp_path,
            database=lambda name, *, durable=True: Database(tmp_path / f"{name}.sqlite", durable=durable),
            blobs=lambda name: Blobs(tmp_path / name),
            jobs=jobs,
            models=models,
            context=lambda account, region, principal: Context(account, region, principal, "background", told),
            lookup=lambda key: None,
            endpoint=lambda: "http://127.0.0.1:4566",
        )
        services = bedrock.services(deps)
        opened.append(SimpleNamespace(models=models, services=services))

        async def call(service, operation, request):
            assert (service, operation) == ("s3", "get_object")
            found = (objects or {}).get((request["Bucket"], request["Key"]))
            if found is None:
                raise ResourceNotFoundException("The specified key does not exist.")
            return {"Body": _pieces(found)}

        client = Client(services, Context(ACCOUNT, "us-east-1", ROOT, "request-1", call))
        client.models = models
        client.heard = heard
        return client

    yield build
    for one in opened:
        for service in one.services:
            if service.on_stop:
                await service.on_stop()
        await one.models.aclose()


async def _pieces(data):
    for at in range(0, len(data), 1000):
        yield data[at : at + 1000]


@pytest.fixture
def client(make):
    """Bedrock with the extractive engine."""
    return make()


@pytest.fixture
async def scripted(make):
    """`client, endpoint = await scripted(Reply(…))`: Bedrock over an endpoint that gives these replies."""
    endpoints = []

    async def start(*replies, **settings):
        endpoint = await ScriptedEndpoint(*replies).__aenter__()
        endpoints.append(endpoint)
        return make(llm=(f"{endpoint.url}#test",), **settings), endpoint

    yield start
    for endpoint in endpoints:
        await endpoint.__aexit__(None, None, None)


@pytest.fixture
def png():
    """Makes a PNG of so many pixels."""

    def make(width=2, height=2):
        def chunk(kind, data):
            return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

        header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
        rows = zlib.compress(b"\x00" * (height * (width + 1))) if width * height < 1_000_000 else b""
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")

    return make
