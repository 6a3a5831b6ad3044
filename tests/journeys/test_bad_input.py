"""Whatever arrives, the answer is an AWS error at worst: never a 500, never silence."""

from __future__ import annotations

import http.client
import json
import random
from datetime import UTC, datetime
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from outcrop.testing import StackProcess

SERVICES = (
    "s3",
    "iam",
    "sts",
    "logs",
    "cloudwatch",
    "lambda",
    "apigatewayv2",
    "bedrock",
    "bedrock-runtime",
    "bedrock-agent",
    "bedrock-agent-runtime",
)
HARMLESS_5XX = {501, 503}
"""Not implemented, and a refusal that names what this machine lacks."""
NASTY_STRINGS = (
    "",
    " ",
    "x" * 5000,
    "\x00",
    "../../etc/passwd",
    "ünï-cödé-✓",
    "'; DROP TABLE t; --",
    "arn:aws:iam::000000000000:role/none",
    "{}",
    "%s%n",
    "-1",
)

PLAUSIBLE = {"Bucket": "hostile-bucket", "Key": "key"}
"""What a client must get right to send anything at all."""


def value(shape, chance: random.Random, depth: int = 0):
    """A value that is sometimes right and often not."""
    kind = shape.type_name
    if depth > 4:
        return {} if kind in ("structure", "map") else [] if kind == "list" else "deep"
    if kind == "structure":
        members = {}
        for name, member in shape.members.items():
            wanted = name in shape.required_members
            if chance.random() < (0.9 if wanted else 0.25):
                members[name] = PLAUSIBLE.get(name) or value(member, chance, depth + 1)
        return members
    if kind == "list":
        return [value(shape.member, chance, depth + 1) for _ in range(chance.choice((0, 1, 2, 5)))]
    if kind == "map":
        return {chance.choice(NASTY_STRINGS) or "k": value(shape.value, chance, depth + 1) for _ in range(2)}
    if kind in ("integer", "long"):
        return chance.choice((0, 1, -1, 7, 2**31, -(2**63)))
    if kind in ("float", "double"):
        return chance.choice((0.0, 0.5, -1.5, 1e300))
    if kind == "boolean":
        return chance.random() < 0.5
    if kind == "timestamp":
        return datetime(2020, 1, 1, tzinfo=UTC)
    if kind == "blob":
        return chance.choice((b"", b"\x00\xff", b"{}", b"not json", b"x" * 3000))
    if shape.enum and chance.random() < 0.5:
        return chance.choice(shape.enum)
    return chance.choice(NASTY_STRINGS)


@pytest.mark.parametrize("service", SERVICES)
def test_hostile_members(outcrop_stack: StackProcess, service: str):
    session = botocore.session.get_session()
    model = session.get_service_model(service)
    client = outcrop_stack.client(
        service,
        config=Config(
            parameter_validation=False,
            retries={"total_max_attempts": 1},
            read_timeout=30,
            s3={"addressing_style": "path"},
        ),
    )
    chance = random.Random(7)
    by_name = {operation: python for python, operation in client.meta.method_to_api_mapping.items()}
    sent = 0
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        if shape is None or name in ("StartLiveTail", "InvokeModelWithBidirectionalStream"):
            continue
        for _ in range(4):
            parameters = value(shape, chance)
            try:
                getattr(client, by_name[name])(**parameters)
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                assert status < 500 or status in HARMLESS_5XX, f"{service}.{name}({parameters}): {error}"
                assert error.response["Error"]["Code"], f"{service}.{name}: an error without a code"
                sent += 1
            except (BotoCoreError, TypeError, ValueError, AttributeError, KeyError, UnicodeError, ParseError):
                continue  # the client itself could not send it, or sent what isn't HTTP
            else:
                sent += 1
    assert sent > len(model.operation_names) / 2
    assert "Traceback" not in outcrop_stack.log, outcrop_stack.log[-4000:]


BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"<a>" * 20_000,
    b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    json.dumps({"name": 3, "tags": "x", "messages": {"role": None}, "inputText": []}).encode(),
)
TARGETS = (
    ("PUT", "/knowledgebases/", {}),
    ("POST", "/knowledgebases/ABCDEFGHIJ/retrieve", {}),
    ("POST", "/retrieveAndGenerate", {}),
    ("POST", "/model/amazon.titan-embed-text-v2%3A0/invoke", {}),
    ("POST", "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse", {}),
    ("POST", "/2015-03-31/functions", {}),
    ("POST", "/v2/apis", {}),
    ("POST", "/", {"X-Amz-Target": "Logs_20140328.PutLogEvents", "Content-Type": "application/x-amz-json-1.1"}),
    (
        "POST",
        "/",
        {"X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData", "Content-Type": "application/x-amz-json-1.0"},
    ),
    (
        "POST",
        "/service/GraniteServiceVersion20100801/operation/PutMetricData",
        {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"},
    ),
    ("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}),
    ("PUT", "/bucket-name-1?tagging", {}),
    ("POST", "/bucket-name-1?delete", {}),
    ("PUT", "/bucket-name-1?cors", {}),
    ("POST", "/nothing/here", {}),
)


@pytest.mark.parametrize(("method", "path", "headers"), TARGETS, ids=[f"{t[0]} {t[1]}" for t in TARGETS])
def test_hostile_bodies(outcrop_stack: StackProcess, method: str, path: str, headers: dict[str, str]):
    place = urlsplit(outcrop_stack.url)
    for body in BODIES:
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = response.read()
            assert response.status < 500 or response.status in HARMLESS_5XX, (body[:40], response.status, answer[:300])
        finally:
            connection.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /%zz%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 Credential=\r\n\r\n",
        b"GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b&X-Amz-Date=z HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_raw_bytes_leave_the_server_standing(outcrop_stack: StackProcess, raw: bytes):
    import socket

    place = urlsplit(outcrop_stack.url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
        connection.sendall(raw)
        connection.settimeout(0.3)
        try:
            assert b" 500 " not in connection.recv(200)
        except TimeoutError:
            pass
    assert outcrop_stack.client("sts").get_caller_identity()["Account"] == "000000000000"


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}])
def test_a_page_of_another_site_cannot_create_a_function(outcrop_stack: StackProcess, headers: dict[str, str]):
    place = urlsplit(outcrop_stack.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    connection.request("POST", "/2015-03-31/functions", b"{}", headers)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    assert response.status == 403
    assert b"this machine" in answer


def test_a_refused_upload_leaves_the_connection_in_order(outcrop_stack):
    """boto3 announces a body and waits; refused, it never sends it, and uses the connection again."""
    s3 = outcrop_stack.client("s3")
    s3.create_bucket(Bucket="orderly")
    for _ in range(2):
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket="orderly", Key="a", Body=b"x" * 100, Tagging="aws:a=b")
        assert refused.value.response["Error"]["Code"] == "InvalidTag"
        s3.put_object(Bucket="orderly", Key="a", Body=b"y" * 100)
    assert s3.get_object(Bucket="orderly", Key="a")["Body"].read() == b"y" * 100
