"""Published versions."""

from __future__ import annotations

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup, settings
from outcrop.services.lambda_.code import shown_digest
from outcrop.services.lambda_.errors import InvalidParameterValueException
from outcrop.services.lambda_.paging import page
from outcrop.services.lambda_.store import LambdaStore, Version


class Versions:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def publish_version(self, ctx: Context, request: Request) -> Result:
        latest = lookup.latest(self._store, lookup.name(ctx, request))
        lookup.check_revision(request.get("RevisionId"), latest.revision)
        expected, actual = request.get("CodeSha256"), shown_digest(latest.code)
        if expected and expected != actual:
            raise InvalidParameterValueException(
                f"CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({actual}). Please try again "
                "with the CodeSHA256 in $LATEST."
            )
        return settings.describe(self._store, publish(self._store, latest, request.get("Description")))

    async def list_versions_by_function(self, ctx: Context, request: Request) -> Result:
        name = lookup.name(ctx, request)
        lookup.function(self._store, name)
        versions = self._store.versions(name.account, name.region, name=name.name)
        shown, marker = page(request, versions, lambda version: version.version)
        described = [settings.describe(self._store, version, arn=version.name.qualified_arn) for version in shown]
        return {"Versions": described, "NextMarker": marker}


def publish(store: LambdaStore, latest: Version, description: str | None = None) -> Version:
    """A new version of `$LATEST`; the last one, if nothing has changed since."""
    versions = store.versions(latest.name.account, latest.name.region, name=latest.name.name)
    last = versions[-1]
    if last.version != latest.version and last.code == latest.code:
        same = {**last.settings, "Description": ""} == {**latest.settings, "Description": ""}
        if same and last.modified_at == latest.modified_at:
            return last
    chosen = dict(latest.settings)
    if description is not None:
        chosen["Description"] = description
    return store.publish(latest, chosen)
