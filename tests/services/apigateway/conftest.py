"""HTTP APIs with real storage, and beside them a small Lambda of Python functions, real logs and real metrics."""

from __future__ import annotations

import contextlib
import inspect
import json
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from outcrop.jobs import Jobs
from outcrop.services.apigateway import service as apigateway
from outcrop.services.cloudwatch import service as cloudwatch
from outcrop.services.contract import AccessDeniedException, Context, Deps, Principal, Service
from outcrop.services.logs import service as logs
from outcrop.services.surface import HttpRequest, HttpResponse
from outcrop.settings import Settings
from outcrop.storage import Blobs, Database

ACCOUNT, REGION = "000000000000", "us-east-1"


class TinyLambda:
    """Functions are Python callables of an event; an exception is a function error."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[Any], Any]] = {}
        self.events: list[Any] = []
        self.callers: list[Principal] = []
        self.open_to_all = True

    def add(self, function: Callable[[Any], Any], name: str = "f") -> str:
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        self.functions[arn] = function
        return arn

    async def invoke(self, ctx: Context, request: Any) -> dict[str, Any]:
        self.callers.append(ctx.principal)
        if not self.open_to_all and ctx.principal.kind == "service":
            raise AccessDeniedException("not authorized to perform: lambda:InvokeFunction")
        event = json.loads(request["Payload"])
        self.events.append(event)
        try:
            answer = self.functions[request["FunctionName"]](event)
            if inspect.isawaitable(answer):
                answer = await answer
        except Exception as error:
            failed = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": json.dumps(failed).encode()}
        return {"StatusCode": 200, "Payload": json.dumps(answer).encode()}


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Stack:
    services: tuple[Service, ...] = ()
    lambda_: TinyLambda = field(default_factory=TinyLambda)
    operations: dict[tuple[str, str], Any] = field(default_factory=dict)
    signer: Principal | None = None
    """Who signs the requests of `http`."""

    def context(self, account: str = ACCOUNT, region: str = REGION, principal: Principal | None = None) -> Context:
        principal = principal or Principal(f"arn:aws:iam::{account}:root", account)

        async def call(service: str, operation: str, request: Any) -> dict[str, Any]:
            return dict(await self.operations[service, operation](context, request))

        context = Context(account, region, principal, str(uuid.uuid4()), call, endpoint="http://127.0.0.1:4566")
        return context

    async def __call__(self, operation: str, service: str = "apigatewayv2", **request: Any) -> dict[str, Any]:
        return await self.context().call(service, operation, request)

    async def http(
        self, method: str, url: str, headers: dict[str, str] | list[tuple[str, str]] = (), body: bytes = b""
    ) -> Answer:
        """Send a request to the service's own URLs, as wire would."""
        parts = urlsplit(url)
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        pairs = [("host", parts.netloc), *pairs]
        if body:
            pairs.append(("content-length", str(len(body))))

        async def stream() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 65536):
                yield body[start : start + 65536]

        request = HttpRequest(
            method,
            parts.hostname or "",
            parts.path,
            parts.query,
            pairs,
            stream(),
            port=parts.port or 80,
            identify=lambda body: self.signer,
        )
        surface = self.services[0].surfaces[0]
        assert surface.matches(request)
        response: HttpResponse = await surface.handle(request, self.context)
        assert isinstance(response.body, bytes)
        return Answer(response.status, list(response.headers), response.body)

    async def api(self, function: Callable[[Any], Any], *routes: str, version: str = "2.0", **api: Any) -> str:
        """An API whose routes lead to one function, served under $default; answers its id."""
        created = await self("create_api", Name="api", ProtocolType="HTTP", **api)
        api_id = created["ApiId"]
        integration = await self(
            "create_integration",
            ApiId=api_id,
            IntegrationType="AWS_PROXY",
            IntegrationUri=self.lambda_.add(function),
            PayloadFormatVersion=version,
        )
        for key in routes or ("$default",):
            await self(
                "create_route", ApiId=api_id, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}"
            )
        await self("create_stage", ApiId=api_id, StageName="$default", AutoDeploy=True)
        return api_id

    @property
    def reporting(self) -> Any:
        return self.services[0].surfaces[0]._rest_apis._reporting


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A web server in threads; yields its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def url(api_id: str, path: str = "/") -> str:
    return f"http://{api_id}.execute-api.localhost:4566{path}"


@pytest.fixture
def databases(tmp_path) -> Iterator[Callable[..., Database]]:
    opened: dict[str, Database] = {}

    def database(name: str, *, durable: bool = True) -> Database:
        return opened.setdefault(name, Database(tmp_path / f"{name}.sqlite", durable=durable))

    yield database
    for each in opened.values():
        each.close()


@pytest.fixture
def make_stack(tmp_path, databases) -> Callable[..., Stack]:
    def make(*, strict: bool = False) -> Stack:
        stack = Stack()
        deps = Deps(
            settings=Settings(data=tmp_path, strict=strict),
            data=tmp_path,
            database=databases,
            blobs=lambda name: Blobs(tmp_path / name),
            jobs=Jobs(databases("jobs")),
            models=None,  # nothing here asks for a model
            context=lambda account, region, caller: stack.context(account, region, caller),
            lookup=lambda key: None,
            endpoint=lambda: "http://127.0.0.1:4566",
        )
        stack.services = (*apigateway.services(deps), *logs.services(deps), *cloudwatch.services(deps))
        for service in (*stack.services, Service("lambda", stack.lambda_)):
            for resource in service.resources:
                for name in dir(resource):
                    if not name.startswith("_") and inspect.iscoroutinefunction(getattr(resource, name)):
                        stack.operations[service.name, name] = getattr(resource, name)
        return stack

    return make


@pytest.fixture
async def stack(make_stack) -> AsyncIterator[Stack]:
    stack = make_stack()
    yield stack
    await stack.services[0].on_stop()
