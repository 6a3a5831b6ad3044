import hashlib
from datetime import UTC, datetime

import pytest

from outcrop.services.s3 import errors

LARGE = bytes(range(256)) * 1024


@pytest.mark.parametrize("body", [b"small", LARGE])
async def test_copy_object(client, bucket, home, body):
    put = await client.put_object(
        Bucket=bucket, Key="a b", Body=body, ContentType="text/plain", Metadata={"x": "1"}, Tagging="t=1"
    )
    copied = await client.copy_object(Bucket=bucket, Key="c", CopySource=f"/{bucket}/a%20b")
    assert copied["CopyObjectResult"]["ETag"] == put["ETag"]
    await client.delete_object(Bucket=bucket, Key="a b")
    head = await client.head_object(Bucket=bucket, Key="c")
    assert (head["ContentType"], head["Metadata"], head["TagCount"]) == ("text/plain", {"x": "1"}, 1)
    assert await client.text(Bucket=bucket, Key="c") == body
    await client.delete_object(Bucket=bucket, Key="c")
    assert home.files() == []


async def test_copy_object_replaces_metadata_and_tags(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"", ContentType="text/plain", Metadata={"x": "1"})
    await client.copy_object(
        Bucket=bucket,
        Key="b",
        CopySource=f"{bucket}/a",
        MetadataDirective="REPLACE",
        Metadata={"y": "2"},
        TaggingDirective="REPLACE",
        Tagging="t=1",
    )
    head = await client.head_object(Bucket=bucket, Key="b")
    assert (head["ContentType"], head["Metadata"], head["TagCount"]) == ("binary/octet-stream", {"y": "2"}, 1)


async def test_copy_object_onto_itself(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=LARGE, Metadata={"x": "1"})
    with pytest.raises(errors.InvalidRequest, match="illegal"):
        await client.copy_object(Bucket=bucket, Key="a", CopySource=f"{bucket}/a")
    await client.copy_object(
        Bucket=bucket, Key="a", CopySource=f"{bucket}/a", MetadataDirective="REPLACE", Metadata={"y": "2"}
    )
    assert (await client.head_object(Bucket=bucket, Key="a"))["Metadata"] == {"y": "2"}
    await client.copy_object(Bucket=bucket, Key="a", CopySource=f"{bucket}/a", StorageClass="STANDARD_IA")
    assert await client.text(Bucket=bucket, Key="a") == LARGE


async def test_copy_object_of_an_old_version(client, bucket):
    await client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = (await client.put_object(Bucket=bucket, Key="a", Body=b"old"))["VersionId"]
    await client.put_object(Bucket=bucket, Key="a", Body=b"new")
    copied = await client.copy_object(Bucket=bucket, Key="a", CopySource=f"{bucket}/a?versionId={old}")
    assert copied["CopySourceVersionId"] == old
    assert await client.text(Bucket=bucket, Key="a") == b"old"
    marker = (await client.delete_object(Bucket=bucket, Key="a"))["VersionId"]
    with pytest.raises(errors.InvalidRequest):
        await client.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a?versionId={marker}")
    with pytest.raises(errors.NoSuchKey):
        await client.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"CopySource": "books"}, errors.InvalidArgument),
        ({"CopySource": "/"}, errors.InvalidArgument),
        ({"CopySource": "nowhere/a"}, errors.NoSuchBucket),
        ({"CopySource": "books/none"}, errors.NoSuchKey),
        ({"CopySource": "books/a?versionId=x"}, errors.InvalidArgument),
        ({"CopySourceIfMatch": '"other"'}, errors.PreconditionFailed),
        ({"CopySourceIfNoneMatch": "*"}, errors.PreconditionFailed),
        ({"CopySourceIfModifiedSince": datetime(2200, 1, 1, tzinfo=UTC)}, errors.PreconditionFailed),
        ({"CopySourceIfUnmodifiedSince": datetime(2000, 1, 1, tzinfo=UTC)}, errors.PreconditionFailed),
        ({"MetadataDirective": "KEEP"}, errors.InvalidArgument),
        ({"IfNoneMatch": "*", "Key": "a", "StorageClass": "STANDARD_IA"}, errors.PreconditionFailed),
    ],
)
async def test_copy_object_refuses(client, bucket, given, error):
    await client.put_object(Bucket=bucket, Key="a", Body=b"x")
    with pytest.raises(error):
        await client.copy_object(**{"Bucket": bucket, "Key": "b", "CopySource": "books/a", **given})


async def test_copy_object_of_an_upload_in_parts_is_one_object(client, bucket):
    body = LARGE * 24
    upload = (await client.create_multipart_upload(Bucket=bucket, Key="m"))["UploadId"]
    half = len(body) - 1000
    parts = []
    for number, piece in enumerate((body[:half], body[half:]), 1):
        done = await client.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
    whole = await client.complete_multipart_upload(
        Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    copied = (await client.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/m"))["CopyObjectResult"]
    assert copied["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert copied["ChecksumCRC64NVME"] == whole["ChecksumCRC64NVME"]
    assert await client.text(Bucket=bucket, Key="c", Range=f"bytes={half - 2}-{half + 1}") == body[half - 2 : half + 2]


async def test_copy_object_with_another_checksum(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"hello")
    copied = await client.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a", ChecksumAlgorithm="SHA256")
    assert copied["CopyObjectResult"]["ChecksumSHA256"] == "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
    assert "ChecksumCRC64NVME" not in copied["CopyObjectResult"]


async def test_copy_a_version_onto_its_object(client, bucket):
    await client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = (await client.put_object(Bucket=bucket, Key="a", Body=b"1"))["VersionId"]
    await client.copy_object(Bucket=bucket, Key="a", CopySource=f"{bucket}/a?versionId={version}")
    assert len((await client.list_object_versions(Bucket=bucket))["Versions"]) == 2
    with pytest.raises(errors.InvalidRequest):
        await client.copy_object(Bucket=bucket, Key="a", CopySource=f"{bucket}/a")
