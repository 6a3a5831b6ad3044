"""Signature Version 2, which only S3 still takes: boto3 presigns with it unless told otherwise."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Mapping

from outcrop.wire.auth.claims import Claim

_NAMES = """
accelerate acl analytics cors defaultObjectAcl delete encryption inventory legal-hold lifecycle location logging metrics
notification object-lock ownershipControls partNumber policy policyStatus publicAccessBlock replication requestPayment
response-cache-control response-content-disposition response-content-encoding response-content-language
response-content-type response-expires restore retention select select-type storageClass tagging torrent uploadId
uploads versionId versioning versions website
"""
_SUBRESOURCES = frozenset(_NAMES.split())


def signature(
    secret: str, claim: Claim, method: str, resource: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str]
) -> str:
    """`resource` is `/bucket/key` as it arrived, the bucket in front whatever the host was."""
    amz = {name: value for name, value in headers.items() if name.startswith("x-amz-")}
    if claim.presigned:
        date = claim.expires
        if claim.token:
            amz.setdefault("x-amz-security-token", claim.token)
    else:
        date = "" if "x-amz-date" in amz else headers.get("date", "")
    lines = [method, headers.get("content-md5", ""), headers.get("content-type", ""), date]
    lines += [f"{name}:{' '.join(value.split())}" for name, value in sorted(amz.items())]
    chosen = sorted((name, value) for name, value in query if name in _SUBRESOURCES)
    tail = "&".join(f"{name}={value}" if value else name for name, value in chosen)
    lines.append(f"{resource}?{tail}" if tail else resource)
    digest = hmac.digest(secret.encode(), "\n".join(lines).encode("latin-1", "replace"), "sha1")
    return base64.b64encode(digest).decode()
