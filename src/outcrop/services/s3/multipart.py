"""Uploads in parts. Each part is a file; completing an upload strings them together without copying."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.s3 import checksums, conditions, drafts, errors
from outcrop.services.s3.access import Access
from outcrop.services.s3.bodies import Segment, Shelf
from outcrop.services.s3.checksums import Claim
from outcrop.services.s3.copying import Sources
from outcrop.services.s3.names import check_key, moment, owner, url_encoded
from outcrop.services.s3.notices import Notices
from outcrop.services.s3.store import Bucket, BucketStore, ObjectStore, Part, Upload, UploadPart, UploadStore, Version

SMALLEST_PART = 5 << 20
"""Bytes that every part but the last must have."""
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_FULL_ONLY = ("CRC64NVME",)


class Uploads:
    def __init__(
        self,
        buckets: BucketStore,
        objects: ObjectStore,
        store: UploadStore,
        access: Access,
        sources: Sources,
        shelf: Shelf,
        notices: Notices,
    ) -> None:
        self._buckets = buckets
        self._objects = objects
        self._store = store
        self._access = access
        self._sources = sources
        self._shelf = shelf
        self._notices = notices

    async def create_multipart_upload(self, ctx: Context, request: Request) -> Result:
        key = check_key(request["Key"])
        bucket = self._access.bucket(ctx, request, "s3:PutObject", key)
        about = drafts.draft(ctx, self._buckets, bucket, request)
        algorithm, checksum_type = _checksum_plan(request)
        upload = self._store.create(bucket, key, about, algorithm, checksum_type)
        shown = {
            "Bucket": bucket.name,
            "Key": key,
            "UploadId": upload.id,
            **drafts.encryption_shown(about.headers),
        }
        return {**shown, "ChecksumAlgorithm": algorithm, "ChecksumType": checksum_type} if algorithm else shown

    async def upload_part(self, ctx: Context, request: Request) -> Result:
        upload = self._upload(ctx, request)
        drafts.check_customer_key(request, upload.draft.headers)
        body = request.get("Body")
        claim = Claim.of(request)
        part = await self._receive(upload, request, body, claim)
        algorithm = upload.algorithm or claim.algorithm or ""
        return {
            "ETag": f'"{part.md5}"',
            **({checksums.member(algorithm): part.checksums[algorithm]} if algorithm in part.checksums else {}),
            **drafts.encryption_shown(upload.draft.headers),
        }

    async def upload_part_copy(self, ctx: Context, request: Request) -> Result:
        upload = self._upload(ctx, request)
        source_bucket, source = self._sources.find(ctx, request)
        start, end = _copied_range(request.get("CopySourceRange"), source)
        content = self._objects.content(source)
        part = await self._receive(upload, request, self._shelf.read(content, start, end), Claim())
        shown = {"ETag": f'"{part.md5}"', "LastModified": moment(part.modified)}
        if upload.algorithm:
            shown[checksums.member(upload.algorithm)] = part.checksums[upload.algorithm]
        return {
            "CopyPartResult": shown,
            **drafts.encryption_shown(upload.draft.headers),
            **({"CopySourceVersionId": source.version} if source_bucket.versioning else {}),
        }

    async def _receive(
        self, upload: Upload, request: Request, body: AsyncIterator[bytes] | bytes | None, claim: Claim
    ) -> UploadPart:
        number = request["PartNumber"]
        if not 1 <= number <= 10_000:
            raise errors.InvalidArgument(
                "Part number must be an integer between 1 and 10000, inclusive",
                ArgumentName="partNumber",
                ArgumentValue=str(number),
            )
        if upload.algorithm and claim.algorithm and claim.algorithm != upload.algorithm:
            raise errors.InvalidRequest(
                f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm.lower()}, actual checksum "
                f"Type: {claim.algorithm.lower()}"
            )
        algorithm = upload.algorithm or checksums.DEFAULT
        received = await self._shelf.receive(body, claim, compute=(algorithm,), inline=-1)
        (blob,) = received.blobs
        part = UploadPart(number, blob, received.size, received.md5.hex(), received.checksums, time.time())
        try:
            with self._store.transaction():
                if self._store.by_seq(upload.seq) is None:
                    raise errors.NoSuchUpload(UploadId=upload.id)
                replaced = self._store.put_part(upload, part)
        except BaseException:
            await self._shelf.discard((blob,))
            raise
        await self._shelf.discard(replaced)
        return part

    async def complete_multipart_upload(self, ctx: Context, request: Request) -> Result:
        key = check_key(request["Key"])
        bucket = self._access.bucket(ctx, request, "s3:PutObject", key)
        named = (request.get("MultipartUpload") or {}).get("Parts") or []
        with self._store.transaction():
            upload = self._store.get(bucket, key, request["UploadId"])
            if upload is None:
                done = self._completed(bucket, key, request["UploadId"])
                return _completed_shown(ctx, bucket, done)
            if not named:
                raise errors.MalformedXML
            bucket = self._access.find(bucket.name)
            conditions.check_write(request, self._objects.newest(bucket, key))
            parts = _chosen(named, self._store.parts(upload), upload)
            size = sum(part.size for part in parts)
            if request.get("MpuObjectSize") is not None and request["MpuObjectSize"] != size:
                raise errors.InvalidRequest(
                    f"The provided 'x-amz-mp-object-size' header value {request['MpuObjectSize']} does not match what "
                    f"was computed: {size}"
                )
            digests = _whole_checksum(upload, parts)
            _check_stated(request, upload, digests)
            hashes = hashlib.md5(b"".join(bytes.fromhex(part.md5) for part in parts), usedforsecurity=False)
            version = drafts.fresh(
                key,
                upload.draft,
                etag=f"{hashes.hexdigest()}-{len(parts)}",
                size=size,
                digests=digests,
                checksum_type=upload.checksum_type or "FULL_OBJECT",
                parts=len(parts),
                upload=upload.id,
            )
            segments = tuple(Segment(part.blob, part.size) for part in parts)
            used = {part.blob for part in parts}
            unused = [blob for blob in self._store.delete(upload) if blob not in used]
            added = self._objects.add(
                bucket, version, segments, [Part(part.number, part.size, part.checksums) for part in parts]
            )
            self._notices.record(ctx, bucket, added.version, "ObjectCreated:CompleteMultipartUpload")
        await self._shelf.discard([*added.doomed, *unused])
        return _completed_shown(ctx, bucket, added.version)

    def _completed(self, bucket: Bucket, key: str, upload_id: str) -> Version:
        """What a client that completes an upload a second time means. Raises NoSuchUpload."""
        newest = self._objects.newest(bucket, key)
        if newest is None or newest.upload != upload_id or not upload_id:
            raise errors.NoSuchUpload(UploadId=upload_id)
        return newest

    async def abort_multipart_upload(self, ctx: Context, request: Request) -> Result:
        upload = self._upload(ctx, request, "s3:AbortMultipartUpload")
        await self._shelf.discard(self._store.delete(upload))
        return {}

    async def list_parts(self, ctx: Context, request: Request) -> Result:
        upload = self._upload(ctx, request, "s3:ListMultipartUploadParts")
        limit, after = limit_of(request, "MaxParts", "max-parts"), request.get("PartNumberMarker") or 0
        found = self._store.parts(upload, after, limit + 1)
        parts = found[:limit]
        user = owner(upload.draft.owner)
        result: dict[str, Any] = {
            "Bucket": request["Bucket"],
            "Key": upload.key,
            "UploadId": upload.id,
            "PartNumberMarker": after,
            "NextPartNumberMarker": parts[-1].number if parts else 0,
            "MaxParts": limit,
            "IsTruncated": len(found) > limit,
            "Initiator": user,
            "Owner": user,
            "StorageClass": upload.draft.storage_class,
        }
        if parts:
            result["Parts"] = [
                {
                    "PartNumber": part.number,
                    "LastModified": moment(part.modified),
                    "ETag": f'"{part.md5}"',
                    "Size": part.size,
                    **{
                        checksums.member(name): value
                        for name, value in part.checksums.items()
                        if name == upload.algorithm
                    },
                }
                for part in parts
            ]
        if upload.algorithm:
            result |= {"ChecksumAlgorithm": upload.algorithm, "ChecksumType": upload.checksum_type}
        return result

    def _upload(self, ctx: Context, request: Request, action: str = "s3:PutObject") -> Upload:
        """Raises NoSuchUpload."""
        key = check_key(request["Key"])
        bucket = self._access.bucket(ctx, request, action, key)
        upload = self._store.get(bucket, key, request["UploadId"])
        if upload is None:
            raise errors.NoSuchUpload(UploadId=request["UploadId"])
        return upload


def _checksum_plan(request: Mapping[str, Any]) -> tuple[str, str]:
    """Algorithm and type of the checksums that the client will send; empty for none. Raises InvalidRequest."""
    algorithm, checksum_type = request.get("ChecksumAlgorithm") or "", request.get("ChecksumType") or ""
    if not algorithm:
        if checksum_type:
            raise errors.InvalidRequest(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )
        return "", ""
    if algorithm not in checksums.ALGORITHMS:
        raise errors.InvalidRequest(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
        )
    if not checksum_type:
        checksum_type = "FULL_OBJECT" if algorithm in _FULL_ONLY else "COMPOSITE"
    unfit = algorithm in _FULL_ONLY if checksum_type == "COMPOSITE" else algorithm not in checksums.LINEAR
    if unfit:
        raise errors.InvalidRequest(
            f"The {checksum_type} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        )
    return algorithm, checksum_type


def _chosen(named: Sequence[Mapping[str, Any]], uploaded: Sequence[UploadPart], upload: Upload) -> list[UploadPart]:
    """The parts that a completion names, verified. Raises InvalidPart, InvalidPartOrder, EntityTooSmall."""
    by_number = {part.number: part for part in uploaded}
    chosen: list[UploadPart] = []
    for one in named:
        number, etag = one.get("PartNumber"), (one.get("ETag") or "").strip('"')
        if number is None:
            raise errors.MalformedXML
        if chosen and number <= chosen[-1].number:
            raise errors.InvalidPartOrder(UploadId=upload.id)
        part = by_number.get(number)
        if part is None or part.md5 != etag:
            raise errors.InvalidPart(UploadId=upload.id, PartNumber=str(number), ETag=etag)
        stated = checksums.stated(one)
        if upload.checksum_type == "COMPOSITE" and upload.algorithm not in stated:
            raise errors.InvalidRequest(
                f"The upload was created using a {upload.algorithm.lower()} checksum. The complete request must "
                f"include the checksum for each part. It was missing for part {number} in the request."
            )
        for algorithm, value in stated.items():
            if algorithm in part.checksums and part.checksums[algorithm] != value:
                raise errors.InvalidPart(UploadId=upload.id, PartNumber=str(number), ETag=etag)
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < SMALLEST_PART:
            raise errors.EntityTooSmall(
                ProposedSize=str(part.size),
                MinSizeAllowed=str(SMALLEST_PART),
                PartNumber=str(part.number),
                ETag=part.md5,
            )
    return chosen


def _whole_checksum(upload: Upload, parts: Sequence[UploadPart]) -> dict[str, str]:
    algorithm = upload.algorithm or checksums.DEFAULT
    if upload.checksum_type == "COMPOSITE":
        return {algorithm: checksums.composite(algorithm, [part.checksums[algorithm] for part in parts])}
    return {algorithm: checksums.combine(algorithm, [(part.checksums[algorithm], part.size) for part in parts])}


def _check_stated(request: Request, upload: Upload, digests: Mapping[str, str]) -> None:
    """The whole object's checksum as the completion states it. Raises BadDigest, InvalidRequest."""
    checksum_type = request.get("ChecksumType")
    if checksum_type and upload.algorithm and checksum_type != upload.checksum_type:
        raise errors.InvalidRequest(
            f"The upload was created using the {upload.checksum_type} checksum mode. The complete request must use "
            "the same checksum mode."
        )
    for algorithm, value in checksums.stated(request).items():
        if algorithm in digests and value.partition("-")[0] != digests[algorithm].partition("-")[0]:
            raise checksums.mismatch(algorithm.lower())


def _completed_shown(ctx: Context, bucket: Bucket, version: Version) -> Result:
    return {
        "Location": f"{ctx.endpoint}/{bucket.name}/{url_encoded(version.key)}",
        "Bucket": bucket.name,
        "Key": version.key,
        "ETag": f'"{version.etag}"',
        **drafts.checksums_shown(version),
        **{
            name: value
            for name, value in drafts.encryption_shown(version.draft.headers).items()
            if not name.startswith("SSECustomer")
        },
        **drafts.version_shown(bucket, version),
    }


def _copied_range(text: str | None, source: Version) -> tuple[int, int]:
    """Raises InvalidArgument."""
    if text is None:
        return 0, source.size
    match = _RANGE.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise errors.InvalidArgument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=text,
        )
    first, last = int(match[1]), int(match[2])
    if last >= source.size:
        raise errors.InvalidRange(
            f"Range specified is not valid for source object of size: {source.size}", RangeRequested=text
        )
    return first, last + 1


def limit_of(request: Request, member: str, argument: str) -> int:
    """A page's size. Raises InvalidArgument."""
    value = request.get(member)
    if value is None:
        return 1000
    if not 0 <= value <= 2147483647:
        raise errors.InvalidArgument(
            f"Argument {argument} must be an integer between 0 and 2147483647",
            ArgumentName=argument,
            ArgumentValue=str(value),
        )
    return int(min(value, 1000))
