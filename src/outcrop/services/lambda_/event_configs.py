"""How asynchronous invocations of a function are retried, and where their results go."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from outcrop.services.contract import Context, Request, Result, ServiceError
from outcrop.services.lambda_ import lookup, names
from outcrop.services.lambda_.errors import InvalidParameterValueException, ResourceNotFoundException
from outcrop.services.lambda_.names import LATEST, FunctionName
from outcrop.services.lambda_.paging import page
from outcrop.services.lambda_.store import Function, LambdaStore, Timed

NAMES = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")


class EventConfigs:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def put_function_event_invoke_config(self, ctx: Context, request: Request) -> Result:
        return await self._put(ctx, request, {})

    async def update_function_event_invoke_config(self, ctx: Context, request: Request) -> Result:
        name, function = self._target(ctx, request)
        return await self._put(ctx, request, dict(self._find(name, function).settings))

    async def get_function_event_invoke_config(self, ctx: Context, request: Request) -> Result:
        name, function = self._target(ctx, request)
        return _shown(name, self._find(name, function))

    async def delete_function_event_invoke_config(self, ctx: Context, request: Request) -> Result:
        name, function = self._target(ctx, request)
        self._find(name, function)
        self._store.delete_config("event_config", function.id, name.qualifier)
        return {}

    async def list_function_event_invoke_configs(self, ctx: Context, request: Request) -> Result:
        name = names.parse(ctx, request["FunctionName"])
        function = lookup.function(self._store, name)
        shown, marker = page(request, self._store.configs("event_config", function.id), lambda config: config.qualifier)
        configs = [_shown(replace(name, qualifier=config.qualifier), config) for config in shown]
        return {"FunctionEventInvokeConfigs": configs, "NextMarker": marker}

    async def _put(self, ctx: Context, request: Request, settings: dict[str, Any]) -> Result:
        name, function = self._target(ctx, request)
        given = {key: request[key] for key in NAMES if request.get(key) is not None}
        if not given:
            raise InvalidParameterValueException(
                "You must specify at least one of error handling or destination setting."
            )
        for side in ("OnSuccess", "OnFailure"):
            destination = given.get("DestinationConfig", {}).get(side, {}).get("Destination")
            await self._check_destination(ctx, name, side, destination)
        return _shown(name, self._store.put_config("event_config", function.id, name.qualifier, {**settings, **given}))

    async def _check_destination(self, ctx: Context, name: FunctionName, side: str, arn: str | None) -> None:
        if not arn:
            return
        if arn.startswith("arn:aws:s3:::"):
            if side == "OnSuccess":
                raise InvalidParameterValueException(
                    f"The provided destination config DestinationConfig({arn}) is invalid: a bucket can be the "
                    "destination of failures only."
                )
            try:
                await ctx.call("s3", "head_bucket", {"Bucket": arn.removeprefix("arn:aws:s3:::")})
            except ServiceError as error:
                why = error.message or error.code
                raise InvalidParameterValueException(
                    f"The provided destination config DestinationConfig({arn}) is invalid: {why}"
                ) from None
            return
        if not arn.startswith("arn:aws:lambda:"):
            raise InvalidParameterValueException(
                f"The provided destination config DestinationConfig({arn}) is invalid: Outcrop delivers to functions "
                "and, after failures, to S3 buckets; it has no SQS, SNS or EventBridge."
            )
        destination = names.parse(ctx, arn)
        if destination.arn == name.arn:
            raise InvalidParameterValueException("You can't specify the function as a destination for itself.")

    def _target(self, ctx: Context, request: Request) -> tuple[FunctionName, Function]:
        name = lookup.name(ctx, request)
        function = lookup.target(self._store, name)
        return (replace(name, qualifier="") if name.qualifier == LATEST else name), function

    def _find(self, name: FunctionName, function: Function) -> Timed:
        config = self._store.config("event_config", function.id, name.qualifier)
        if config is None:
            raise ResourceNotFoundException(
                f"The function {name.arn}:{name.qualifier or LATEST} doesn't have an EventInvokeConfig"
            )
        return config


def _shown(name: FunctionName, config: Timed) -> dict[str, Any]:
    return {
        "LastModified": datetime.fromtimestamp(config.modified_at, UTC),
        "FunctionArn": f"{name.arn}:{name.qualifier or LATEST}",
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
        **config.settings,
    }
