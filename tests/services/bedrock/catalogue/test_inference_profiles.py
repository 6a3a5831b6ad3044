import pytest

from outcrop.services.bedrock.errors import TooManyTagsException
from outcrop.services.contract import ConflictException, ResourceNotFoundException, ValidationException

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


NOVA = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"
SYSTEM = f"arn:aws:bedrock:us-east-1:000000000000:inference-profile/{SONNET}"


async def create(client, source=NOVA, **more):
    request = {"inferenceProfileName": "Course tutor", "modelSource": {"copyFrom": source}, **more}
    return (await client.create_inference_profile(**request))["inferenceProfileArn"]


async def test_create_inference_profile(client):
    arn = await create(client, description="Tutor", tags=[{"key": "team", "value": "learning"}])
    profile = await client.get_inference_profile(inferenceProfileIdentifier=arn)
    assert (
        arn == f"arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/{profile['inferenceProfileId']}"
    )
    assert (profile["type"], profile["status"], profile["description"]) == ("APPLICATION", "ACTIVE", "Tutor")
    assert profile["models"] == [{"modelArn": NOVA}]
    assert profile["createdAt"].tzinfo is not None
    assert await client.get_inference_profile(inferenceProfileIdentifier=profile["inferenceProfileId"]) == profile
    own = (await client.list_inference_profiles(typeEquals="APPLICATION"))["inferenceProfileSummaries"]
    assert own == [profile]
    assert profile in (await client.list_inference_profiles(maxResults=1000))["inferenceProfileSummaries"]
    tags = await client.list_tags_for_resource(resourceARN=arn)
    assert tags == {"tags": [{"key": "team", "value": "learning"}]}


async def test_create_inference_profile_of_a_system_profile(client):
    profile = await client.get_inference_profile(inferenceProfileIdentifier=await create(client, SYSTEM))
    assert len(profile["models"]) == 3


async def test_create_inference_profile_again_with_its_token(client):
    arn = await create(client, clientRequestToken="once")
    assert await create(client, clientRequestToken="once") == arn
    with pytest.raises(ConflictException):
        await create(client, SYSTEM, clientRequestToken="once")
    assert len((await client.list_inference_profiles(typeEquals="APPLICATION"))["inferenceProfileSummaries"]) == 1


@pytest.mark.parametrize(
    "source",
    [
        "arn:aws:bedrock:us-east-1::foundation-model/acme.nothing",
        "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.nothing",
        "nothing",
    ],
)
async def test_create_inference_profile_of_nothing(client, source):
    with pytest.raises(ResourceNotFoundException):
        await create(client, source)


async def test_create_inference_profile_checks_its_tags(client):
    with pytest.raises(ValidationException, match="reserved"):
        await create(client, tags=[{"key": "aws:x", "value": ""}])
    with pytest.raises(TooManyTagsException):
        await create(client, tags=[{"key": str(at), "value": ""} for at in range(51)])


async def test_an_application_profile_is_invoked_by_its_arn(client):
    arn = await create(client)
    answer = await client.ask("<context>The sky is blue.</context> What colour is the sky?", model=arn)
    assert answer["output"]["message"]["content"] == [{"text": "The sky is blue."}]
    body = {"messages": [{"role": "user", "content": [{"text": "<context>It is 5.</context> What is it?"}]}]}
    assert (await client.invoke(arn, body))["output"]["message"]["role"] == "assistant"
    await client.delete_inference_profile(inferenceProfileIdentifier=arn)
    with pytest.raises(ResourceNotFoundException):
        await client.ask("Hi", model=arn)
    with pytest.raises(ResourceNotFoundException):
        await client.list_tags_for_resource(resourceARN=arn)


async def test_delete_inference_profile_fails_for_others(client):
    with pytest.raises(ValidationException):
        await client.delete_inference_profile(inferenceProfileIdentifier=SONNET)
    with pytest.raises(ResourceNotFoundException):
        await client.delete_inference_profile(inferenceProfileIdentifier="abcdefghijkl")
    arn = await create(client)
    with pytest.raises(ResourceNotFoundException):
        await client.at(region="us-west-2").delete_inference_profile(inferenceProfileIdentifier=arn)


async def test_tag_resource(client):
    arn = await create(client)
    await client.tag_resource(resourceARN=arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    await client.tag_resource(resourceARN=arn, tags=[{"key": "a", "value": "3"}])
    await client.untag_resource(resourceARN=arn, tagKeys=["b", "never"])
    assert (await client.list_tags_for_resource(resourceARN=arn))["tags"] == [{"key": "a", "value": "3"}]
    with pytest.raises(TooManyTagsException):
        await client.tag_resource(resourceARN=arn, tags=[{"key": f"k{at}", "value": ""} for at in range(50)])
    with pytest.raises(ValidationException, match="key of its own"):
        await client.tag_resource(resourceARN=arn, tags=[{"key": "a", "value": ""}] * 2)
    with pytest.raises(ResourceNotFoundException):
        await client.tag_resource(resourceARN=SYSTEM, tags=[])
