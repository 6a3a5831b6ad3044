"""What a request says about its signer, read but not yet believed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from outcrop.wire.auth.errors import Refusal

_FIELD = re.compile(r"(Credential|SignedHeaders|Signature)\s*=\s*([^,\s]+)")


@dataclass(frozen=True, slots=True)
class Claim:
    kind: Literal["v4", "presigned v4", "v2", "presigned v2", "bearer"]
    key: str
    """The access key id, or the bearer key."""
    signature: str = ""
    date: str = ""
    """SigV4: `20261125`, the credential scope's."""
    region: str = ""
    service: str = ""
    moment: str = ""
    """SigV4: `20261125T100000Z`."""
    signed_headers: tuple[str, ...] = ()
    expires: str = ""
    """Presigned: seconds of validity (V4), or the epoch second of the end (V2)."""
    token: str = ""

    @property
    def presigned(self) -> bool:
        return self.kind.startswith("presigned")

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def read_claim(headers: Mapping[str, str], query: Mapping[str, str]) -> Claim | None:
    """None for an unsigned request. Raises `Refusal` for what looks like a signature but isn't one."""
    if authorization := headers.get("authorization", "").strip():
        return _from_header(authorization, headers)
    if "X-Amz-Signature" in query or "X-Amz-Credential" in query:
        return _from_query(query)
    if "AWSAccessKeyId" in query and "Signature" in query:
        return Claim(
            "presigned v2",
            query["AWSAccessKeyId"],
            query["Signature"],
            service="s3",
            expires=query.get("Expires", ""),
            token=query.get("x-amz-security-token", ""),
        )
    return None


def _from_header(authorization: str, headers: Mapping[str, str]) -> Claim | None:
    scheme, _, rest = authorization.partition(" ")
    token = headers.get("x-amz-security-token", "")
    if scheme.lower() == "bearer":
        return Claim("bearer", rest.strip(), service="bedrock")
    if scheme == "AWS4-HMAC-SHA256":
        fields = dict(_FIELD.findall(rest))
        if fields.keys() != {"Credential", "SignedHeaders", "Signature"}:
            raise Refusal("malformed", "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature'.")
        key, date, region, service = _credential(fields["Credential"])
        return Claim(
            "v4",
            key,
            fields["Signature"],
            date,
            region,
            service,
            headers.get("x-amz-date", headers.get("date", "")),
            tuple(fields["SignedHeaders"].lower().split(";")),
            token=token,
        )
    if scheme == "AWS":
        key, _, signature = rest.strip().rpartition(":")
        return Claim("v2", key, signature, service="s3", token=token)
    if scheme.startswith("AWS4-"):
        raise Refusal("malformed", f"Outcrop checks AWS4-HMAC-SHA256 signatures only, not {scheme[:40]}.")
    return None


def _from_query(query: Mapping[str, str]) -> Claim:
    names = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    missing = [f"X-Amz-{name}" for name in names if f"X-Amz-{name}" not in query]
    if "X-Amz-Expires" in missing and query.get("X-Amz-Credential", "").count("/s3/") == 0:
        missing.remove("X-Amz-Expires")
    if missing or query["X-Amz-Algorithm"] != "AWS4-HMAC-SHA256":
        raise Refusal("malformed", f"Query-string authentication version 4 requires {', '.join(missing or names)}.")
    key, date, region, service = _credential(query["X-Amz-Credential"])
    return Claim(
        "presigned v4",
        key,
        query["X-Amz-Signature"],
        date,
        region,
        service,
        query["X-Amz-Date"],
        tuple(query["X-Amz-SignedHeaders"].lower().split(";")),
        query.get("X-Amz-Expires", "900"),
        query.get("X-Amz-Security-Token", ""),
    )


def _credential(text: str) -> tuple[str, str, str, str]:
    pieces = text.split("/")
    if len(pieces) < 5 or pieces[-1] != "aws4_request":
        raise Refusal(
            "malformed",
            'The Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
        )
    return "/".join(pieces[:-4]), pieces[-4], pieces[-3], pieces[-2]
