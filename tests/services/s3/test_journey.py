"""Real clients against S3 behind the gateway, in a process of its own."""

import base64
import contextlib
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zlib
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

MIB = 1 << 20


class Server:
    def __init__(self, data):
        self.data = data

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("server.py")), str(self.data)], stdout=subprocess.PIPE
        )
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def client(self, secret="secret", service="s3", host="127.0.0.1", **config):
        return boto3.client(
            service,
            endpoint_url=f"http://{host}:{self.port}",
            aws_access_key_id="test",
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(**config),
        )

    @property
    def peak_memory(self):
        """MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) >> 10


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("s3")).start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def s3(server):
    return server.client()


@pytest.fixture
def books(s3, request):
    name = f"b-{hashlib.md5(request.node.name.encode()).hexdigest()[:12]}"
    s3.create_bucket(Bucket=name)
    return name


def fetch(url, method="GET", data=None, **headers):
    """Status, headers and body of a plain request, redirects not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args):
            return None

    asked = urllib.request.Request(url, data, {name.replace("_", "-"): text for name, text in headers.items()})
    asked.get_method = lambda: method
    try:
        with urllib.request.build_opener(Stay).open(asked, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_put_get_and_list(s3, books):
    for key in ("plain", "with space+plus", "ünï/cödé", "a//b", "dir/../up", "%41"):
        s3.put_object(Bucket=books, Key=key, Body=key.encode(), Metadata={"k": "v"}, ContentType="text/plain")
        got = s3.get_object(Bucket=books, Key=key)
        assert got["Body"].read() == key.encode()
        assert (got["ContentType"], got["Metadata"]) == ("text/plain", {"k": "v"})
    assert len(s3.list_objects_v2(Bucket=books)["Contents"]) == 6
    assert [one["Prefix"] for one in s3.list_objects(Bucket=books, Delimiter="/")["CommonPrefixes"]] == [
        "a/",
        "dir/",
        "ünï/",
    ]


def test_headers_come_back(s3, books):
    expires = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    s3.put_object(Bucket=books, Key="a", Body=b"", Expires=expires, ContentEncoding="deflate, gzip", CacheControl="x")
    for got in (s3.head_object(Bucket=books, Key="a"), s3.get_object(Bucket=books, Key="a")):
        assert (got["Expires"], got["ContentEncoding"], got["CacheControl"]) == (expires, "deflate, gzip", "x")
    got = s3.get_object(Bucket=books, Key="a", ResponseExpires=expires, ResponseContentType="a/b")
    assert (got["Expires"], got["ContentType"]) == (expires, "a/b")


def test_errors(s3, books):
    for call, code, status in (
        (lambda: s3.get_object(Bucket=books, Key="none"), "NoSuchKey", 404),
        (lambda: s3.head_object(Bucket=books, Key="none"), "404", 404),
        (lambda: s3.get_object(Bucket="nowhere-at-all", Key="a"), "NoSuchBucket", 404),
        (lambda: s3.get_bucket_website(Bucket=books), "NoSuchWebsiteConfiguration", 404),
        (lambda: s3.put_object(Bucket=books, Key="a", StorageClass="SHELF"), "InvalidStorageClass", 400),
        (lambda: s3.list_objects_v2(Bucket=books, MaxKeys=-1), "InvalidArgument", 400),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_conditional_get_and_ranges(s3, books):
    etag = s3.put_object(Bucket=books, Key="a", Body=b"0123456789")["ETag"]
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=books, Key="a", IfNoneMatch=etag)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["etag"] == etag
    part = s3.get_object(Bucket=books, Key="a", Range="bytes=2-4")
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert (part["Body"].read(), part["ContentRange"]) == (b"234", "bytes 2-4/10")
    with pytest.raises(ClientError, match="InvalidRange"):
        s3.get_object(Bucket=books, Key="a", Range="bytes=10-")


def test_versions_and_delete_markers(s3, books):
    s3.put_bucket_versioning(Bucket=books, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=books, Key="a", Body=b"1")["VersionId"]
    marker = s3.delete_object(Bucket=books, Key="a")
    assert marker["DeleteMarker"]
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=books, Key="a")
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    assert s3.get_object(Bucket=books, Key="a", VersionId=first)["Body"].read() == b"1"
    listed = s3.list_object_versions(Bucket=books)
    assert (len(listed["Versions"]), len(listed["DeleteMarkers"])) == (1, 1)


def test_settings_of_every_kind(s3, books):
    rules = [{"ID": "r", "Filter": {"Prefix": "a"}, "Status": "Enabled", "Expiration": {"Days": 3}}]
    s3.put_bucket_lifecycle_configuration(Bucket=books, LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket=books)["Rules"] == rules
    s3.put_bucket_acl(Bucket=books, ACL="public-read")
    assert s3.get_bucket_acl(Bucket=books)["Grants"][1]["Grantee"]["Type"] == "Group"
    policy = {"Version": "2012-10-17", "Statement": []}
    policy["Statement"] = [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{books}/*"}
    ]
    s3.put_bucket_policy(Bucket=books, Policy=json.dumps(policy))
    assert json.loads(s3.get_bucket_policy(Bucket=books)["Policy"]) == policy
    s3.put_bucket_tagging(Bucket=books, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_bucket_tagging(Bucket=books)["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert s3.get_bucket_location(Bucket=books)["LocationConstraint"] is None
    assert s3.get_bucket_encryption(Bucket=books)["ServerSideEncryptionConfiguration"]["Rules"]
    s3.put_object(Bucket=books, Key="k", Body=b"", Tagging="x=1")
    assert s3.get_object_tagging(Bucket=books, Key="k")["TagSet"] == [{"Key": "x", "Value": "1"}]


def test_tags_by_s3_control(server, s3, books, resolved):
    """As Terraform reads and writes them."""
    control = server.client(service="s3control", host="localhost")
    named = {"AccountId": "000000000000", "ResourceArn": f"arn:aws:s3:::{books}"}
    control.tag_resource(**named, Tags=[{"Key": "a", "Value": "b"}])
    assert control.list_tags_for_resource(**named)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert s3.get_bucket_tagging(Bucket=books)["TagSet"] == [{"Key": "a", "Value": "b"}]
    control.untag_resource(**named, TagKeys=["a"])
    assert control.list_tags_for_resource(**named)["Tags"] == []
    with pytest.raises(ClientError, match="NoSuchResource"):
        control.list_tags_for_resource(AccountId="000000000000", ResourceArn="arn:aws:s3:::nowhere")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_of_the_client(s3, books, algorithm):
    put = s3.put_object(Bucket=books, Key="a", Body=b"x" * 200_000, ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=books, Key="a", ChecksumMode="ENABLED")
    assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    assert got["Body"].read() == b"x" * 200_000


def test_upload_file_and_download_file_in_parts(s3, books, tmp_path):
    body = os.urandom(13 * MIB)
    (tmp_path / "up").write_bytes(body)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_file(str(tmp_path / "up"), books, "big", Config=config)
    assert s3.head_object(Bucket=books, Key="big")["ETag"].endswith('-3"')
    s3.download_file(books, "big", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == body
    s3.copy({"Bucket": books, "Key": "big"}, books, "copy", Config=config)
    assert s3.get_object(Bucket=books, Key="copy")["Body"].read() == body


def test_a_large_body_streams(server, s3, books):
    size = 96 * MIB
    s3.put_object(Bucket=books, Key="warm", Body=b"x" * MIB)
    before = server.peak_memory
    with open("/dev/zero", "rb") as zeros:

        class Zeros(io.RawIOBase):
            left = size

            def read(self, count=-1):
                count = min(self.left if count < 0 else count, self.left, MIB)
                self.left -= count
                return zeros.read(count)

            def seekable(self):
                return False

        url = s3.generate_presigned_url("put_object", {"Bucket": books, "Key": "zeros"})
        asked = urllib.request.Request(url, Zeros(), {"Content-Length": str(size)}, method="PUT")
        asked.add_header("Content-Type", "")
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert answer.status == 200
    assert s3.head_object(Bucket=books, Key="zeros")["ContentLength"] == size
    assert server.peak_memory - before < 24


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_get_and_put(server, books, version):
    client = server.client(signature_version=version)
    put = client.generate_presigned_url("put_object", {"Bucket": books, "Key": "a b+c/é"})
    assert fetch(put, "PUT", b"signed", Content_Type="")[0] == 200
    get = client.generate_presigned_url("get_object", {"Bucket": books, "Key": "a b+c/é"})
    assert fetch(get)[2] == b"signed"
    forged = get.replace("a%20b", "a%20d")
    status, _, body = fetch(forged)
    assert status == 403
    assert b"<Code>SignatureDoesNotMatch</Code>" in body
    if version == "s3":
        expired = client.generate_presigned_url("get_object", {"Bucket": books, "Key": "a b+c/é"}, ExpiresIn=-10)
        assert fetch(expired)[0] == 403
    wrong = server.client("wrong", signature_version=version).generate_presigned_url(
        "get_object", {"Bucket": books, "Key": "a b+c/é"}
    )
    assert fetch(wrong)[0] == 403


def _form(fields, name, content):
    border = "a-border-of-our-own"
    parts = [
        f'--{border}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    ]
    parts.append(f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n')
    body = "".join(parts).encode() + content + f"\r\n--{border}--\r\n".encode()
    return body, f"multipart/form-data; boundary={border}"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_post(server, s3, books, version):
    client = server.client(signature_version=version)
    post = client.generate_presigned_post(
        books,
        "uploads/${filename}",
        Fields={"success_action_status": "201", "x-amz-meta-by": "me"},
        Conditions=[
            {"success_action_status": "201"},
            ["starts-with", "$x-amz-meta-by", ""],
            ["content-length-range", 1, 2 * MIB],
        ],
    )
    content = os.urandom(MIB)
    body, kind = _form(post["fields"], "photo.png", content)
    status, headers, answer = fetch(post["url"], "POST", body, Content_Type=kind)
    assert (status, headers["ETag"]) == (201, f'"{hashlib.md5(content).hexdigest()}"')
    assert b"<Key>uploads/photo.png</Key>" in answer
    got = s3.get_object(Bucket=books, Key="uploads/photo.png")
    assert (got["Body"].read(), got["Metadata"]) == (content, {"by": "me"})
    body, kind = _form(post["fields"], "huge.png", bytes(3 * MIB))
    status, _, answer = fetch(post["url"], "POST", body, Content_Type=kind)
    assert (status, b"<Code>EntityTooLarge</Code>" in answer) == (400, True)
    body, kind = _form({**post["fields"], "acl": "public-read"}, "a.png", b"x")
    assert fetch(post["url"], "POST", body, Content_Type=kind)[0] == 403


def test_strangers_see_only_what_is_public(server, s3, books):
    s3.put_object(Bucket=books, Key="private", Body=b"1")
    s3.put_object(Bucket=books, Key="public", Body=b"2", ACL="public-read")
    assert fetch(f"{server.url}/{books}/private")[0] == 403
    assert fetch(f"{server.url}/{books}/public")[2] == b"2"
    assert fetch(f"{server.url}/{books}")[0] == 403
    assert fetch(f"{server.url}/{books}/new", "PUT", b"x")[0] == 403


def test_cors(server, s3, books):
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["http://*.example"], "AllowedHeaders": ["x-*"]}
    s3.put_bucket_cors(Bucket=books, CORSConfiguration={"CORSRules": [rule]})
    s3.put_object(Bucket=books, Key="a", Body=b"x", ACL="public-read")
    url = f"{server.url}/{books}/a"
    origin = "http://page.example"
    asked = {"Origin": origin, "Access_Control_Request_Method": "GET", "Access_Control_Request_Headers": "x-a"}
    status, headers, _ = fetch(url, "OPTIONS", **asked)
    assert (status, headers["Access-Control-Allow-Origin"], headers["Access-Control-Allow-Headers"]) == (
        200,
        origin,
        "x-a",
    )
    status, _, body = fetch(url, "OPTIONS", **{**asked, "Access_Control_Request_Method": "PUT"})
    assert (status, b"<Code>AccessForbidden</Code>" in body) == (403, True)
    assert fetch(url, Origin=origin)[1]["Access-Control-Allow-Origin"] == origin
    assert fetch(url, Origin="http://evil.test")[1]["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize(
    "host", ["{}.localhost", "{}.s3.localhost", "{}.s3.localhost.localstack.cloud", "{}.s3.eu-west-1.amazonaws.com"]
)
def test_virtual_hosts(server, s3, books, host):
    s3.put_object(Bucket=books, Key="dir/a", Body=b"hosted", ACL="public-read")
    assert fetch(f"{server.url}/dir/a", Host=host.format(books))[2] == b"hosted"


@pytest.fixture
def resolved(monkeypatch):
    """Every host below localhost is this machine, as on most systems it is."""
    real = socket.getaddrinfo

    def resolve(host, *args, **options):
        return real("127.0.0.1" if str(host).endswith("localhost") else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_virtual_host_addressing_of_boto3(server, s3, books, resolved):
    client = server.client(host="s3.localhost", s3={"addressing_style": "virtual"})
    client.put_object(Bucket=books, Key="k", Body=b"virtual")
    assert client.get_object(Bucket=books, Key="k")["Body"].read() == b"virtual"
    assert client.list_objects_v2(Bucket=books)["KeyCount"] == 1
    assert s3.get_object(Bucket=books, Key="k")["Body"].read() == b"virtual"


def test_website(server, s3, books):
    for key, text in (("index.html", "home"), ("docs/index.html", "docs"), ("404.html", "lost")):
        s3.put_object(Bucket=books, Key=key, Body=text.encode(), ContentType="text/html")
    anyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{books}/*"}
    s3.put_bucket_policy(Bucket=books, Policy=json.dumps({"Version": "2012-10-17", "Statement": [anyone]}))
    s3.put_bucket_website(
        Bucket=books,
        WebsiteConfiguration={
            "IndexDocument": {"Suffix": "index.html"},
            "ErrorDocument": {"Key": "404.html"},
            "RoutingRules": [{"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "docs/"}}],
        },
    )
    for base, more in (
        (server.url, {"Host": f"{books}.s3-website.localhost:{server.port}"}),
        (f"{server.url}/_website/{books}", {}),
    ):
        status, headers, body = fetch(f"{base}/", **more)
        assert (status, headers["Content-Type"], body) == (200, "text/html", b"home")
        assert fetch(f"{base}/docs/", **more)[2] == b"docs"
        status, headers, _ = fetch(f"{base}/docs", **more)
        assert (status, headers["Location"].endswith("/docs/")) == (302, True)
        assert fetch(f"{base}/nothing", **more)[::2] == (404, b"lost")
        status, headers, _ = fetch(f"{base}/old/page", **more)
        assert (status, headers["Location"].endswith("/docs/page")) == (301, True)
        assert fetch(f"{base}/", "HEAD", **more)[::2] == (200, b"")


def test_aws_cli_sync(server, s3, books, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "deep" / "b.bin").write_bytes(os.urandom(9 * MIB))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.url,
    }
    for pair in ((str(source), f"s3://{books}/x"), (f"s3://{books}/x", str(target))):
        subprocess.run(
            [sys.executable, "-m", "awscli", "s3", "sync", *pair, "--no-progress"],
            env=environment,
            check=True,
            capture_output=True,
            timeout=60,
        )
    assert (target / "deep" / "b.bin").read_bytes() == (source / "deep" / "b.bin").read_bytes()
    assert len(s3.list_objects_v2(Bucket=books, Prefix="x/")["Contents"]) == 2


def test_chunked_upload_with_a_trailer(server, s3, books):
    """What clients send over TLS: aws-chunked, unsigned payload, the checksum behind the body."""
    body = b"streamed" * 40_000
    digest = base64.b64encode(zlib.crc32(body).to_bytes(4, "big"))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:65536], body[65536:]))
    for key, trailer, expected in (("right", digest, 200), ("wrong", b"AAAAAA==", 400)):
        asked = AWSRequest(
            "PUT",
            f"{server.url}/{books}/{key}",
            {
                "Content-Encoding": "aws-chunked",
                "X-Amz-Decoded-Content-Length": str(len(body)),
                "X-Amz-Trailer": "x-amz-checksum-crc32",
            },
        )
        asked.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
        S3SigV4Auth(Credentials("test", "secret"), "s3", "us-east-1").add_auth(asked)
        framed = chunks + b"0\r\nx-amz-checksum-crc32:" + trailer + b"\r\n\r\n"
        status, _, answer = fetch(asked.url, "PUT", framed, **dict(asked.headers), Content_Type="")
        assert status == expected
        assert (b"<Code>BadDigest</Code>" in answer) == (expected == 400)
    got = s3.get_object(Bucket=books, Key="right", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["ChecksumCRC32"]) == (body, digest.decode())
    assert "ContentEncoding" not in got
    assert s3.list_objects_v2(Bucket=books)["KeyCount"] == 1


def test_a_client_that_leaves_leaves_no_object(server, s3, books):
    url = s3.generate_presigned_url("put_object", {"Bucket": books, "Key": "half"})
    path = url.removeprefix(server.url)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: {8 * MIB}\r\n\r\n"
        connection.sendall(head.encode() + bytes(MIB))
        time.sleep(0.2)
    time.sleep(0.2)
    assert "Contents" not in s3.list_objects_v2(Bucket=books)
    assert list((server.data / "s3" / "staging").glob("*")) == []


def test_kill_9_in_the_middle_of_puts(tmp_path):
    server = Server(tmp_path).start()
    s3 = server.client(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=5)
    s3.create_bucket(Bucket="books")
    acknowledged = {}

    def write(thread):
        client = server.client(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5)
        for number in range(10_000):
            key, body = f"{thread}/{number}", os.urandom(300_000 if number % 3 == 0 else 2000)
            try:
                client.put_object(Bucket="books", Key=key, Body=body)
            except Exception:
                return
            acknowledged[key] = hashlib.md5(body).hexdigest()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.8)
    server.kill()
    for thread in threads:
        thread.join()
    assert acknowledged
    server = Server(tmp_path).start()
    try:
        s3 = server.client()
        for key, digest in acknowledged.items():
            assert hashlib.md5(s3.get_object(Bucket="books", Key=key)["Body"].read()).hexdigest() == digest
        listed = 0
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="books"):
            for one in page.get("Contents", []):
                body = s3.get_object(Bucket="books", Key=one["Key"])["Body"].read()
                assert f'"{hashlib.md5(body).hexdigest()}"' == one["ETag"]
                listed += 1
        assert len(acknowledged) <= listed <= len(acknowledged) + 3
        with contextlib.suppress(FileNotFoundError):
            assert list((tmp_path / "s3" / "staging").iterdir()) == []
    finally:
        server.kill()
