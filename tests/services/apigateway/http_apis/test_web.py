"""HTTP_PROXY and parameter mapping, against a real server on a local port."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from ..conftest import serving, url


@pytest.fixture
def backend():
    """A server that answers with what it got; /slow takes its time, /big is too big."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.path.startswith("/slow"):
                over.wait(5)
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = {"method": self.command, "target": self.path, "headers": headers, "body": body.decode("latin-1")}
            answer = b"x" * (11 << 20) if self.path.startswith("/big") else json.dumps(seen).encode()
            with contextlib.suppress(ConnectionError):
                self.send_response(203)
                for name, value in (("x-backend", "yes"), ("set-cookie", "a=1"), ("set-cookie", "b=2")):
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *args):
            pass

    with serving(Handler) as base:
        yield base
        over.set()


async def proxy(stack, uri, *routes, **integration):
    api_id = (await stack("create_api", Name="api", ProtocolType="HTTP"))["ApiId"]
    made = await stack(
        "create_integration",
        ApiId=api_id,
        **{
            "IntegrationType": "HTTP_PROXY",
            "IntegrationUri": uri,
            "IntegrationMethod": "ANY",
            "PayloadFormatVersion": "1.0",
            **integration,
        },
    )
    for key in routes or ("$default",):
        await stack("create_route", ApiId=api_id, RouteKey=key, Target=f"integrations/{made['IntegrationId']}")
    await stack("create_stage", ApiId=api_id, StageName="$default", AutoDeploy=True)
    return api_id


async def test_http_proxy(stack, backend):
    api_id = await proxy(stack, f"{backend}/base/{{proxy}}?fixed=1", "ANY /api/{proxy+}")
    answer = await stack.http(
        "POST",
        url(api_id, "/api/a%20b/c?x=1&y=%20"),
        headers={"x-mine": "1", "content-type": "text/plain"},
        body=b"hello",
    )
    assert answer.status == 203
    assert answer.header("x-backend") == "yes"
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["a=1", "b=2"]
    seen = answer.json()
    assert (seen["method"], seen["target"]) == ("POST", "/base/a%20b/c?fixed=1&x=1&y=%20")
    assert seen["body"] == "hello"
    assert seen["headers"]["x-mine"] == "1"
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["host"].startswith("127.0.0.1:")


async def test_http_proxy_default_route_passes_the_path(stack, backend):
    api_id = await proxy(stack, backend)
    assert (await stack.http("GET", url(api_id, "/store/checkout"))).json()["target"] == "/store/checkout"
    fixed = await proxy(stack, f"{backend}/fixed", "GET /a", IntegrationMethod="PUT")
    seen = (await stack.http("GET", url(fixed, "/a"))).json()
    assert (seen["method"], seen["target"]) == ("PUT", "/fixed")


async def test_http_proxy_failures(stack, backend):
    slow = await proxy(stack, f"{backend}/slow", "GET /a", TimeoutInMillis=60)
    answer = await stack.http("GET", url(slow, "/a"))
    assert (answer.status, answer.json()) == (503, {"message": "Service Unavailable"})
    nobody = await proxy(stack, "http://127.0.0.1:9/x", "GET /a")
    assert (await stack.http("GET", url(nobody, "/a"))).status == 503
    big = await proxy(stack, f"{backend}/big", "GET /a")
    assert (await stack.http("GET", url(big, "/a"))).status == 500


async def test_parameter_mapping(stack, backend):
    api_id = await proxy(
        stack,
        f"{backend}/base",
        "POST /users/{id}",
        RequestParameters={
            "overwrite:header.x-user": "${request.path.id}-${request.querystring.q}",
            "append:header.x-stage": "$context.stage",
            "remove:header.x-secret": "''",
            "append:querystring.name": "$request.body.people[0].name",
            "overwrite:path": "/v2$request.path",
        },
        ResponseParameters={
            "203": {"overwrite:statuscode": "201", "append:header.x-from": "$response.header.x-backend"}
        },
    )
    answer = await stack.http(
        "POST",
        url(api_id, "/users/7?q=z"),
        headers={"x-secret": "1", "x-user": "forged"},
        body=b'{"people": [{"name": "ann b"}]}',
    )
    assert (answer.status, answer.header("x-from")) == (201, "yes")
    seen = answer.json()
    assert seen["headers"]["x-user"] == "7-z"
    assert seen["headers"]["x-stage"] == "$default"
    assert "x-secret" not in seen["headers"]
    assert seen["target"] == "/base/v2/users/7?q=z&name=ann+b"


async def test_parameter_mapping_reaches_functions(stack):
    api_id = await stack.api(lambda event: {"headers": event["headers"], "query": event["queryStringParameters"]})
    (integration,) = (await stack("get_integrations", ApiId=api_id))["Items"]
    mapping = {"overwrite:header.x-id": "$context.requestId", "overwrite:querystring.a": "2"}
    await stack(
        "update_integration", ApiId=api_id, IntegrationId=integration["IntegrationId"], RequestParameters=mapping
    )
    answer = await stack.http("GET", url(api_id, "/?a=1"))
    assert answer.json()["headers"]["x-id"] == answer.header("apigw-requestid")
    assert answer.json()["query"] == {"a": "2"}
