"""What is told of changed objects: news within this process, and event records for functions.

A record is written in the transaction of the change itself, and removed once Lambda has taken it over: a crash in
between delivers it again rather than never.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from outcrop.services.changes import ObjectChange, ObjectChanges
from outcrop.services.contract import Context, Contexts, Principal, ServiceError
from outcrop.services.s3.names import owner
from outcrop.services.s3.store import Bucket, BucketStore, Version
from outcrop.storage import Database

log = logging.getLogger(__name__)

SERVICE = "s3.amazonaws.com"
BATCH = 100
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
KEPT_SECONDS = 6 * 3600.0
"""How long a record is offered to a function that takes nothing."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event record on its way to a function."""

    id: int
    account: str
    region: str
    bucket: str
    function: str
    """ARN."""
    payload: str
    created: float
    trace: str
    """`X-Amzn-Trace-Id` of the request that changed the object."""


class Outbox:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, bucket: Bucket, function: str, payload: str, trace: str) -> None:
        self._db.write(
            "INSERT INTO notice (account, region, bucket, function, payload, created, trace) VALUES (?,?,?,?,?,?,?)",
            (bucket.account, bucket.region, bucket.name, function, payload, time.time(), trace),
        )

    def oldest(self, after: int) -> list[Notice]:
        rows = self._db.read("SELECT * FROM notice WHERE id>? ORDER BY id LIMIT ?", (after, BATCH))
        return [Notice(*(row[name] for name in Notice.__dataclass_fields__)) for row in rows]

    def remove(self, notice: Notice) -> None:
        self._db.write("DELETE FROM notice WHERE id=?", (notice.id,))


class Notices:
    """`context(account, region, principal)` is the stack's own."""

    def __init__(
        self,
        buckets: BucketStore,
        outbox: Outbox,
        changes: ObjectChanges,
        context: Contexts,
    ) -> None:
        self._buckets = buckets
        self._outbox = outbox
        self._changes = changes
        self._context = context
        self._task: asyncio.Task[None] | None = None

    def record(self, ctx: Context, bucket: Bucket, version: Version, event: str) -> None:
        """Note that `version` was written or removed. Call it within the transaction of that change."""
        rules = (self._buckets.setting(bucket, "notification") or {}).get("LambdaFunctionConfigurations") or ()
        functions = [rule for rule in rules if concerns(rule, event, version.key)]
        for rule in functions:
            record = _record(ctx, bucket, version, event, rule["Id"])
            self._outbox.add(bucket, rule["LambdaFunctionArn"], json.dumps({"Records": [record]}), ctx.trace_id)
        change = ObjectChange(bucket.account, bucket.region, bucket.name, version.key, event)
        loop = asyncio.get_running_loop()
        loop.call_soon(self._changes.tell, change)  # transactions hold no await: by then this one is committed
        if functions:
            loop.call_soon(self._start)

    async def start(self) -> None:
        """Deliver what an earlier process had not."""
        if self._outbox.oldest(0):
            self._start()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._deliver_all(), name="deliver S3 notifications")

    async def _deliver_all(self) -> None:
        wait = FIRST_WAIT
        while True:
            last = left = 0
            while notices := self._outbox.oldest(last):
                for notice in notices:
                    last = notice.id
                    if await self._deliver(notice):
                        self._outbox.remove(notice)
                    else:
                        left += 1
            if not left:
                return
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    async def _deliver(self, notice: Notice) -> bool:
        """False: to be tried again."""
        ctx = self._context(notice.account, notice.region, as_bucket(notice.bucket), notice.trace)
        request = {
            "FunctionName": notice.function,
            "InvocationType": "Event",
            "Payload": notice.payload.encode(),
        }
        try:
            await ctx.call("lambda", "invoke", request)
        except ServiceError as error:
            if error.status in (429, 500, 503) and time.time() - notice.created < KEPT_SECONDS:
                return False
            log.warning(
                "an event of bucket %s was dropped: %s did not take it: %s: %s",
                notice.bucket,
                notice.function,
                error.code,
                error.message,
            )
        return True


def as_bucket(bucket: str) -> Principal:
    """Who S3 is towards functions: the service, on behalf of a bucket."""
    return Principal(SERVICE, f"arn:aws:s3:::{bucket}", kind="service")


def concerns(rule: Mapping[str, Any], event: str, key: str) -> bool:
    """Whether a configured rule wants to hear of an event such as `ObjectCreated:Put`."""
    family = event.partition(":")[0]
    if not {f"s3:{event}", f"s3:{family}:*"} & set(rule["Events"]):
        return False
    prefix, suffix = affixes(rule)
    return key.startswith(prefix) and key.endswith(suffix)


def affixes(rule: Mapping[str, Any]) -> tuple[str, str]:
    """The prefix and the suffix that a rule's filter asks for."""
    filters: Iterable[Mapping[str, str]] = ((rule.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
    named = {one["Name"].lower(): one.get("Value") or "" for one in filters}
    return named.get("prefix", ""), named.get("suffix", "")


def _record(ctx: Context, bucket: Bucket, version: Version, event: str, rule: str) -> dict[str, Any]:
    removed = event.startswith("ObjectRemoved:")
    about: dict[str, Any] = {"key": quote_plus(version.key, safe="/*-._")}
    if not removed:
        about |= {"size": version.size, "eTag": version.etag}
    elif version.marker:
        about["eTag"] = version.etag
    if bucket.versioning:
        about["versionId"] = version.version
    about["sequencer"] = f"{time.time_ns() // 1000:012X}{version.id & 0xFFFF:04X}"
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": now,
        "eventName": event,
        "userIdentity": {"principalId": f"AWS:{ctx.principal.user_id}" if ctx.principal.user_id else "Anonymous"},
        "requestParameters": {"sourceIPAddress": ctx.source_ip},
        "responseElements": {"x-amz-request-id": ctx.request_id, "x-amz-id-2": secrets.token_urlsafe(48)},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": owner(bucket.account)["ID"]},
                "arn": f"arn:aws:s3:::{bucket.name}",
            },
            "object": about,
        },
    }
