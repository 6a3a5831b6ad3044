import pytest

from outcrop.services.contract import (
    AccessDeniedException,
    ConflictException,
    ResourceNotFoundException,
    ValidationException,
)

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"


async def availability(client):
    answer = await client.get_foundation_model_availability(modelId=HAIKU)
    return answer["agreementAvailability"]["status"], answer["entitlementAvailability"]


async def test_an_agreement_that_is_given_up_closes_the_model(client):
    (offer,) = (await client.list_foundation_model_agreement_offers(modelId=HAIKU))["offers"]
    assert await availability(client) == ("AVAILABLE", "AVAILABLE")
    with pytest.raises(ConflictException):
        await client.create_foundation_model_agreement(modelId=HAIKU, offerToken=offer["offerToken"])
    await client.delete_foundation_model_agreement(modelId=HAIKU)
    assert await availability(client) == ("NOT_AVAILABLE", "NOT_AVAILABLE")
    with pytest.raises(AccessDeniedException, match="You don't have access to the model with the specified model ID"):
        await client.ask("Hi", model=HAIKU)
    await client.at(account="111111111111").ask("Hi", model=HAIKU)
    with pytest.raises(ResourceNotFoundException):
        await client.delete_foundation_model_agreement(modelId=HAIKU)
    with pytest.raises(ValidationException, match="offer token"):
        await client.create_foundation_model_agreement(modelId=HAIKU, offerToken="x")
    made = await client.create_foundation_model_agreement(modelId=HAIKU, offerToken=offer["offerToken"])
    assert made == {"modelId": HAIKU}
    await client.ask("Hi", model=HAIKU)


async def test_agreements_are_for_models_of_others(client):
    with pytest.raises(ValidationException, match="needs no agreement"):
        await client.list_foundation_model_agreement_offers(modelId="amazon.nova-lite-v1:0")
    with pytest.raises(ResourceNotFoundException):
        await client.delete_foundation_model_agreement(modelId="acme.nothing")


async def test_use_case(client):
    with pytest.raises(ResourceNotFoundException):
        await client.get_use_case_for_model_access()
    await client.put_use_case_for_model_access(formData=b'{"companyName": "School"}')
    assert await client.get_use_case_for_model_access() == {"formData": b'{"companyName": "School"}'}
    with pytest.raises(ResourceNotFoundException):
        await client.at(account="111111111111").get_use_case_for_model_access()
