"""From capacity to engines: which weights answer for a provisioned model, a deployment or an imported model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcrop.engines.inference.engine import EngineLoading
from outcrop.engines.inference.mapping import Choice
from outcrop.engines.inference.mapping import Target as Engine
from outcrop.services.bedrock.catalogue.targets import Target
from outcrop.services.bedrock.errors import ModelNotReadyException
from outcrop.services.bedrock.imports.foundation import foundation_of
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.engines.inference.models import Models
    from outcrop.services.bedrock.catalogue import Catalogue, FoundationModel
    from outcrop.services.bedrock.records import Record, Records
    from outcrop.services.contract import Context

PROVISIONED = "provisioned-model"
DEPLOYMENT = "custom-model-deployment"
IMPORTED = "imported-model"
CUSTOM = "custom-model"
_READY = ("InService", "Updating", "Active")


class Serving:
    def __init__(self, catalogue: Catalogue, records: Records, models: Models) -> None:
        self._catalogue = catalogue
        self._records = records
        self._models = models

    def resolve(self, ctx: Context, identifier: str) -> Target | None:
        """For `Targets.add`: what an ARN of capacity or of a custom model stands for."""
        record = self._records.by_arn(identifier)
        if record is None or (record.account, record.region) != (ctx.account, ctx.region):
            return None
        if record.kind == CUSTOM:
            raise ValidationException(
                f"Invocation of model ID {identifier} with on-demand throughput isn’t supported. Retry your request "
                "with the ARN of a provisioned throughput or of a deployment that contains this model."
            )
        if record.kind not in (PROVISIONED, DEPLOYMENT, IMPORTED):
            return None
        if record.status not in _READY:
            raise ModelNotReadyException(f"The model {identifier} is not ready for inference: it is {record.status}.")
        model = self.model_of(record)
        if model is None:
            foundation = self._catalogue.models[record.body["base"]]
            return Target(foundation, foundation.id, record.arn)
        return Target(self.foundation(model), record.arn, record.arn)

    def assigned(self, task: str, key: str) -> Choice | None:
        """For `Models.assign`."""
        if task != "text" or not key.startswith("arn:"):
            return None
        record = self._records.by_arn(key)
        model = self.model_of(record) if record else None
        return self.choice(record, model) if record and model else None

    def model_of(self, capacity: Record, desired: bool = False) -> Record | None:
        """The custom or imported model that capacity serves; None: a foundation model."""
        if capacity.kind == IMPORTED:
            return capacity
        arn = capacity.body.get("desired" if desired else "model", "")
        found = self._records.by_arn(arn)
        return found if found and found.kind == CUSTOM else None

    def choice(self, capacity: Record, model: Record) -> Choice:
        """An engine of the capacity's own: as many processes as it has model units."""
        return Choice(
            (Engine("transformers", model.body["weights"]),),
            (("label", model.name), ("owner", capacity.id), ("units", int(capacity.body.get("units", 1)))),
        )

    def foundation(self, model: Record) -> FoundationModel:
        """Whose bodies and limits apply to a model."""
        if "base" in model.body:
            return self._catalogue.models[model.body["base"]]
        return foundation_of(model.body["architecture"], int(model.body.get("context", 0)))

    def is_used(self, model: Record) -> bool:
        capacity = (*self._records.all(PROVISIONED), *self._records.all(DEPLOYMENT))
        return any(model.arn in (one.body.get("model"), one.body.get("desired")) for one in capacity)

    async def load(self, capacity: Record, desired: bool = False) -> None:
        """Start the processes of what capacity serves, and wait for them. Raises EngineError."""
        model = self.model_of(capacity, desired)
        if model is None:
            return
        while True:
            try:
                await self._models.load("text", self.choice(capacity, model), capacity.arn)
            except EngineLoading:
                continue
            return

    async def release(self, capacity: Record) -> None:
        """End the processes of what capacity serves."""
        model = self.model_of(capacity)
        if model is not None:
            await self._models.release("text", self.choice(capacity, model))
