"""Vector buckets, their policies and their default mode."""

from __future__ import annotations

import json
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.s3vectors.common import check_tags, encryption, find_bucket, from_token, to_token, when
from outcrop.services.s3vectors.errors import (
    ConflictException,
    NotFoundException,
    ServiceQuotaExceededException,
    invalid,
)
from outcrop.services.s3vectors.names import Place, check_bucket_name
from outcrop.services.s3vectors.store import Bucket, NotEmpty, Taken, VectorStore

MAX_BUCKETS = 10_000
MODE = "ENHANCED"
"""The only mode of buckets created after September 2026, and so of all of ours."""
_MAX_POLICY = 20 << 10


class VectorBuckets:
    def __init__(self, store: VectorStore) -> None:
        self._store = store

    async def create_vector_bucket(self, ctx: Context, request: Request) -> Result:
        place = Place(ctx.account, ctx.region, request["vectorBucketName"])
        check_bucket_name(place.bucket)
        tags = request.get("tags") or {}
        check_tags(tags)
        if self._store.count_buckets(ctx.account, ctx.region) >= MAX_BUCKETS:
            raise ServiceQuotaExceededException(f"You can have at most {MAX_BUCKETS} vector buckets in a Region")
        try:
            self._store.add_bucket(place, encryption(request, {"sseType": "AES256"}), MODE, tags)
        except Taken:
            raise ConflictException("A vector bucket with the specified name already exists") from None
        return {"vectorBucketArn": place.arn}

    async def get_vector_bucket(self, ctx: Context, request: Request) -> Result:
        bucket = find_bucket(self._store, ctx, request)
        details = {"encryptionConfiguration": dict(bucket.encryption), "defaultIndexMode": bucket.mode}
        return {"vectorBucket": {**_summary(bucket), **details}}

    async def list_vector_buckets(self, ctx: Context, request: Request) -> Result:
        limit = request.get("maxResults") or 500
        (after,) = from_token(request.get("nextToken"), str)
        found = self._store.buckets(ctx.account, ctx.region, request.get("prefix") or "", after, limit + 1)
        answer: dict[str, Any] = {"vectorBuckets": [_summary(bucket) for bucket in found[:limit]]}
        if len(found) > limit:
            answer["nextToken"] = to_token(found[limit - 1].place.bucket)
        return answer

    async def delete_vector_bucket(self, ctx: Context, request: Request) -> Result:
        try:
            self._store.delete_bucket(find_bucket(self._store, ctx, request))
        except NotEmpty:
            raise ConflictException("The specified vector bucket is not empty") from None
        return {}

    async def put_vector_bucket_default_index_mode(self, ctx: Context, request: Request) -> Result:
        find_bucket(self._store, ctx, request)
        check_mode(request["defaultIndexMode"], "/defaultIndexMode")
        return {}


class VectorBucketPolicies:
    def __init__(self, store: VectorStore) -> None:
        self._store = store

    async def put_vector_bucket_policy(self, ctx: Context, request: Request) -> Result:
        bucket = find_bucket(self._store, ctx, request)
        _check_policy(request["policy"])
        self._store.set_policy(bucket, request["policy"])
        return {}

    async def get_vector_bucket_policy(self, ctx: Context, request: Request) -> Result:
        bucket = find_bucket(self._store, ctx, request)
        if bucket.policy is None:
            raise NotFoundException("The specified vector bucket policy could not be found")
        return {"policy": bucket.policy}

    async def delete_vector_bucket_policy(self, ctx: Context, request: Request) -> Result:
        self._store.set_policy(find_bucket(self._store, ctx, request), None)
        return {}


def check_mode(mode: str, path: str) -> None:
    if mode != MODE:
        raise invalid(
            "CLASSIC mode is only available in vector buckets that were created before September 30, 2026", path
        )


def _check_policy(text: str) -> None:
    """Its size and its outer form; it isn't enforced."""
    if len(text.encode()) > _MAX_POLICY:
        raise invalid(f"A vector bucket policy must have at most {_MAX_POLICY} bytes", "/policy")
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid("The policy is not valid JSON", "/policy") from None
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    several = statements if isinstance(statements, list) else [statements]
    if not several or not all(isinstance(one, dict) and _complete(one) for one in several):
        raise invalid("The policy must have statements, each with Effect, Principal, Action and Resource", "/policy")


def _complete(statement: dict[str, Any]) -> bool:
    return statement.get("Effect") in ("Allow", "Deny") and all(
        member in statement or f"Not{member}" in statement for member in ("Principal", "Action", "Resource")
    )


def _summary(bucket: Bucket) -> dict[str, Any]:
    return {
        "vectorBucketName": bucket.place.bucket,
        "vectorBucketArn": bucket.place.arn,
        "creationTime": when(bucket.created_at),
    }
