"""Objects: put, get, head, delete, attributes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from outcrop.services.contract import Context, Request, Result, ServiceError
from outcrop.services.s3 import checksums, conditions, drafts, errors
from outcrop.services.s3.access import Access
from outcrop.services.s3.bodies import Received, Shelf
from outcrop.services.s3.checksums import Claim
from outcrop.services.s3.names import check_key, moment
from outcrop.services.s3.notices import Notices
from outcrop.services.s3.reading import Reading, check_active
from outcrop.services.s3.store import Bucket, BucketStore, Draft, ObjectStore, Version

_ATTRIBUTES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")


class Objects:
    """`written` is what S3's event records call a new object that comes through `put_object`."""

    def __init__(
        self,
        buckets: BucketStore,
        store: ObjectStore,
        access: Access,
        reading: Reading,
        shelf: Shelf,
        notices: Notices,
        written: str = "ObjectCreated:Put",
    ) -> None:
        self._buckets = buckets
        self._store = store
        self._access = access
        self._reading = reading
        self._shelf = shelf
        self._notices = notices
        self._written = written

    async def put_object(self, ctx: Context, request: Request) -> Result:
        key = check_key(request["Key"])
        bucket = self._access.bucket(ctx, request, "s3:PutObject", key)
        if request.get("WriteOffsetBytes") is not None:
            raise errors.HeaderNotImplemented(Header="x-amz-write-offset-bytes")
        about = drafts.draft(ctx, self._buckets, bucket, request)
        conditions.check_write(request, self._store.newest(bucket, key))
        body = request.get("Body")
        claim = Claim.of(request)
        compute = () if claim.algorithm else (checksums.DEFAULT,)
        received = await self._shelf.receive(body, claim, compute=compute)
        bucket, version = await self._keep(ctx, bucket, key, about, received, request)
        return {
            "ETag": f'"{version.etag}"',
            **drafts.checksums_shown(version),
            **drafts.encryption_shown(about.headers),
            **drafts.version_shown(bucket, version),
        }

    async def _keep(
        self, ctx: Context, bucket: Bucket, key: str, about: Draft, received: Received, request: Request
    ) -> tuple[Bucket, Version]:
        """Make a received body the newest version of a key, if its bucket and the request's conditions still allow."""
        algorithm = received.claimed or checksums.DEFAULT
        version = drafts.fresh(
            key,
            about,
            etag=received.md5.hex(),
            size=received.size,
            digests={algorithm: received.checksums[algorithm]},
        )
        try:
            with self._store.transaction():
                bucket = self._access.find(bucket.name)
                conditions.check_write(request, self._store.newest(bucket, key))
                added = self._store.add(bucket, version, received.content)
                self._notices.record(ctx, bucket, added.version, self._written)
        except BaseException:
            await self._shelf.discard(received.blobs)
            raise
        await self._shelf.discard(added.doomed)
        return bucket, added.version

    async def get_object(self, ctx: Context, request: Request) -> Result:
        bucket, version = self._found(ctx, request)
        check_active(version)
        conditions.check_read(request, version)
        span = self._reading.span(request, version)
        shown = self._reading.shown(ctx, request, bucket, version, span)
        content = self._store.content(version)
        shown["Body"] = self._shelf.read(content, span.start, span.end) if span else self._shelf.read(content)
        return shown

    async def head_object(self, ctx: Context, request: Request) -> Result:
        bucket, version = self._found(ctx, request)
        conditions.check_read(request, version)
        return self._reading.shown(ctx, request, bucket, version, self._reading.span(request, version))

    def _found(self, ctx: Context, request: Request) -> tuple[Bucket, Version]:
        action = "s3:GetObjectVersion" if request.get("VersionId") else "s3:GetObject"
        bucket = self._access.bucket(ctx, request, action, request["Key"])
        version = self._reading.find(ctx, bucket, check_key(request["Key"]), request.get("VersionId"), action)
        drafts.check_customer_key(request, version.draft.headers)
        return bucket, version

    async def delete_object(self, ctx: Context, request: Request) -> Result:
        key = check_key(request["Key"])
        bucket = self._access.bucket(ctx, request, "s3:DeleteObject", key)
        doomed: list[str] = []
        shown = self._delete(ctx, bucket, request, key, bool(request.get("BypassGovernanceRetention")), doomed)
        await self._shelf.discard(doomed)
        return shown

    async def delete_objects(self, ctx: Context, request: Request) -> Result:
        bucket = self._access.reach(request)
        wanted = request["Delete"].get("Objects") or []
        if not 1 <= len(wanted) <= 1000:
            raise errors.MalformedXML
        quiet, bypass = bool(request["Delete"].get("Quiet")), bool(request.get("BypassGovernanceRetention"))
        deleted: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        doomed: list[str] = []
        with self._store.transaction():
            for one in wanted:
                named = {name: one[name] for name in ("Key", "VersionId") if one.get(name) is not None}
                try:
                    self._access.allow(ctx, bucket, "s3:DeleteObject", one["Key"])
                    done = self._delete(ctx, bucket, one, check_key(one["Key"]), bypass, doomed)
                except ServiceError as error:
                    failed.append({**named, "Code": error.code, "Message": error.message})
                    continue
                if done.get("DeleteMarker"):
                    named |= {"DeleteMarker": True, "DeleteMarkerVersionId": done["VersionId"]}
                if not quiet:
                    deleted.append(named)
        await self._shelf.discard(doomed)
        return {**({"Deleted": deleted} if deleted else {}), **({"Errors": failed} if failed else {})}

    def _delete(
        self, ctx: Context, bucket: Bucket, request: Mapping[str, Any], key: str, bypass: bool, doomed: list[str]
    ) -> dict[str, Any]:
        """Delete a version, or put a marker on top where the bucket keeps versions. Adds to `doomed`."""
        version_id = request.get("VersionId")
        with self._store.transaction():
            version = self._reading.look(bucket, key, version_id)
            conditions.check_delete(request, version)
            if version_id is None and bucket.versioning:
                added = self._store.add(bucket, drafts.marker(key, ctx.account), b"")
                doomed += added.doomed
                self._notices.record(ctx, bucket, added.version, "ObjectRemoved:DeleteMarkerCreated")
                return {"DeleteMarker": True, "VersionId": added.version.version}
            if version is not None:
                check_unlocked(version, bypass)
                doomed += self._store.remove(version)
                self._notices.record(ctx, bucket, version, "ObjectRemoved:Delete")
        if version_id is None:
            return {}
        return {"VersionId": version_id, **({"DeleteMarker": True} if version is not None and version.marker else {})}

    async def get_object_attributes(self, ctx: Context, request: Request) -> Result:
        bucket, version = self._found(ctx, request)
        wanted = {name.strip() for value in request.get("ObjectAttributes") or () for name in value.split(",")}
        if not wanted or not wanted <= set(_ATTRIBUTES):
            raise errors.InvalidArgument("Invalid attribute name specified.", ArgumentName="x-amz-object-attributes")
        about = version.draft
        shown: dict[str, Any] = {"LastModified": moment(version.modified), **drafts.version_shown(bucket, version)}
        if "ETag" in wanted:
            shown["ETag"] = version.etag
        if "Checksum" in wanted and version.checksums:
            whole = drafts.checksums_shown(version)
            shown["Checksum"] = {name: value.partition("-")[0] for name, value in whole.items()}
        if "ObjectParts" in wanted and version.parts:
            shown["ObjectParts"] = self._parts(version, request)
        if "StorageClass" in wanted:
            shown["StorageClass"] = about.storage_class
        if "ObjectSize" in wanted:
            shown["ObjectSize"] = version.size
        return shown

    def _parts(self, version: Version, request: Request) -> dict[str, Any]:
        limit, after = min(request.get("MaxParts", 1000), 1000), int(request.get("PartNumberMarker") or 0)
        parts = self._store.parts(version, after, limit + 1)
        shown: dict[str, Any] = {
            "TotalPartsCount": version.parts,
            "PartNumberMarker": after,
            "NextPartNumberMarker": parts[:limit][-1].number if parts[:limit] else 0,
            "MaxParts": limit,
            "IsTruncated": len(parts) > limit,
        }
        if version.checksum_type == "COMPOSITE":
            shown["Parts"] = [
                {
                    "PartNumber": part.number,
                    "Size": part.size,
                    **{checksums.member(name): value for name, value in part.checksums.items()},
                }
                for part in parts[:limit]
            ]
        return shown


def check_unlocked(version: Version, bypass: bool) -> None:
    """Raises AccessDenied for a version that object lock protects."""
    hold = version.draft.hold
    retained = "Mode" in hold and hold["RetainUntilDate"] > datetime.now(UTC).timestamp()
    if hold.get("LegalHold") == "ON" or (retained and not (bypass and hold["Mode"] == "GOVERNANCE")):
        raise errors.AccessDenied("Access Denied because object protected by object lock.")
