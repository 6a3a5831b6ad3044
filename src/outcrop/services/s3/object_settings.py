"""What can be set on an object that exists: tags, ACL, retention, legal hold; restoring from an archive class."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from outcrop.services.contract import Context, Request, Result
from outcrop.services.s3 import acl, drafts, errors, tags
from outcrop.services.s3.access import Access
from outcrop.services.s3.bucket_settings import check_acl_allowed
from outcrop.services.s3.names import check_key, http_date, moment
from outcrop.services.s3.notices import Notices
from outcrop.services.s3.reading import Reading
from outcrop.services.s3.store import Bucket, BucketStore, ObjectStore, Version


class ObjectSettings:
    def __init__(
        self, buckets: BucketStore, store: ObjectStore, access: Access, reading: Reading, notices: Notices
    ) -> None:
        self._buckets = buckets
        self._store = store
        self._access = access
        self._reading = reading
        self._notices = notices

    def _found(self, ctx: Context, request: Request, action: str) -> tuple[Bucket, Version]:
        key = check_key(request["Key"])
        bucket = self._access.bucket(ctx, request, action, key)
        return bucket, self._reading.find(ctx, bucket, key, request.get("VersionId"), action)

    async def get_object_tagging(self, ctx: Context, request: Request) -> Result:
        bucket, version = self._found(ctx, request, "s3:GetObjectTagging")
        return {"TagSet": tags.to_set(version.draft.tags), **drafts.version_shown(bucket, version)}

    async def put_object_tagging(self, ctx: Context, request: Request) -> Result:
        bucket, version = self._found(ctx, request, "s3:PutObjectTagging")
        self._store.set_tags(version, tags.from_set(request["Tagging"].get("TagSet") or (), tags.OBJECT_TAGS))
        self._notices.record(ctx, bucket, version, "ObjectTagging:Put")
        return drafts.version_shown(bucket, version)

    async def delete_object_tagging(self, ctx: Context, request: Request) -> Result:
        bucket, version = self._found(ctx, request, "s3:DeleteObjectTagging")
        self._store.set_tags(version, {})
        self._notices.record(ctx, bucket, version, "ObjectTagging:Delete")
        return drafts.version_shown(bucket, version)

    async def get_object_acl(self, ctx: Context, request: Request) -> Result:
        _, version = self._found(ctx, request, "s3:GetObjectAcl")
        return acl.shown(version.draft.acl, version.draft.owner)

    async def put_object_acl(self, ctx: Context, request: Request) -> Result:
        bucket, version = self._found(ctx, request, "s3:PutObjectAcl")
        if not acl.asked(request):
            raise errors.MissingSecurityHeader(MissingHeaderName="x-amz-acl")
        grants = acl.from_request(request, version.draft.owner, bucket.account)
        check_acl_allowed(self._buckets, bucket, grants)
        self._store.set_acl(version, grants)
        self._notices.record(ctx, bucket, version, "ObjectAcl:Put")
        return {}

    async def get_object_retention(self, ctx: Context, request: Request) -> Result:
        version = self._lockable(ctx, request, "s3:GetObjectRetention")
        hold = version.draft.hold
        if "Mode" not in hold:
            raise errors.NoSuchObjectLockConfiguration(Key=version.key)
        return {"Retention": {"Mode": hold["Mode"], "RetainUntilDate": moment(hold["RetainUntilDate"])}}

    async def put_object_retention(self, ctx: Context, request: Request) -> Result:
        version = self._lockable(ctx, request, "s3:PutObjectRetention")
        given = request.get("Retention") or {}
        mode, until = given.get("Mode"), given.get("RetainUntilDate")
        if (mode is None) != (until is None) or mode not in (None, "GOVERNANCE", "COMPLIANCE"):
            raise errors.MalformedXML
        now = datetime.now(UTC)
        if until is not None and until <= now:
            raise errors.InvalidArgument("The retain until date must be in the future!")
        hold = dict(version.draft.hold)
        if "Mode" in hold and hold["RetainUntilDate"] > now.timestamp():
            shorter = until is None or until.timestamp() < int(hold["RetainUntilDate"])
            weaker = mode != hold["Mode"] and mode != "COMPLIANCE"
            bypassed = hold["Mode"] == "GOVERNANCE" and request.get("BypassGovernanceRetention")
            if (shorter or weaker) and not bypassed:
                raise errors.AccessDenied("Access Denied because object protected by object lock.")
        for name in ("Mode", "RetainUntilDate"):
            hold.pop(name, None)
        if until is not None:
            hold |= {"Mode": mode, "RetainUntilDate": until.timestamp()}
        self._store.set_hold(version, hold)
        return {}

    async def get_object_legal_hold(self, ctx: Context, request: Request) -> Result:
        version = self._lockable(ctx, request, "s3:GetObjectLegalHold")
        if "LegalHold" not in version.draft.hold:
            raise errors.NoSuchObjectLockConfiguration(Key=version.key)
        return {"LegalHold": {"Status": version.draft.hold["LegalHold"]}}

    async def put_object_legal_hold(self, ctx: Context, request: Request) -> Result:
        version = self._lockable(ctx, request, "s3:PutObjectLegalHold")
        status = (request.get("LegalHold") or {}).get("Status")
        if status not in ("ON", "OFF"):
            raise errors.MalformedXML
        self._store.set_hold(version, {**version.draft.hold, "LegalHold": status})
        return {}

    async def restore_object(self, ctx: Context, request: Request) -> Result:
        """Archives here are no slower than anything else: a restored object is readable at once."""
        _, version = self._found(ctx, request, "s3:RestoreObject")
        if version.draft.storage_class not in ("GLACIER", "DEEP_ARCHIVE"):
            raise errors.InvalidObjectState(
                "Restore is not allowed for the object's current storage class",
                StorageClass=version.draft.storage_class,
            )
        days = (request.get("RestoreRequest") or {}).get("Days")
        if not isinstance(days, int) or days < 1:
            raise errors.MalformedXML
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        expiry = http_date(midnight + timedelta(days=days + 1))
        headers = {**version.draft.headers, "Restore": f'ongoing-request="false", expiry-date="{expiry}"'}
        self._store.set_headers(replace(version, draft=replace(version.draft, headers=headers)))
        return {}

    def _lockable(self, ctx: Context, request: Request, action: str) -> Version:
        bucket, version = self._found(ctx, request, action)
        if not bucket.lock:
            raise errors.InvalidRequest("Bucket is missing Object Lock Configuration")
        return version
