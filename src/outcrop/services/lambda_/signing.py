"""Code signing configurations. There is no signer here, so no code is signed: a configuration that only warns is
accepted, and one that enforces signatures refuses all code, as AWS does with code that nobody has signed."""

from __future__ import annotations

import secrets
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup
from outcrop.services.lambda_.errors import (
    CodeSigningConfigNotFoundException,
    CodeVerificationFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from outcrop.services.lambda_.paging import page
from outcrop.services.lambda_.settings import timestamp
from outcrop.services.lambda_.store import LambdaStore, Timed

NAMES = ("Description", "AllowedPublishers", "CodeSigningPolicies")


class Signing:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def create_code_signing_config(self, ctx: Context, request: Request) -> Result:
        arn = f"arn:aws:lambda:{ctx.region}:{ctx.account}:code-signing-config:csc-{secrets.token_hex(9)[:17]}"
        defaults = {"Description": "", "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Warn"}}
        chosen = {**defaults, **{name: request[name] for name in NAMES if request.get(name) is not None}}
        return {"CodeSigningConfig": _shown(self._store.put_signing_config(ctx.account, ctx.region, arn, chosen))}

    async def get_code_signing_config(self, ctx: Context, request: Request) -> Result:
        return {"CodeSigningConfig": _shown(self._find(request["CodeSigningConfigArn"]))}

    async def update_code_signing_config(self, ctx: Context, request: Request) -> Result:
        config = self._find(request["CodeSigningConfigArn"])
        chosen = {**config.settings, **{name: request[name] for name in NAMES if request.get(name) is not None}}
        return {"CodeSigningConfig": _shown(self._store.put_signing_config(ctx.account, ctx.region, config.id, chosen))}

    async def delete_code_signing_config(self, ctx: Context, request: Request) -> Result:
        config = self._find(request["CodeSigningConfigArn"])
        if self._store.functions_signed_by(config.id):
            raise ResourceConflictException(
                f"Cannot delete the code signing config {config.id}: functions use it. Remove it from them first."
            )
        self._store.delete_signing_config(config.id)
        return {}

    async def list_code_signing_configs(self, ctx: Context, request: Request) -> Result:
        configs = self._store.signing_configs(ctx.account, ctx.region)
        shown, marker = page(request, configs, lambda config: config.id)
        return {"CodeSigningConfigs": [_shown(config) for config in shown], "NextMarker": marker}

    async def list_functions_by_code_signing_config(self, ctx: Context, request: Request) -> Result:
        config = self._find(request["CodeSigningConfigArn"])
        functions = self._store.functions_signed_by(config.id)
        shown, marker = page(request, functions, lambda function: function.name.name)
        return {"FunctionArns": [function.name.arn for function in shown], "NextMarker": marker}

    async def put_function_code_signing_config(self, ctx: Context, request: Request) -> Result:
        function = lookup.function(self._store, lookup.name(ctx, request))
        arn = request["CodeSigningConfigArn"]
        if self._store.signing_config(arn) is None:
            raise CodeSigningConfigNotFoundException(
                f"The code signing configuration cannot be found. Check that the provided configuration is not "
                f"deleted: {arn}."
            )
        self._store.set_signing(function.id, arn)
        return {"CodeSigningConfigArn": arn, "FunctionName": function.name.name}

    async def get_function_code_signing_config(self, ctx: Context, request: Request) -> Result:
        function = lookup.function(self._store, lookup.name(ctx, request))
        return {"CodeSigningConfigArn": function.signing, "FunctionName": function.name.name}

    async def delete_function_code_signing_config(self, ctx: Context, request: Request) -> Result:
        function = lookup.function(self._store, lookup.name(ctx, request))
        self._store.set_signing(function.id, "")
        return {}

    def _find(self, arn: str) -> Timed:
        config = self._store.signing_config(arn)
        if config is None:
            raise ResourceNotFoundException(f"The Lambda code signing configuration {arn} can not be found.")
        return config


def check_code(store: LambdaStore, arn: str) -> None:
    """Raise if code that isn't signed can't be deployed under this configuration."""
    if not arn:
        return
    config = store.signing_config(arn)
    if config is None:
        raise CodeSigningConfigNotFoundException(
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "
            f"{arn}."
        )
    if config.settings["CodeSigningPolicies"].get("UntrustedArtifactOnDeployment") == "Enforce":
        raise CodeVerificationFailedException(
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the "
            "client is not configured to accept. Check the provided signature for unsigned. (Outcrop has no signer: "
            f"set the policy of {arn} to Warn.)"
        )


def _shown(config: Timed) -> dict[str, Any]:
    return {
        "CodeSigningConfigId": config.id.rpartition(":")[2],
        "CodeSigningConfigArn": config.id,
        **config.settings,
        "LastModified": timestamp(config.modified_at),
    }
