"""Listings: objects, versions, uploads."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import partial
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.s3 import errors
from outcrop.services.s3.access import Access
from outcrop.services.s3.listing import Page, page
from outcrop.services.s3.multipart import limit_of
from outcrop.services.s3.names import moment, owner, url_encoded
from outcrop.services.s3.reading import check_version_id
from outcrop.services.s3.store import (
    Bucket,
    ObjectStore,
    Seek,
    UploadStore,
    Version,
    upload_place,
    version_place,
)

_INFINITY = float("inf")


class Lists:
    def __init__(self, objects: ObjectStore, uploads: UploadStore, access: Access) -> None:
        self._objects = objects
        self._uploads = uploads
        self._access = access

    async def list_objects(self, ctx: Context, request: Request) -> Result:
        bucket = self._access.bucket(ctx, request, "s3:ListBucket")
        marker, limit = request.get("Marker") or "", limit_of(request, "MaxKeys", "max-keys")
        found = self._page(bucket, request, marker, limit)
        encode = _encoder(request)
        result = {
            **_common(bucket, request, found, encode),
            "Marker": encode(marker),
            "MaxKeys": limit,
            **_contents(found, encode, show_owner=True),
        }
        if found.truncated and request.get("Delimiter"):
            result["NextMarker"] = encode(found.last)
        return result

    async def list_objects_v2(self, ctx: Context, request: Request) -> Result:
        bucket = self._access.bucket(ctx, request, "s3:ListBucket")
        token, start, limit = (
            request.get("ContinuationToken"),
            request.get("StartAfter"),
            limit_of(request, "MaxKeys", "max-keys"),
        )
        found = self._page(bucket, request, start or "" if token is None else _untoken(token), limit)
        encode = _encoder(request)
        result = {
            **_common(bucket, request, found, encode),
            "MaxKeys": limit,
            "KeyCount": len(found.items) + len(found.prefixes),
            **_contents(found, encode, show_owner=bool(request.get("FetchOwner"))),
        }
        if token is not None:
            result["ContinuationToken"] = token
        if start is not None:
            result["StartAfter"] = encode(start)
        if found.truncated:
            result["NextContinuationToken"] = _token(found.last)
        return result

    def _page(self, bucket: Bucket, request: Request, after: str, limit: int) -> Page[Version]:
        return page(
            partial(self._objects.page, bucket),
            request.get("Prefix") or "",
            request.get("Delimiter") or "",
            Seek(after, _INFINITY) if after else None,
            limit,
        )

    async def list_object_versions(self, ctx: Context, request: Request) -> Result:
        bucket = self._access.bucket(ctx, request, "s3:ListBucketVersions")
        key_marker, version_marker = request.get("KeyMarker") or "", request.get("VersionIdMarker") or ""
        if version_marker and not key_marker:
            raise errors.InvalidArgument(
                "A version-id marker cannot be specified without a key marker.",
                ArgumentName="version-id-marker",
                ArgumentValue=version_marker,
            )
        limit = limit_of(request, "MaxKeys", "max-keys")
        found = page(
            partial(self._objects.page_versions, bucket),
            request.get("Prefix") or "",
            request.get("Delimiter") or "",
            Seek(key_marker, self._version_rank(bucket, key_marker, version_marker)) if key_marker else None,
            limit,
        )
        encode = _encoder(request)
        result = {
            **_common(bucket, request, found, encode),
            "KeyMarker": encode(key_marker),
            "VersionIdMarker": version_marker,
            "MaxKeys": limit,
        }
        versions, markers = [], []
        for item in found.items:
            version = item.version
            shown = {
                "Key": encode(version.key),
                "VersionId": version.version,
                "IsLatest": item.latest,
                "LastModified": moment(version.modified),
                "Owner": owner(version.draft.owner),
            }
            if version.marker:
                markers.append(shown)
            else:
                versions.append({**shown, **_described(version)})
        if versions:
            result["Versions"] = versions
        if markers:
            result["DeleteMarkers"] = markers
        if found.truncated:
            result["NextKeyMarker"] = encode(found.last)
            if found.last_item is not None:
                result["NextVersionIdMarker"] = found.last_item.version.version
        return result

    def _version_rank(self, bucket: Bucket, key: str, version_id: str) -> float:
        """Where the versions behind a marker begin, even if the marker's own version is gone."""
        if not version_id:
            return _INFINITY
        check_version_id(version_id)
        place = version_place(version_id)
        if place is None and (version := self._objects.version(bucket, key, version_id)):
            place = version.id
        return -_INFINITY if place is None else -place

    async def list_multipart_uploads(self, ctx: Context, request: Request) -> Result:
        bucket = self._access.bucket(ctx, request, "s3:ListBucketMultipartUploads")
        key_marker, upload_marker = request.get("KeyMarker") or "", request.get("UploadIdMarker") or ""
        limit = limit_of(request, "MaxUploads", "max-uploads")
        rank = _INFINITY
        if key_marker and upload_marker:
            place = upload_place(upload_marker)
            if place is None:
                raise errors.InvalidArgument(
                    "Invalid uploadId marker", ArgumentName="upload-id-marker", ArgumentValue=upload_marker
                )
            rank = place
        found = page(
            partial(self._uploads.page, bucket),
            request.get("Prefix") or "",
            request.get("Delimiter") or "",
            Seek(key_marker, rank) if key_marker else None,
            limit,
        )
        encode = _encoder(request)
        result = _common(bucket, request, found, encode)
        del result["Name"]
        result |= {
            "Bucket": bucket.name,
            "KeyMarker": encode(key_marker),
            "UploadIdMarker": upload_marker,
            "MaxUploads": limit,
        }
        if found.items:
            result["Uploads"] = [
                {
                    "UploadId": upload.id,
                    "Key": encode(upload.key),
                    "Initiated": moment(upload.initiated),
                    "StorageClass": upload.draft.storage_class,
                    "Owner": owner(upload.draft.owner),
                    "Initiator": owner(upload.draft.owner),
                    **(
                        {"ChecksumAlgorithm": upload.algorithm, "ChecksumType": upload.checksum_type}
                        if upload.algorithm
                        else {}
                    ),
                }
                for upload in found.items
            ]
        if found.truncated:
            result["NextKeyMarker"] = encode(found.last)
            result["NextUploadIdMarker"] = found.last_item.id if found.last_item is not None else ""
        return result


def _common(bucket: Bucket, request: Request, found: Page[Any], encode: Callable[[str], str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "Name": bucket.name,
        "Prefix": encode(request.get("Prefix") or ""),
        "IsTruncated": found.truncated,
    }
    if request.get("Delimiter"):
        result["Delimiter"] = encode(request["Delimiter"])
    if request.get("EncodingType"):
        result["EncodingType"] = request["EncodingType"]
    if found.prefixes:
        result["CommonPrefixes"] = [{"Prefix": encode(prefix)} for prefix in found.prefixes]
    return result


def _contents(found: Page[Version], encode: Callable[[str], str], *, show_owner: bool) -> dict[str, Any]:
    if not found.items:
        return {}
    return {
        "Contents": [
            {"Key": encode(item.key), "LastModified": moment(item.modified), **_described(item)}
            | ({"Owner": owner(item.draft.owner)} if show_owner else {})
            for item in found.items
        ]
    }


def _described(version: Version) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "ETag": f'"{version.etag}"',
        "Size": version.size,
        "StorageClass": version.draft.storage_class,
    }
    if version.checksums:
        shown |= {"ChecksumAlgorithm": list(version.checksums), "ChecksumType": version.checksum_type}
    return shown


def _encoder(request: Request) -> Callable[[str], str]:
    kind = request.get("EncodingType")
    if kind not in (None, "url"):
        raise errors.InvalidArgument(
            "Invalid Encoding Method specified in Request", ArgumentName="encoding-type", ArgumentValue=kind
        )
    return url_encoded if kind else str


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(b"1" + last.encode()).decode()


def _untoken(token: str) -> str:
    """Raises InvalidArgument."""
    try:
        raw = base64.urlsafe_b64decode(token)
        if raw[:1] == b"1":
            return raw[1:].decode()
    except (binascii.Error, ValueError):
        pass
    raise errors.InvalidArgument(
        "The continuation token provided is incorrect", ArgumentName="continuation-token", ArgumentValue=token
    )
