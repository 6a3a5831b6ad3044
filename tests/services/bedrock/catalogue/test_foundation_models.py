import re

import pytest

from outcrop.services.bedrock.catalogue import Catalogue
from outcrop.services.contract import ResourceNotFoundException, ValidationException

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"


async def ids(client, **filters):
    return {model["modelId"] for model in (await client.list_foundation_models(**filters))["modelSummaries"]}


async def test_list_foundation_models(client):
    models = (await client.at(region="eu-west-1").list_foundation_models())["modelSummaries"]
    assert len(models) > 140
    haiku = next(model for model in models if model["modelId"] == HAIKU)
    assert haiku == {
        "modelArn": f"arn:aws:bedrock:eu-west-1::foundation-model/{HAIKU}",
        "modelId": HAIKU,
        "modelName": "Claude 3 Haiku",
        "providerName": "Anthropic",
        "inputModalities": ["TEXT", "IMAGE"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "LEGACY"},
    }


async def test_list_foundation_models_by_each_filter(client):
    everything = await ids(client)
    assert all(id.startswith("meta.") for id in await ids(client, byProvider="Meta"))
    assert await ids(client, byProvider="meta") == await ids(client, byProvider="Meta")
    assert await ids(client, byProvider="Nobody") == set()
    assert "amazon.titan-embed-text-v2:0" in await ids(client, byOutputModality="EMBEDDING")
    assert HAIKU not in await ids(client, byOutputModality="EMBEDDING")
    tunable = await ids(client, byCustomizationType="FINE_TUNING")
    assert "amazon.nova-micro-v1:0:128k" in tunable < everything
    assert tunable & await ids(client, byInferenceType="ON_DEMAND") < tunable
    assert await ids(client, byProvider="Amazon", byOutputModality="IMAGE", byInferenceType="ON_DEMAND") == {
        "amazon.nova-canvas-v1:0",
        "amazon.titan-image-generator-v1",
        "amazon.titan-image-generator-v2:0",
    }


@pytest.mark.parametrize("identifier", [HAIKU, f"arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}"])
async def test_get_foundation_model(client, identifier):
    details = (await client.get_foundation_model(modelIdentifier=identifier))["modelDetails"]
    assert details["modelName"] == "Claude 3 Haiku"


async def test_get_foundation_model_fails_for_what_does_not_exist(client):
    with pytest.raises(ResourceNotFoundException):
        await client.get_foundation_model(modelIdentifier="anthropic.claude-99")
    with pytest.raises(ValidationException):
        await client.get_foundation_model(modelIdentifier="arn:aws:bedrock:us-east-1:0:custom-model/x")


async def test_get_foundation_model_availability(client):
    answer = await client.get_foundation_model_availability(modelId=HAIKU)
    assert answer["agreementAvailability"] == {"status": "AVAILABLE"}
    assert answer["authorizationStatus"] == "AUTHORIZED"
    with pytest.raises(ResourceNotFoundException):
        await client.get_foundation_model_availability(modelId="anthropic.claude-99")


def test_every_model_of_the_catalogue_is_well_formed():
    pattern = re.compile(r"[a-z0-9-]{1,63}\.[a-z0-9.-]{1,63}(:[a-z0-9-]{1,63}){0,2}")
    for model in Catalogue().models.values():
        assert pattern.fullmatch(model.id), model.id
        assert model.name
        assert model.status in ("ACTIVE", "LEGACY")
        assert bool(model.profiles) or not model.needs_profile, model.id
        assert set(model.inference) <= {"ON_DEMAND", "PROVISIONED", "INFERENCE_PROFILE"}
