"""A request in, a caller out: finds the key, computes the signature, and wraps the body in the checks it needs."""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from outcrop.services.contract import Credential
from outcrop.wire.auth import sigv2, sigv4
from outcrop.wire.auth.chunked import ChunkSignatures, decode
from outcrop.wire.auth.claims import Claim
from outcrop.wire.auth.errors import AuthorizationQueryParametersError, Refusal, XAmzContentSHA256Mismatch
from outcrop.wire.body import Body

_SKEW = 15 * 60
_WEEK = 7 * 24 * 3600
_STREAMING = "STREAMING-"


@dataclass(frozen=True, slots=True)
class Presented:
    """The request as its signature covers it."""

    method: str
    raw_path: str
    resource: str
    """The path that routing saw: S3's bucket in front."""
    raw_query: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]


class Authenticator:
    def __init__(self, lookup: Callable[[str], Credential | None], clock: Callable[[], float] = time.time) -> None:
        self._lookup = lookup
        self._clock = clock

    def find(self, claim: Claim) -> Credential:
        """The key's owner, not yet proven. Raises `Refusal`."""
        credential = self._lookup(claim.key)
        if credential is None:
            raise Refusal("unknown key", AWSAccessKeyId=claim.key)
        if credential.expires_at is not None and credential.expires_at <= self._clock():
            raise Refusal("expired token")
        if claim.kind != "bearer" and credential.session_token and credential.session_token != claim.token:
            raise Refusal("token")
        return credential

    def verify(self, claim: Claim, credential: Credential, presented: Presented, body: bytes | None) -> None:
        """Prove that the key's owner signed this. `body` is None where it streams. Raises `Refusal`."""
        if claim.kind == "bearer":
            return
        if claim.service == "s3" and claim.kind in ("v2", "presigned v2"):
            self._verify_v2(claim, credential, presented)
            return
        self._check_time(claim)
        if claim.service == "s3":
            _check_signed_headers(claim, presented.headers)
        key = sigv4.signing_key(credential.secret, claim)
        payload = payload_hash(claim, presented, body)
        signed = sigv4.Signed(presented.method, presented.raw_path, presented.raw_query, presented.headers, payload)
        first = ("", "")
        for canonical in sigv4.canonical_requests(claim, signed):
            text = sigv4.string_to_sign(claim, canonical)
            if hmac.compare_digest(sigv4.sign(key, text).encode(), claim.signature.encode()):
                return
            first = first if first[0] else (text, canonical)
        raise Refusal(
            "signature",
            AWSAccessKeyId=claim.key,
            StringToSign=first[0],
            SignatureProvided=claim.signature,
            CanonicalRequest=first[1],
        )

    def _verify_v2(self, claim: Claim, credential: Credential, presented: Presented) -> None:
        if claim.presigned:
            if not (claim.expires.isascii() and claim.expires.isdigit() and len(claim.expires) < 16):
                raise Refusal("expired", "Invalid date (should be seconds since epoch)")
            if int(claim.expires) < self._clock():
                raise self._expired(datetime.fromtimestamp(int(claim.expires), UTC))
        expected = sigv2.signature(
            credential.secret, claim, presented.method, presented.resource, presented.query, presented.headers
        )
        if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
            raise Refusal("signature", AWSAccessKeyId=claim.key, SignatureProvided=claim.signature)

    def _check_time(self, claim: Claim) -> None:
        moment = _read_moment(claim.moment)
        if moment is None or not claim.moment.startswith(claim.date):
            if claim.moment and moment is not None:
                text = f"Date in Credential scope does not match YYYYMMDD from the request's date: {claim.date}"
                raise Refusal("signature", text)
            raise Refusal("malformed", "AWS authentication requires a valid Date or x-amz-date header")
        now = datetime.fromtimestamp(self._clock(), UTC)
        if not claim.presigned:
            if abs((now - moment).total_seconds()) > _SKEW:
                raise Refusal("clock", RequestTime=claim.moment, ServerTime=f"{now:%Y-%m-%dT%H:%M:%SZ}")
            return
        if not claim.expires.isascii() or not claim.expires.isdigit() or len(claim.expires) > 9:
            raise AuthorizationQueryParametersError("X-Amz-Expires should be a number")
        seconds = int(claim.expires)
        if seconds > _WEEK:
            raise AuthorizationQueryParametersError(
                "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less "
                f"than {_WEEK} seconds"
            )
        if (moment - now).total_seconds() > _SKEW:
            raise Refusal("expired", "Request is not yet valid")
        if now > moment + timedelta(seconds=seconds):
            raise self._expired(moment + timedelta(seconds=seconds), claim.expires)

    def _expired(self, end: datetime, seconds: str = "") -> Refusal:
        now = datetime.fromtimestamp(self._clock(), UTC)
        members = {"X-Amz-Expires": seconds} if seconds else {}
        return Refusal(
            "expired",
            "Request has expired",
            **members,
            Expires=f"{end:%Y-%m-%dT%H:%M:%SZ}",
            ServerTime=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        )


def payload_hash(claim: Claim, presented: Presented, body: bytes | None) -> str:
    """What the canonical request says about the body. A stream without a stated hash is unsigned."""
    stated = presented.headers.get("x-amz-content-sha256")
    if stated is None and claim.presigned:
        stated = dict(presented.query).get("X-Amz-Content-Sha256")
    if stated is not None and (body is None or len(stated) != 64):
        return stated
    if claim.presigned and claim.service == "s3":
        return sigv4.UNSIGNED
    return sigv4.UNSIGNED if body is None else sha256(body).hexdigest()


def is_chunked(headers: Mapping[str, str]) -> bool:
    return headers.get("x-amz-content-sha256", "").startswith(_STREAMING) or "aws-chunked" in headers.get(
        "content-encoding", ""
    )


def plain_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a chunked request as if it had been sent plain: handlers see the content's own length."""
    result = dict(headers)
    encodings = [item.strip() for item in headers.get("content-encoding", "").split(",")]
    rest = ",".join(item for item in encodings if item and item != "aws-chunked")
    result.pop("content-encoding", None)
    result.pop("content-length", None)
    if rest:
        result["content-encoding"] = rest
    if "x-amz-decoded-content-length" in headers:
        result["content-length"] = headers["x-amz-decoded-content-length"]
    return result


def unwrap(
    source: AsyncIterator[bytes], headers: Mapping[str, str], claim: Claim | None, credential: Credential | None
) -> Body:
    """The body's content: chunks decoded and checked, or the whole compared with its stated hash at the end."""
    stated = headers.get("x-amz-content-sha256", "")
    if is_chunked(headers):
        signatures = None
        if stated.startswith(f"{_STREAMING}AWS4-HMAC-SHA256-PAYLOAD") and claim is not None and credential is not None:
            key = sigv4.signing_key(credential.secret, claim)
            signatures = ChunkSignatures(key, claim.moment, claim.scope, claim.signature)
        trailers: dict[str, str] = {}
        length = headers.get("x-amz-decoded-content-length", "")
        content = decode(
            source,
            trailers,
            signatures,
            signed_trailers=stated.endswith("-TRAILER"),
            length=int(length) if length.isascii() and length.isdigit() else None,
        )
        return Body(content, trailers)
    if len(stated) == 64 and claim is not None:
        return Body(_hashed(source, stated))
    return Body(source)


async def _hashed(source: AsyncIterator[bytes], stated: str) -> AsyncIterator[bytes]:
    digest = sha256()
    async for piece in source:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != stated.lower():
        raise XAmzContentSHA256Mismatch(
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ClientComputedContentSHA256=stated,
            S3ComputedContentSHA256=digest.hexdigest(),
        )


def _check_signed_headers(claim: Claim, headers: Mapping[str, str]) -> None:
    unsigned = [
        name
        for name in headers
        if name.startswith("x-amz-") and name not in claim.signed_headers and name != "x-amz-content-sha256"
    ]
    if unsigned:
        raise Refusal("unsigned header", HeadersNotSigned=", ".join(sorted(unsigned)))
    if "host" not in claim.signed_headers:
        raise Refusal("malformed", "The Host header must be signed")


def _read_moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
