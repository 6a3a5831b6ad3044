"""Objects on their way out: which version, which bytes, which headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outcrop.services.contract import Context
from outcrop.services.s3 import errors
from outcrop.services.s3.access import Access
from outcrop.services.s3.checksums import member
from outcrop.services.s3.drafts import CONTENT_HEADERS, checksums_shown, encryption_shown, version_shown
from outcrop.services.s3.names import http_date, moment
from outcrop.services.s3.store import NULL, Bucket, ObjectStore, Version, version_place

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)
_ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end` (exclusive) of an object."""

    start: int
    end: int
    part: int | None = None
    """The number of the part, where the client asked for one."""


_METHODS = {"Put": "PUT", "Del": "DELETE", "Res": "POST"}
"""Of the actions that begin so."""


class Reading:
    def __init__(self, store: ObjectStore, access: Access) -> None:
        self._store = store
        self._access = access

    def find(
        self, ctx: Context, bucket: Bucket, key: str, version_id: str | None, action: str = "s3:GetObject"
    ) -> Version:
        """The version that a request means. Raises NoSuchKey, NoSuchVersion, MethodNotAllowed, AccessDenied."""
        found = self.look(bucket, key, version_id)
        self._access.object(ctx, bucket, action, key, found)
        if found is None:
            if version_id is None:
                raise errors.NoSuchKey(Key=key)
            raise errors.NoSuchVersion(Key=key, VersionId=version_id)
        if found.marker:
            headers = (("x-amz-delete-marker", "true"), ("x-amz-version-id", found.version))
            if version_id is None:
                raise errors.NoSuchKey(Key=key, headers=headers)
            raise errors.MethodNotAllowed(
                Method=_METHODS.get(action[3:6], "GET"),
                ResourceType="DeleteMarker",
                headers=(*headers, ("Allow", "DELETE")),
            )
        return found

    def look(self, bucket: Bucket, key: str, version_id: str | None) -> Version | None:
        """The version, marker or not; None if there is none. Raises InvalidArgument for what is no version id."""
        if version_id is None:
            return self._store.newest(bucket, key)
        check_version_id(version_id)
        return self._store.version(bucket, key, version_id)

    def span(self, request: Mapping[str, Any], version: Version) -> Span | None:
        """The bytes that a request means; None for all. Raises InvalidRange, InvalidPartNumber, InvalidRequest."""
        wanted, part = request.get("Range"), request.get("PartNumber")
        if part is not None:
            if wanted is not None:
                raise errors.InvalidRequest("Cannot specify both Range header and partNumber query parameter")
            return self._part(part, version)
        match = _RANGE.fullmatch(wanted or "")
        if match is None or match.groups() == ("", ""):
            return None
        first, last = match.groups()
        size = version.size
        if first:
            start, end = int(first), min(int(last) + 1, size) if last else size
            if last and int(last) < start:
                return None
        else:
            start, end = max(size - int(last), 0), size
        if start >= size:
            raise errors.InvalidRange(
                RangeRequested=str(wanted), ActualObjectSize=str(size), headers=(("Content-Range", f"bytes */{size}"),)
            )
        return Span(start, end)

    def _part(self, number: int, version: Version) -> Span:
        if not 1 <= number <= 10_000:
            raise errors.InvalidArgument(
                "Part number must be an integer between 1 and 10000, inclusive",
                ArgumentName="partNumber",
                ArgumentValue=str(number),
            )
        if not version.parts:
            if number > 1:
                raise errors.InvalidPartNumber(PartNumberRequested=str(number), ActualPartCount="1")
            return Span(0, version.size, 1)
        start = 0
        for part in self._store.parts(version):
            if part.number == number:
                return Span(start, start + part.size, number)
            start += part.size
        raise errors.InvalidPartNumber(PartNumberRequested=str(number), ActualPartCount=str(version.parts))

    def shown(
        self, ctx: Context, request: Mapping[str, Any], bucket: Bucket, version: Version, span: Span | None
    ) -> dict[str, Any]:
        """All that GetObject and HeadObject answer beside the body."""
        about = version.draft
        result: dict[str, Any] = {
            "AcceptRanges": "bytes",
            "LastModified": moment(version.modified),
            "ContentLength": version.size if span is None else span.end - span.start,
            "ETag": f'"{version.etag}"',
            "Metadata": dict(about.metadata),
            **{name: about.headers[name] for name in CONTENT_HEADERS if name in about.headers},
            **encryption_shown(about.headers),
            **version_shown(bucket, version),
        }
        if about.storage_class != "STANDARD":
            result["StorageClass"] = about.storage_class
        if "WebsiteRedirectLocation" in about.headers:
            result["WebsiteRedirectLocation"] = about.headers["WebsiteRedirectLocation"]
        if about.tags:
            result["TagCount"] = len(about.tags)
        if span is not None and version.size:
            result["ContentRange"] = f"bytes {span.start}-{span.end - 1}/{version.size}"
        if span is not None and span.part is not None and version.parts:
            result["PartsCount"] = version.parts
        if request.get("ChecksumMode") == "ENABLED":
            result |= self._checksums(version, span)
        result |= hold_shown(about.hold)
        if "Restore" in about.headers:
            result["Restore"] = about.headers["Restore"]
        return result | _overrides(ctx, request)

    def _checksums(self, version: Version, span: Span | None) -> dict[str, Any]:
        if span is None or ((span.start, span.end) == (0, version.size) and not version.parts):
            return checksums_shown(version)
        if span.part is None:
            return {}
        digests = next(iter(self._store.parts(version, span.part - 1, 1))).checksums
        kept = {member(name): value for name, value in digests.items() if name in version.checksums}
        return {**kept, "ChecksumType": version.checksum_type} if kept else {}


def check_version_id(version_id: str) -> None:
    """Raises InvalidArgument."""
    if version_id != NULL and version_place(version_id) is None:
        raise errors.InvalidArgument("Invalid version id specified", ArgumentName="versionId", ArgumentValue=version_id)


def check_active(version: Version) -> None:
    """Raises InvalidObjectState for what lies in an archive."""
    if version.draft.storage_class in _ARCHIVED and "Restore" not in version.draft.headers:
        raise errors.InvalidObjectState(StorageClass=version.draft.storage_class)


def hold_shown(hold: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if "Mode" in hold:
        shown["ObjectLockMode"] = hold["Mode"]
        shown["ObjectLockRetainUntilDate"] = moment(hold["RetainUntilDate"])
    if "LegalHold" in hold:
        shown["ObjectLockLegalHoldStatus"] = hold["LegalHold"]
    return shown


def _overrides(ctx: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: request[f"Response{name}"] for name in CONTENT_HEADERS if request.get(f"Response{name}") is not None}
    if given and ctx.principal.kind == "anonymous":
        raise errors.InvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
    if "Expires" in given:
        given["Expires"] = http_date(given["Expires"])
    return given
