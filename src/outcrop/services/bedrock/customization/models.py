"""Custom models: GetCustomModel, ListCustomModels, DeleteCustomModel."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.customization.jobs import metrics
from outcrop.services.contract import ConflictException, ResourceNotFoundException

if TYPE_CHECKING:
    from outcrop.services.bedrock.capacity.meter import Meter
    from outcrop.services.bedrock.records import Record, Records
    from outcrop.services.contract import Context, Request, Result

KIND = "custom-model"


class CustomModels:
    """`is_used` says whether capacity serves a model."""

    def __init__(self, records: Records, meter: Meter, is_used: Callable[[Record], bool]) -> None:
        self._records = records
        self._meter = meter
        self._is_used = is_used

    async def get_custom_model(self, ctx: Context, request: Request) -> Result:
        record = self._find(ctx, request)
        body = record.body
        details: dict[str, Any] = {
            "modelArn": record.arn,
            "modelName": record.name,
            "creationTime": record.created,
            "modelStatus": record.status,
            "customizationType": body["customizationType"],
        }
        optional = {
            "jobName": body.get("jobName"),
            "jobArn": body.get("job"),
            "baseModelArn": _base_arn(record),
            "modelKmsKeyArn": body.get("customModelKmsKeyId"),
            "failureMessage": body.get("failure"),
            **{name: body.get(name) for name in _TOLD},
            **metrics(body),
        }
        return {**details, **{name: value for name, value in optional.items() if value is not None}}

    async def list_custom_models(self, ctx: Context, request: Request) -> Result:
        if request.get("isOwned") is False:
            return {"modelSummaries": []}

        def wanted(record: Record) -> bool:
            foundation = f"arn:aws:bedrock:{record.region}::foundation-model/{record.body.get('base')}"
            return bool(
                request.get("modelStatus", record.status) == record.status
                and request.get("baseModelArnEquals", _base_arn(record)) == _base_arn(record)
                and request.get("foundationModelArnEquals", foundation) == foundation
            )

        return self._records.page(ctx, KIND, request, "modelSummaries", _summary, wanted)

    async def delete_custom_model(self, ctx: Context, request: Request) -> Result:
        record = self._find(ctx, request)
        if self._is_used(record):
            raise ConflictException(
                f"The custom model {record.arn} is in use. Delete its provisioned throughput and deployments first."
            )
        if record.status == "Creating":
            raise ConflictException(f"The custom model {record.arn} is still being created.")
        if any(other.body.get("parent") == record.arn for other in self._records.all(KIND, ctx)):
            raise ConflictException(f"Other custom models were trained on {record.arn}. Delete them first.")
        self._meter.stop(record.arn)
        self._records.delete(record)
        if weights := record.body.get("weights"):
            shutil.rmtree(Path(weights), ignore_errors=True)
        return {}

    def _find(self, ctx: Context, request: Request) -> Record:
        record = self._records.find(ctx, KIND, request["modelIdentifier"])
        if record is None:
            raise ResourceNotFoundException("The provided model identifier is invalid or doesn't exist.")
        return record


_TOLD = ("hyperParameters", "trainingDataConfig", "validationDataConfig", "outputDataConfig")


def _base_arn(record: Record) -> str | None:
    """Of what it was trained on: a foundation model, or a custom one."""
    if "base" not in record.body:
        return None
    foundation = f"arn:aws:bedrock:{record.region}::foundation-model/{record.body['base']}"
    return str(record.body.get("parent") or foundation)


def _summary(record: Record) -> dict[str, Any]:
    return {
        "modelArn": record.arn,
        "modelName": record.name,
        "creationTime": record.created,
        "baseModelArn": _base_arn(record) or record.arn,
        "baseModelName": str(record.body.get("base", "imported")).split(":")[0],
        "customizationType": record.body["customizationType"],
        "ownerAccountId": record.account,
        "modelStatus": record.status,
    }
