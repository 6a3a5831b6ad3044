"""Layers: code that functions share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_.code import CodeStore, shown_digest
from outcrop.services.lambda_.errors import InvalidParameterValueException, ResourceNotFoundException
from outcrop.services.lambda_.paging import page
from outcrop.services.lambda_.store import LambdaStore, Layer

NAME = re.compile(r"(?:arn:[\w-]+:lambda:(?P<region>[\w-]+):(?P<account>\d{12}):layer:)?(?P<name>[a-zA-Z0-9-_]+)")


class Layers:
    def __init__(self, store: LambdaStore, code: CodeStore) -> None:
        self._store = store
        self._code = code

    async def publish_layer_version(self, ctx: Context, request: Request) -> Result:
        account, region, name = _parse(ctx, request["LayerName"])
        code = await self._code.receive(ctx, request["Content"], "PublishLayerVersion")
        kept = ("Description", "LicenseInfo", "CompatibleRuntimes", "CompatibleArchitectures")
        chosen = {"Description": "", **{key: request[key] for key in kept if request.get(key)}}
        layer = self._store.add_layer(account, region, name, chosen, code)
        return self._shown(ctx, layer)

    async def get_layer_version(self, ctx: Context, request: Request) -> Result:
        return self._shown(ctx, _find(self._store, version_arn(ctx, request)))

    async def get_layer_version_by_arn(self, ctx: Context, request: Request) -> Result:
        return self._shown(ctx, _find(self._store, request["Arn"]))

    async def list_layer_versions(self, ctx: Context, request: Request) -> Result:
        account, region, name = _parse(ctx, request["LayerName"])
        layers = [layer for layer in self._store.layers(account, region, name) if _suits(layer, request)]
        shown, marker = page(request, layers, lambda layer: str(layer.version))
        return {"LayerVersions": [_listed(layer) for layer in shown], "NextMarker": marker}

    async def list_layers(self, ctx: Context, request: Request) -> Result:
        newest: dict[str, Layer] = {}
        for layer in self._store.layers(ctx.account, ctx.region):
            if _suits(layer, request):
                newest.setdefault(layer.name, layer)
        shown, marker = page(request, list(newest.values()), lambda layer: layer.name)
        layers = [
            {"LayerName": layer.name, "LayerArn": layer.arn, "LatestMatchingVersion": _listed(layer)} for layer in shown
        ]
        return {"Layers": layers, "NextMarker": marker}

    async def delete_layer_version(self, ctx: Context, request: Request) -> Result:
        self._store.delete_layer(version_arn(ctx, request))
        self._code.collect()
        return {}

    def _shown(self, ctx: Context, layer: Layer) -> dict[str, Any]:
        content = {
            "Location": self._code.location(ctx, layer.code),
            "CodeSha256": shown_digest(layer.code),
            "CodeSize": layer.code.size,
        }
        return {**_summary(layer), "LayerArn": layer.arn, "Content": content}


def check_layers(store: LambdaStore, settings: Mapping[str, Any]) -> None:
    """Raise unless every layer of a function's settings exists, in one version each."""
    arns: list[str] = settings["Layers"]
    names = [arn.rpartition(":")[0] for arn in arns]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidParameterValueException(f"Two different versions of the same layer are not allowed: {twice}")
    for arn in arns:
        if store.layer(arn) is None:
            raise InvalidParameterValueException(
                f"Layer version {arn} does not exist. Publish it with PublishLayerVersion first: layers of other "
                "accounts aren't within reach of Outcrop."
            )


def layers_of(store: LambdaStore, settings: Mapping[str, Any]) -> list[Layer]:
    """A function's layers, lowest first."""
    found = (store.layer(arn, deleted=True) for arn in settings["Layers"])
    return [layer for layer in found if layer is not None]


def _find(store: LambdaStore, arn: str) -> Layer:
    layer = store.layer(arn)
    if layer is None:
        raise ResourceNotFoundException("The resource you requested does not exist.")
    return layer


def version_arn(ctx: Context, request: Request) -> str:
    account, region, name = _parse(ctx, request["LayerName"])
    return f"arn:aws:lambda:{region}:{account}:layer:{name}:{request['VersionNumber']}"


def _parse(ctx: Context, text: str) -> tuple[str, str, str]:
    match = NAME.fullmatch(text)
    if match is None:
        raise InvalidParameterValueException(f"{text} isn't the name or the ARN of a layer")
    return match["account"] or ctx.account, match["region"] or ctx.region, match["name"]


def _suits(layer: Layer, request: Request) -> bool:
    runtime, architecture = request.get("CompatibleRuntime"), request.get("CompatibleArchitecture")
    return (runtime is None or runtime in layer.settings.get("CompatibleRuntimes", ())) and (
        architecture is None or architecture in layer.settings.get("CompatibleArchitectures", ())
    )


def _listed(layer: Layer) -> dict[str, Any]:
    """As lists show it: without a description if it has none."""
    return {name: value for name, value in _summary(layer).items() if name != "Description" or value}


def _summary(layer: Layer) -> dict[str, Any]:
    moment = datetime.fromtimestamp(layer.created_at, UTC)
    return {
        "LayerVersionArn": layer.version_arn,
        "Version": layer.version,
        "CreatedDate": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}+0000",
        **layer.settings,
    }
