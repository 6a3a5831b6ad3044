"""Which weights of this machine stand for a base model that can be customized."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcrop.engines.tuning import tiny
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.engines.inference.models import Models
    from outcrop.services.bedrock.catalogue import Catalogue, FoundationModel
    from outcrop.services.bedrock.records import Record, Records
    from outcrop.services.contract import Context

LOCAL = "transformers"
"""The kind of engine that runs weights which can be trained."""


class CustomizableBases:
    """Any base is `tiny-course` unless the mapping has it served by local weights."""

    def __init__(self, catalogue: Catalogue, records: Records, models: Models) -> None:
        self._catalogue = catalogue
        self._records = records
        self._models = models

    def find(self, ctx: Context, identifier: str, customization: str) -> tuple[FoundationModel, Record | None]:
        """The base of a job, and the custom model to go on from, if one is named. Raises ValidationException."""
        if (custom := self._records.find(ctx, "custom-model", identifier)) is not None:
            if custom.status != "Active" or custom.body["of"] == "imported":
                raise ValidationException(f"The custom model {identifier} can't be customized further.")
            return self._catalogue.models[custom.body["base"]], custom
        model = self._by_id(identifier.rpartition("foundation-model/")[2], customization)
        if model is None:
            raise ValidationException("The provided model identifier is invalid.")
        if customization not in model.customizations or not model.writes_text:
            raise ValidationException(f"The model {model.id} does not support customization by {customization}.")
        return model, None

    def _by_id(self, model_id: str, customization: str) -> FoundationModel | None:
        """A bare id stands for the variant of it that can be customized."""
        model = self._catalogue.models.get(model_id)
        if model is not None and customization in model.customizations:
            return model
        variants = [
            other
            for other in self._catalogue.models.values()
            if other.id.startswith(f"{model_id}:") and customization in other.customizations
        ]
        return variants[0] if variants else model

    def weights(self, model: FoundationModel) -> str:
        """What `Bases.find` takes: a directory, or `tiny-course`."""
        bare = model.id.split(":")[0]
        for name in (model.id, bare):
            choice = self._models.choice("text", name)
            if choice is not None and choice.targets[0].kind == LOCAL:
                return choice.targets[0].argument
        return tiny.NAME
