"""If-Match and its kin, in RFC 9110's order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from outcrop.services.s3 import errors
from outcrop.services.s3.names import http_date, moment
from outcrop.services.s3.store import Version


def check_read(request: Mapping[str, Any], version: Version) -> None:
    """Raises PreconditionFailed, NotModified."""
    match, none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    modified = moment(version.modified)
    if match is not None:
        if not _matches(match, version):
            raise errors.PreconditionFailed(Condition="If-Match")
    elif (since := request.get("IfUnmodifiedSince")) is not None and modified > since:
        raise errors.PreconditionFailed(Condition="If-Unmodified-Since")
    if none_match is not None:
        fresh = _matches(none_match, version)
    else:
        since = request.get("IfModifiedSince")
        fresh = since is not None and modified <= since <= datetime.now(UTC)
    if fresh:
        raise errors.NotModified(headers=(("ETag", f'"{version.etag}"'), ("Last-Modified", http_date(modified))))


def check_source(request: Mapping[str, Any], version: Version) -> None:
    """The conditions on a copy's source. Raises PreconditionFailed."""
    modified = moment(version.modified)
    match, none_match = request.get("CopySourceIfMatch"), request.get("CopySourceIfNoneMatch")
    if match is not None:
        if not _matches(match, version):
            raise errors.PreconditionFailed(Condition="x-amz-copy-source-If-Match")
    elif (since := request.get("CopySourceIfUnmodifiedSince")) is not None and modified > since:
        raise errors.PreconditionFailed(Condition="x-amz-copy-source-If-Unmodified-Since")
    if none_match is not None:
        if _matches(none_match, version):
            raise errors.PreconditionFailed(Condition="x-amz-copy-source-If-None-Match")
    elif (since := request.get("CopySourceIfModifiedSince")) is not None and modified <= since:
        raise errors.PreconditionFailed(Condition="x-amz-copy-source-If-Modified-Since")


def check_write(request: Mapping[str, Any], newest: Version | None) -> None:
    """The conditions on what a write replaces. Raises PreconditionFailed, NoSuchKey, NotImplemented."""
    match, none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if none_match is not None:
        if none_match != "*" or match is not None:
            raise errors.HeaderNotImplemented(Header="If-None-Match", additionalMessage="We don't accept this value")
        if newest is not None and not newest.marker:
            raise errors.PreconditionFailed(Condition="If-None-Match")
    if match is not None:
        if newest is None or newest.marker:
            raise errors.NoSuchKey(Key=request["Key"])
        if not _matches(match, newest):
            raise errors.PreconditionFailed(Condition="If-Match")


def check_delete(request: Mapping[str, Any], version: Version | None) -> None:
    """The conditions on what a deletion removes. Raises PreconditionFailed, NoSuchKey."""
    match = request.get("IfMatch") or request.get("ETag")
    size = request.get("IfMatchSize", request.get("Size"))
    time = request.get("IfMatchLastModifiedTime") or request.get("LastModifiedTime")
    if match is None and size is None and time is None:
        return
    if version is None or version.marker:
        raise errors.NoSuchKey(Key=request["Key"])
    if match is not None and not _matches(match, version):
        raise errors.PreconditionFailed(Condition="If-Match")
    if size is not None and size != version.size:
        raise errors.PreconditionFailed(Condition="x-amz-if-match-size")
    if time is not None and time.replace(microsecond=0) != moment(version.modified):
        raise errors.PreconditionFailed(Condition="x-amz-if-match-last-modified-time")


def _matches(header: str, version: Version) -> bool:
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")}
    return "*" in tags or version.etag in tags
