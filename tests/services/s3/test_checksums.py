import zlib

import pytest

from outcrop.services.s3 import checksums, errors

# The check values (of b"123456789") in the catalogue of CRCs.
KNOWN = {
    "CRC32": "y/Q5Jg==",
    "CRC32C": "4waSgw==",
    "CRC64NVME": "rosUhgp5mIg=",
}


@pytest.mark.parametrize(("algorithm", "digest"), KNOWN.items())
def test_compute(algorithm, digest):
    assert checksums.compute(algorithm, b"123456789") == digest


@pytest.mark.parametrize("algorithm", checksums.ALGORITHMS)
async def test_put_object_with_a_checksum(client, bucket, algorithm):
    member = checksums.member(algorithm)
    body = b"123456789" * 50_000
    right, wrong = checksums.compute(algorithm, body), checksums.compute(algorithm, b"other")
    put = await client.put_object(Bucket=bucket, Key="a", Body=body, **{member: right})
    assert (put[member], put["ChecksumType"]) == (right, "FULL_OBJECT")
    with pytest.raises(errors.BadDigest, match=f"The {algorithm} you specified"):
        await client.put_object(Bucket=bucket, Key="a", Body=body, **{member: wrong})
    with pytest.raises(errors.InvalidRequest, match=f"{checksums.header(algorithm)} header is invalid"):
        await client.put_object(Bucket=bucket, Key="a", Body=body, **{member: "AAA="})
    head = await client.head_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    assert head[member] == right
    assert member not in await client.head_object(Bucket=bucket, Key="a")


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("body", [b"small", b"large" * 50_000])
async def test_put_object_with_a_trailing_checksum(client, bucket, home, Pieces, body, named):
    about = {"ChecksumAlgorithm": "CRC32C"} if named else {}
    right = {"x-amz-checksum-crc32c": checksums.compute("CRC32C", body)}
    put = await client.put_object(Bucket=bucket, Key="a", Body=Pieces(body, trailers=right), **about)
    assert put["ChecksumCRC32C"] == right["x-amz-checksum-crc32c"]
    before = home.files()
    for trailers, error in (
        ({"x-amz-checksum-crc32c": checksums.compute("CRC32C", b"other")}, errors.BadDigest),
        ({"x-amz-checksum-crc32c": "nonsense"}, errors.InvalidRequest),
    ):
        with pytest.raises(error):
            await client.put_object(Bucket=bucket, Key="a", Body=Pieces(body, trailers=trailers), **about)
    assert home.files() == before


async def test_put_object_with_two_checksums(client, bucket):
    with pytest.raises(errors.InvalidRequest, match="Multiple checksum Types"):
        await client.put_object(
            Bucket=bucket, Key="a", Body=b"", ChecksumCRC32="AAAAAA==", ChecksumSHA1=checksums.compute("SHA1", b"")
        )


async def test_put_object_computes_crc64nvme_by_default(client, bucket):
    put = await client.put_object(Bucket=bucket, Key="a", Body=b"123456789")
    assert put["ChecksumCRC64NVME"] == KNOWN["CRC64NVME"]


@pytest.mark.parametrize("algorithm", checksums.LINEAR)
def test_combine(algorithm):
    pieces = [b"12345", b"", b"6789"]
    parts = [(checksums.compute(algorithm, piece), len(piece)) for piece in pieces]
    assert checksums.combine(algorithm, parts) == KNOWN[algorithm]


def test_compute_crc32_is_zlibs():
    assert checksums.compute("CRC32", b"a") == checksums.encode(zlib.crc32(b"a").to_bytes(4, "big"))
