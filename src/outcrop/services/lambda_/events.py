"""Asynchronous invocations: kept until they are done, retried as AWS does."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from outcrop.engines.functions.pace import Pace
from outcrop.services.contract import Context, ServiceError
from outcrop.services.lambda_ import lookup
from outcrop.services.lambda_.errors import ResourceNotFoundException, TooManyRequestsException
from outcrop.services.lambda_.metrics import Metrics
from outcrop.services.lambda_.names import LATEST, FunctionName
from outcrop.services.lambda_.runner import Ran, Runner
from outcrop.services.lambda_.store import Event, LambdaStore, Version

log = logging.getLogger(__name__)

AT_ONCE = max(8, 4 * (os.cpu_count() or 1))
"""Events that are delivered at a time, so that a thousand new objects in a bucket don't start a thousand processes."""
LONG_SECONDS = 5.0
"""A handler that takes longer lets the next event go on: it may be waiting for it."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds."""

    retries: tuple[float, ...] = (60.0, 120.0)
    """Waits before the attempts that follow a function's error."""
    throttle_first: float = 1.0
    """The wait after a throttled attempt; it doubles up to `throttle_most`."""
    throttle_most: float = 300.0
    max_age: float = 21_600.0


class Events:
    """`context(account, region)` is Lambda's own."""

    def __init__(
        self,
        store: LambdaStore,
        runner: Runner,
        metrics: Metrics,
        context: Callable[[str, str], Context],
        schedule: Schedule,
    ) -> None:
        self._store = store
        self._runner = runner
        self._metrics = metrics
        self._context = context
        self._schedule = schedule
        self._pace = Pace(AT_ONCE, LONG_SECONDS)
        self._delivering: set[asyncio.Task[None]] = set()

    def add(self, event: Event) -> None:
        """Keep an event and start delivering it. Once this returns, a crash can't lose it."""
        self._store.add_event(event)
        self._start(event.id)
        self._metrics.record(event.name, AsyncEventsReceived=1)

    def resume(self) -> None:
        """Go on with what an earlier process had taken in."""
        for event_id in self._store.event_ids():
            self._start(event_id)

    async def stop(self) -> None:
        for task in self._delivering:
            task.cancel()
        await asyncio.gather(*self._delivering, return_exceptions=True)

    def _start(self, event_id: str) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver_safely(event_id), name=f"deliver event {event_id}")
        self._delivering.add(task)
        task.add_done_callback(self._delivering.discard)

    async def _deliver_safely(self, event_id: str) -> None:
        try:
            await self._deliver(event_id)
        except Exception:
            log.exception("event %s is not delivered: it stays for the next start", event_id)

    def drop_loop(self, name: FunctionName) -> None:
        """Note that an invocation which the function caused itself was refused."""
        self._metrics.record(name, RecursiveInvocationsDropped=1)

    async def _deliver(self, event_id: str) -> None:
        throttle = self._schedule.throttle_first
        while (event := self._store.event(event_id)) is not None:
            if (wait := event.due_at - time.time()) > 0:
                await asyncio.sleep(wait)
            try:
                function = lookup.function(self._store, event.name)
                version = lookup.routed(self._store, function, event.name)
            except ResourceNotFoundException:
                self._drop(event)
                return
            settings = self._settings(event, function.id)
            if time.time() - event.created_at > settings["MaximumEventAgeInSeconds"]:
                await self._finish(event, version, None, "EventAgeExceeded", settings)
                return
            self._metrics.record(event.name, AsyncEventAge=(time.time() - event.created_at) * 1000)
            try:
                async with self._pace.turn():
                    ran = await self._runner.run(
                        function,
                        version,
                        event.name,
                        event.payload,
                        event.id,
                        client_context=event.client_context,
                        trace_id=event.trace,
                    )
            except TooManyRequestsException:
                self._store.postpone_event(event.id, event.attempts, time.time() + throttle)
                throttle = min(2 * throttle, self._schedule.throttle_most)
                continue
            attempts = event.attempts + 1
            if not ran.failed:
                await self._finish(event, version, ran, "Success", settings)
            elif attempts > settings["MaximumRetryAttempts"]:
                await self._finish(event, version, ran, "RetriesExhausted", settings)
            else:
                waits = self._schedule.retries
                self._store.postpone_event(event.id, attempts, time.time() + waits[min(attempts, len(waits)) - 1])

    def _settings(self, event: Event, function: int) -> dict[str, Any]:
        qualifier = "" if event.name.qualifier == LATEST else event.name.qualifier
        config = self._store.config("event_config", function, qualifier)
        defaults = {
            "MaximumRetryAttempts": len(self._schedule.retries),
            "MaximumEventAgeInSeconds": self._schedule.max_age,
        }
        return {**defaults, **(config.settings if config else {})}

    def _drop(self, event: Event) -> None:
        self._store.delete_event(event.id)
        self._metrics.record(event.name, AsyncEventsDropped=1)

    async def _finish(
        self, event: Event, version: Version, ran: Ran | None, condition: str, settings: dict[str, Any]
    ) -> None:
        """Send the result to the destination, if there is one, and forget the event."""
        side = "OnSuccess" if condition == "Success" else "OnFailure"
        destination = settings.get("DestinationConfig", {}).get(side, {}).get("Destination")
        if destination:
            record = _destination_record(event, version, ran, condition)
            ctx = self._context(event.name.account, event.name.region)
            try:
                await _send(ctx, event, destination, json.dumps(record).encode())
            except ServiceError:
                self._metrics.record(event.name, DestinationDeliveryFailures=1)
        if condition == "Success":
            self._store.delete_event(event.id)
        else:
            self._drop(event)


async def _send(ctx: Context, event: Event, destination: str, record: bytes) -> None:
    if not destination.startswith("arn:aws:s3:::"):
        request = {"FunctionName": destination, "InvocationType": "Event", "Payload": record}
        await ctx.call("lambda", "invoke", request)
        return
    now = datetime.now(UTC)
    key = f"aws/lambda/async/{event.name.name}/{now:%Y/%m/%d}/{now:%Y-%m-%dT%H.%M.%S}-{event.id}"
    bucket = destination.removeprefix("arn:aws:s3:::")
    await ctx.call(
        "s3", "put_object", {"Bucket": bucket, "Key": key, "Body": _once(record), "ContentType": "application/json"}
    )


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _destination_record(event: Event, version: Version, ran: Ran | None, condition: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": now,
        "requestContext": {
            "requestId": event.id,
            "functionArn": f"{event.name.arn}:{event.name.qualifier or LATEST}",
            "condition": condition,
            "approximateInvokeCount": event.attempts + (ran is not None),
        },
        "requestPayload": json.loads(event.payload),
    }
    if ran is not None:
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": version.version}
        if ran.failed:
            context["functionError"] = "Unhandled"
        record["responseContext"] = context
        record["responsePayload"] = json.loads(ran.outcome.payload or b"null")
    return record
