"""CountTokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.converse.generations import read_generation
from outcrop.services.bedrock.families import family_of
from outcrop.services.bedrock.invoke.bodies import decode
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.services.bedrock.catalogue.targets import Targets
    from outcrop.services.bedrock.converse.media import Media
    from outcrop.services.bedrock.runtime.runs import Runs
    from outcrop.services.bedrock.runtime.upstream import Upstream
    from outcrop.services.contract import Context, Request, Result


class TokenCounts:
    """Answers what `usage.inputTokens` of the same request would be."""

    def __init__(self, targets: Targets, upstream: Upstream, runs: Runs, media: Media) -> None:
        self._upstream = upstream
        self._targets = targets
        self._runs = runs
        self._media = media

    async def count_tokens(self, ctx: Context, request: Request) -> Result:
        target = self._targets.resolve(ctx, request["modelId"])
        if (choice := self._upstream.serves(target)) is not None:
            return await self._upstream.count_tokens(ctx, target, request, choice)
        model = target.model
        if not model.writes_text:
            raise ValidationException("The provided model doesn't support counting tokens.")
        given: Mapping[str, Any]
        if "invokeModel" in request["input"]:
            body = decode(request["input"]["invokeModel"]["body"])
            given = family_of(model, body).read(body, model)
        else:
            given = request["input"]["converse"]
        generation = await read_generation(ctx, model, given, self._media)
        return {"inputTokens": await self._runs.count(ctx, target, generation)}
