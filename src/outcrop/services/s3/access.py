"""Finds buckets for operations, and keeps strangers out: whoever doesn't sign sees only what is public."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from outcrop.services.contract import Context
from outcrop.services.s3 import acl, errors, policy
from outcrop.services.s3.store import Bucket, BucketStore, Version

_READS = {"s3:GetObject": "READ", "s3:GetObjectVersion": "READ", "s3:GetObjectAcl": "READ_ACP"}
"""Which permission of an object's ACL allows which action."""
_BUCKET_GRANTS = {
    "s3:ListBucket": "READ",
    "s3:ListBucketVersions": "READ",
    "s3:ListBucketMultipartUploads": "READ",
    "s3:PutObject": "WRITE",
    "s3:DeleteObject": "WRITE",
    "s3:GetBucketAcl": "READ_ACP",
}


class Access:
    def __init__(self, buckets: BucketStore) -> None:
        self._buckets = buckets

    def bucket(self, ctx: Context, request: Mapping[str, Any], action: str, key: str | None = None) -> Bucket:
        """The bucket that a request names. Raises NoSuchBucket, AccessDenied. Reads of objects are checked by
        `read`, once the object is known."""
        bucket = self.find(request["Bucket"])
        expected = request.get("ExpectedBucketOwner")
        if expected and expected != bucket.account:
            raise errors.AccessDenied
        if ctx.principal.kind == "anonymous" and action not in _READS and not self._public(bucket, action, key, None):
            raise errors.AccessDenied
        return bucket

    def find(self, name: str) -> Bucket:
        """Raises NoSuchBucket."""
        bucket = self._buckets.get(name)
        if bucket is None:
            raise errors.NoSuchBucket(BucketName=name)
        return bucket

    def read(self, ctx: Context, bucket: Bucket, action: str, key: str, version: Version | None) -> None:
        """Raises AccessDenied if a stranger asks for what isn't public, or whether it exists."""
        if ctx.principal.kind == "anonymous" and not self._public(bucket, action, key, version):
            raise errors.AccessDenied

    def _public(self, bucket: Bucket, action: str, key: str | None, version: Version | None) -> bool:
        block = self._buckets.setting(bucket, "publicAccessBlock") or {}
        if not block.get("RestrictPublicBuckets") and (text := self._buckets.setting(bucket, "policy")):
            effects = policy.effects(
                json.loads(text), action, f"arn:aws:s3:::{bucket.name}" + (f"/{key}" if key else "")
            )
            if "Deny" in effects:
                return False
            if "Allow" in effects:
                return True
        if block.get("IgnorePublicAcls"):
            return False
        if action in _READS:
            return version is not None and acl.allows_everyone(version.draft.acl, _READS[action])
        permission = _BUCKET_GRANTS.get(action)
        return bool(permission) and acl.allows_everyone(self._buckets.setting(bucket, "acl") or (), str(permission))
