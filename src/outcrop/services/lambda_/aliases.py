"""Aliases: names that lead to versions."""

from __future__ import annotations

import uuid
from collections.abc import Callable
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
    """`provision` keeps environments ready for what aliases lead to now."""

    def __init__(self, store: LambdaStore, provision: Callable[[], None]) -> None:
        self._store = store
        self._provision = provision

    async def create_alias(self, ctx: Context, request: Request) -> Result:
        name = names.parse(ctx, request["FunctionName"])
        function = lookup.function(self._store, name)
        if self._store.alias(function.id, request["Name"]):
            raise ResourceConflictException(f"Alias already exists: {name.arn}:{request['Name']}")
        self._check(name, request)
        alias = Alias(
            request["Name"],
            request["FunctionVersion"],
            request.get("Description") or "",
            str(uuid.uuid4()),
            self._weights(name, request, request["FunctionVersion"]),
        )
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
        version = request.get("FunctionVersion") or alias.version
        given = request.get("RoutingConfig")
        alias = replace(
            alias,
            version=version,
            weights=alias.weights if given is None else self._weights(name, request, version),
            description=alias.description if request.get("Description") is None else request["Description"],
            revision=str(uuid.uuid4()),
        )
        self._store.put_alias(function, alias)
        self._provision()
        return _shown(name, alias)

    async def delete_alias(self, ctx: Context, request: Request) -> Result:
        name = names.parse(ctx, request["FunctionName"])
        function = lookup.function(self._store, name)
        self._store.delete_alias(function.id, request["Name"])
        self._provision()
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
        version = request.get("FunctionVersion")
        if version is not None and (
            (version != LATEST and not version.isdecimal()) or not self._store.version(replace(name, qualifier=version))
        ):
            raise ResourceNotFoundException(f"Function not found: {name.arn}:{version}")

    def _weights(self, name: FunctionName, request: Request, version: str) -> dict[str, float]:
        """The shares of other versions than the alias's own."""
        weights: dict[str, float] = dict((request.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})
        if not weights:
            return {}
        if version == LATEST or LATEST in weights:
            raise InvalidParameterValueException(
                "$LATEST is not supported for an alias pointing to more than 1 version"
            )
        if len(weights) > 1:
            raise InvalidParameterValueException("Number of items in AdditionalVersionWeights cannot be greater than 1")
        for other, weight in weights.items():
            if other == version:
                raise InvalidParameterValueException(
                    f"Invalid function version {other}. Function version {other} is already included in routing "
                    "configuration."
                )
            if not 0.0 <= weight <= 1.0:
                raise InvalidParameterValueException(
                    f"Value '{{{other}={weight}}}' at 'routingConfig.additionalVersionWeights' failed to satisfy "
                    "constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
                    "Member must have value greater than or equal to 0.0, Member must not be null]"
                )
            if not other.isdecimal() or not self._store.version(replace(name, qualifier=other)):
                raise ResourceNotFoundException(f"Function not found: {name.arn}:{other}")
        return weights


def _shown(name: FunctionName, alias: Alias) -> dict[str, Any]:
    weights = {"RoutingConfig": {"AdditionalVersionWeights": dict(alias.weights)}} if alias.weights else {}
    return {
        **weights,
        "AliasArn": f"{name.arn}:{alias.name}",
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    }
