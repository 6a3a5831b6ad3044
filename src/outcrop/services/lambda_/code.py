"""Archives of code: taken in, checked by unpacking them, kept once however many functions have them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from outcrop.engines.functions.archive import ArchiveTooLarge, BadArchive, unpack
from outcrop.services.contract import Context, ServiceError
from outcrop.services.lambda_.errors import InvalidParameterValueException, RequestTooLargeException
from outcrop.services.lambda_.store import Code, LambdaStore
from outcrop.storage import Blobs, BlobWriter

MAX_ZIP = 50 * 1024 * 1024
MAX_UNPACKED = 250 * 1024 * 1024
LOCATION_SECONDS = 600
PATH = "/_outcrop/lambda/code/"


class CodeStore:
    def __init__(self, store: LambdaStore, blobs: Blobs, directory: Path) -> None:
        self._store = store
        self._blobs = blobs
        self._directory = directory

    async def receive(self, ctx: Context, source: Mapping[str, Any], operation: str) -> Code:
        """Take in `ZipFile`, or the object `S3Bucket`/`S3Key`/`S3ObjectVersion`."""
        if source.get("ImageUri"):
            raise InvalidParameterValueException(
                "Container images can't run here: Outcrop runs functions as processes. Use a zip archive (ZipFile or "
                "S3Bucket and S3Key)."
            )
        writer = self._blobs.create()
        digest = hashlib.sha256()
        try:
            if source.get("ZipFile"):
                if len(source["ZipFile"]) > MAX_ZIP:
                    raise RequestTooLargeException(
                        f"Request must be smaller than 70167211 bytes for the {operation} operation"
                    )
                await asyncio.to_thread(_take, writer, digest, source["ZipFile"])
            elif source.get("S3Bucket") and source.get("S3Key"):
                async for piece in await _get_object(ctx, source):
                    if writer.size + len(piece) > MAX_UNPACKED:
                        raise _too_large()
                    await asyncio.to_thread(_take, writer, digest, piece)
            else:
                raise InvalidParameterValueException("Please provide a source for function code.")
            blob = await writer.commit()
        except BaseException:
            writer.abort()
            raise
        code = Code(digest.hexdigest(), blob.size)
        try:
            await asyncio.to_thread(unpack, self._blobs.path(blob.name), self._folder(code), MAX_UNPACKED)
        except BadArchive:
            self._blobs.delete([blob.name])
            raise InvalidParameterValueException(
                "Could not unzip uploaded file. Please check your file, then try to upload again."
            ) from None
        except ArchiveTooLarge:
            self._blobs.delete([blob.name])
            raise _too_large() from None
        if not self._store.add_code(code, blob.name):
            self._blobs.delete([blob.name])
        return code

    async def unpacked(self, code: Code) -> Path:
        """The folder with the code's files, unpacked again if it was removed."""
        folder = self._folder(code)
        if not folder.exists():
            blob = self._store.blob(code.sha256)
            assert blob is not None, f"the archive {code.sha256} is gone"
            await asyncio.to_thread(unpack, self._blobs.path(blob), folder, MAX_UNPACKED)
        return folder

    def collect(self) -> None:
        """Remove archives that nothing has any more. Their files go at the next start: they may be in use."""
        for _, blob in self._store.drop_unused_code():
            self._blobs.delete([blob])

    def sweep(self) -> None:
        """Remove files of archives that are gone. Blocks; for when nothing runs yet."""
        for folder in self._directory.glob("*"):
            if self._store.blob(folder.name) is None:
                shutil.rmtree(folder, ignore_errors=True)

    # download links

    def location(self, ctx: Context, code: Code) -> str:
        """A link to the archive that works for ten minutes."""
        expires = int(time.time()) + LOCATION_SECONDS
        return f"{ctx.endpoint}{PATH}{code.sha256}/{expires}/{self._sign(code.sha256, expires)}"

    def open_location(self, path: str) -> AsyncIterator[bytes] | None:
        """The archive that a link leads to; None if the link is expired or false."""
        parts = path.removeprefix(PATH).split("/")
        if len(parts) != 3 or not parts[1].isdecimal() or int(parts[1]) < time.time():
            return None
        if not hmac.compare_digest(parts[2].encode(), self._sign(parts[0], int(parts[1])).encode()):
            return None
        blob = self._store.blob(parts[0])
        return self._blobs.read(blob) if blob else None

    def _sign(self, sha256: str, expires: int) -> str:
        key = self._store.secret("locations", secrets.token_hex(32))
        return hmac.new(bytes.fromhex(key), f"{sha256} {expires}".encode(), hashlib.sha256).hexdigest()

    def _folder(self, code: Code) -> Path:
        return self._directory / code.sha256


def shown_digest(code: Code) -> str:
    """CodeSha256 as the API shows it."""
    return base64.b64encode(bytes.fromhex(code.sha256)).decode()


def _take(writer: BlobWriter, digest: Any, data: bytes) -> None:
    digest.update(data)
    writer.append(data)


async def _get_object(ctx: Context, source: Mapping[str, Any]) -> AsyncIterator[bytes]:
    request = {"Bucket": source["S3Bucket"], "Key": source["S3Key"]}
    if source.get("S3ObjectVersion"):
        request["VersionId"] = source["S3ObjectVersion"]
    try:
        answer = await ctx.call("s3", "get_object", request)
    except ServiceError as error:
        raise InvalidParameterValueException(
            f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}"
        ) from None
    body: AsyncIterator[bytes] = answer["Body"]
    return body


def _too_large() -> InvalidParameterValueException:
    return InvalidParameterValueException(f"Unzipped size must be smaller than {MAX_UNPACKED} bytes")
