"""What a request's function name leads to, or Lambda's error that it leads nowhere."""

from __future__ import annotations

import random
from dataclasses import replace

from outcrop.services.contract import Context, Request
from outcrop.services.lambda_ import names
from outcrop.services.lambda_.errors import PreconditionFailedException, ResourceNotFoundException
from outcrop.services.lambda_.names import LATEST, FunctionName
from outcrop.services.lambda_.store import Alias, Function, LambdaStore, Version


def name(ctx: Context, request: Request) -> FunctionName:
    return names.parse(ctx, request["FunctionName"], request.get("Qualifier"))


def function(store: LambdaStore, name: FunctionName) -> Function:
    """The function, whatever the qualifier."""
    found = store.function(name)
    if found is None:
        raise ResourceNotFoundException(f"Function not found: {name.qualified_arn}")
    return found


def version(store: LambdaStore, name: FunctionName) -> Version:
    found = store.version(name)
    if found is None:
        raise ResourceNotFoundException(f"Function not found: {name.qualified_arn}")
    return found


def latest(store: LambdaStore, name: FunctionName) -> Version:
    return version(store, replace(name, qualifier=""))


def target(store: LambdaStore, name: FunctionName) -> Function:
    """The function, once its qualifier (a version or an alias) is known to exist."""
    version(store, name)
    return function(store, name)


def routed(store: LambdaStore, function: Function, name: FunctionName) -> Version:
    """The version that one invocation goes to: an alias may share them out."""
    alias = store.alias(function.id, name.qualifier) if not _is_version(name.qualifier) else None
    return version(store, replace(name, qualifier=route(alias)) if alias and alias.weights else name)


def _is_version(qualifier: str) -> bool:
    return qualifier in ("", LATEST) or qualifier.isdecimal()


def route(alias: Alias) -> str:
    """The version that one invocation of the alias goes to."""
    chance = random.random()
    for version, weight in alias.weights.items():
        chance -= weight
        if chance < 0:
            return version
    return alias.version


def check_revision(expected: str | None, actual: str) -> None:
    if expected is not None and expected != actual:
        raise PreconditionFailedException(
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
            "retrieve the latest Revision Id"
        )
