"""Aliases: names that lead to versions."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup, names
from outcrop.services.lambda_.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from outcrop.services.lambda_.names import LATEST, FunctionName
from outcrop.services.lambda_.paging import page
from outcrop.services.lambda_.store import Alias, LambdaStore


class Aliases:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def create_alias(self, ctx: Context, request: Request) -> Result:
        name = names.parse(ctx, request["FunctionName"])
        function = lookup.function(self._store, name)
        if self._store.alias(function.id, request["Name"]):
            raise ResourceConflictException(f"Alias already exists: {name.arn}:{request['Name']}")
        self._check(name, request)
        alias = Alias(request["Name"], request["FunctionVersion"], request.get("Description") or "", str(uuid.uuid4()))
        self._store.put_alias(function.id, alias)
        return _shown(name, alias)

    async def get_alias(self, ctx: Context, request: Request) -> Result:
        name = names.parse(ctx, request["FunctionName"])
        return _shown(name, self._find(name, request["Name"])[1])

    async def update_alias(self, ctx: Context, request: Request) -> Result:
        name = names.parse(ctx, request["FunctionName"])
        function, alias = self._find(name, request["Name"])
        lookup.check_revision(request.get("RevisionId"), alias.revision)
        self._check(name, request)
        alias = replace(
            alias,
            version=request.get("FunctionVersion") or alias.version,
            description=alias.description if request.get("Description") is None else request["Description"],
            revision=str(uuid.uuid4()),
        )
        self._store.put_alias(function, alias)
        return _shown(name, alias)

    async def delete_alias(self, ctx: Context, request: Request) -> Result:
        name = names.parse(ctx, request["FunctionName"])
        function = lookup.function(self._store, name)
        self._store.delete_alias(function.id, request["Name"])
        return {}

    async def list_aliases(self, ctx: Context, request: Request) -> Result:
        name = names.parse(ctx, request["FunctionName"])
        function = lookup.function(self._store, name)
        version = request.get("FunctionVersion")
        aliases = [a for a in self._store.aliases(function.id) if version is None or a.version == version]
        shown, marker = page(request, aliases, lambda alias: alias.name)
        return {"Aliases": [_shown(name, alias) for alias in shown], "NextMarker": marker}

    def _find(self, name: FunctionName, alias: str) -> tuple[int, Alias]:
        function = lookup.function(self._store, name)
        found = self._store.alias(function.id, alias)
        if found is None:
            raise ResourceNotFoundException(f"Cannot find alias arn: {name.arn}:{alias}")
        return function.id, found

    def _check(self, name: FunctionName, request: Request) -> None:
        if (request.get("RoutingConfig") or {}).get("AdditionalVersionWeights"):
            raise InvalidParameterValueException(
                "Weighted aliases (RoutingConfig) aren't supported by Outcrop yet: give the alias one version."
            )
        version = request.get("FunctionVersion")
        if version is not None and (
            (version != LATEST and not version.isdecimal()) or not self._store.version(replace(name, qualifier=version))
        ):
            raise ResourceNotFoundException(f"Function not found: {name.arn}:{version}")


def _shown(name: FunctionName, alias: Alias) -> dict[str, Any]:
    return {
        "AliasArn": f"{name.arn}:{alias.name}",
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    }
