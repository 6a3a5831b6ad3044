"""Imported models: GetImportedModel, ListImportedModels, DeleteImportedModel."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.imports.jobs import MODEL
from outcrop.services.contract import ResourceNotFoundException

if TYPE_CHECKING:
    from outcrop.services.bedrock.capacity.meter import Meter
    from outcrop.services.bedrock.capacity.serving import Serving
    from outcrop.services.bedrock.records import Record, Records
    from outcrop.services.contract import Context, Request, Result


class ImportedModels:
    def __init__(self, records: Records, serving: Serving, meter: Meter) -> None:
        self._records = records
        self._serving = serving
        self._meter = meter

    async def get_imported_model(self, ctx: Context, request: Request) -> Result:
        record = self._find(ctx, request)
        body = record.body
        details = {
            **_summary(record),
            "jobName": body["jobName"],
            "jobArn": body["job"],
            "modelDataSource": body["source"],
            "customModelUnits": {"customModelUnitsPerModelCopy": 1, "customModelUnitsVersion": "v1.0"},
        }
        return {**details, "modelKmsKeyArn": body["key"]} if "key" in body else details

    async def list_imported_models(self, ctx: Context, request: Request) -> Result:
        return self._records.page(ctx, MODEL, request, "modelSummaries", _summary)

    async def delete_imported_model(self, ctx: Context, request: Request) -> Result:
        record = self._find(ctx, request)
        await self._serving.release(record)
        self._meter.stop(record.arn)
        self._records.delete(record)
        shutil.rmtree(Path(record.body["weights"]), ignore_errors=True)
        return {}

    def _find(self, ctx: Context, request: Request) -> Record:
        record = self._records.find(ctx, MODEL, request["modelIdentifier"])
        if record is None:
            raise ResourceNotFoundException("The provided model identifier is invalid or doesn't exist.")
        return record


def _summary(record: Record) -> dict[str, Any]:
    return {
        "modelArn": record.arn,
        "modelName": record.name,
        "creationTime": record.created,
        "instructSupported": record.body["instruct"],
        "modelArchitecture": record.body["architecture"],
    }
