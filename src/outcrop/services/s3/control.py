"""S3 Control, as far as Terraform needs it: the tags of buckets by ARN."""

from __future__ import annotations

from outcrop.services.contract import Context, Request, Result
from outcrop.services.s3 import errors, tags
from outcrop.services.s3.access import Access
from outcrop.services.s3.store import Bucket, BucketStore

PATH = "/v20180820/"
"""What all paths of S3 Control begin with."""


class ResourceTags:
    def __init__(self, store: BucketStore, access: Access) -> None:
        self._store = store
        self._access = access

    async def list_tags_for_resource(self, ctx: Context, request: Request) -> Result:
        bucket = self._bucket(ctx, request, "s3:ListTagsForResource")
        return {"Tags": tags.to_set(self._store.setting(bucket, "tags") or {})}

    async def tag_resource(self, ctx: Context, request: Request) -> Result:
        bucket = self._bucket(ctx, request, "s3:TagResource")
        kept, added = self._store.setting(bucket, "tags") or {}, tags.from_set(request["Tags"], 50)
        self._store.put_setting(bucket, "tags", tags.from_set(tags.to_set({**kept, **added}), 50))
        return {}

    async def untag_resource(self, ctx: Context, request: Request) -> Result:
        bucket = self._bucket(ctx, request, "s3:UntagResource")
        kept = self._store.setting(bucket, "tags") or {}
        left = {key: value for key, value in kept.items() if key not in request["TagKeys"]}
        if left:
            self._store.put_setting(bucket, "tags", left)
        else:
            self._store.delete_setting(bucket, "tags")
        return {}

    def _bucket(self, ctx: Context, request: Request, action: str) -> Bucket:
        """The bucket of `arn:aws:s3:::NAME` (or `…:s3:REGION:ACCOUNT:bucket/NAME`). Raises NoSuchResource."""
        name = request["ResourceArn"].rpartition(":")[2].removeprefix("bucket/")
        try:
            return self._access.bucket(ctx, {"Bucket": name}, action)
        except errors.NoSuchBucket:
            raise errors.NoSuchResource from None
