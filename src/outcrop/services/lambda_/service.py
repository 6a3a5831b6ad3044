"""Lambda: the wiring."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from outcrop.engines.functions import FunctionHost, Runtimes
from outcrop.engines.functions.box import Boxes, Wanted
from outcrop.services.contract import Context, Deps, Service
from outcrop.services.hooks import Hooks
from outcrop.services.lambda_.aliases import Aliases
from outcrop.services.lambda_.code import CodeStore
from outcrop.services.lambda_.concurrency import Concurrency
from outcrop.services.lambda_.event_configs import EventConfigs
from outcrop.services.lambda_.events import Events, Schedule
from outcrop.services.lambda_.functions import Functions
from outcrop.services.lambda_.invocations import Invocations
from outcrop.services.lambda_.layer_policies import LayerPolicies
from outcrop.services.lambda_.layers import Layers
from outcrop.services.lambda_.metrics import Metrics
from outcrop.services.lambda_.policy import Permissions
from outcrop.services.lambda_.provisioned import Provisioned, Provisioner
from outcrop.services.lambda_.recursion import Recursion
from outcrop.services.lambda_.roles import LAMBDA, Roles
from outcrop.services.lambda_.runner import Runner
from outcrop.services.lambda_.runtime_updates import RuntimeUpdates
from outcrop.services.lambda_.signing import Signing
from outcrop.services.lambda_.sources import Sources
from outcrop.services.lambda_.store import LambdaStore
from outcrop.services.lambda_.surface import CodeLocations, FunctionUrls
from outcrop.services.lambda_.tags import Tags
from outcrop.services.lambda_.urls import Urls
from outcrop.services.lambda_.versions import Versions
from outcrop.services.lambda_.watch import Watch
from outcrop.settings import child_environment

HELPFUL_RETRIES = (1.0, 2.0)
"""Seconds before a failed event is tried again; on AWS a minute, then two."""


class LambdaHooks(Hooks):
    def status(self, operation: str, result: Mapping[str, Any]) -> int | None:
        return result.get("StatusCode")


def _sandbox(wanted: str) -> Wanted:
    if wanted not in get_args(Wanted):
        raise ValueError(f"OUTCROP_FUNCTION_SANDBOX={wanted!r}: expected one of {', '.join(get_args(Wanted))}")
    return cast(Wanted, wanted)


def services(deps: Deps, schedule: Schedule | None = None) -> tuple[Service, ...]:
    """`schedule` is when events are tried again; AWS's in strict mode, else a shorter one, unless it is given."""
    data = deps.data / "lambda"
    strict = deps.settings.strict

    def context(account: str, region: str) -> Context:
        return deps.context(account, region, LAMBDA)

    store = LambdaStore(deps.database("lambda"))
    code = CodeStore(store, deps.blobs("lambda"), data / "code")
    roles, metrics = Roles(strict, context), Metrics(context)
    machine = child_environment("PATH", "HOME")
    runtimes = Runtimes(
        deps.settings.cache,
        search_path=machine.get("PATH", ""),
        home=Path(machine["HOME"]) if "HOME" in machine else None,
        nearest=deps.settings.nearest_runtime and not strict,
    )
    watch = Watch(roles, context, deps.endpoint, lambda environment: host.resume(environment), mask=not strict)
    boxes = Boxes(
        data / "environments", search_path=machine.get("PATH", ""), wanted=_sandbox(deps.settings.function_sandbox)
    )
    host = FunctionHost(watch, runtimes, data / "environments", boxes=boxes, patience=0.0 if strict else 5.0)
    runner = Runner(store, code, host, watch, metrics)
    schedule = schedule or (Schedule() if strict else Schedule(retries=HELPFUL_RETRIES))
    events = Events(store, runner, metrics, context, schedule)
    provisioner = Provisioner(store, runner)
    invocations = Invocations(store, runner, events)
    sweeping: list[asyncio.Task[None]] = []

    async def start() -> None:
        if (data / "code").exists():
            sweeping.append(asyncio.create_task(asyncio.to_thread(code.sweep), name="sweep function code"))
        events.resume()
        if store.provisioned():
            provisioner.apply()

    async def stop() -> None:
        await asyncio.gather(*sweeping)
        await events.stop()
        await provisioner.stop()
        await host.aclose()
        await metrics.flush()
        await watch.flush()

    return (
        Service(
            "lambda",
            Functions(store, code, roles, runner.retire),
            Versions(store),
            Aliases(store, provisioner.apply),
            Invocations(store, runner, events),
            Permissions(store),
            Concurrency(store),
            EventConfigs(store),
            Layers(store, code),
            Tags(store),
            Urls(store),
            LayerPolicies(store),
            Provisioned(store, runner, provisioner),
            Recursion(store),
            RuntimeUpdates(store),
            Signing(store),
            Sources(store),
            surfaces=(CodeLocations(code), FunctionUrls(store, invocations)),
            hooks=LambdaHooks(),
            on_start=start,
            on_stop=stop,
        ),
    )
