"""Copies, which share their source's bytes on disk."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.s3 import checksums, conditions, drafts, errors
from outcrop.services.s3.access import Access
from outcrop.services.s3.bodies import LARGEST_PUT, Content, Shelf, blob_names
from outcrop.services.s3.names import check_key, copy_source, moment
from outcrop.services.s3.notices import Notices
from outcrop.services.s3.reading import Reading, check_active
from outcrop.services.s3.store import Bucket, BucketStore, Draft, ObjectStore, Version
from outcrop.services.s3.tags import from_header

_CHANGES = ("StorageClass", "WebsiteRedirectLocation", "ServerSideEncryption", "SSECustomerAlgorithm", "SSEKMSKeyId")
"""Members that make a copy of an object onto itself worth doing."""


class Sources:
    def __init__(self, access: Access, reading: Reading) -> None:
        self._access = access
        self._reading = reading

    def find(self, ctx: Context, request: Request) -> tuple[Bucket, Version]:
        """The version that `CopySource` names, if its conditions hold."""
        name, key, version_id = copy_source(request["CopySource"])
        asked = {"Bucket": name, "ExpectedBucketOwner": request.get("ExpectedSourceBucketOwner")}
        bucket = self._access.bucket(ctx, asked, "s3:GetObject", key)
        try:
            version = self._reading.find(ctx, bucket, check_key(key), version_id)
        except errors.MethodNotAllowed:
            raise errors.InvalidRequest(
                "The source of a copy request may not specifically refer to a delete marker by version id."
            ) from None
        if version.draft.storage_class in ("GLACIER", "DEEP_ARCHIVE") and "Restore" not in version.draft.headers:
            raise errors.ObjectNotInActiveTierError
        check_active(version)
        drafts.check_customer_key(request, version.draft.headers, "CopySource")
        conditions.check_source(request, version)
        return bucket, version


class Copies:
    def __init__(
        self,
        buckets: BucketStore,
        store: ObjectStore,
        access: Access,
        sources: Sources,
        shelf: Shelf,
        notices: Notices,
    ) -> None:
        self._buckets = buckets
        self._store = store
        self._access = access
        self._sources = sources
        self._shelf = shelf
        self._notices = notices

    async def copy_object(self, ctx: Context, request: Request) -> Result:
        key = check_key(request["Key"])
        bucket = self._access.bucket(ctx, request, "s3:PutObject", key)
        source_bucket, source = self._sources.find(ctx, request)
        if source.size > LARGEST_PUT:
            raise errors.InvalidRequest(
                f"The specified copy source is larger than the maximum allowable size for a copy source: {LARGEST_PUT}"
            )
        about = self._about(ctx, request, bucket, source)
        same = bucket.id == source.bucket and key == source.key
        newest = self._store.newest(bucket, key)
        if same and newest == source and not self._changes(request) and copy_source(request["CopySource"])[2] is None:
            raise errors.InvalidRequest(
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes."
            )
        conditions.check_write(request, newest)
        content = await self._shelf.link(self._store.content(source))
        try:
            etag, digests = await self._digests(source, content, request.get("ChecksumAlgorithm"))
            copy = drafts.fresh(key, about, etag=etag, size=source.size, digests=digests)
            with self._store.transaction():
                bucket = self._access.find(bucket.name)
                conditions.check_write(request, self._store.newest(bucket, key))
                added = self._store.add(bucket, copy, content)
                self._notices.record(ctx, bucket, added.version, "ObjectCreated:Copy")
        except BaseException:
            await self._shelf.discard(blob_names(content))
            raise
        await self._shelf.discard(added.doomed)
        return {
            "CopyObjectResult": {
                "ETag": f'"{etag}"',
                "LastModified": moment(copy.modified),
                **drafts.checksums_shown(copy),
            },
            **drafts.encryption_shown(about.headers),
            **drafts.version_shown(bucket, added.version),
            **({"CopySourceVersionId": source.version} if source_bucket.versioning else {}),
        }

    def _about(self, ctx: Context, request: Request, bucket: Bucket, source: Version) -> Draft:
        for directive in ("MetadataDirective", "TaggingDirective"):
            if request.get(directive) not in (None, "COPY", "REPLACE"):
                raise errors.InvalidArgument(
                    f"Unknown {'metadata' if directive.startswith('M') else 'tagging'} directive.",
                    ArgumentValue=request[directive],
                )
        about = drafts.draft(ctx, self._buckets, bucket, {**request, "Tagging": None})
        if request.get("MetadataDirective") != "REPLACE":
            kept = drafts.without_encryption(source.draft.headers)
            for name in ("Restore", "WebsiteRedirectLocation"):
                kept.pop(name, None)
            if "WebsiteRedirectLocation" in about.headers:
                kept["WebsiteRedirectLocation"] = about.headers["WebsiteRedirectLocation"]
            headers = {**kept, **drafts.encryption_shown(about.headers)}
            about = replace(about, headers=headers, metadata=source.draft.metadata)
        replaces_tags = request.get("TaggingDirective") == "REPLACE"
        return replace(about, tags=from_header(request.get("Tagging")) if replaces_tags else source.draft.tags)

    def _changes(self, request: Request) -> bool:
        return request.get("MetadataDirective") == "REPLACE" or any(request.get(name) for name in _CHANGES)

    async def _digests(self, source: Version, content: Content, algorithm: str | None) -> tuple[str, dict[str, str]]:
        """The ETag and checksum of a copy: the source's where they are those of its whole body."""
        algorithm = algorithm or next(iter(source.checksums), checksums.DEFAULT)
        known = source.checksums.get(algorithm) if source.checksum_type == "FULL_OBJECT" else None
        if known is not None and not source.parts:
            return source.etag, {algorithm: known}
        md5, digest = hashlib.md5(usedforsecurity=False), checksums.new(algorithm)
        async for piece in self._shelf.read(content):
            await asyncio.to_thread(_update, piece, md5, digest)
        return md5.hexdigest(), {algorithm: checksums.encode(digest.digest())}


def _update(piece: bytes, *digests: Any) -> None:
    for digest in digests:
        digest.update(piece)
