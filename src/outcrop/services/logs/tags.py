"""Tags of log groups, by the old operations (a group's name) and the new (its ARN)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from outcrop.services.contract import Context, Request, Result
from outcrop.services.logs.errors import (
    InvalidParameterException,
    ResourceNotFoundException,
    TooManyTagsException,
)
from outcrop.services.logs.groups import find_group, find_identified
from outcrop.services.logs.store import Group, LogStore

MAX_TAGS = 50


class Tags:
    def __init__(self, store: LogStore) -> None:
        self._store = store

    async def tag_log_group(self, ctx: Context, request: Request) -> Result:
        group = find_group(self._store, ctx, request)
        tags = {**group.tags, **request["tags"]}
        if len(tags) > MAX_TAGS:
            raise InvalidParameterException(f"A log group takes {MAX_TAGS} tags; {group.name} would have {len(tags)}.")
        self._store.set_tags(group, tags)
        return {}

    async def untag_log_group(self, ctx: Context, request: Request) -> Result:
        self._remove(find_group(self._store, ctx, request), request["tags"])
        return {}

    async def list_tags_log_group(self, ctx: Context, request: Request) -> Result:
        return {"tags": dict(find_group(self._store, ctx, request).tags)}

    async def tag_resource(self, ctx: Context, request: Request) -> Result:
        group = self._resource(ctx, request["resourceArn"])
        tags: Mapping[str, str] = {**group.tags, **request["tags"]}
        if len(tags) > MAX_TAGS:
            raise TooManyTagsException(
                f"A resource takes {MAX_TAGS} tags; this one would have {len(tags)}.", resourceName=group.name
            )
        self._store.set_tags(group, tags)
        return {}

    async def untag_resource(self, ctx: Context, request: Request) -> Result:
        self._remove(self._resource(ctx, request["resourceArn"]), request["tagKeys"])
        return {}

    async def list_tags_for_resource(self, ctx: Context, request: Request) -> Result:
        return {"tags": dict(self._resource(ctx, request["resourceArn"]).tags)}

    def _resource(self, ctx: Context, arn: str) -> Group:
        if not arn.startswith("arn:"):
            raise InvalidParameterException(f"1 validation error detected: Value '{arn}' at 'resourceArn' is no ARN.")
        try:
            return find_identified(self._store, ctx, arn)
        except ResourceNotFoundException:
            raise ResourceNotFoundException("The specified resource does not exist.") from None

    def _remove(self, group: Group, keys: Sequence[str]) -> None:
        self._store.set_tags(group, {key: value for key, value in group.tags.items() if key not in keys})
