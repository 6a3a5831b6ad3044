"""Objects of buckets, copied to files that live only while they are read."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from outcrop.services.contract import Context, ServiceError
from outcrop.services.knowledge_bases import sidecars
from outcrop.services.knowledge_bases.ingestion.failures import TOO_LARGE, DocumentFailure
from outcrop.services.knowledge_bases.sidecars import Attributes

MAX_DOCUMENT = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    path: Path
    etag: str
    """As a listing gives it."""


class Staging:
    """The directory of such files. `clear()` removes what a crash left; call it before the first use."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def clear(self) -> None:
        for path in self._directory.glob("*"):
            path.unlink(missing_ok=True)

    def new(self) -> Path:
        """A path where nothing is yet."""
        self._directory.mkdir(parents=True, exist_ok=True)
        return self._directory / uuid.uuid4().hex

    @asynccontextmanager
    async def fetched(self, ctx: Context, uri: str, limit: int = MAX_DOCUMENT) -> AsyncIterator[Fetched]:
        """A copy of `s3://bucket/key`. Raises DocumentFailure if it can't be read or has more than `limit` bytes."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            answer = await ctx.call("s3", "get_object", {"Bucket": bucket, "Key": key})
        except ServiceError as error:
            raise DocumentFailure(f"{uri} can't be read: {error.message or error.code}") from None
        path = self.new()
        try:
            size = 0
            with path.open("wb") as file:
                async for piece in answer["Body"]:
                    size += len(piece)
                    if size > limit:
                        raise DocumentFailure(TOO_LARGE, "too_large")
                    await asyncio.to_thread(file.write, piece)
            yield Fetched(path, answer["ETag"])
        finally:
            path.unlink(missing_ok=True)

    async def attributes(self, ctx: Context, uri: str) -> Attributes:
        """The attributes in a metadata file. Raises DocumentFailure."""
        async with self.fetched(ctx, uri) as sidecar:
            try:
                return sidecars.parse(sidecar.path.read_bytes())
            except sidecars.InvalidAttributes as error:
                raise DocumentFailure(str(error), "bad_metadata") from None
