"""Signature Version 4: the string to sign of a request, and the signature that a secret makes of it."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, unquote

from outcrop.wire.auth.claims import Claim

EMPTY_HASH = sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
_SAFE = "-_.~"


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature covers, as it arrived."""

    method: str
    raw_path: str
    raw_query: str
    headers: Mapping[str, str]
    payload_hash: str


def signing_key(secret: str, claim: Claim) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (claim.date, claim.region, claim.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()


def canonical_requests(claim: Claim, signed: Signed) -> Iterator[str]:
    """The request in canonical form, in each spelling of the path that clients use, the likeliest first.

    S3 encodes the path once and never normalises it; all others normalise it and encode it a second time.
    """
    headers = "".join(f"{name}:{_squeeze(signed.headers.get(name, ''))}\n" for name in claim.signed_headers)
    query = canonical_query(signed.raw_query)
    tail = f"\n{query}\n{headers}\n{';'.join(claim.signed_headers)}\n{signed.payload_hash}"
    once = quote(unquote(signed.raw_path, errors="surrogateescape"), safe=_SAFE + "/", errors="surrogateescape")
    twice = quote(normalise(signed.raw_path), safe=_SAFE + "/")
    spellings = (once, signed.raw_path, twice) if claim.service == "s3" else (twice, once, signed.raw_path)
    for path in dict.fromkeys(spellings):
        yield f"{signed.method}\n{path}{tail}"


def string_to_sign(claim: Claim, canonical: str) -> str:
    digest = sha256(canonical.encode("latin-1", "replace")).hexdigest()  # headers as they arrived
    return f"AWS4-HMAC-SHA256\n{claim.moment}\n{claim.scope}\n{digest}"


def canonical_query(raw: str) -> str:
    """Parameters encoded anew and sorted, without the signature itself."""
    if not raw:
        return ""
    pairs: list[tuple[str, str]] = []
    for item in raw.split("&"):
        name, _, value = item.partition("=")
        if item and name != "X-Amz-Signature":
            pairs.append((_encode(name), _encode(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def normalise(path: str) -> str:
    """Without dot segments and doubled slashes, as RFC 3986 has it."""
    if "//" not in path and "/." not in path:
        return path
    kept: Sequence[str] = []
    result: list[str] = []
    kept = path.split("/")
    for segment in kept:
        if segment == "..":
            del result[-1:]
        elif segment not in ("", "."):
            result.append(segment)
    joined = "/" + "/".join(result)
    return joined + "/" if path.endswith("/") and result else joined


def _encode(text: str) -> str:
    if text.isalnum() and text.isascii():
        return text
    return quote(unquote(text, errors="surrogateescape"), safe=_SAFE, errors="surrogateescape")


def _squeeze(value: str) -> str:
    return " ".join(value.split())
