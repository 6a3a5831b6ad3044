"""From what callers write as `modelId` to a model of the catalogue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from outcrop.services.bedrock.catalogue import FoundationModel
from outcrop.services.bedrock.errors import invalid_model
from outcrop.services.contract import ResourceNotFoundException, ValidationException

if TYPE_CHECKING:
    from outcrop.engines.inference.models import Models
    from outcrop.services.bedrock.catalogue import Catalogue

_ARN = re.compile(
    r"arn:aws[\w-]*:(?P<service>bedrock|sagemaker):(?P<region>[a-z0-9-]*):(?P<account>\d*):(?P<kind>[\w-]+)/(?P<id>.+)"
)


class Targets:
    """In strict mode, models that AWS serves through inference profiles only are refused under their bare ids."""

    def __init__(self, catalogue: Catalogue, models: Models, strict: bool) -> None:
        self._catalogue = catalogue
        self._models = models
        self._strict = strict

    def resolve(self, identifier: str) -> FoundationModel:
        """The model behind an id or ARN of a model or inference profile. Raises AWS's errors."""
        if not identifier.startswith("arn:"):
            return self._by_id(identifier)
        arn = _ARN.fullmatch(identifier)
        if arn is None:
            raise invalid_model()
        match arn["kind"]:
            case "foundation-model":
                return self._base(arn["id"])
            case "inference-profile":
                profile = self._catalogue.profiles.get(arn["id"])
                if profile is None:
                    raise invalid_model()
                return profile.model
            case "prompt" | "prompt-router" | "default-prompt-router" | "endpoint":
                raise ValidationException(
                    f"{arn['kind']} resources are not available here. Name a foundation model or an inference profile."
                )
            case kind:
                raise ResourceNotFoundException(f"Could not find the {kind} {identifier}.")

    def _by_id(self, identifier: str) -> FoundationModel:
        if (profile := self._catalogue.profiles.get(identifier)) is not None:
            return profile.model
        return self._base(identifier)

    def _base(self, model_id: str) -> FoundationModel:
        model = self._catalogue.models.get(model_id)
        if model is None:
            if self._models.maps(model_id):
                return _unlisted(model_id)
            raise invalid_model()
        if self._strict and model.needs_profile:
            raise ValidationException(
                f"Invocation of model ID {model_id} with on-demand throughput isn’t supported. Retry your request "
                "with the ID or ARN of an inference profile that contains this model."
            )
        return model


def _unlisted(model_id: str) -> FoundationModel:
    """A text model that the settings map to an engine, though this catalogue doesn't know it (yet)."""
    provider = model_id.partition(".")[0]
    return FoundationModel(model_id, model_id, provider, ("TEXT", "IMAGE"), ("TEXT",), True, (), (), "ACTIVE", ())
