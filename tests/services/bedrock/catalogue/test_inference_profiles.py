import pytest

from outcrop.services.contract import ResourceNotFoundException, ValidationException

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


async def test_list_inference_profiles_of_the_callers_region(client):
    here = (await client.list_inference_profiles(maxResults=1000))["inferenceProfileSummaries"]
    prefixes = {profile["inferenceProfileId"].split(".")[0] for profile in here}
    assert prefixes == {"us", "global"}
    there = await client.at(region="eu-west-1").list_inference_profiles(maxResults=1000)
    prefixes = {profile["inferenceProfileId"].split(".")[0] for profile in there["inferenceProfileSummaries"]}
    assert prefixes == {"eu", "global"}


async def test_list_inference_profiles_in_pages(client):
    whole = (await client.list_inference_profiles(maxResults=1000))["inferenceProfileSummaries"]
    found, token = [], {}
    while True:
        page = await client.list_inference_profiles(maxResults=20, **token)
        found += page["inferenceProfileSummaries"]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert found == whole
    for wrong in ("x", "-1", "999999", "²"):
        with pytest.raises(ValidationException):
            await client.list_inference_profiles(nextToken=wrong)


async def test_list_inference_profiles_by_type(client):
    assert (await client.list_inference_profiles(typeEquals="APPLICATION"))["inferenceProfileSummaries"] == []
    assert (await client.list_inference_profiles(typeEquals="SYSTEM_DEFINED"))["inferenceProfileSummaries"]


@pytest.mark.parametrize("identifier", [SONNET, f"arn:aws:bedrock:us-east-1:000000000000:inference-profile/{SONNET}"])
async def test_get_inference_profile(client, identifier):
    profile = await client.get_inference_profile(inferenceProfileIdentifier=identifier)
    assert profile["inferenceProfileArn"] == f"arn:aws:bedrock:us-east-1:000000000000:inference-profile/{SONNET}"
    assert profile["inferenceProfileName"] == "US Anthropic Claude Sonnet 4.5"
    assert profile["type"] == "SYSTEM_DEFINED"
    assert {model["modelArn"] for model in profile["models"]} == {
        f"arn:aws:bedrock:{region}::foundation-model/{SONNET.removeprefix('us.')}"
        for region in ("us-east-1", "us-east-2", "us-west-2")
    }


async def test_get_inference_profile_fails_for_what_does_not_exist(client):
    with pytest.raises(ResourceNotFoundException):
        await client.get_inference_profile(inferenceProfileIdentifier="us.anthropic.claude-99")
