"""From what callers write as `modelId` to what is invoked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outcrop.services.bedrock.catalogue.catalogue import FoundationModel
from outcrop.services.bedrock.errors import invalid_model
from outcrop.services.contract import AccessDeniedException, Context, ResourceNotFoundException, ValidationException

if TYPE_CHECKING:
    from outcrop.engines.inference.models import Models
    from outcrop.services.bedrock.catalogue import Catalogue
    from outcrop.services.bedrock.store import BedrockStore

_ARN = re.compile(
    r"arn:aws[\w-]*:(?P<service>bedrock|sagemaker):(?P<region>[a-z0-9-]*):(?P<account>\d*):(?P<kind>[\w-]+)/(?P<id>.+)"
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a `modelId` names."""

    model: FoundationModel
    """Whose bodies, abilities and limits apply: the base model, where a custom model is invoked."""
    key: str
    """What `Models` is asked with: the model's id, or the ARN of a custom model."""
    resource: str
    """ARN of what was named: a model, an inference profile, a provisioned or a custom model."""


Resolver = Callable[[Context, str], Target | None]
"""Answers None for an identifier (an id, a name or an ARN) that is not of its kind; raises AWS's errors for one that
is, but can't be invoked, such as ModelNotReadyException."""


class Targets:
    """In strict mode, models that AWS serves through inference profiles only are refused under their bare ids."""

    def __init__(self, catalogue: Catalogue, store: BedrockStore, models: Models, strict: bool) -> None:
        self._catalogue = catalogue
        self._store = store
        self._models = models
        self._strict = strict
        self._resolvers: list[Resolver] = []

    def add(self, resolver: Resolver) -> None:
        """Ask `resolver` first: for custom models, provisioned throughput and the like."""
        self._resolvers.append(resolver)

    def resolve(self, ctx: Context, identifier: str) -> Target:
        """Raises AWS's errors where the identifier names nothing that can be invoked."""
        target = self._find(ctx, identifier)
        if self._store.has_given_up(ctx.account, target.model.id):
            raise AccessDeniedException("You don't have access to the model with the specified model ID.")
        return target

    def _find(self, ctx: Context, identifier: str) -> Target:
        for resolver in self._resolvers:
            if (found := resolver(ctx, identifier)) is not None:
                return found
        if not identifier.startswith("arn:"):
            return self._by_id(ctx, identifier)
        arn = _ARN.fullmatch(identifier)
        if arn is None:
            raise invalid_model()
        match arn["kind"]:
            case "foundation-model":
                return self._base(ctx, arn["id"])
            case "inference-profile":
                return self._profile(ctx, arn["id"])
            case "prompt" | "prompt-router" | "default-prompt-router" | "endpoint":
                raise ValidationException(
                    f"{arn['kind']} resources are not available here. Name a foundation model or an inference profile."
                )
            case kind:
                raise ResourceNotFoundException(f"Could not find the {kind} {identifier}.")

    def _by_id(self, ctx: Context, identifier: str) -> Target:
        if identifier in self._catalogue.profiles:
            return self._profile(ctx, identifier)
        return self._base(ctx, identifier)

    def _profile(self, ctx: Context, identifier: str) -> Target:
        profile = self._catalogue.profiles.get(identifier)
        if profile is None:
            raise invalid_model()
        return Target(profile.model, profile.model.id, profile.arn(ctx.region, ctx.account))

    def _base(self, ctx: Context, model_id: str) -> Target:
        model = self._catalogue.models.get(model_id)
        if model is None:
            if not self._models.maps(model_id):
                raise invalid_model()
            model = _unlisted(model_id)
        elif self._strict and model.needs_profile:
            raise ValidationException(
                f"Invocation of model ID {model_id} with on-demand throughput isn’t supported. Retry your request "
                "with the ID or ARN of an inference profile that contains this model."
            )
        return Target(model, model.id, model.arn(ctx.region))


def _unlisted(model_id: str) -> FoundationModel:
    """A text model that the settings map to an engine, though this catalogue doesn't know it (yet)."""
    provider = model_id.partition(".")[0]
    return FoundationModel(model_id, model_id, provider, ("TEXT", "IMAGE"), ("TEXT",), True, (), (), "ACTIVE", ())
