"""Finds buckets for operations, and keeps others out: who isn't of the owner's account gets what policies and ACLs
give. (What the owner's own users may do is not asked here.)"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from outcrop.services.contract import Context
from outcrop.services.s3 import acl, errors, policy
from outcrop.services.s3.store import Bucket, BucketStore, Version

_BY_OBJECT = {
    "s3:GetObject": "READ",
    "s3:GetObjectVersion": "READ",
    "s3:GetObjectAcl": "READ_ACP",
    "s3:PutObjectAcl": "WRITE_ACP",
}
"""Which permission of an object's ACL allows which action."""
_BY_BUCKET = {
    "s3:ListBucket": "READ",
    "s3:ListBucketVersions": "READ",
    "s3:ListBucketMultipartUploads": "READ",
    "s3:ListMultipartUploadParts": "WRITE",
    "s3:PutObject": "WRITE",
    "s3:DeleteObject": "WRITE",
    "s3:AbortMultipartUpload": "WRITE",
    "s3:GetBucketAcl": "READ_ACP",
    "s3:PutBucketAcl": "WRITE_ACP",
}

_ROOT_KEEPS = ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy")
"""Actions that no policy takes from the owner's root, who could otherwise lock everybody out."""


class Access:
    def __init__(self, buckets: BucketStore) -> None:
        self._buckets = buckets

    def bucket(self, ctx: Context, request: Mapping[str, Any], action: str, key: str | None = None) -> Bucket:
        """The bucket that a request names. Raises NoSuchBucket, AccessDenied. Actions that an object's ACL may allow
        are checked by `object`, once the object is known."""
        bucket = self.reach(request)
        self.allow(ctx, bucket, action, key)
        return bucket

    def reach(self, request: Mapping[str, Any]) -> Bucket:
        """The bucket that a request names, if it is whose the request expects. Raises NoSuchBucket, AccessDenied."""
        bucket = self.find(request["Bucket"])
        expected = request.get("ExpectedBucketOwner")
        if expected and expected != bucket.account:
            raise errors.AccessDenied
        return bucket

    def allow(self, ctx: Context, bucket: Bucket, action: str, key: str | None = None) -> None:
        """Raises AccessDenied. What a policy denies is denied to the owner as well; only the policy itself stays in
        reach of the owner's root."""
        if _owns(ctx, bucket.account):
            if ctx.principal.kind == "root" and action in _ROOT_KEEPS:
                return
            if "Deny" in self._effects(ctx, bucket, action, key):
                raise errors.AccessDenied
        elif action not in _BY_OBJECT and not self._given(ctx, bucket, action, key):
            raise errors.AccessDenied

    def find(self, name: str) -> Bucket:
        """Raises NoSuchBucket."""
        bucket = self._buckets.get(name)
        if bucket is None:
            raise errors.NoSuchBucket(BucketName=name)
        return bucket

    def object(self, ctx: Context, bucket: Bucket, action: str, key: str, version: Version | None) -> None:
        """Raises AccessDenied if the caller may not do this to an object, or not know that it doesn't exist."""
        if _owns(ctx, bucket.account) or (version is not None and _owns(ctx, version.draft.owner)):
            return
        if self._given(ctx, bucket, action, key, version):
            return
        if version is not None or not self._given(ctx, bucket, "s3:ListBucket"):
            raise errors.AccessDenied

    def _given(
        self, ctx: Context, bucket: Bucket, action: str, key: str | None = None, version: Version | None = None
    ) -> bool:
        account = None if ctx.principal.kind == "anonymous" else ctx.account
        block = self._buckets.setting(bucket, "publicAccessBlock") or {}
        effects = self._effects(ctx, bucket, action, key)
        if "Deny" in effects:
            return False
        if "Allow" in effects and not (block.get("RestrictPublicBuckets") and policy.is_public(self._policy(bucket))):
            return True
        if action in _BY_OBJECT:
            grants = version.draft.acl if version is not None else None
        else:
            grants = self._buckets.setting(bucket, "acl")
        if block.get("IgnorePublicAcls") and acl.is_public(grants):
            return False
        permission = _BY_OBJECT.get(action) or _BY_BUCKET.get(action)
        return permission is not None and acl.allows(grants, permission, account)

    def _policy(self, bucket: Bucket) -> Mapping[str, Any]:
        text = self._buckets.setting(bucket, "policy")
        parsed: Mapping[str, Any] = json.loads(text) if text else {}
        return parsed

    def _effects(self, ctx: Context, bucket: Bucket, action: str, key: str | None) -> set[str]:
        """What the bucket's policy says of this: Allow, Deny, both or nothing."""
        account = None if ctx.principal.kind == "anonymous" else ctx.account
        resource = f"arn:aws:s3:::{bucket.name}/{key}" if key else f"arn:aws:s3:::{bucket.name}"
        called = () if account is None else (account, f"arn:aws:iam::{account}:root", ctx.principal.arn)
        return policy.effects(self._policy(bucket), action, resource, called)


def _owns(ctx: Context, account: str) -> bool:
    return ctx.principal.kind != "anonymous" and ctx.account == account
