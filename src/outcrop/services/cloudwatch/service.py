"""CloudWatch: the wiring."""

from __future__ import annotations

import asyncio

from outcrop.services.cloudwatch.alarms import Alarms, Tags
from outcrop.services.cloudwatch.dashboards import Dashboards
from outcrop.services.cloudwatch.errors import CloudWatchHooks
from outcrop.services.cloudwatch.metrics import Metrics
from outcrop.services.cloudwatch.queries import Calculator, Queries
from outcrop.services.cloudwatch.store import MetricStore
from outcrop.services.cloudwatch.watch import Watch
from outcrop.services.contract import Deps, Service

AGE_EVERY = 1800.0
"""Seconds between two passes that make old data coarser."""


def services(deps: Deps) -> tuple[Service, ...]:
    store = MetricStore(deps.database("cloudwatch", durable=False))
    calculator = Calculator(store)
    watch = Watch(store, calculator, deps)
    tasks: list[asyncio.Task[None]] = []

    async def age_forever() -> None:
        while True:
            await asyncio.sleep(AGE_EVERY)
            await asyncio.to_thread(store.age)

    async def start() -> None:
        loop = asyncio.get_running_loop()
        tasks.append(loop.create_task(age_forever(), name="age metrics"))
        tasks.append(loop.create_task(watch.run(), name="watch alarms"))

    async def stop() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        tasks.clear()

    return (
        Service(
            "cloudwatch",
            Metrics(store),
            Queries(calculator),
            Alarms(store, watch.wake),
            Tags(store),
            Dashboards(store),
            hooks=CloudWatchHooks(),
            on_start=start,
            on_stop=stop,
        ),
    )
