import base64
import hashlib
import time
from datetime import UTC, datetime, timedelta

import pytest

from outcrop.services.s3 import errors

LARGE = bytes(range(256)) * 1024  # 256 KiB: a file, not a row


@pytest.mark.parametrize("body", [b"", b"hello", LARGE])
async def test_put_object_then_get_object(client, bucket, body):
    put = await client.put_object(Bucket=bucket, Key="a/ü b", Body=body)
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = await client.get_object(Bucket=bucket, Key="a/ü b")
    assert b"".join([piece async for piece in got.pop("Body")]) == body
    assert got["ContentLength"] == len(body)
    assert got["ContentType"] == "binary/octet-stream"
    assert await client.head_object(Bucket=bucket, Key="a/ü b") == got


@pytest.mark.parametrize("size", [65535, 65536, 65537, 600_000])
async def test_put_object_in_pieces(client, bucket, home, Pieces, size):
    body = (LARGE * 3)[:size]
    pieces = [body[start : start + 10_007] for start in range(0, size, 10_007)]
    await client.put_object(Bucket=bucket, Key="a", Body=Pieces(*pieces))
    assert await client.text(Bucket=bucket, Key="a") == body
    assert len(home.files()) == (size > 65536)


async def test_put_object_keeps_headers_and_metadata(client, bucket):
    headers = {
        "CacheControl": "max-age=60",
        "ContentDisposition": "attachment",
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "ContentType": "text/plain",
        "Expires": "Wed, 21 Oct 2026 07:28:00 GMT",
        "WebsiteRedirectLocation": "/other",
        "StorageClass": "STANDARD_IA",
    }
    await client.put_object(Bucket=bucket, Key="a", Body=b"", Metadata={"Colour": "blue"}, **headers)
    head = await client.head_object(Bucket=bucket, Key="a")
    assert {name: head[name] for name in headers} == headers
    assert head["Metadata"] == {"colour": "blue"}


async def test_put_object_replaces_and_removes_the_old_file(client, bucket, home):
    await client.put_object(Bucket=bucket, Key="a", Body=LARGE)
    await client.put_object(Bucket=bucket, Key="a", Body=b"new")
    assert await client.text(Bucket=bucket, Key="a") == b"new"
    assert home.files() == []


async def test_put_object_leaves_readers_of_the_old_body_alone(client, bucket, home):
    await client.put_object(Bucket=bucket, Key="a", Body=LARGE)
    old = (await client.get_object(Bucket=bucket, Key="a"))["Body"]
    await client.put_object(Bucket=bucket, Key="a", Body=b"new")
    assert b"".join([piece async for piece in old]) == LARGE
    assert home.files() == []


async def test_get_object_that_nobody_reads_holds_nothing(client, bucket, home):
    await client.put_object(Bucket=bucket, Key="a", Body=LARGE)
    await client.get_object(Bucket=bucket, Key="a")
    await client.delete_object(Bucket=bucket, Key="a")
    assert home.files() == []


async def test_put_object_cut_short_leaves_nothing(client, bucket, home, Pieces):
    await client.put_object(Bucket=bucket, Key="a", Body=b"old")
    with pytest.raises(ConnectionResetError):
        await client.put_object(Bucket=bucket, Key="a", Body=Pieces(LARGE, LARGE, then=ConnectionResetError()))
    assert await client.text(Bucket=bucket, Key="a") == b"old"
    assert home.files() == []


async def test_put_object_into_a_bucket_that_goes_away(client, bucket, home, Pieces):
    class Deleting(Pieces):
        async def __anext__(self):
            await client.delete_bucket(Bucket=bucket) if len(self._pieces) == 1 else None
            return await super().__anext__()

    with pytest.raises(errors.NoSuchBucket):
        await client.put_object(Bucket=bucket, Key="a", Body=Deleting(LARGE, LARGE))
    assert home.files() == []


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"Key": "k" * 1025}, errors.KeyTooLongError),
        ({"Key": "\ud800"}, errors.InvalidURI),
        ({"StorageClass": "SHELF"}, errors.InvalidStorageClass),
        ({"Metadata": {"a": "b" * 2048}}, errors.MetadataTooLarge),
        ({"Tagging": "a=1&a=2"}, errors.InvalidArgument),
        ({"Tagging": "&".join(f"k{n}=v" for n in range(11))}, errors.BadRequest),
        ({"ServerSideEncryption": "rot13"}, errors.InvalidArgument),
        ({"SSEKMSKeyId": "k"}, errors.InvalidArgument),
        ({"WebsiteRedirectLocation": "here"}, errors.InvalidRedirectLocation),
        ({"ObjectLockLegalHoldStatus": "ON"}, errors.InvalidRequest),
        ({"ContentMD5": "nonsense"}, errors.InvalidDigest),
        ({"ContentMD5": base64.b64encode(bytes(16)).decode()}, errors.BadDigest),
        ({"WriteOffsetBytes": 3}, errors.HeaderNotImplemented),
    ],
)
async def test_put_object_refuses(client, bucket, given, error):
    with pytest.raises(error):
        await client.put_object(**{"Bucket": bucket, "Key": "a", "Body": b"", **given})
    assert "Contents" not in await client.list_objects_v2(Bucket=bucket)


async def test_put_object_if_none_match(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"1", IfNoneMatch="*")
    with pytest.raises(errors.PreconditionFailed) as caught:
        await client.put_object(Bucket=bucket, Key="a", Body=b"2", IfNoneMatch="*")
    assert caught.value.members == {"Condition": "If-None-Match"}
    with pytest.raises(errors.HeaderNotImplemented):
        await client.put_object(Bucket=bucket, Key="a", Body=b"2", IfNoneMatch='"etag"')


async def test_put_object_if_match(client, bucket):
    with pytest.raises(errors.NoSuchKey):
        await client.put_object(Bucket=bucket, Key="a", Body=b"1", IfMatch='"x"')
    etag = (await client.put_object(Bucket=bucket, Key="a", Body=b"1"))["ETag"]
    await client.put_object(Bucket=bucket, Key="a", Body=b"2", IfMatch=etag)
    with pytest.raises(errors.PreconditionFailed):
        await client.put_object(Bucket=bucket, Key="a", Body=b"3", IfMatch=etag)


async def test_put_object_if_none_match_lets_one_of_two_win(client, bucket, home, Pieces):
    class Racing(Pieces):
        async def __anext__(self):
            if len(self._pieces) == 1:
                await client.put_object(Bucket=bucket, Key="a", Body=b"first", IfNoneMatch="*")
            return await super().__anext__()

    with pytest.raises(errors.PreconditionFailed):
        await client.put_object(Bucket=bucket, Key="a", Body=Racing(LARGE, LARGE), IfNoneMatch="*")
    assert await client.text(Bucket=bucket, Key="a") == b"first"
    assert home.files() == []


@pytest.mark.parametrize(
    ("wanted", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-5", (2, 6)),
        ("bytes=5-", (5, None)),
        ("bytes=-3", (-3, None)),
        ("bytes=-9999999", (0, None)),
        ("bytes=4-9999999", (4, None)),
        ("BYTES = 1-2", (1, 3)),
    ],
)
@pytest.mark.parametrize("body", [b"0123456789", LARGE])
async def test_get_object_range(client, bucket, body, wanted, span):
    await client.put_object(Bucket=bucket, Key="a", Body=body)
    got = await client.get_object(Bucket=bucket, Key="a", Range=wanted, ChecksumMode="ENABLED")
    part = body[slice(*span)]
    assert b"".join([piece async for piece in got["Body"]]) == part
    start = span[0] % len(body)
    assert got["ContentRange"] == f"bytes {start}-{start + len(part) - 1}/{len(body)}"
    assert got["ContentLength"] == len(part)
    assert ("ChecksumType" in got) == (part == body)


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=", "bytes=-", "lines=0-1", "bytes=0-1,3-4", "bytes=a-b"])
async def test_get_object_ignores_what_is_no_range(client, bucket, wanted):
    await client.put_object(Bucket=bucket, Key="a", Body=b"0123456789")
    got = await client.get_object(Bucket=bucket, Key="a", Range=wanted)
    assert got["ContentLength"] == 10
    assert "ContentRange" not in got


@pytest.mark.parametrize(("body", "wanted"), [(b"0123", "bytes=4-"), (b"0123", "bytes=-0"), (b"", "bytes=0-")])
async def test_get_object_out_of_range(client, bucket, body, wanted):
    await client.put_object(Bucket=bucket, Key="a", Body=body)
    with pytest.raises(errors.InvalidRange) as caught:
        await client.get_object(Bucket=bucket, Key="a", Range=wanted)
    assert caught.value.members == {"RangeRequested": wanted, "ActualObjectSize": str(len(body))}


def _in(seconds):
    return datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"IfMatch": "{etag}"}, None),
        ({"IfMatch": '"other", {etag}'}, None),
        ({"IfMatch": "*"}, None),
        ({"IfMatch": '"other"'}, errors.PreconditionFailed),
        ({"IfNoneMatch": '"other"'}, None),
        ({"IfNoneMatch": "{etag}"}, errors.NotModified),
        ({"IfNoneMatch": "W/{etag}"}, errors.NotModified),
        ({"IfModifiedSince": _in(-3600)}, None),
        ({"IfModifiedSince": "now"}, errors.NotModified),
        ({"IfModifiedSince": _in(3600)}, None),
        ({"IfUnmodifiedSince": _in(3600)}, None),
        ({"IfUnmodifiedSince": _in(-3600)}, errors.PreconditionFailed),
        ({"IfMatch": "{etag}", "IfUnmodifiedSince": _in(-3600)}, None),
        ({"IfNoneMatch": '"other"', "IfModifiedSince": "now"}, None),
        ({"IfNoneMatch": "{etag}", "IfModifiedSince": _in(-3600)}, errors.NotModified),
        ({"IfMatch": '"other"', "IfNoneMatch": "{etag}"}, errors.PreconditionFailed),
    ],
)
async def test_get_object_conditions(client, bucket, given, error):
    etag = (await client.put_object(Bucket=bucket, Key="a", Body=b"x"))["ETag"]
    modified = (await client.head_object(Bucket=bucket, Key="a"))["LastModified"]
    given = {name: modified if value == "now" else value for name, value in given.items()}
    given = {name: value.format(etag=etag) if isinstance(value, str) else value for name, value in given.items()}
    if error is None:
        assert await client.text(Bucket=bucket, Key="a", **given) == b"x"
        return
    with pytest.raises(error) as caught:
        await client.head_object(Bucket=bucket, Key="a", **given)
    if error is errors.NotModified:
        assert dict(caught.value.headers)["ETag"] == etag


async def test_get_object_that_does_not_exist(client, bucket):
    with pytest.raises(errors.NoSuchKey) as caught:
        await client.get_object(Bucket=bucket, Key="a")
    assert caught.value.members == {"Key": "a"}
    with pytest.raises(errors.NoSuchBucket):
        await client.get_object(Bucket="nowhere", Key="a")
    with pytest.raises(errors.InvalidArgument):
        await client.get_object(Bucket=bucket, Key="a", VersionId="1")


async def test_get_object_with_other_headers(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"", ContentType="text/plain")
    got = await client.get_object(
        Bucket=bucket,
        Key="a",
        ResponseContentType="text/html",
        ResponseExpires=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    assert (got["ContentType"], got["Expires"]) == ("text/html", "Wed, 02 Jan 2030 03:04:05 GMT")


async def test_get_object_from_an_archive(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"cold", StorageClass="GLACIER")
    with pytest.raises(errors.InvalidObjectState):
        await client.get_object(Bucket=bucket, Key="a")
    await client.restore_object(Bucket=bucket, Key="a", RestoreRequest={"Days": 1})
    assert await client.text(Bucket=bucket, Key="a") == b"cold"
    assert 'ongoing-request="false"' in (await client.head_object(Bucket=bucket, Key="a"))["Restore"]


async def test_put_object_with_a_key_of_the_customer(client, bucket):
    def key(fill):
        secret = bytes([fill]) * 32
        return {
            "SSECustomerAlgorithm": "AES256",
            "SSECustomerKey": base64.b64encode(secret).decode(),
            "SSECustomerKeyMD5": base64.b64encode(hashlib.md5(secret).digest()).decode(),
        }

    await client.put_object(Bucket=bucket, Key="a", Body=b"x", **key(1))
    assert await client.text(Bucket=bucket, Key="a", **key(1)) == b"x"
    with pytest.raises(errors.InvalidRequest):
        await client.get_object(Bucket=bucket, Key="a")
    with pytest.raises(errors.AccessDenied):
        await client.get_object(Bucket=bucket, Key="a", **key(2))
    for wrong in (
        {**key(1), "SSECustomerKeyMD5": key(2)["SSECustomerKeyMD5"]},
        {**key(1), "SSECustomerKey": "short"},
        {"SSECustomerKey": key(1)["SSECustomerKey"]},
    ):
        with pytest.raises(errors.InvalidArgument):
            await client.put_object(Bucket=bucket, Key="a", Body=b"x", **wrong)


async def test_delete_object(client, bucket, home):
    await client.put_object(Bucket=bucket, Key="a", Body=LARGE)
    assert await client.delete_object(Bucket=bucket, Key="a") == {}
    assert await client.delete_object(Bucket=bucket, Key="a") == {}
    assert home.files() == []


async def test_delete_object_if_match(client, bucket):
    with pytest.raises(errors.NoSuchKey):
        await client.delete_object(Bucket=bucket, Key="a", IfMatch="*")
    await client.put_object(Bucket=bucket, Key="a", Body=b"x")
    with pytest.raises(errors.PreconditionFailed):
        await client.delete_object(Bucket=bucket, Key="a", IfMatch='"other"')
    await client.delete_object(Bucket=bucket, Key="a", IfMatch="*")


async def test_delete_objects(client, bucket, home):
    for key in ("a", "b", "c"):
        await client.put_object(Bucket=bucket, Key=key, Body=LARGE)
    wanted = [{"Key": "a"}, {"Key": "never"}, {"Key": "b", "ETag": "other"}]
    done = await client.delete_objects(Bucket=bucket, Delete={"Objects": wanted})
    assert done["Deleted"] == [{"Key": "a"}, {"Key": "never"}]
    assert [(one["Key"], one["Code"]) for one in done["Errors"]] == [("b", "PreconditionFailed")]
    assert await client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b"}], "Quiet": True}) == {}
    assert len(home.files()) == 1
    with pytest.raises(errors.MalformedXML):
        await client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}] * 1001})


async def test_get_object_attributes(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"hello")
    names = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    shown = await client.get_object_attributes(Bucket=bucket, Key="a", ObjectAttributes=names)
    assert (shown["ETag"], shown["ObjectSize"], shown["StorageClass"]) == (
        hashlib.md5(b"hello").hexdigest(),
        5,
        "STANDARD",
    )
    assert shown["Checksum"] == {"ChecksumCRC64NVME": "M3eFcAZSQlc=", "ChecksumType": "FULL_OBJECT"}
    assert "ObjectParts" not in shown
    with pytest.raises(errors.InvalidArgument):
        await client.get_object_attributes(Bucket=bucket, Key="a", ObjectAttributes=["Colour"])


async def test_sweep_removes_what_a_crash_left(home):
    client = home.open()
    await client.create_bucket(Bucket="books")
    await client.put_object(Bucket="books", Key="a", Body=LARGE)
    upload = (await client.create_multipart_upload(Bucket="books", Key="m"))["UploadId"]
    await client.upload_part(Bucket="books", Key="m", UploadId=upload, PartNumber=1, Body=b"p")
    orphan = home.path / "s3" / "blobs" / "aa" / ("aa" * 8 + f"{time.time_ns():016x}")
    staged = home.path / "s3" / "blobs" / "staging" / ("0" * 32)
    for path in (orphan, staged):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"lost")
    again = home.open()
    await again.service.on_start()
    await again.put_object(Bucket="books", Key="b", Body=LARGE)
    await again.service.on_stop()
    assert orphan not in home.files()
    assert staged not in home.files()
    assert len(home.files()) == 3
    assert await again.text(Bucket="books", Key="a") == LARGE
