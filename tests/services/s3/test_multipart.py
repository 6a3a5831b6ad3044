import base64
import hashlib

import pytest

from outcrop.services.s3 import checksums, errors

MIB = 1 << 20
PART = bytes(range(256)) * (5 * MIB // 256)


class Upload:
    def __init__(self, client, bucket, made):
        self.client = client
        self.where = {"Bucket": bucket, "Key": "m", "UploadId": made["UploadId"]}
        self.parts = []

    async def put(self, number, body, **given):
        done = await self.client.upload_part(**self.where, PartNumber=number, Body=body, **given)
        self.parts.append({"PartNumber": number, **{k: v for k, v in done.items() if k == "ETag" or "Checksum" in k}})
        return done

    async def complete(self, parts=None, **given):
        chosen = self.parts if parts is None else parts
        return await self.client.complete_multipart_upload(**self.where, MultipartUpload={"Parts": chosen}, **given)


@pytest.fixture
def begin(client, bucket):
    async def begin(**given):
        return Upload(client, bucket, await client.create_multipart_upload(Bucket=bucket, Key="m", **given))

    return begin


async def test_complete_multipart_upload(client, bucket, begin, home):
    upload = await begin(ContentType="text/plain", Metadata={"x": "1"}, Tagging="t=1")
    await upload.put(1, PART)
    await upload.put(3, b"end")
    done = await upload.complete()
    digests = hashlib.md5(PART).digest() + hashlib.md5(b"end").digest()
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-2"'
    assert done["ChecksumCRC64NVME"] == checksums.compute("CRC64NVME", PART + b"end")
    got = await client.get_object(Bucket=bucket, Key="m")
    assert b"".join([piece async for piece in got["Body"]]) == PART + b"end"
    assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("text/plain", {"x": "1"}, 1)
    assert len(home.files()) == 2
    assert await client.text(Bucket=bucket, Key="m", Range=f"bytes={len(PART) - 1}-{len(PART)}") == PART[-1:] + b"e"
    assert await upload.complete() == done


async def test_complete_multipart_upload_of_a_single_empty_part(client, bucket, begin):
    upload = await begin()
    await upload.put(1, b"")
    await upload.complete()
    assert await client.text(Bucket=bucket, Key="m") == b""


async def test_complete_multipart_upload_drops_parts_not_named(client, begin, home):
    upload = await begin()
    await upload.put(1, PART)
    await upload.put(2, b"unwanted")
    await upload.complete(upload.parts[:1])
    assert len(home.files()) == 1


async def test_upload_part_again_replaces_it(client, bucket, begin, home):
    upload = await begin()
    await upload.put(1, b"first")
    await upload.put(1, b"second")
    assert len(home.files()) == 1
    with pytest.raises(errors.InvalidPart):
        await upload.complete(upload.parts[:1])
    await upload.complete(upload.parts[1:])
    assert await client.text(Bucket=bucket, Key="m") == b"second"


async def test_complete_multipart_upload_refuses(client, bucket, begin):
    upload = await begin()
    await upload.put(1, b"small")
    await upload.put(2, b"end")
    one, two = upload.parts
    for parts, error in (
        ([two, one], errors.InvalidPartOrder),
        ([one, one], errors.InvalidPartOrder),
        ([one, two], errors.EntityTooSmall),
        ([{**one, "ETag": '"other"'}], errors.InvalidPart),
        ([{**one, "PartNumber": 7}], errors.InvalidPart),
        ([], errors.MalformedXML),
    ):
        with pytest.raises(error):
            await upload.complete(parts)
    with pytest.raises(errors.InvalidRequest, match="x-amz-mp-object-size"):
        await upload.complete([one], MpuObjectSize=1)
    await client.put_object(Bucket=bucket, Key="m", Body=b"there")
    with pytest.raises(errors.PreconditionFailed):
        await upload.complete([one], IfNoneMatch="*")
    await upload.complete([one])


@pytest.mark.parametrize("number", [0, 10_001])
async def test_upload_part_with_a_bad_number(begin, number):
    upload = await begin()
    with pytest.raises(errors.InvalidArgument, match="between 1 and 10000"):
        await upload.put(number, b"")


async def test_abort_multipart_upload(client, begin, home):
    upload = await begin()
    await upload.put(1, b"part")
    await client.abort_multipart_upload(**upload.where)
    assert home.files() == []
    for call in (upload.put(2, b""), upload.complete(), client.abort_multipart_upload(**upload.where)):
        with pytest.raises(errors.NoSuchUpload):
            await call


async def test_upload_part_while_the_upload_is_aborted(client, begin, home, Pieces):
    upload = await begin()

    class Aborting(Pieces):
        async def __anext__(self):
            if len(self._pieces) == 1:
                await client.abort_multipart_upload(**upload.where)
            return await super().__anext__()

    with pytest.raises(errors.NoSuchUpload):
        await upload.put(1, Aborting(PART, PART))
    assert home.files() == []


async def test_list_parts(client, begin):
    upload = await begin(ChecksumAlgorithm="SHA256")
    for number in (1, 2, 5):
        await upload.put(number, b"%d" % number)
    first = await client.list_parts(**upload.where, MaxParts=2)
    assert [part["PartNumber"] for part in first["Parts"]] == [1, 2]
    assert (first["IsTruncated"], first["NextPartNumberMarker"]) == (True, 2)
    assert first["Parts"][0]["ChecksumSHA256"] == checksums.compute("SHA256", b"1")
    rest = await client.list_parts(**upload.where, PartNumberMarker=2)
    assert [part["Size"] for part in rest["Parts"]] == [1]


async def test_upload_part_copy(client, bucket, begin):
    await client.put_object(Bucket=bucket, Key="source", Body=PART + b"tail")
    upload = await begin(ChecksumAlgorithm="CRC32")
    for number, span in ((1, f"bytes=0-{len(PART) - 1}"), (2, f"bytes={len(PART)}-{len(PART) + 3}")):
        done = await client.upload_part_copy(
            **upload.where, PartNumber=number, CopySource=f"{bucket}/source", CopySourceRange=span
        )
        result = done["CopyPartResult"]
        upload.parts.append({"PartNumber": number, "ETag": result["ETag"], "ChecksumCRC32": result["ChecksumCRC32"]})
    await upload.complete()
    assert await client.text(Bucket=bucket, Key="m") == PART + b"tail"


@pytest.mark.parametrize(
    ("span", "error"),
    [
        ("bytes=0-99", errors.InvalidRange),
        ("bytes=5-2", errors.InvalidArgument),
        ("0-1", errors.InvalidArgument),
        ("bytes=-3", errors.InvalidArgument),
        ("bytes=0-", errors.InvalidArgument),
    ],
)
async def test_upload_part_copy_out_of_range(client, bucket, begin, span, error):
    await client.put_object(Bucket=bucket, Key="source", Body=b"hello")
    upload = await begin()
    with pytest.raises(error):
        await client.upload_part_copy(**upload.where, PartNumber=1, CopySource=f"{bucket}/source", CopySourceRange=span)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
async def test_checksum_of_the_full_object(client, bucket, begin, algorithm):
    upload = await begin(ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    await upload.put(1, PART)
    await upload.put(2, b"end")
    whole = {checksums.member(algorithm): checksums.compute(algorithm, PART + b"end")}
    wrong = {checksums.member(algorithm): checksums.compute(algorithm, b"other")}
    with pytest.raises(errors.BadDigest):
        await upload.complete(**wrong)
    done = await upload.complete(**whole, ChecksumType="FULL_OBJECT")
    assert done[checksums.member(algorithm)] == whole[checksums.member(algorithm)]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
async def test_checksum_of_checksums(client, bucket, begin, algorithm):
    upload = await begin(ChecksumAlgorithm=algorithm)
    await upload.put(1, PART)
    await upload.put(2, b"end")
    member = checksums.member(algorithm)
    with pytest.raises(errors.InvalidRequest, match="missing for part 1"):
        await upload.complete([{k: v for k, v in part.items() if k != member} for part in upload.parts])
    done = await upload.complete()
    joined = b"".join(base64.b64decode(part[member]) for part in upload.parts)
    assert done[member] == f"{checksums.compute(algorithm, joined)}-2"
    assert done["ChecksumType"] == "COMPOSITE"
    head = await client.head_object(Bucket=bucket, Key="m", PartNumber=2, ChecksumMode="ENABLED")
    assert (head[member], head["PartsCount"], head["ContentLength"]) == (upload.parts[1][member], 2, 3)
    shown = await client.get_object_attributes(Bucket=bucket, Key="m", ObjectAttributes=["ObjectParts"])
    assert [part[member] for part in shown["ObjectParts"]["Parts"]] == [part[member] for part in upload.parts]


@pytest.mark.parametrize(
    "given",
    [
        {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"},
        {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumAlgorithm": "ROT13"},
        {"ChecksumType": "FULL_OBJECT"},
    ],
)
async def test_create_multipart_upload_refuses(begin, given):
    with pytest.raises(errors.InvalidRequest):
        await begin(**given)


async def test_upload_part_with_another_checksum(begin):
    upload = await begin(ChecksumAlgorithm="SHA256")
    with pytest.raises(errors.InvalidRequest, match="expected checksum Type: sha256, actual checksum Type: crc32"):
        await upload.put(1, b"x", ChecksumCRC32=checksums.compute("CRC32", b"x"))


async def test_get_object_by_part_number(client, bucket, begin):
    upload = await begin()
    await upload.put(2, PART)
    await upload.put(9, b"end")
    await upload.complete()
    got = await client.get_object(Bucket=bucket, Key="m", PartNumber=9)
    assert b"".join([piece async for piece in got["Body"]]) == b"end"
    assert got["ContentRange"] == f"bytes {len(PART)}-{len(PART) + 2}/{len(PART) + 3}"
    with pytest.raises(errors.InvalidPartNumber):
        await client.get_object(Bucket=bucket, Key="m", PartNumber=3)
    with pytest.raises(errors.InvalidRequest):
        await client.get_object(Bucket=bucket, Key="m", PartNumber=2, Range="bytes=0-1")
