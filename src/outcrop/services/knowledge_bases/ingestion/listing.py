"""What a data source holds now, written into the job's table."""

from __future__ import annotations

import asyncio
from typing import Any

from outcrop.services.contract import Context, ServiceError
from outcrop.services.knowledge_bases import sidecars
from outcrop.services.knowledge_bases.ingestion.failures import SourceFailure
from outcrop.services.knowledge_bases.store import Crawled, DataSource, KnowledgeBaseStore


async def crawl(store: KnowledgeBaseStore, ctx: Context, source: DataSource, job_id: str) -> None:
    """List the source anew. Raises SourceFailure."""
    store.forget_crawl(job_id)
    configuration = source.body["dataSourceConfiguration"]["s3Configuration"]
    bucket = configuration["bucketArn"].rsplit(":", 1)[-1]
    for prefix in configuration.get("inclusionPrefixes") or [""]:
        await _list(store, ctx, job_id, bucket, prefix, configuration.get("bucketOwnerAccountId"))
    after = ""
    while after := store.match_sidecars(job_id, sidecars.SUFFIX, after):  # noqa: ASYNC110 - lets others run
        await asyncio.sleep(0)
    store.finish_crawl(job_id, sidecars.SUFFIX)


async def _list(
    store: KnowledgeBaseStore, ctx: Context, job_id: str, bucket: str, prefix: str, owner: str | None
) -> None:
    request: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    if owner:
        request["ExpectedBucketOwner"] = owner
    while True:
        try:
            listing = await ctx.call("s3", "list_objects_v2", request)
        except ServiceError as error:
            raise SourceFailure(
                f"Encountered error: the bucket {bucket} can't be listed: {error.message or error.code}. "
                "Call to Customer Source did not succeed."
            ) from None
        store.add_crawled(
            job_id,
            [
                Crawled(f"s3://{bucket}/{item['Key']}", item["ETag"], item["Size"], None)
                for item in listing.get("Contents", ())
                if not item["Key"].endswith("/")
            ],
        )
        if not listing.get("IsTruncated"):
            return
        request["ContinuationToken"] = listing["NextContinuationToken"]
