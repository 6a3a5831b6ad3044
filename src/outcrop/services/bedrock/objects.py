"""Objects of buckets, read and written by jobs as the role that they were given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.services.contract import Principal, ServiceError, ValidationException

if TYPE_CHECKING:
    from outcrop.services.bedrock.records import Record
    from outcrop.services.contract import Context, Deps

_PROBE = ".write_access_check_file.tmp"
_CHUNK = 1 << 18


class ObjectError(Exception):
    """An object can't be read or written; the text says why."""


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def join(uri: str, *parts: str) -> str:
    return "/".join([uri.rstrip("/"), *parts])


def as_role(deps: Deps, record: Record) -> Context:
    """A context of the role that the job was given."""
    principal = Principal(str(record.body["roleArn"]), f"{record.id}:bedrock", kind="assumed-role")
    return deps.context(record.account, record.region, principal)


async def check_readable(ctx: Context, uri: str) -> None:
    """Raises ValidationException as AWS words it."""
    bucket, key = split(uri)
    try:
        await ctx.call("s3", "head_object", {"Bucket": bucket, "Key": key})
    except ServiceError:
        raise ValidationException(
            f"Could not validate GetObject permissions to access Amazon S3 bucket: {bucket} at key {key}"
        ) from None


async def check_writable(ctx: Context, uri: str) -> None:
    """Raises ValidationException as AWS words it."""
    bucket, key = split(join(uri, _PROBE))
    try:
        await put(ctx, f"s3://{bucket}/{key}", b"")
        await ctx.call("s3", "delete_object", {"Bucket": bucket, "Key": key})
    except (ObjectError, ServiceError):
        raise ValidationException(
            "Amazon S3 perms missing (PutObject): Could not validate PutObject permissions to access S3 bucket: "
            f"{bucket} at key {key}"
        ) from None


async def fetch(ctx: Context, uri: str, target: Path, limit: int) -> None:
    """Copy an object to a file. Raises ObjectError if it can't be read or has more than `limit` bytes."""
    bucket, key = split(uri)
    try:
        answer = await ctx.call("s3", "get_object", {"Bucket": bucket, "Key": key})
    except ServiceError as error:
        raise ObjectError(f"{uri} can't be read: {error.message or error.code}") from None
    size = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        async for piece in answer["Body"]:
            size += len(piece)
            if size > limit:
                raise ObjectError(f"{uri} is larger than {limit:,} bytes")
            await asyncio.to_thread(file.write, piece)


async def put(ctx: Context, uri: str, body: bytes | Path) -> None:
    """Write an object. Raises ObjectError."""
    bucket, key = split(uri)
    length = body.stat().st_size if isinstance(body, Path) else len(body)
    request: dict[str, Any] = {"Bucket": bucket, "Key": key, "Body": _pieces(body), "ContentLength": length}
    try:
        await ctx.call("s3", "put_object", request)
    except ServiceError as error:
        raise ObjectError(f"{uri} can't be written: {error.message or error.code}") from None


async def _pieces(body: bytes | Path) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    with body.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _CHUNK):
            yield piece


async def list_keys(ctx: Context, uri: str) -> list[str]:
    """The keys at or below a URI, folders' markers left out. Raises ObjectError."""
    bucket, prefix = split(uri)
    keys: list[str] = []
    request: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    while True:
        try:
            listing = await ctx.call("s3", "list_objects_v2", request)
        except ServiceError as error:
            raise ObjectError(f"the bucket {bucket} can't be listed: {error.message or error.code}") from None
        keys += [entry["Key"] for entry in listing.get("Contents", ()) if not entry["Key"].endswith("/")]
        if not listing.get("IsTruncated"):
            return [key for key in keys if key == prefix or key.startswith(prefix.rstrip("/") + "/") or not prefix]
        request["ContinuationToken"] = listing["NextContinuationToken"]
