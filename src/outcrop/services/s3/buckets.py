"""Buckets themselves."""

from __future__ import annotations

import base64
import binascii
import re

from outcrop.services.contract import Context, Request, Result
from outcrop.services.s3 import acl, errors, names
from outcrop.services.s3.access import Access
from outcrop.services.s3.bodies import Shelf
from outcrop.services.s3.store import BucketStore
from outcrop.services.s3.tags import from_set

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
HOME = "us-east-1"
_ALL_BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


class Buckets:
    def __init__(self, store: BucketStore, access: Access, shelf: Shelf, strict: bool) -> None:
        self._store = store
        self._access = access
        self._shelf = shelf
        self._strict = strict

    async def create_bucket(self, ctx: Context, request: Request) -> Result:
        name = request["Bucket"]
        names.check_new_bucket(name)
        if ctx.principal.kind == "anonymous":
            raise errors.AccessDenied
        region = _region(ctx, (request.get("CreateBucketConfiguration") or {}).get("LocationConstraint"))
        grants = acl.from_request(request, ctx.account)
        ownership = request.get("ObjectOwnership")
        if ownership == "BucketOwnerEnforced" and acl.is_public(grants):
            raise errors.InvalidBucketAclWithObjectOwnership
        tags = from_set((request.get("CreateBucketConfiguration") or {}).get("Tags") or (), 50)
        with self._store.transaction():
            if old := self._store.get(name):
                if old.account != ctx.account:
                    raise errors.BucketAlreadyExists(BucketName=name)
                if old.region != HOME or region != HOME:
                    raise errors.BucketAlreadyOwnedByYou(BucketName=name)
                self._store.put_setting(old, "acl", grants)
            else:
                bucket = self._store.create(name, ctx.account, region, bool(request.get("ObjectLockEnabledForBucket")))
                if grants:
                    self._store.put_setting(bucket, "acl", grants)
                if tags:
                    self._store.put_setting(bucket, "tags", tags)
                if self._strict:
                    ownership = ownership or "BucketOwnerEnforced"
                    self._store.put_setting(bucket, "publicAccessBlock", _ALL_BLOCKED)
                if ownership:
                    self._store.put_setting(bucket, "ownershipControls", {"Rules": [{"ObjectOwnership": ownership}]})
        location = f"/{name}" if region == HOME else f"http://{name}.s3.amazonaws.com/"
        return {"Location": location, "BucketArn": f"arn:aws:s3:::{name}"}

    async def head_bucket(self, ctx: Context, request: Request) -> Result:
        bucket = self._access.bucket(ctx, request, "s3:ListBucket")
        ctx.headers["content-type"] = "application/xml"
        return {
            "BucketRegion": bucket.region,
            "BucketArn": f"arn:aws:s3:::{bucket.name}",
            "AccessPointAlias": False,
        }

    async def list_buckets(self, ctx: Context, request: Request) -> Result:
        if ctx.principal.kind == "anonymous":
            raise errors.AccessDenied
        limit, prefix = request.get("MaxBuckets") or 10_000, request.get("Prefix") or ""
        found = self._store.page(
            ctx.account, prefix, _after(request.get("ContinuationToken")), request.get("BucketRegion"), limit + 1
        )
        result = {
            "Buckets": [
                {
                    "Name": bucket.name,
                    "CreationDate": names.moment(bucket.created),
                    "BucketRegion": bucket.region,
                    "BucketArn": f"arn:aws:s3:::{bucket.name}",
                }
                for bucket in found[:limit]
            ],
            "Owner": names.owner(ctx.account),
        }
        if "Prefix" in request:
            result["Prefix"] = prefix
        if len(found) > limit:
            result["ContinuationToken"] = base64.urlsafe_b64encode(found[limit - 1].name.encode()).decode()
        return result

    async def delete_bucket(self, ctx: Context, request: Request) -> Result:
        bucket = self._access.bucket(ctx, request, "s3:DeleteBucket")
        with self._store.transaction():
            if not self._store.is_empty(bucket):
                text = errors.BucketNotEmpty.text
                if bucket.versioning:
                    text += ". You must delete all versions in the bucket."
                raise errors.BucketNotEmpty(text, BucketName=bucket.name)
            doomed = self._store.delete(bucket)
        await self._shelf.discard(doomed)
        return {}

    async def get_bucket_location(self, ctx: Context, request: Request) -> Result:
        bucket = self._access.bucket(ctx, request, "s3:GetBucketLocation")
        return {} if bucket.region == HOME else {"LocationConstraint": bucket.region}


def _region(ctx: Context, constraint: str | None) -> str:
    """Where a new bucket lies. Raises InvalidLocationConstraint, IllegalLocationConstraintException."""
    if constraint is None:
        if ctx.region != HOME:
            raise errors.IllegalLocationConstraintException
        return HOME
    region = "eu-west-1" if constraint == "EU" else constraint
    if not _REGION.fullmatch(region) or region == HOME == ctx.region:
        raise errors.InvalidLocationConstraint(LocationConstraint=constraint)
    if ctx.region not in (HOME, region):
        raise errors.IllegalLocationConstraintException(
            f"The {constraint} location constraint is incompatible for the region specific endpoint this request was "
            "sent to."
        )
    return region


def _after(token: str | None) -> str:
    try:
        return base64.urlsafe_b64decode(token or "").decode()
    except (binascii.Error, ValueError):
        raise errors.InvalidArgument(
            "The continuation token provided is incorrect", ArgumentName="continuation-token"
        ) from None
