"""From what callers write as `modelArn` to the engine that answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NoReturn

from outcrop.engines.inference.engine import EngineError
from outcrop.engines.inference.models import Models
from outcrop.services.contract import Context, ServiceError
from outcrop.services.knowledge_bases.errors import DependencyFailedException, ValidationException

_ARN = re.compile(r"arn:aws[\w-]*:(?P<service>[\w-]+):[\w-]*:\d*:(?P<kind>[\w-]+)/(?P<id>.+)")
_CUSTOM = {
    "provisioned-model": ("get_provisioned_model_throughput", "provisionedModelId", "foundationModelArn"),
    "custom-model-deployment": ("get_custom_model_deployment", "customModelDeploymentIdentifier", "modelArn"),
    "imported-model": ("get_imported_model", "modelIdentifier", "modelArn"),
}


@dataclass(frozen=True, slots=True)
class Target:
    arn: str
    """As the caller gave it: what Converse is called with."""
    model_id: str
    """Of the foundation model behind it; of a custom model the ARN."""
    served_by: str
    generative: bool
    """False: the built-in engine, which only selects from what it is given."""


class Targets:
    def __init__(self, models: Models) -> None:
        self._models = models

    async def find(self, ctx: Context, arn: str) -> Target:
        """Raises ValidationException where there is no such text model, DependencyFailedException where its engine
        can't be had."""
        identifier = await self._foundation_model(ctx, arn)
        try:
            engine = await self._models.text(identifier)
        except EngineError as error:
            raise DependencyFailedException(str(error), resourceName=arn) from None
        return Target(arn, identifier, engine.name, generative=not engine.extractive)

    async def _foundation_model(self, ctx: Context, arn: str) -> str:
        match = _ARN.fullmatch(arn)
        kind, identifier = (match["kind"], match["id"]) if match else ("", arn)
        if match and match["service"] != "bedrock":
            raise ValidationException(
                f"{arn} is not a Bedrock model: endpoints of other services are not available in Outcrop. Name a "
                "foundation model or an inference profile."
            )
        if kind in _CUSTOM:
            operation, member, base = _CUSTOM[kind]
            found = await _ask(ctx, operation, {member: arn})
            return _base(found[base]) if found else _unknown(arn)
        if kind in ("", "foundation-model"):
            if found := await _ask(ctx, "get_foundation_model", {"modelIdentifier": identifier}):
                if "TEXT" not in found["modelDetails"].get("outputModalities", ()) or "rerank" in identifier:
                    raise ValidationException(f"The model {identifier} does not write text. Name a text model.")
                return identifier
            if self._models.maps(identifier):
                return identifier
        if kind in ("", "inference-profile", "application-inference-profile") and identifier:
            found = await _ask(
                ctx, "get_inference_profile", {"inferenceProfileIdentifier": identifier if not kind else arn}
            )
            if found and found.get("models"):
                return _base(found["models"][0]["modelArn"])
        return _unknown(arn)


async def _ask(ctx: Context, operation: str, request: dict[str, str]) -> dict[str, Any] | None:
    try:
        return await ctx.call("bedrock", operation, request)
    except ServiceError as error:
        if error.code in ("ThrottlingException", "AccessDeniedException"):
            raise
        return None


def _base(arn: str) -> str:
    """The bare id of a foundation model; a custom model keeps its ARN, under which its weights are known."""
    return arn.rsplit("/", 1)[-1] if ":foundation-model/" in arn else arn


def _unknown(arn: str) -> NoReturn:
    raise ValidationException(
        f"The provided model identifier is invalid: {arn or 'it is empty'}. Give the id or ARN of a text model, or of "
        "an inference profile."
    )
