"""Provisioned concurrency: environments that are started before anybody asks for them, and kept."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup
from outcrop.services.lambda_.concurrency import ACCOUNT_LIMIT, MIN_UNRESERVED
from outcrop.services.lambda_.errors import (
    InvalidParameterValueException,
    ProvisionedConcurrencyConfigNotFoundException,
    ResourceConflictException,
)
from outcrop.services.lambda_.names import LATEST, FunctionName
from outcrop.services.lambda_.paging import page
from outcrop.services.lambda_.runner import Runner
from outcrop.services.lambda_.settings import timestamp
from outcrop.services.lambda_.store import Function, LambdaStore, Timed

log = logging.getLogger(__name__)


class Provisioner:
    """Has the environments started and kept that are configured."""

    def __init__(self, store: LambdaStore, runner: Runner) -> None:
        self._store = store
        self._runner = runner
        self._task: asyncio.Task[None] | None = None

    def apply(self) -> None:
        """Keep what is configured now, and nothing else; in the background."""
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.get_running_loop().create_task(self._apply(), name="provision concurrency")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _apply(self) -> None:
        wanted = []
        for function_id, qualifier, count in self._store.provisioned():
            function = self._store.function_by_id(function_id)
            version = function and self._store.version(replace(function.name, qualifier=qualifier))
            if version:
                wanted.append((version, count))
        try:
            await self._runner.provision(wanted)
        except Exception:
            log.exception("concurrency could not be provisioned")


class Provisioned:
    def __init__(self, store: LambdaStore, runner: Runner, provisioner: Provisioner) -> None:
        self._store = store
        self._runner = runner
        self._provisioner = provisioner

    async def put_provisioned_concurrency_config(self, ctx: Context, request: Request) -> Result:
        name, function = self._target(ctx, request)
        wanted = request["ProvisionedConcurrentExecutions"]
        self._check_twice(function, name)
        if function.reserved is not None and wanted > function.reserved:
            raise InvalidParameterValueException(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                "function"
            )
        if function.reserved is None and wanted > ACCOUNT_LIMIT - MIN_UNRESERVED:
            raise InvalidParameterValueException(
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
                f"its minimum value of [{MIN_UNRESERVED}]."
            )
        config = self._store.put_config("provisioned", function.id, name.qualifier, {"wanted": wanted})
        self._provisioner.apply()
        return {
            "RequestedProvisionedConcurrentExecutions": wanted,
            "AvailableProvisionedConcurrentExecutions": 0,
            "AllocatedProvisionedConcurrentExecutions": 0,
            "Status": "IN_PROGRESS",
            "LastModified": timestamp(config.modified_at),
        }

    async def get_provisioned_concurrency_config(self, ctx: Context, request: Request) -> Result:
        name, function = self._target(ctx, request)
        return self._shown(name, self._find(function, name))

    async def delete_provisioned_concurrency_config(self, ctx: Context, request: Request) -> Result:
        name, function = self._target(ctx, request)
        self._store.delete_config("provisioned", function.id, name.qualifier)
        self._provisioner.apply()
        return {}

    async def list_provisioned_concurrency_configs(self, ctx: Context, request: Request) -> Result:
        name = lookup.name(ctx, request)
        function = lookup.function(self._store, name)
        shown, marker = page(request, self._store.configs("provisioned", function.id), lambda config: config.qualifier)
        names = [replace(name, qualifier=config.qualifier) for config in shown]
        listed = [
            {"FunctionArn": one.qualified_arn, **self._shown(one, config)}
            for one, config in zip(names, shown, strict=True)
        ]
        return {"ProvisionedConcurrencyConfigs": listed, "NextMarker": marker}

    def _check_twice(self, function: Function, name: FunctionName) -> None:
        """A version can't be provisioned both itself and through an alias."""
        others = {config.qualifier for config in self._store.configs("provisioned", function.id)} - {name.qualifier}
        alias = self._store.alias(function.id, name.qualifier)
        if alias is not None and alias.version in others:
            raise ResourceConflictException(
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
            )
        pointing = {other.name for other in self._store.aliases(function.id) if other.version == name.qualifier}
        if pointing & others:
            raise ResourceConflictException("Version is pointed by a Provisioned Concurrency alias")

    def _target(self, ctx: Context, request: Request) -> tuple[FunctionName, Function]:
        name = lookup.name(ctx, request)
        if name.qualifier in ("", LATEST):
            raise InvalidParameterValueException(
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
            )
        return name, lookup.target(self._store, name)

    def _find(self, function: Function, name: FunctionName) -> Timed:
        config = self._store.config("provisioned", function.id, name.qualifier)
        if config is None:
            raise ProvisionedConcurrencyConfigNotFoundException(
                "No Provisioned Concurrency Config found for this function"
            )
        return config

    def _shown(self, name: FunctionName, config: Timed) -> dict[str, Any]:
        wanted = config.settings["wanted"]
        version = lookup.version(self._store, name)
        available, failed = self._runner.provisioned(version)
        available = min(available, wanted)
        shown: dict[str, Any] = {
            "RequestedProvisionedConcurrentExecutions": wanted,
            "AvailableProvisionedConcurrentExecutions": available,
            "AllocatedProvisionedConcurrentExecutions": available,
            "Status": "READY" if available == wanted else "IN_PROGRESS",
            "LastModified": timestamp(config.modified_at),
        }
        if failed and available < wanted:
            shown |= {"Status": "FAILED", "StatusReason": "FUNCTION_ERROR_INIT_FAILURE"}
        return shown
