"""When a function's runtime is updated: kept and shown. Runtimes are what this machine has."""

from __future__ import annotations

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup
from outcrop.services.lambda_.errors import InvalidParameterValueException
from outcrop.services.lambda_.names import LATEST, FunctionName
from outcrop.services.lambda_.store import LambdaStore


class RuntimeUpdates:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def put_runtime_management_config(self, ctx: Context, request: Request) -> Result:
        name = lookup.name(ctx, request)
        version = lookup.version(self._store, name)
        mode, arn = request["UpdateRuntimeOn"], request.get("RuntimeVersionArn")
        if (mode == "Manual") != bool(arn):
            raise InvalidParameterValueException(
                "RuntimeVersionArn must be provided if, and only if, UpdateRuntimeOn is Manual"
            )
        settings = {"UpdateRuntimeOn": mode, **({"RuntimeVersionArn": arn} if arn else {})}
        self._store.put_config("runtime_update", version.function, name.qualifier or LATEST, settings)
        return {"FunctionArn": _arn(name), **settings}

    async def get_runtime_management_config(self, ctx: Context, request: Request) -> Result:
        name = lookup.name(ctx, request)
        version = lookup.version(self._store, name)
        config = self._store.config("runtime_update", version.function, name.qualifier or LATEST)
        return {"FunctionArn": _arn(name), **(config.settings if config else {"UpdateRuntimeOn": "Auto"})}


def _arn(name: FunctionName) -> str:
    return f"{name.arn}:{name.qualifier or LATEST}"
