"""Wires what makes and serves an account's own models: customization, imports, capacity and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcrop.services.bedrock.batch.jobs import InvocationJobs
from outcrop.services.bedrock.capacity.deployments import Deployments
from outcrop.services.bedrock.capacity.meter import Meter
from outcrop.services.bedrock.capacity.provisioned import ProvisionedThroughput
from outcrop.services.bedrock.capacity.serving import Serving
from outcrop.services.bedrock.customization.bases import CustomizableBases
from outcrop.services.bedrock.customization.jobs import RUNS, CustomizationJobs
from outcrop.services.bedrock.customization.models import CustomModels
from outcrop.services.bedrock.customization.runs import CustomizationRuns
from outcrop.services.bedrock.imports.custom import CustomModelImports
from outcrop.services.bedrock.imports.jobs import ImportJobs
from outcrop.services.bedrock.imports.models import ImportedModels
from outcrop.services.bedrock.records import Records

if TYPE_CHECKING:
    from outcrop.services.bedrock.catalogue import Catalogue
    from outcrop.services.bedrock.catalogue.targets import Targets
    from outcrop.services.bedrock.store import BedrockStore
    from outcrop.services.bedrock.tags import Tags
    from outcrop.services.contract import Deps


class OwnModels:
    """`resources` belong to `bedrock`; `meter` tells the ledger what runs up a bill by being there."""

    def __init__(self, deps: Deps, catalogue: Catalogue, store: BedrockStore, targets: Targets, tags: Tags) -> None:
        strict = deps.settings.strict
        records = Records(deps.database("bedrock-models"), store)
        self.meter = Meter(records.database)
        bases = CustomizableBases(catalogue, records, deps.models)
        serving = Serving(catalogue, records, deps.models)
        runs = CustomizationRuns(deps, records, bases, self.meter)
        deps.jobs.register(RUNS, runs.run)
        deps.models.assign(serving.assigned)
        targets.add(serving.resolve)
        tags.owns(records.exists)
        self.resources: tuple[object, ...] = (
            CustomizationJobs(records, bases, deps.jobs, strict),
            CustomModels(records, self.meter, serving.is_used),
            ProvisionedThroughput(catalogue, records, serving, self.meter, deps.jobs),
            Deployments(records, serving, deps.jobs, strict),
            ImportJobs(deps, records, self.meter),
            CustomModelImports(deps, records, self.meter),
            ImportedModels(records, serving, self.meter),
            InvocationJobs(deps, records, targets),
        )
