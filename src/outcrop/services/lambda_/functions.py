"""Functions: made, changed, shown, deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup, settings
from outcrop.services.lambda_.code import CodeStore
from outcrop.services.lambda_.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
)
from outcrop.services.lambda_.layers import check_layers
from outcrop.services.lambda_.names import LATEST
from outcrop.services.lambda_.paging import page
from outcrop.services.lambda_.roles import Roles
from outcrop.services.lambda_.signing import check_code
from outcrop.services.lambda_.store import LambdaStore, Version
from outcrop.services.lambda_.versions import publish

CREATING = {"State": "Pending", "StateReason": "The function is being created.", "StateReasonCode": "Creating"}
UPDATING = {
    "LastUpdateStatus": "InProgress",
    "LastUpdateStatusReason": "The function is being created.",
    "LastUpdateStatusReasonCode": "Creating",
}


class Functions:
    """`retire` ends the environments of a version that has changed or is gone."""

    def __init__(self, store: LambdaStore, code: CodeStore, roles: Roles, retire: Callable[[Version], None]) -> None:
        self._store = store
        self._code = code
        self._roles = roles
        self._retire = retire

    async def create_function(self, ctx: Context, request: Request) -> Result:
        name = lookup.name(ctx, request)
        if name.qualifier:
            raise InvalidParameterValueException("The name of a new function can't have a qualifier.")
        if self._store.function(name):
            raise ResourceConflictException(f"Function already exist: {name.name}")
        chosen = settings.create(request)
        check_code(self._store, request.get("CodeSigningConfigArn") or "")
        check_layers(self._store, chosen)
        await self._roles.check(ctx, chosen["Role"])
        code = await self._code.receive(ctx, request["Code"], "CreateFunction")
        version = self._store.add_function(name, request.get("Tags") or {}, chosen, code)
        if version is None:
            raise ResourceConflictException(f"Function already exist: {name.name}")
        if request.get("CodeSigningConfigArn"):
            self._store.set_signing(version.function, request["CodeSigningConfigArn"])
        if request.get("Publish"):
            version = publish(self._store, version)
        return {**settings.describe(self._store, version, arn=name.arn), **CREATING}

    async def get_function(self, ctx: Context, request: Request) -> Result:
        name = lookup.name(ctx, request)
        version = lookup.version(self._store, name)
        function = lookup.function(self._store, name)
        answer: dict[str, Any] = {
            "Configuration": settings.describe(self._store, version, arn=name.qualified_arn),
            "Code": {"RepositoryType": "S3", "Location": self._code.location(ctx, version.code)},
        }
        if function.tags:
            answer["Tags"] = dict(function.tags)
        if function.reserved is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
        return answer

    async def get_function_configuration(self, ctx: Context, request: Request) -> Result:
        name = lookup.name(ctx, request)
        return settings.describe(self._store, lookup.version(self._store, name), arn=name.qualified_arn)

    async def list_functions(self, ctx: Context, request: Request) -> Result:
        versions = self._store.versions(ctx.account, ctx.region, latest_only=request.get("FunctionVersion") != "ALL")
        shown, marker = page(request, versions, lambda version: f"{version.name.name}:{version.version}")
        functions = []
        for version in shown:
            arn = version.name.qualified_arn if request.get("FunctionVersion") == "ALL" else ""
            description = settings.describe(self._store, version, arn=arn)
            functions.append({k: v for k, v in description.items() if k not in ("State", "LastUpdateStatus")})
        return {"Functions": functions, "NextMarker": marker}

    async def update_function_code(self, ctx: Context, request: Request) -> Result:
        latest = lookup.latest(self._store, lookup.name(ctx, request))
        lookup.check_revision(request.get("RevisionId"), latest.revision)
        check_code(self._store, lookup.function(self._store, latest.name).signing)
        code = await self._code.receive(ctx, request, "UpdateFunctionCode")
        latest = lookup.latest(self._store, latest.name)
        chosen = dict(latest.settings)
        if request.get("Architectures"):
            chosen["Architectures"] = request["Architectures"]
        if request.get("DryRun"):
            planned = replace(latest, code=code, settings=chosen)
            answer = settings.describe(self._store, planned)
            self._code.collect()
            return answer
        lookup.check_revision(request.get("RevisionId"), latest.revision)
        return self._changed(latest, self._store.update(latest, chosen, code), publishing=bool(request.get("Publish")))

    async def update_function_configuration(self, ctx: Context, request: Request) -> Result:
        latest = lookup.latest(self._store, lookup.name(ctx, request))
        lookup.check_revision(request.get("RevisionId"), latest.revision)
        chosen = settings.update(latest.settings, request)
        if request.get("Layers"):
            check_layers(self._store, chosen)
        if request.get("Role"):
            await self._roles.check(ctx, chosen["Role"])
            latest = lookup.latest(self._store, latest.name)
            lookup.check_revision(request.get("RevisionId"), latest.revision)
        return self._changed(latest, self._store.update(latest, chosen, latest.code), publishing=False)

    async def delete_function(self, ctx: Context, request: Request) -> Result:
        name = lookup.name(ctx, request)
        function = lookup.function(self._store, name)
        if name.qualifier == LATEST:
            raise InvalidParameterValueException("$LATEST version cannot be deleted without deleting the function.")
        if name.qualifier:
            if not name.qualifier.isdecimal():
                raise InvalidParameterValueException(
                    f"Deletion of aliases is not currently supported. Use DeleteAlias to delete {name.qualifier}."
                )
            version = self._store.version(name)
            if version is None:
                return {"StatusCode": 204}
            if users := [a.name for a in self._store.aliases(function.id) if a.version == version.version]:
                raise ResourceConflictException(f"Version {version.version} is in use by aliases: {', '.join(users)}")
            gone = [version]
            self._store.delete_version(version)
        else:
            gone = self._store.versions(name.account, name.region, name=name.name)
            self._store.delete_function(function.id)
        for version in gone:
            self._retire(version)
        self._code.collect()
        return {"StatusCode": 204}

    def _changed(self, old: Version, new: Version, *, publishing: bool) -> Result:
        self._retire(old)
        self._code.collect()
        if publishing:
            new = publish(self._store, new)
        return {**settings.describe(self._store, new), **UPDATING}
