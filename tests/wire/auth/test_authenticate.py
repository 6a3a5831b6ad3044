"""Signatures of botocore's own signers, checked through the whole gateway."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import time
from datetime import UTC, datetime

import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.wire.asgi import ACCOUNT, KEYS, call
from tests.wire.sample import Identity, S3Hooks, Sample, Service

from outcrop.services.contract import Credential, Principal
from outcrop.settings import Settings
from outcrop.wire.gateway import Gateway

TEST = Credentials("test", "test")
URL = "http://localhost:4566"


def code(caught) -> tuple[str, int]:
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "expected"),
    [
        ("sts", "get_caller_identity", {}, "SignatureDoesNotMatch"),
        ("logs", "create_log_group", {"logGroupName": "a"}, "InvalidSignatureException"),
        ("bedrock-agent", "get_knowledge_base", {"knowledgeBaseId": "ABCDEFGHIJ"}, "InvalidSignatureException"),
        ("s3", "list_buckets", {}, "SignatureDoesNotMatch"),
    ],
)
def test_header_of_a_forged_signature(clients, service, operation, arguments, expected):
    with pytest.raises(ClientError) as caught:
        getattr(clients(service, secret="wrong"), operation)(**arguments)
    assert code(caught) == (expected, 403)


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "expected"),
    [
        ("sts", "get_caller_identity", {}, "InvalidClientTokenId"),
        ("logs", "create_log_group", {"logGroupName": "a"}, "UnrecognizedClientException"),
        ("s3", "list_buckets", {}, "InvalidAccessKeyId"),
    ],
)
def test_header_of_an_unknown_key(clients, service, operation, arguments, expected):
    with pytest.raises(ClientError) as caught:
        getattr(clients(service, key="AKIAUNKNOWN"), operation)(**arguments)
    assert code(caught) == (expected, 403)


def test_header_names_the_principal(clients):
    identity = clients("sts", key="AKIAOTHER", secret="other/secret+key").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ada"


@pytest.mark.parametrize("key", ["a key", "ä/ö", "a+b", "a//b", "../up", "a?b=c&d", "%41", "a'(b)*!", "tilde~"])
def test_header_of_odd_keys(clients, sample, key):
    clients("s3").put_object(Bucket="bucket", Key=key, Body=b"1")
    assert list(sample.objects.stored) == [f"bucket/{key}"]


async def test_header_of_metadata_that_is_not_ascii(sample):
    request = AWSRequest("PUT", f"{URL}/bucket/a", headers={"x-amz-meta-city": "Köln", "Host": "localhost:4566"})
    S3SigV4Auth(TEST, "s3", "us-east-1").add_auth(request)
    reply = await call(sample.gateway, "PUT", request.url, dict(request.headers.items()))
    assert reply.status == 200
    assert sample.objects.seen["Metadata"]["city"].encode("latin-1").decode() == "Köln"


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_get(clients, sample, version):
    sample.objects.stored["bucket/a b/ü+c"] = b"content"
    client = clients("s3", config={"signature_version": version})
    arguments = {"Bucket": "bucket", "Key": "a b/ü+c", "ResponseContentType": "text/x y"}
    url = client.generate_presigned_url("get_object", Params=arguments)

    async def fetch(address: str, method: str = "GET"):
        return await call(sample.gateway, method, address)

    with asyncio.Runner() as runner:
        assert runner.run(fetch(url)).body == b"content"
        assert runner.run(fetch(url.replace("bucket/a", "bucket/b"))).status == 403
        assert runner.run(fetch(url.replace("Signature=", "Signature=0"))).status == 403
        assert runner.run(fetch(url, "DELETE")).status in (403, 501)
        assert runner.run(fetch(url.replace("text%2F", "evil%2F"))).status == 403


@pytest.mark.parametrize("version", ["s3v4", "s3"])
async def test_presigned_get_expires(sample, version, monkeypatch):
    sample.objects.stored["bucket/a"] = b"content"
    request = AWSRequest("GET", f"{URL}/bucket/a")
    if version == "s3v4":
        past = datetime.fromtimestamp(time.time() - 120, UTC).replace(tzinfo=None)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: past)
        S3SigV4QueryAuth(TEST, "s3", "us-east-1", expires=60).add_auth(request)
    else:
        HmacV1QueryAuth(TEST, expires=-60).add_auth(request)
    reply = await call(sample.gateway, "GET", request.url)
    assert reply.status == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in reply.body


async def test_presigned_for_longer_than_a_week(sample):
    request = AWSRequest("GET", f"{URL}/bucket/a")
    SigV4QueryAuth(TEST, "s3", "us-east-1", expires=604801).add_auth(request)
    reply = await call(sample.gateway, "GET", request.url)
    assert reply.status == 400
    assert b"AuthorizationQueryParametersError" in reply.body


async def test_presigned_with_an_unsigned_header(sample):
    request = AWSRequest("PUT", f"{URL}/bucket/a")
    S3SigV4QueryAuth(TEST, "s3", "us-east-1").add_auth(request)
    reply = await call(sample.gateway, "PUT", request.url, {"x-amz-acl": "public-read"}, b"1")
    assert reply.status == 403
    assert b"HeadersNotSigned" in reply.body


async def test_presigned_sts(sample):
    request = AWSRequest("GET", f"{URL}/?Action=GetCallerIdentity&Version=2011-06-15")
    SigV4QueryAuth(TEST, "sts", "us-east-1", expires=60).add_auth(request)
    reply = await call(sample.gateway, "GET", request.url)
    assert reply.status == 200
    assert b"<Account>000000000000</Account>" in reply.body


async def test_signature_version_2_in_a_header(sample):
    request = AWSRequest("PUT", f"{URL}/bucket/a?uploadId=1&partNumber=2", headers={"x-amz-meta-a": "1", "x-id": "9"})
    HmacV1Auth(TEST).add_auth(request)
    headers = dict(request.headers.items())
    reply = await call(sample.gateway, "PUT", request.url, headers, b"1")
    assert reply.status == 501  # UploadPart: known, not bound, and so past routing
    request = AWSRequest("PUT", f"{URL}/bucket/a", headers={"x-amz-meta-a": "1"})
    HmacV1Auth(TEST).add_auth(request)
    assert (await call(sample.gateway, "PUT", request.url, dict(request.headers.items()), b"1")).status == 200
    HmacV1Auth(Credentials("test", "wrong")).add_auth(request)
    assert (await call(sample.gateway, "PUT", request.url, dict(request.headers.items()), b"1")).status == 403


@pytest.mark.parametrize("strict", [True, False])
async def test_unsigned(strict):
    gateway = Sample(strict=strict).gateway
    reply = await call(gateway, "GET", f"{URL}/?Action=GetCallerIdentity&Version=2011-06-15")
    assert reply.status == (403 if strict else 200)
    reply = await call(gateway, "GET", f"{URL}/")
    assert b"<ID>anonymous</ID>" in reply.body
    reply = await call(gateway, "GET", f"{URL}/knowledgebases/ABCDEFGHIJ")
    assert reply.status == (403 if strict else 200)
    assert reply.headers.get("x-amzn-errortype") == ("MissingAuthenticationTokenException" if strict else None)


async def test_session_token():
    owner = Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s", "AROA:s")
    keys = {
        "ASIA1": Credential("ASIA1", "s", ACCOUNT, owner, "the-token", time.time() + 60),
        "ASIA2": Credential("ASIA2", "s", ACCOUNT, owner, "the-token", time.time() - 1),
    }
    services = [Service("sts", Identity()), Service("s3", hooks=S3Hooks())]
    gateway = Gateway(services, settings=Settings(), lookup=keys.get)

    async def ask(key: str, token: str) -> bytes:
        request = AWSRequest("GET", f"{URL}/?Action=GetCallerIdentity&Version=2011-06-15")
        SigV4QueryAuth(Credentials(key, "s", token), "sts", "us-east-1", expires=60).add_auth(request)
        return (await call(gateway, "GET", request.url)).body

    assert b"assumed-role/r/s" in await ask("ASIA1", "the-token")
    assert b"<Code>InvalidClientTokenId</Code>" in await ask("ASIA1", "another")
    assert b"<Code>ExpiredToken</Code>" in await ask("ASIA2", "the-token")


async def test_bearer_key(sample):
    keys = {**KEYS, "bedrock-api-key": Credential("bedrock-api-key", "", ACCOUNT, KEYS["test"].principal)}
    gateway = Gateway([Service("bedrock-runtime", sample.inference)], settings=Settings(strict=True), lookup=keys.get)
    url = f"{URL}/model/echo/invoke"
    reply = await call(gateway, "POST", url, {"Authorization": "Bearer bedrock-api-key"}, b'{"a":1}')
    assert (reply.status, reply.body) == (200, b'{"a":1}')
    reply = await call(gateway, "POST", url, {"Authorization": "Bearer nonsense"}, b"{}")
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (403, "UnrecognizedClientException")


@pytest.mark.parametrize(
    "header",
    [
        "AWS4-HMAC-SHA256 nonsense",
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00",
        "AWS4-ECDSA-P256-SHA256 Credential=test/20260101/s3/aws4_request, SignedHeaders=host, Signature=00",
        "AWS test",
        "AWS test:" + "=" * 10_000,
    ],
)
async def test_malformed_authorization(sample, header):
    reply = await call(sample.gateway, "GET", f"{URL}/", {"Authorization": header})
    assert reply.status in (400, 403)


def test_body_that_was_changed_on_the_way(clients, sample):
    """S3 signs the hash in a header, which is compared with the stream at its end."""
    client = clients("s3")

    def tamper(request, **kwargs):
        request.body = b"tampered"

    client.meta.events.register_first("before-send", tamper)
    with pytest.raises(ClientError) as caught:
        client.put_object(Bucket="bucket", Key="a", Body=b"original")
    assert code(caught) == ("XAmzContentSHA256Mismatch", 400)
    assert sample.objects.stored == {}


def test_trailing_checksum(clients, sample):
    """Over https botocore sends STREAMING-UNSIGNED-PAYLOAD-TRAILER."""
    client = clients("s3", endpoint="https://localhost:4566")
    content = bytes(range(256)) * 3000
    client.put_object(Bucket="bucket", Key="a", Body=io.BytesIO(content), ContentEncoding="gzip")
    assert sample.objects.stored["bucket/a"] == content
    assert list(sample.objects.trailers) == ["x-amz-checksum-crc32"]
    assert sample.objects.seen["ContentLength"] == len(content)
    assert sample.objects.seen["ContentEncoding"] == "gzip"


class Chunks:
    """A signed aws-chunked body, made from the description of the algorithm."""

    def __init__(self, headers: dict[str, str], trailer: bool) -> None:
        self.moment = headers["X-Amz-Date"]
        fields = dict(part.strip().split("=", 1) for part in headers["Authorization"].partition(" ")[2].split(","))
        self.scope = fields["Credential"].partition("/")[2]
        self.previous = fields["Signature"]
        self.trailer = trailer
        self.key = b"AWS4test"
        for part in self.scope.split("/"):
            self.key = hmac.new(self.key, part.encode(), "sha256").digest()

    def sign(self, kind: str, *digests: str) -> str:
        text = "\n".join([f"AWS4-HMAC-SHA256-{kind}", self.moment, self.scope, self.previous, *digests])
        self.previous = hmac.new(self.key, text.encode(), "sha256").hexdigest()
        return self.previous

    def body(self, *chunks: bytes) -> bytes:
        empty = hashlib.sha256(b"").hexdigest()
        pieces = []
        for chunk in (*chunks, b""):
            signature = self.sign("PAYLOAD", empty, hashlib.sha256(chunk).hexdigest())
            pieces.append(f"{len(chunk):x};chunk-signature={signature}\r\n".encode() + chunk + b"\r\n")
        if self.trailer:
            pieces[-1] = pieces[-1].removesuffix(b"\r\n")
            checksum = base64.b64encode(hashlib.sha256(b"".join(chunks)).digest()).decode()
            line = f"x-amz-checksum-sha256:{checksum}"
            signature = self.sign("TRAILER", hashlib.sha256(f"{line}\n".encode()).hexdigest())
            pieces.append(f"{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode())
        return b"".join(pieces)


def signed_chunks(trailer: bool, *chunks: bytes) -> tuple[dict[str, str], bytes]:
    hint = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    size = str(sum(map(len, chunks)))
    request = AWSRequest(
        "PUT", f"{URL}/bucket/a", headers={"X-Amz-Decoded-Content-Length": size, "Host": "localhost:4566"}
    )
    signer = S3SigV4Auth(TEST, "s3", "us-east-1")
    signer.payload = lambda request: hint
    signer.add_auth(request)
    headers = dict(request.headers.items())
    headers["X-Amz-Content-SHA256"] = hint
    return headers, Chunks(headers, trailer).body(*chunks)


@pytest.mark.parametrize("trailer", [False, True])
@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_signed_chunks(sample, trailer, size):
    content = [bytes([65 + index]) * 9000 for index in range(3)]
    headers, body = signed_chunks(trailer, *content)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    reply = await call(sample.gateway, "PUT", f"{URL}/bucket/a", headers, pieces)
    assert reply.status == 200, reply.body
    assert sample.objects.stored["bucket/a"] == b"".join(content)
    assert list(sample.objects.trailers) == (["x-amz-checksum-sha256"] if trailer else [])


@pytest.mark.parametrize("trailer", [False, True])
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"BBBB", b"BBBX", 403),
        (b"2328;chunk", b"2327;chunk", 400),
        (b"2328;chunk", b"zz;chunk", 400),
        (b"2328;chunk", b"ffffffffffffffffff;chunk", 400),
        (b"0;chunk-signature=", b"0;chunk-signature=0", 403),
        (b"0;chunk-signature=", b"1;chunk-signature=", 400),
    ],
)
async def test_signed_chunks_that_were_changed(sample, trailer, old, new, expected):
    headers, body = signed_chunks(trailer, b"A" * 9000, b"B" * 9000)
    assert old in body
    reply = await call(sample.gateway, "PUT", f"{URL}/bucket/a", headers, body.replace(old, new))
    assert reply.status in (expected, 403), reply.body
    assert sample.objects.stored == {}


async def test_signed_chunks_cut_short(sample):
    headers, body = signed_chunks(False, b"A" * 9000, b"B" * 9000)
    for end in (0, 5, 3000, 9200, len(body) - 90):
        reply = await call(sample.gateway, "PUT", f"{URL}/bucket/a", headers, body[:end])
        assert (reply.status, sample.objects.stored) == (400, {})


async def test_signed_trailer_that_was_changed(sample):
    headers, body = signed_chunks(True, b"A" * 9000)
    start = body.index(b"sha256:") + 7
    reply = await call(sample.gateway, "PUT", f"{URL}/bucket/a", headers, body[:start] + b"AAAA" + body[start + 4 :])
    assert (reply.status, sample.objects.stored) == (403, {})


async def test_resource_of_a_virtual_host(sample):
    sample.objects.stored["bucket/k"] = b"1"
    request = AWSRequest("GET", "http://bucket.s3.localhost:4566/k", auth_path="/bucket/k")
    HmacV1Auth(TEST).add_auth(request)
    assert (await call(sample.gateway, "GET", request.url, dict(request.headers.items()))).body == b"1"
