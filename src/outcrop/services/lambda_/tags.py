"""Tags of functions."""

from __future__ import annotations

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup, names
from outcrop.services.lambda_.errors import InvalidParameterValueException, ResourceNotFoundException
from outcrop.services.lambda_.store import Function, LambdaStore

MAX_TAGS = 50


class Tags:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def tag_resource(self, ctx: Context, request: Request) -> Result:
        function = self._find(ctx, request)
        tags = {**function.tags, **request["Tags"]}
        if len(tags) > MAX_TAGS:
            raise InvalidParameterValueException(f"The number of tags exceeds the limit of {MAX_TAGS}.")
        self._store.set_tags(function.id, tags)
        return {}

    async def untag_resource(self, ctx: Context, request: Request) -> Result:
        function = self._find(ctx, request)
        gone = set(request["TagKeys"])
        self._store.set_tags(function.id, {key: value for key, value in function.tags.items() if key not in gone})
        return {}

    async def list_tags(self, ctx: Context, request: Request) -> Result:
        return {"Tags": dict(self._find(ctx, request).tags)}

    def _find(self, ctx: Context, request: Request) -> Function:
        arn = request["Resource"]
        if ":function:" not in arn:
            raise ResourceNotFoundException(f"{arn} isn't the ARN of a function: only functions have tags here.")
        name = names.parse(ctx, arn)
        if name.qualifier:
            raise InvalidParameterValueException("Tags on function aliases and versions are not supported.")
        return lookup.function(self._store, name)
