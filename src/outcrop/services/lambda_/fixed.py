"""What is the same for every function here, and asked for by tools such as Terraform."""

from __future__ import annotations

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup
from outcrop.services.lambda_.store import LambdaStore


class Fixed:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def get_function_code_signing_config(self, ctx: Context, request: Request) -> Result:
        """Code isn't signed here."""
        function = lookup.function(self._store, lookup.name(ctx, request))
        return {"CodeSigningConfigArn": "", "FunctionName": function.name.name}

    async def get_runtime_management_config(self, ctx: Context, request: Request) -> Result:
        """Runtimes are what this machine has."""
        name = lookup.name(ctx, request)
        lookup.version(self._store, name)
        return {"UpdateRuntimeOn": "Auto", "FunctionArn": name.qualified_arn}

    async def get_function_recursion_config(self, ctx: Context, request: Request) -> Result:
        """No loop is ended here but by the limits on what runs at once."""
        lookup.function(self._store, lookup.name(ctx, request))
        return {"RecursiveLoop": "Allow"}

    async def list_provisioned_concurrency_configs(self, ctx: Context, request: Request) -> Result:
        """Concurrency isn't provisioned here."""
        lookup.function(self._store, lookup.name(ctx, request))
        return {"ProvisionedConcurrencyConfigs": []}

    async def list_event_source_mappings(self, ctx: Context, request: Request) -> Result:
        """There are no event sources here."""
        if request.get("FunctionName"):
            lookup.function(self._store, lookup.name(ctx, request))
        return {"EventSourceMappings": []}
