"""Tags of registries and schemas."""

from __future__ import annotations

from collections.abc import Mapping

from outcrop.services.contract import Context, Request, Result
from outcrop.services.schemas.errors import BadRequestException, NotFoundException
from outcrop.services.schemas.names import parse_arn
from outcrop.services.schemas.store import Registry, Schema, SchemaStore

_MAX = 50


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises BadRequestException."""
    if len(tags) > _MAX:
        raise BadRequestException(f"A resource can have at most {_MAX} tags, but this one would have {len(tags)}")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise BadRequestException(
                "Keys of tags have 1 to 128 characters and don't begin with aws:, values have at most 256 characters"
            )


class Tags:
    def __init__(self, store: SchemaStore) -> None:
        self._store = store

    async def tag_resource(self, ctx: Context, request: Request) -> Result:
        owner = self._owner(ctx, request["ResourceArn"])
        tags = {**owner.tags, **request["Tags"]}
        check_tags(tags)
        self._store.set_tags(owner, tags)
        return {}

    async def untag_resource(self, ctx: Context, request: Request) -> Result:
        owner = self._owner(ctx, request["ResourceArn"])
        kept = {key: value for key, value in owner.tags.items() if key not in request["TagKeys"]}
        self._store.set_tags(owner, kept)
        return {}

    async def list_tags_for_resource(self, ctx: Context, request: Request) -> Result:
        return {"Tags": dict(self._owner(ctx, request["ResourceArn"]).tags)}

    def _owner(self, ctx: Context, arn: str) -> Registry | Schema:
        place = parse_arn(arn)
        known = (place.account, place.region) == (ctx.account, ctx.region)
        owner = (self._store.schema(place) if place.schema else self._store.registry(place)) if known else None
        if owner is None:
            raise NotFoundException(f"Resource {arn} does not exist.")
        return owner
