"""Capacity whose background jobs have not run yet."""

import pytest

from outcrop.services.bedrock.errors import ModelNotReadyException, TooManyTagsException
from outcrop.services.contract import ConflictException, ResourceNotFoundException, ValidationException

TITAN = "amazon.titan-text-express-v1:0:8k"
NOTHING = "arn:aws:bedrock:us-east-1:000000000000:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl"


async def buy(client, name="units", **more):
    request = {"provisionedModelName": name, "modelId": TITAN, "modelUnits": 1, **more}
    return (await client.create_provisioned_model_throughput(**request))["provisionedModelArn"]


async def test_provisioned_throughput_is_not_ready_at_once(client):
    arn = await buy(client, commitmentDuration="SixMonths", tags=[{"key": "team", "value": "a"}])
    details = await client.get_provisioned_model_throughput(provisionedModelId="units")
    assert (details["status"], details["provisionedModelArn"]) == ("Creating", arn)
    assert details["foundationModelArn"] == f"arn:aws:bedrock:us-east-1::foundation-model/{TITAN}"
    assert (details["commitmentExpirationTime"] - details["creationTime"]).days in (179, 180)
    with pytest.raises(ModelNotReadyException):
        await client.ask(model=arn)
    with pytest.raises(ValidationException, match="it is Creating"):
        await client.update_provisioned_model_throughput(provisionedModelId=arn, desiredProvisionedModelName="x")
    assert (await client.list_tags_for_resource(resourceARN=arn))["tags"] == [{"key": "team", "value": "a"}]
    elsewhere = client.at(region="eu-west-1")
    with pytest.raises(ResourceNotFoundException):
        await elsewhere.get_provisioned_model_throughput(provisionedModelId=arn)


async def test_provisioned_throughput_is_refused(client):
    await buy(client, clientRequestToken="one")
    with pytest.raises(ValidationException, match="currently in use"):
        await buy(client)
    with pytest.raises(ValidationException, match="token"):
        await buy(client, "other", clientRequestToken="one")
    with pytest.raises(ValidationException, match="not supported for the model amazon"):
        await buy(client, "embed", modelId="amazon.titan-embed-text-v2:0")
    with pytest.raises(ValidationException, match="model identifier is invalid"):
        await buy(client, "none", modelId="no.such")
    with pytest.raises(ResourceNotFoundException):
        await buy(client, "custom", modelId=NOTHING)
    with pytest.raises(TooManyTagsException):
        await buy(client, "tags", tags=[{"key": str(n), "value": ""} for n in range(51)])
    with pytest.raises(ConflictException, match="it is Creating"):
        await client.delete_provisioned_model_throughput(provisionedModelId="units")


async def test_the_same_token_buys_once(client):
    assert await buy(client, clientRequestToken="one") == await buy(client, clientRequestToken="one")
    assert len((await client.list_provisioned_model_throughputs())["provisionedModelSummaries"]) == 1


async def test_listings_are_cut_into_pages(client):
    arns = [await buy(client, f"units-{n}") for n in range(5)]
    seen, more = [], {}
    while True:
        page = await client.list_provisioned_model_throughputs(maxResults=2, sortOrder="Ascending", **more)
        seen += [one["provisionedModelArn"] for one in page["provisionedModelSummaries"]]
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    assert seen == arns
    newest = await client.list_provisioned_model_throughputs(maxResults=1)
    assert newest["provisionedModelSummaries"][0]["provisionedModelArn"] == arns[-1]
    assert (await client.list_provisioned_model_throughputs(statusEquals="Failed"))["provisionedModelSummaries"] == []
    with pytest.raises(ValidationException, match="pagination token is invalid"):
        await client.list_provisioned_model_throughputs(nextToken="nonsense")


async def test_models_that_are_not_there(client):
    with pytest.raises(ResourceNotFoundException):
        await client.create_custom_model_deployment(modelDeploymentName="demand", modelArn=NOTHING)
    for operation, name in (
        ("get_custom_model", "modelIdentifier"),
        ("delete_custom_model", "modelIdentifier"),
        ("get_imported_model", "modelIdentifier"),
        ("get_model_import_job", "jobIdentifier"),
        ("get_model_customization_job", "jobIdentifier"),
        ("stop_model_customization_job", "jobIdentifier"),
        ("get_custom_model_deployment", "customModelDeploymentIdentifier"),
    ):
        with pytest.raises(ResourceNotFoundException):
            await getattr(client, operation)(**{name: "nothing"})
    with pytest.raises(ValidationException, match="s3DataSource is needed"):
        await client.create_custom_model(modelName="x")


async def test_what_can_not_be_customized(client):
    request = {
        "jobName": "job",
        "customModelName": "custom",
        "roleArn": "arn:aws:iam::000000000000:role/r",
        "trainingDataConfig": {"s3Uri": "s3://bucket/train.jsonl"},
        "outputDataConfig": {"s3Uri": "s3://bucket/out"},
        "baseModelIdentifier": TITAN,
    }
    for change, said in (
        ({"baseModelIdentifier": "no.such-model"}, "model identifier is invalid"),
        ({"baseModelIdentifier": "anthropic.claude-3-opus-20240229-v1:0"}, "does not support customization"),
        ({"customizationType": "DISTILLATION"}, "DISTILLATION is not available here"),
        ({"hyperParameters": {"epochCount": "99"}}, "epochCount is out of range"),
        ({"trainingDataConfig": {}}, "trainingDataConfig.s3Uri is needed"),
    ):
        with pytest.raises(ValidationException, match=said):
            await client.create_model_customization_job(**{**request, **change})
