"""CloudWatch Logs: the wiring."""

from __future__ import annotations

import asyncio

from outcrop.services.contract import Deps, Service
from outcrop.services.logs.errors import LogsHooks
from outcrop.services.logs.events import Events
from outcrop.services.logs.groups import Groups, trim_expired
from outcrop.services.logs.insights import Insights, QueryDefinitions, Runs
from outcrop.services.logs.metric_filters import MetricFeed, MetricFilters
from outcrop.services.logs.resource_policies import ResourcePolicies
from outcrop.services.logs.store import LogStore
from outcrop.services.logs.streams import Streams
from outcrop.services.logs.subscriptions import SubscriptionFeed, SubscriptionFilters
from outcrop.services.logs.tags import Tags
from outcrop.services.logs.tail import LiveTail, Tails

TRIM_EVERY = 1800.0
"""Seconds between two looks for expired events."""


def services(deps: Deps) -> tuple[Service, ...]:
    store = LogStore(deps.database("logs", durable=False))
    tails, feed, runs = Tails(), MetricFeed(store), Runs(store)
    subscribers = SubscriptionFeed(store, deps.context)
    trimming: list[asyncio.Task[None]] = []

    async def trim_forever() -> None:
        while True:
            await asyncio.sleep(TRIM_EVERY)
            await asyncio.to_thread(trim_expired, store)

    async def start() -> None:
        trimming.append(asyncio.get_running_loop().create_task(trim_forever(), name="trim expired log events"))

    async def stop() -> None:
        for task in trimming:
            task.cancel()
        await asyncio.gather(*trimming, return_exceptions=True)
        trimming.clear()
        await runs.aclose()

    return (
        Service(
            "logs",
            Groups(store),
            Streams(store),
            Events(store, feed, subscribers, tails),
            Tags(store),
            MetricFilters(store, feed),
            SubscriptionFilters(store, subscribers),
            ResourcePolicies(store),
            LiveTail(store, tails),
            Insights(store, runs),
            QueryDefinitions(store),
            hooks=LogsHooks(),
            on_start=start,
            on_stop=stop,
        ),
    )
