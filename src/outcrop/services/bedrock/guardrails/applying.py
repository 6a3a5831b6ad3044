"""ApplyGuardrail: a guardrail over texts that no model is asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.guardrails.assessing import Assessor, Content
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.engines.embedding import Embedder
    from outcrop.engines.inference.models import Models
    from outcrop.services.bedrock.guardrails.guardrails import Guardrails
    from outcrop.services.contract import Context, Request, Result

_EMBEDDER = "amazon.titan-embed-text-v2:0"
_LONGEST = {"grounding_source": 100_000, "query": 1_000, "guard_content": 5_000}
"""Characters that contextual grounding takes."""
_KEPT = 64


class Assessors:
    """Guardrails made ready to assess, the latest used kept."""

    def __init__(self, guardrails: Guardrails, models: Models) -> None:
        self._guardrails = guardrails
        self._models = models
        self._ready: dict[tuple[str, str, float], Assessor] = {}

    def get(self, ctx: Context, identifier: str, version: str) -> Assessor:
        """Raises ResourceNotFoundException."""
        guardrail = self._guardrails.get(ctx, identifier, version)
        key = (guardrail.id, guardrail.version, guardrail.updated_at)
        assessor = self._ready.pop(key, None) or Assessor(guardrail, self._embed)
        self._ready[key] = assessor
        if len(self._ready) > _KEPT:
            del self._ready[next(iter(self._ready))]
        return assessor

    async def _embed(self) -> Embedder:
        from outcrop.engines.inference.engine import EngineError
        from outcrop.services.bedrock.errors import from_engine

        try:
            return await self._models.embedder(_EMBEDDER)
        except EngineError as error:
            raise from_engine(error, _EMBEDDER) from error


class Applying:
    def __init__(self, assessors: Assessors, *, strict: bool) -> None:
        self._assessors = assessors
        self._strict = strict

    async def apply_guardrail(self, ctx: Context, request: Request) -> Result:
        assessor = self._assessors.get(ctx, request["guardrailIdentifier"], request["guardrailVersion"])
        content = read_content(request["content"])
        if self._strict and content.grounding_source:
            _check_lengths(content)
        verdict = await assessor.assess(request["source"], content, full=request.get("outputScope") == "FULL")
        return {
            "usage": verdict.usage,
            "action": "GUARDRAIL_INTERVENED" if verdict.intervened else "NONE",
            "actionReason": verdict.reason,
            "outputs": [{"text": text} for text in verdict.texts] if verdict.intervened else [],
            "assessments": [verdict.assessment],
            "guardrailCoverage": verdict.coverage,
        }


def read_content(blocks: Sequence[Mapping[str, Any]]) -> Content:
    """Sources and queries are what grounding is judged against; all else is guarded. Raises ValidationException."""
    guarded: list[str] = []
    against: dict[str, list[str]] = {"grounding_source": [], "query": []}
    total = images = 0
    for index, block in enumerate(blocks):
        if len(block) != 1:
            raise ValidationException(f"The content block at content.{index} must set exactly one of text, image.")
        if "image" in block:
            images += 1
            continue
        text, qualifiers = block["text"]["text"], block["text"].get("qualifiers") or ("guard_content",)
        total += len(text)
        for name in against.keys() & set(qualifiers):
            against[name].append(text)
        if "guard_content" in qualifiers:
            guarded.append(text)
    if not blocks:
        raise ValidationException("The content must hold at least one block.")
    return Content(
        tuple(guarded), "\n".join(against["grounding_source"]), "\n".join(against["query"]), total=total, images=images
    )


def _check_lengths(content: Content) -> None:
    lengths = {
        "grounding_source": len(content.grounding_source),
        "query": len(content.query),
        "guard_content": sum(map(len, content.texts)),
    }
    for name, length in lengths.items():
        if length > _LONGEST[name]:
            raise ValidationException(
                f"The {name} has {length} characters; contextual grounding takes {_LONGEST[name]} at most."
            )
