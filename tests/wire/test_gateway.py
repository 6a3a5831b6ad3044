"""The gateway under uvicorn and in process: real clients, errors, streams, disconnects, CORS, hostile bodies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import boto3
import cbor2
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from tests.wire.asgi import ACCOUNT, KEYS, call
from tests.wire.sample import Sample

from outcrop.services.contract import Principal, Service, ValidationException
from outcrop.services.room import Room
from outcrop.services.surface import HttpResponse
from outcrop.settings import Settings
from outcrop.wire.gateway import Gateway

URL = "http://localhost:4566"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
CONVERSE = "/model/a/converse-stream"


@contextlib.contextmanager
def serving(gateway: Gateway) -> Iterator[str]:
    """The gateway on a free port, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(gateway, http="httptools", lifespan="off", log_config=None, access_log=False)
    )
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: asyncio.run(server.serve([listener])))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            running.result(10)


def client(service: str, url: str):
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-west-2"}
    return boto3.client(service, endpoint_url=url, config=config, **keys)


def test_all_protocols_under_uvicorn(sample):
    with serving(sample.gateway) as url:
        assert client("sts", url).get_caller_identity()["Account"] == ACCOUNT
        assert client("logs", url).create_log_group(logGroupName="a")["ResponseMetadata"]["HTTPStatusCode"] == 200
        s3 = client("s3", url)
        content = bytes(range(256)) * 20_000
        s3.put_object(Bucket="bucket", Key="k", Body=content)
        assert max(sample.objects.pieces) < len(content)  # it arrived in pieces
        assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == content
        assert s3.head_object(Bucket="bucket", Key="k")["ContentLength"] == 1234
        assert s3.get_bucket_location(Bucket="bucket")["LocationConstraint"] == "eu-central-1"
        answer = client("bedrock-runtime", url).converse_stream(
            modelId="arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0", messages=[]
        )
        texts = [
            event["contentBlockDelta"]["delta"]["text"] for event in answer["stream"] if "contentBlockDelta" in event
        ]
        assert texts == ["arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"]
        assert answer["ResponseMetadata"]["HTTPHeaders"]["x-outcrop-served-by"] == "tests"


def test_expect_continue_is_refused_before_the_body(sample):
    with serving(sample.gateway) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 5) as connection:
            connection.sendall(
                b"PUT /bucket/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
                b"Authorization: AWS nobody:xxx\r\n\r\n"
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 403")
        with socket.create_connection((host, int(port)), 5) as connection:
            connection.sendall(
                b"PUT /bucket/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 100")
            connection.sendall(b"12345")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert sample.objects.stored == {"bucket/k": b"12345"}


def test_disconnect_closes_the_stream(sample):
    with serving(sample.gateway) as url:
        host, port = url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), 5)
        body = b'{"messages":[]}'
        connection.sendall(
            b"POST /model/endless/converse-stream HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n" + body
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        connection.close()
        wait_for(sample.inference.closed)


def test_disconnect_cancels_the_handler(sample):
    with serving(sample.gateway) as url:
        host, port = url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), 5)
        connection.sendall(b"POST /model/sleep/invoke HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        with pytest.raises(TimeoutError):
            connection.settimeout(0.2)
            connection.recv(1)
        connection.close()
        wait_for(sample.inference.cancelled)


def test_disconnect_in_the_middle_of_a_body(sample, caplog):
    with serving(sample.gateway) as url:
        host, port = url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), 5)
        connection.sendall(b"PUT /bucket/k HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n12345")
        connection.close()
        assert client("sts", url).get_caller_identity()["Account"] == ACCOUNT
    assert sample.objects.stored == {}
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def wait_for(event: asyncio.Event) -> None:
    deadline = time.monotonic() + 5
    while not event.is_set():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code", "status"),
    [
        ("iam", "get_user", {"UserName": "ada"}, "NoSuchEntity", 404),
        ("s3", "get_object", {"Bucket": "b", "Key": "none"}, "NoSuchKey", 404),
        ("s3", "head_object", {"Bucket": "b", "Key": "none"}, "404", 404),
        ("bedrock-runtime", "invoke_model", {"modelId": "failing", "body": b"{}"}, "ModelErrorException", 424),
        ("cloudwatch", "delete_alarms", {"AlarmNames": ["a"]}, "ResourceNotFound", 404),
    ],
)
def test_errors(clients, service, operation, arguments, code, status):
    connection = clients(service)
    with pytest.raises(ClientError) as caught:
        getattr(connection, operation)(**arguments)
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert answer["ResponseMetadata"]["RequestId"] or service == "s3"


def test_errors_carry_their_members(clients):
    connection = clients("bedrock-runtime")
    with pytest.raises(connection.exceptions.ModelErrorException) as caught:
        connection.invoke_model(modelId="failing", body=b"{}")
    assert caught.value.response["originalStatusCode"] == 500


def test_errors_of_bugs_show_nothing(clients, caplog):
    with pytest.raises(ClientError) as caught:
        clients("iam").create_user(UserName="ada")
    assert caught.value.response["Error"]["Code"] == "InternalFailure"
    assert "a bug in a handler" not in str(caught.value)
    assert "a bug in a handler" in caplog.text


def test_unbound_operations_say_so(clients):
    for service, operation, arguments in [
        ("sts", "get_session_token", {}),
        ("logs", "describe_log_groups", {}),
        ("bedrock-agent", "list_agents", {}),
        ("s3", "list_objects_v2", {"Bucket": "b"}),
        ("cloudwatch", "list_metrics", {}),
    ]:
        with pytest.raises(ClientError) as caught:
            getattr(clients(service), operation)(**arguments)
        assert caught.value.response["Error"]["Code"] == "NotImplemented"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
        assert "coverage.md" in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "text"),
    [
        ("POST", "/", {"x-amz-target": "Logs_20140328.Nonsense"}, b"{}", 404, b"UnknownOperationException"),
        ("POST", "/", FORM, b"Action=No&Version=2011-06-15", 400, b"InvalidAction"),
        ("PATCH", "/bucket/key", {}, b"", 405, b"MethodNotAllowed"),
        ("POST", "/model/a/invoke", {}, b"x" * 25_000_001, 400, b"less than or equal to 25000000"),
        ("POST", CONVERSE, JSON, b"{", 400, b"not valid JSON"),
        ("POST", CONVERSE, JSON, b"\xff\xfe", 400, b"not valid JSON"),
        ("POST", CONVERSE, JSON, b'{"messages":' + b"[" * 100_000, 400, b"nested too deeply"),
        ("POST", CONVERSE, JSON, b'{"messages":{}}', 400, b"Start of structure or map found"),
        ("POST", CONVERSE, JSON, b'{"messages":[],"inferenceConfig":{"maxTokens":"1"}}', 400, b"STRING_VALUE"),
        ("POST", CONVERSE, JSON, b'{"messages":[],"inferenceConfig":{"maxTokens":NaN}}', 400, b"not valid JSON"),
        ("POST", CONVERSE, JSON, b'{"messages":[],"requestMetadata":{"a":"\\ud83d"}}', 400, b"not valid JSON"),
        ("POST", CONVERSE, JSON, b"[]", 400, b"Start of list found"),
        ("POST", CONVERSE, JSON, b"1" * 5000, 400, b"not valid JSON"),
        ("POST", "/bucket?delete", {}, b"<Delete><Object>", 400, b"MalformedXML"),
        ("POST", "/bucket?delete", {}, b"<Other/>", 400, b"MalformedXML"),
        ("POST", "/bucket?delete", {}, b"<!DOCTYPE a [<!ENTITY b 'c'>]><Delete>&b;</Delete>", 400, b"MalformedXML"),
        ("POST", "/bucket?delete", {}, b"<a>" * 200_000, 400, b"MalformedXML"),
        ("POST", "/bucket?delete", {}, b"<?xml version='1.0' encoding='nonsense'?><Delete/>", 400, b"MalformedXML"),
        ("POST", "/bucket?delete", {}, b" " * (9 << 20), 400, b"MaxMessageLengthExceeded"),
        ("POST", "/", FORM, b"x" * (5 << 20), 400, b"MaxMessageLengthExceeded"),
    ],
)  # fmt: skip
async def test_hostile_requests(sample, method, path, headers, body, status, text):
    reply = await call(sample.gateway, method, URL + path, headers, body)
    assert (reply.status, text in reply.body) == (status, True), reply.body[:300]


CBOR = {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"}
PUT_METRIC_DATA = f"{URL}/service/GraniteServiceVersion20100801/operation/PutMetricData"


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"\x9b\x00\x00\x00\xff\xff\xff\xff\xff",
        b"\x81" * 100_000,
        b"\x01",
        b"\xa1\x69Namespace\x01",
        b"\xd8\x23\x63(((",
    ],
)
async def test_hostile_cbor(sample, body):
    reply = await call(sample.gateway, "POST", PUT_METRIC_DATA, CBOR, body)
    assert (reply.status, reply.headers["smithy-protocol"]) == (400, "rpc-v2-cbor")
    assert b"SerializationException" in reply.body


def metric() -> dict:
    return {
        "Namespace": "N",
        "MetricData": [{"MetricName": "m", "Value": 1.5, "Dimensions": [{"Name": "a", "Value": "b"}]}],
    }


async def test_cloudwatch_speaks_three_protocols(sample):
    form = (
        "Action=PutMetricData&Version=2010-08-01&Namespace=N&MetricData.member.1.MetricName=m&MetricData.member.1.Value=1.5"
        "&MetricData.member.1.Dimensions.member.1.Name=a&MetricData.member.1.Dimensions.member.1.Value=b"
    )
    target = {"x-amz-target": "GraniteServiceVersion20100801.PutMetricData"}
    packed = zlib.compressobj(wbits=31)
    gzipped = packed.compress(json.dumps(metric()).encode()) + packed.flush()
    for url, headers, body in [
        (f"{URL}/", {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, form.encode()),
        (f"{URL}/", target, json.dumps(metric()).encode()),
        (f"{URL}/", target | {"content-encoding": "gzip"}, gzipped),
        (PUT_METRIC_DATA, CBOR, cbor2.dumps(metric())),
    ]:
        sample.metrics.seen = None
        reply = await call(sample.gateway, "POST", url, headers, body)
        assert reply.status == 200, reply.body
        assert sample.metrics.seen == metric()
    reply = await call(sample.gateway, "POST", f"{URL}/", target | {"content-encoding": "gzip"}, gzipped[:-9])
    assert reply.status == 400


def test_query_compatible_errors_name_the_old_code(clients):
    with pytest.raises(ClientError) as caught:
        clients("cloudwatch").delete_alarms(AlarmNames=["a"])
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-query-error"] == "ResourceNotFound;Sender"


async def test_a_gzip_bomb_is_too_large(sample):
    packed = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packed.compress(bytes(1 << 20)) for _ in range(80)) + packed.flush()
    target = {"x-amz-target": "GraniteServiceVersion20100801.PutMetricData", "content-encoding": "gzip"}
    reply = await call(sample.gateway, "POST", f"{URL}/", target, bomb)
    assert reply.status == 413


def test_event_stream_error_before_the_first_event_is_http(clients):
    connection = clients("bedrock-runtime")
    with pytest.raises(connection.exceptions.ThrottlingException):
        connection.converse_stream(modelId="early", messages=[])


@pytest.mark.parametrize(("model", "code"), [("late", "throttlingException"), ("broken", "InternalFailure")])
def test_event_stream_error_in_the_middle(clients, model, code):
    stream = clients("bedrock-runtime").converse_stream(modelId=model, messages=[])["stream"]
    seen = []
    with pytest.raises(EventStreamError) as caught:
        seen.extend(event for event in stream if seen.append(event))
    assert caught.value.response["Error"]["Code"] == code
    assert "a bug" not in str(caught.value)
    assert len(seen) == 2


def test_notes_and_headers_of_the_context(clients):
    answer = clients("logs").create_log_group(logGroupName="a")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-outcrop-hint"] == "evil Set-Cookie: a"
    assert "set-cookie" not in headers
    assert headers["x-extra"] == "1"
    assert headers["x-amzn-requestid"] == answer["ResponseMetadata"]["RequestId"]


def test_call_between_services(clients):
    base = clients("bedrock-agent").get_knowledge_base(knowledgeBaseId="ABCDEFGHIJ")
    assert base["knowledgeBase"]["name"] == f"arn:aws:iam::{ACCOUNT}:root"


async def test_every_call_has_an_id_of_its_own(sample):
    seen = []

    async def remember(context, request):
        seen.append(context.request_id)
        return {}

    sample.gateway.services["sts"].handlers["get_caller_identity"] = remember
    context = sample.gateway.context(ACCOUNT, "us-east-1", KEYS["test"].principal)
    for _ in range(2):
        await context.call("sts", "get_caller_identity", {})
    assert len({context.request_id, *seen}) == 3


async def test_call_validates_and_streams(sample):
    context = sample.gateway.context(ACCOUNT, "us-east-1", KEYS["test"].principal)
    await context.call("s3", "put_object", {"Bucket": "b", "Key": "k", "Body": b"content"})
    assert sample.objects.stored == {"b/k": b"content"}
    answer = await context.call("s3", "get_object", {"Bucket": "b", "Key": "k"})
    assert b"".join([piece async for piece in answer["Body"]]) == b"content"
    with pytest.raises(ValidationException, match="Value null at 'key'"):
        await context.call("s3", "get_object", {"Bucket": "b"})
    with pytest.raises(TypeError, match="no member Kee"):
        await context.call("s3", "get_object", {"Bucket": "b", "Key": "k", "Kee": "x"})
    with pytest.raises(Exception, match="doesn't have it"):
        await context.call("s3", "get_bucket_acl", {"Bucket": "b"})


class Site:
    def __init__(self) -> None:
        self.cancelled = asyncio.Event()

    def matches(self, request) -> bool:
        return request.host == "site.localhost"

    async def handle(self, request, context) -> HttpResponse:
        size = sum([len(piece) async for piece in request.body])
        caller: Principal = context("1" * 12, "eu-west-1").principal
        if request.raw_path == "/sleep":
            try:
                await asyncio.sleep(60)
            finally:
                self.cancelled.set()
        if request.raw_path == "/bug":
            raise RuntimeError("a bug in a surface")
        body = f"{request.method} {request.raw_path}?{request.raw_query} {size} {caller.kind} {request.port}"
        return HttpResponse(201, (("X-A", "1"), ("X-A", "2")), body.encode())


async def test_surfaces_come_first(sample):
    services = [Service("sts", surfaces=(Site(),))]
    gateway = Gateway(services, settings=Settings(), lookup=KEYS.get)
    reply = await call(gateway, "POST", "http://Site.localhost:80/a%2Fb?c=d", {}, [b"12", b"345"])
    assert (reply.status, reply.body) == (201, b"POST /a%2Fb?c=d 5 anonymous 80")
    reply = await call(gateway, "GET", "http://site.localhost/bug")
    assert (reply.status, b"a bug" in reply.body) == (500, False)


async def test_a_room_is_built_and_started_by_its_first_request():
    seen = []

    class Identity:
        async def get_caller_identity(self, ctx, request):
            return {"Account": ctx.account}

    async def start():
        seen.append("started")

    def build():
        seen.append("built")
        return [Service("sts", Identity(), on_start=start, on_stop=stop)]

    async def stop():
        seen.append("stopped")

    sts, logs = Room(["sts"], build), Room(["logs"], lambda: pytest.fail("nobody asked for logs"))
    gateway = Gateway([sts, logs], settings=Settings(), lookup=KEYS.get)
    await sts.stop()
    assert seen == []
    for _ in range(2):
        answer = await gateway.call(
            gateway.context("1" * 12, "us-east-1", Principal("arn:aws:iam::111111111111:root", "1")),
            "sts",
            "get_caller_identity",
            {},
        )
        assert answer == {"Account": "1" * 12}
    await sts.stop()
    assert seen == ["built", "started", "stopped"]


def test_a_room_that_builds_other_services_than_it_promised():
    with pytest.raises(ValueError, match="expected the services"):
        _ = Room(["sts"], lambda: [Service("iam")]).services


def test_disconnect_cancels_a_surface():
    site = Site()
    with serving(Gateway([Service("sts", surfaces=(site,))], settings=Settings(), lookup=KEYS.get)) as url:
        connection = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 5)
        connection.sendall(b"GET /sleep HTTP/1.1\r\nHost: site.localhost\r\n\r\n")
        time.sleep(0.1)
        connection.close()
        wait_for(site.cancelled)


async def test_preflight_of_local_pages(sample):
    headers = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
    reply = await call(sample.gateway, "OPTIONS", f"{URL}/model/a/converse", headers)
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (204, "http://localhost:3000")
    reply = await call(sample.gateway, "POST", f"{URL}/model/a/invoke", {"origin": "http://localhost:3000"}, b"{}")
    assert reply.headers["access-control-allow-origin"] == "http://localhost:3000"
    reply = await call(sample.gateway, "POST", f"{URL}/model/a/invoke", {"origin": "http://localhost.evil.com"}, b"{}")
    assert "access-control-allow-origin" not in reply.headers
    reply = await call(sample.gateway, "OPTIONS", f"{URL}/model/a/converse", headers | {"origin": "https://evil.com"})
    assert "access-control-allow-origin" not in reply.headers


async def test_head_answers_carry_no_body(sample):
    reply = await call(sample.gateway, "HEAD", f"{URL}/b/k")
    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "1234")
    reply = await call(sample.gateway, "HEAD", f"{URL}/b/none")
    assert (reply.status, reply.body) == (404, b"")


async def test_xml_root_elements(sample):
    reply = await call(sample.gateway, "GET", f"{URL}/")
    assert reply.body.startswith(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    )
    reply = await call(sample.gateway, "GET", f"{URL}/bucket?location")
    assert reply.body.endswith(b'doc/2006-03-01/">eu-central-1</LocationConstraint>')


def test_strict_sample_needs_signatures(clients):
    strict = Sample(strict=True)
    assert clients("sts", sample=strict).get_caller_identity()["Account"] == ACCOUNT
