"""The digests that S3 keeps beside an object, and what a client claims them to be."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from outcrop.services.s3 import errors

DEFAULT = "CRC64NVME"
"""What S3 computes where the client names no algorithm."""

_SIZES = {
    "CRC32": 4,
    "CRC32C": 4,
    "CRC64NVME": 8,
    "SHA1": 20,
    "SHA256": 32,
    "SHA512": 64,
    "MD5": 16,
    "XXHASH64": 8,
    "XXHASH3": 8,
    "XXHASH128": 16,
}
"""Bytes of each algorithm's digest."""

ALGORITHMS = tuple(_SIZES)
LINEAR = ("CRC32", "CRC32C", "CRC64NVME")
"""Algorithms whose digests of two pieces combine into that of the whole."""


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class _XxHash:
    def __init__(self, algorithm: str) -> None:
        from awscrt.checksums import XXHash

        new = {"XXHASH64": XXHash.new_xxhash64, "XXHASH3": XXHash.new_xxhash3_64, "XXHASH128": XXHash.new_xxhash3_128}
        self._hash = new[algorithm]()

    def update(self, data: bytes, /) -> None:
        self._hash.update(data)

    def digest(self) -> bytes:
        return bytes(self._hash.finalize())


def new(algorithm: str) -> Digest:
    if algorithm == "CRC32":
        return _Crc(zlib.crc32, 4)
    if algorithm in LINEAR:
        from awscrt import checksums

        return _Crc(checksums.crc32c if algorithm == "CRC32C" else checksums.crc64nvme, _SIZES[algorithm])
    if algorithm.startswith("XXHASH"):
        return _XxHash(algorithm)
    return hashlib.new(algorithm.lower(), usedforsecurity=False)


def compute(algorithm: str, data: bytes) -> str:
    """The digest of `data` in base64."""
    digest = new(algorithm)
    digest.update(data)
    return encode(digest.digest())


def combine(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """The whole's digest from those of its parts (base64, size in bytes), for `LINEAR` algorithms."""
    from awscrt import checksums

    join: Callable[[int, int, int], int] = {
        "CRC32": checksums.combine_crc32,
        "CRC32C": checksums.combine_crc32c,
        "CRC64NVME": checksums.combine_crc64nvme,
    }[algorithm]
    value = 0
    for digest, size in parts:
        value = join(value, int.from_bytes(base64.b64decode(digest), "big"), size)
    return encode(value.to_bytes(_SIZES[algorithm], "big"))


def composite(algorithm: str, parts: Sequence[str]) -> str:
    """The digest of the parts' digests, with their number: `…==-3`."""
    return f"{compute(algorithm, b''.join(base64.b64decode(part) for part in parts))}-{len(parts)}"


def encode(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def header(algorithm: str) -> str:
    return f"x-amz-checksum-{algorithm.lower()}"


def member(algorithm: str) -> str:
    """The name in S3's shapes: `ChecksumSHA256`."""
    return f"Checksum{algorithm}"


def stated(source: Mapping[str, Any]) -> dict[str, str]:
    """The checksums by algorithm that a request, or one of its parts, states."""
    return {name: source[member(name)] for name in ALGORITHMS if source.get(member(name))}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a client says of the body it sends."""

    md5: bytes | None = None
    algorithm: str | None = None
    value: str | None = None
    """Base64; None where it arrives in the body's trailer."""

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Claim:
        """Raises InvalidDigest, InvalidRequest."""
        md5 = _decode(request["ContentMD5"], 16) if request.get("ContentMD5") is not None else None
        if request.get("ContentMD5") is not None and md5 is None:
            raise errors.InvalidDigest(Content_MD5=request["ContentMD5"])
        named = request.get("ChecksumAlgorithm")
        values = stated(request)
        if len(values) > 1:
            raise errors.InvalidRequest(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            )
        for algorithm, value in values.items():
            check_form(algorithm, value)
            if named and named != algorithm:
                raise errors.InvalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
            return cls(md5, algorithm, value)
        return cls(md5, named)

    def with_trailers(self, trailers: Mapping[str, str]) -> Claim:
        """Filled from what came after the body. Raises InvalidRequest."""
        for algorithm in ALGORITHMS:
            if value := trailers.get(header(algorithm)):
                check_form(algorithm, value)
                return Claim(self.md5, algorithm, value)
        return self

    def verify(self, md5: bytes, digests: Mapping[str, str]) -> None:
        """Raises BadDigest."""
        if self.md5 is not None and self.md5 != md5:
            raise errors.BadDigest(ExpectedDigest=self.md5.hex(), CalculatedDigest=encode(md5))
        if self.algorithm and self.value is not None and digests[self.algorithm] != self.value:
            raise mismatch(self.algorithm)


def mismatch(algorithm: str) -> errors.BadDigest:
    return errors.BadDigest(f"The {algorithm} you specified did not match the calculated checksum.")


def check_form(algorithm: str, value: str) -> None:
    """Raises InvalidRequest for what no digest of this algorithm looks like."""
    if _decode(value, _SIZES[algorithm]) is None:
        raise errors.InvalidRequest(f"Value for {header(algorithm)} header is invalid.")


def _decode(text: str, size: int) -> bytes | None:
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest if len(digest) == size else None
