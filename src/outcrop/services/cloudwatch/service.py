"""CloudWatch: the wiring."""

from __future__ import annotations

import asyncio

from outcrop.services.cloudwatch.dashboards import Dashboards
from outcrop.services.cloudwatch.errors import CloudWatchHooks
from outcrop.services.cloudwatch.metrics import Metrics
from outcrop.services.cloudwatch.queries import Calculator, Queries
from outcrop.services.cloudwatch.store import MetricStore
from outcrop.services.contract import Deps, Service

AGE_EVERY = 1800.0
"""Seconds between two passes that make old data coarser."""


def services(deps: Deps) -> tuple[Service, ...]:
    store = MetricStore(deps.database("cloudwatch", durable=False))
    tasks: list[asyncio.Task[None]] = []

    async def age_forever() -> None:
        while True:
            await asyncio.sleep(AGE_EVERY)
            await asyncio.to_thread(store.age)

    async def start() -> None:
        tasks.append(asyncio.get_running_loop().create_task(age_forever(), name="age metrics"))

    async def stop() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        tasks.clear()

    return (
        Service(
            "cloudwatch",
            Metrics(store),
            Queries(Calculator(store)),
            Dashboards(store),
            hooks=CloudWatchHooks(),
            on_start=start,
            on_stop=stop,
        ),
    )
