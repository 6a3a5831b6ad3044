"""Tags of everything in Bedrock that has an ARN. Whoever makes such resources says so with `owns`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.errors import TooManyTagsException
from outcrop.services.contract import ResourceNotFoundException, ValidationException

if TYPE_CHECKING:
    from outcrop.services.bedrock.store import BedrockStore
    from outcrop.services.contract import Context, Request, Result

MAX_TAGS = 50

Owner = Callable[["Context", str], bool]
"""Whether a resource of this ARN exists for the caller."""


class Tags:
    def __init__(self, store: BedrockStore) -> None:
        self._store = store
        self._owners: list[Owner] = []

    def owns(self, exists: Owner) -> None:
        """Let the resources that `exists` knows be tagged."""
        self._owners.append(exists)

    async def tag_resource(self, ctx: Context, request: Request) -> Result:
        arn = self._arn(ctx, request)
        added = read_tags(request["tags"])
        if len({**self._store.tags(arn), **added}) > MAX_TAGS:
            raise TooManyTagsException(f"A resource can have at most {MAX_TAGS} tags.", resourceName=arn)
        self._store.tag(arn, added)
        return {}

    async def untag_resource(self, ctx: Context, request: Request) -> Result:
        self._store.untag(self._arn(ctx, request), request["tagKeys"])
        return {}

    async def list_tags_for_resource(self, ctx: Context, request: Request) -> Result:
        tags = self._store.tags(self._arn(ctx, request))
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def _arn(self, ctx: Context, request: Request) -> str:
        arn: str = request["resourceARN"]
        if not any(exists(ctx, arn) for exists in self._owners):
            raise ResourceNotFoundException(f"The resource {arn} was not found.", resourceName=arn)
        return arn


def read_tags(given: Sequence[Mapping[str, Any]] | None) -> dict[str, str]:
    """Tags of a request, checked. Raises ValidationException."""
    tags = {tag["key"]: tag["value"] for tag in given or ()}
    if len(tags) != len(given or ()):
        raise ValidationException("Each tag needs a key of its own.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise ValidationException("Tag keys that begin with aws: are reserved.")
    return tags
