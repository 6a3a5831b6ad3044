"""What functions see and how their answers are read, through the API's own URL."""

import base64
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.services.apigateway.http_apis.exchange import Failure
from outcrop.services.apigateway.http_apis.payloads import read_reply

from ..conftest import url

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


async def event_of(stack, method="GET", path="/", version="2.0", routes=("$default",), **request):
    api_id = await stack.api(lambda event: {"statusCode": 200}, *routes, version=version)
    await stack.http(method, url(api_id, path), **request)
    return stack.lambda_.events[-1]


async def test_event_2(stack):
    event = await event_of(
        stack,
        "POST",
        "/users/7%20a/posts?x=1&x=2&empty=&sp=a%20b",
        routes=("POST /users/{id}/posts",),
        headers=[
            ("cookie", "a=1; b=2"),
            ("x-many", "1"),
            ("x-many", "2"),
            ("user-agent", "test"),
            ("content-type", "application/json"),
            ("connection", "keep-alive"),
        ],
        body=b'{"q": "\xc3\xa9"}',
    )
    assert event["version"] == "2.0"
    assert event["routeKey"] == "POST /users/{id}/posts"
    assert event["rawPath"] == "/users/7 a/posts"
    assert event["rawQueryString"] == "x=1&x=2&empty=&sp=a%20b"
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["queryStringParameters"] == {"x": "1,2", "empty": "", "sp": "a b"}
    assert event["pathParameters"] == {"id": "7 a"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"q": "é"}', False)
    headers = event["headers"]
    assert headers["x-many"] == "1,2"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("http", "4566")
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", headers["x-amzn-trace-id"])
    assert "cookie" not in headers
    assert "connection" not in headers
    context = event["requestContext"]
    assert context["http"] == {
        "method": "POST",
        "path": "/users/7 a/posts",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "test",
    }
    assert context["domainName"] == f"{context['apiId']}.execute-api.localhost"
    assert context["domainPrefix"] == context["apiId"]
    assert (context["accountId"], context["stage"]) == ("000000000000", "$default")
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["time"])
    assert context["timeEpoch"] > 1_700_000_000_000
    assert "authorizer" not in context
    assert "stageVariables" not in event


async def test_event_2_without_body_and_query(stack):
    event = await event_of(stack)
    assert event["rawQueryString"] == ""
    for name in ("body", "cookies", "queryStringParameters", "pathParameters"):
        assert name not in event
    assert event["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("kind", "body", "encoded"),
    [
        ("text/plain; charset=utf-8", b"hi", False),
        ("application/json", b"{}", False),
        ("application/json", b"\xff\xfe", True),
        ("application/xml", b"<a/>", False),
        ("application/x-www-form-urlencoded", b"a=1", True),
        ("multipart/form-data; boundary=x", b"--x", True),
        ("application/octet-stream", b"\x00", True),
        ("", b"plain", True),
    ],
)
async def test_event_body_encoding(stack, kind, body, encoded):
    event = await event_of(stack, "POST", headers={"content-type": kind} if kind else {}, body=body)
    assert event["isBase64Encoded"] is encoded
    assert (base64.b64decode(event["body"]) if encoded else event["body"].encode()) == body


async def test_event_1(stack):
    event = await event_of(
        stack,
        "GET",
        "/pets/5?x=1&x=2",
        version="1.0",
        routes=("GET /pets/{id}",),
        headers=[("x-many", "1"), ("x-many", "2"), ("user-agent", "test"), ("cookie", "a=1")],
    )
    assert event["version"] == "1.0"
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/pets/{id}", "/pets/5", "GET")
    assert event["headers"]["x-many"] == "2"
    assert event["multiValueHeaders"]["x-many"] == ["1", "2"]
    assert event["headers"]["User-Agent"] == "test"
    assert event["headers"]["cookie"] == "a=1"
    assert event["headers"]["X-Forwarded-Proto"] == "http"
    assert event["queryStringParameters"] == {"x": "2"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    assert event["pathParameters"] == {"id": "5"}
    assert event["stageVariables"] is event["body"] is None
    context = event["requestContext"]
    assert (context["resourceId"], context["resourcePath"]) == ("GET /pets/{id}", "/pets/{id}")
    assert context["requestId"] == context["extendedRequestId"]
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["identity"]["accessKey"] is None
    assert context["requestTimeEpoch"] > 1_700_000_000_000


async def answer_of(stack, answer, version="2.0"):
    api_id = await stack.api(lambda event: answer, version=version)
    return await stack.http("GET", url(api_id))


async def test_reply_2(stack):
    answer = await answer_of(
        stack,
        {
            "statusCode": 201,
            "headers": {
                "X-One": "1",
                "X-Number": 5,
                "X-Null": None,
                "Content-Type": "text/html",
                "Connection": "close",
            },
            "cookies": ["a=1; Path=/", "b=2"],
            "body": "<p>é</p>",
        },
    )
    assert answer.status == 201
    assert answer.body == "<p>é</p>".encode()
    assert answer.header("x-one") == "1"
    assert answer.header("x-number") == "5"
    assert answer.header("content-type") == "text/html"
    assert answer.header("x-amzn-remapped-connection") == "close"
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["a=1; Path=/", "b=2"]
    assert re.fullmatch(r"[\w-]{15}=", answer.header("apigw-requestid"))
    assert answer.header("content-length") == str(len(answer.body))


@pytest.mark.parametrize(
    ("returned", "body"),
    [
        ({"message": "hi"}, b'{"message": "hi"}'),
        ("Hello", b"Hello"),
        ([1, 2], b"[1, 2]"),
        (None, b"null"),
        (3, b"3"),
    ],
)
async def test_reply_2_is_inferred(stack, returned, body):
    answer = await answer_of(stack, returned)
    assert (answer.status, answer.header("content-type"), answer.body) == (200, "application/json", body)


async def test_reply_base64(stack):
    encoded = base64.b64encode(b"\x89PNG").decode()
    answer = await answer_of(stack, {"statusCode": 200, "body": encoded, "isBase64Encoded": True})
    assert answer.body == b"\x89PNG"
    assert answer.header("content-type") == "text/plain; charset=utf-8"


async def test_reply_1(stack):
    answer = await answer_of(
        stack,
        {
            "statusCode": "200",
            "headers": {"a": "1", "b": "1"},
            "multiValueHeaders": {"B": ["2", "3"], "Set-Cookie": ["x=1", "y=2"]},
            "body": "ok",
        },
        version="1.0",
    )
    assert [value for name, value in answer.headers if name == "b"] == ["2", "3"]
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["x=1", "y=2"]
    assert answer.header("a") == "1"


@pytest.mark.parametrize(
    ("version", "returned", "hint"),
    [
        ("1.0", {"message": "hi"}, "payload format 1.0"),
        ("1.0", "text", "payload format 1.0"),
        ("2.0", {"statusCode": "many"}, "statusCode"),
        ("2.0", {"statusCode": 99}, "statusCode"),
        ("2.0", {"statusCode": True}, "statusCode"),
        ("2.0", {"statusCode": 200, "body": {"a": 1}}, "json.dumps"),
        ("2.0", {"statusCode": 200, "headers": ["a"]}, "headers is not an object"),
        ("2.0", {"statusCode": 200, "headers": {"a": "1\r\nset-cookie: x"}}, "HTTP doesn't allow"),
        ("2.0", {"statusCode": 200, "headers": {"a b": "1"}}, "HTTP doesn't allow"),
        ("2.0", {"statusCode": 200, "cookies": "a=1"}, "cookies is not a list"),
        ("2.0", {"statusCode": 200, "cookies": ["a=1\n"]}, "cookies is not a list"),
        ("2.0", {"statusCode": 200, "body": "%%", "isBase64Encoded": True}, "not base64"),
    ],
)
async def test_malformed_reply(stack, version, returned, hint):
    answer = await answer_of(stack, returned, version)
    assert answer.status == 500
    assert answer.json() == {"message": "Internal Server Error"}
    assert hint in answer.header("x-outcrop-hint")


async def test_function_error(stack):
    def fail(event):
        raise ValueError("boom é")

    api_id = await stack.api(fail)
    answer = await stack.http("GET", url(api_id))
    assert (answer.status, answer.json()) == (500, {"message": "Internal Server Error"})
    assert "ValueError: boom" in answer.header("x-outcrop-hint")
    assert answer.header("x-outcrop-hint").isascii()


async def test_hints_are_left_out_when_strict(make_stack):
    stack = make_stack(strict=True)
    answer = await answer_of(stack, {"statusCode": "many"})
    assert answer.header("x-outcrop-hint") is None
    await stack.services[0].on_stop()


async def test_head_has_no_body(stack):
    api_id = await stack.api(lambda event: {"statusCode": 200, "body": "four"})
    answer = await stack.http("HEAD", url(api_id))
    assert (answer.body, answer.header("content-length")) == (b"", "4")
    assert json.loads(json.dumps(stack.lambda_.events[-1]))["requestContext"]["http"]["method"] == "HEAD"


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {"statusCode": st.sampled_from([200, "201", 404.0, 99, None, [], "x"])},
        optional=dict.fromkeys(("headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded"), JSON),
    )
    | JSON,
    st.sampled_from(["1.0", "2.0"]),
)
def test_any_reply_is_an_answer_or_a_failure(answer, version):
    try:
        reply = read_reply(json.dumps(answer).encode(), version)
    except Failure as failure:
        reply = failure.reply()
    assert 200 <= reply.status <= 599
    assert isinstance(reply.body, bytes)
    assert not any("\n" in name + value or "\r" in name + value for name, value in reply.headers)
