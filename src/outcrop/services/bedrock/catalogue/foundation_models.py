"""ListFoundationModels, GetFoundationModel and availability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.errors import invalid_model, no_such_model

if TYPE_CHECKING:
    from outcrop.services.bedrock.catalogue import Catalogue, FoundationModel
    from outcrop.services.bedrock.store import BedrockStore
    from outcrop.services.contract import Context, Request, Result


class FoundationModels:
    def __init__(self, catalogue: Catalogue, store: BedrockStore) -> None:
        self._catalogue = catalogue
        self._store = store

    async def list_foundation_models(self, ctx: Context, request: Request) -> Result:
        models = self._catalogue.models.values()
        return {"modelSummaries": [describe(model, ctx.region) for model in models if _wanted(model, request)]}

    async def get_foundation_model(self, ctx: Context, request: Request) -> Result:
        return {"modelDetails": describe(self._find(request["modelIdentifier"]), ctx.region)}

    async def get_foundation_model_availability(self, ctx: Context, request: Request) -> Result:
        model = self._find(request["modelId"])
        given_up = self._store.has_given_up(ctx.account, model.id)
        return {
            "modelId": model.id,
            "agreementAvailability": {"status": "NOT_AVAILABLE" if given_up else "AVAILABLE"},
            "authorizationStatus": "AUTHORIZED",
            "entitlementAvailability": "NOT_AVAILABLE" if given_up else "AVAILABLE",
            "regionAvailability": "AVAILABLE",
        }

    def _find(self, identifier: str) -> FoundationModel:
        if identifier.startswith("arn:") and ":foundation-model/" not in identifier:
            raise invalid_model()
        model = self._catalogue.models.get(identifier.rpartition("foundation-model/")[2])
        if model is None:
            raise no_such_model()
        return model


def _wanted(model: FoundationModel, request: Mapping[str, Any]) -> bool:
    return (
        ("byProvider" not in request or model.provider.lower() == request["byProvider"].lower())
        and ("byCustomizationType" not in request or request["byCustomizationType"] in model.customizations)
        and ("byOutputModality" not in request or request["byOutputModality"] in model.output)
        and ("byInferenceType" not in request or request["byInferenceType"] in model.inference)
    )


def describe(model: FoundationModel, region: str) -> dict[str, Any]:
    return {
        "modelArn": model.arn(region),
        "modelId": model.id,
        "modelName": model.name,
        "providerName": model.provider,
        "inputModalities": list(model.input),
        "outputModalities": list(model.output),
        "responseStreamingSupported": model.streaming,
        "customizationsSupported": list(model.customizations),
        "inferenceTypesSupported": list(model.inference),
        "modelLifecycle": {"status": model.status},
    }
