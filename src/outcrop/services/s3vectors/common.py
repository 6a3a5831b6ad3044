"""What several resource classes of this folder need: looking things up, tokens, encryption."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from outcrop.services.contract import Context, Request
from outcrop.services.s3vectors.errors import invalid, no_bucket, no_index
from outcrop.services.s3vectors.names import named_bucket, named_index
from outcrop.services.s3vectors.store import Bucket, VectorIndex, VectorStore

MAX_TAGS = 50


def when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def find_bucket(store: VectorStore, ctx: Context, request: Request) -> Bucket:
    found = store.bucket(named_bucket(ctx, request))
    if found is None:
        raise no_bucket()
    return found


def find_index(store: VectorStore, ctx: Context, request: Request) -> VectorIndex:
    place = named_index(ctx, request)
    found = store.index(place)
    if found is None:
        raise no_index() if store.bucket(place) else no_bucket()
    return found


def encryption(request: Request, default: Mapping[str, str]) -> Mapping[str, str]:
    """What is asked for. Raises ValidationException unless a key comes with, and only with, `aws:kms`."""
    asked = request.get("encryptionConfiguration")
    if not asked:
        return default
    kind = asked.get("sseType", "AES256")
    if (kind == "aws:kms") != ("kmsKeyArn" in asked):
        raise invalid(
            "kmsKeyArn must be specified if and only if sseType is aws:kms", "/encryptionConfiguration/kmsKeyArn"
        )
    return {"sseType": kind, **({"kmsKeyArn": asked["kmsKeyArn"]} if "kmsKeyArn" in asked else {})}


def check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > MAX_TAGS:
        raise invalid(f"A resource can have at most {MAX_TAGS} tags, but this one would have {len(tags)}", "/tags")
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid("Tag keys must not begin with aws:", "/tags")


def to_token(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def from_token(token: str | None, *kinds: type) -> Sequence[Any]:
    """The parts of a token; the kinds' own zeros if there is none. Raises ValidationException."""
    if token is None:
        return [kind() for kind in kinds]
    try:
        parts = json.loads(base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True))
        if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):
            raise ValueError
    except (ValueError, RecursionError):
        raise invalid("Invalid nextToken", "/nextToken") from None
    return parts
