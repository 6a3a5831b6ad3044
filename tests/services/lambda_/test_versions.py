import json

import pytest
from tests.services.lambda_.conftest import ARN, ECHO, zipped

from outcrop.services.lambda_.errors import (
    InvalidParameterValueException,
    LambdaError,
    PolicyLengthExceededException,
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)


async def test_publish_version(call):
    await call.create()
    first = await call("publish_version", FunctionName="f", Description="first")
    assert first["Version"] == "1"
    assert first["FunctionArn"] == f"{ARN}:f:1"
    assert first["Description"] == "first"
    assert (await call("publish_version", FunctionName="f"))["Version"] == "1"
    await call("update_function_code", FunctionName="f", ZipFile=zipped("def handler(e, c):\n    return 'new'"))
    second = await call("publish_version", FunctionName="f")
    assert second["Version"] == "2"
    assert await call.invoke(1, Qualifier="1") == 1
    assert await call.invoke(1, Qualifier="2") == "new"
    listed = (await call("list_versions_by_function", FunctionName="f"))["Versions"]
    assert [each["Version"] for each in listed] == ["$LATEST", "1", "2"]
    assert listed[0]["FunctionArn"] == f"{ARN}:f:$LATEST"


async def test_publish_version_of_other_code(call):
    await call.create()
    with pytest.raises(
        InvalidParameterValueException, match=r"CodeSHA256 \(abc\) is different from current CodeSHA256"
    ):
        await call("publish_version", FunctionName="f", CodeSha256="abc")
    with pytest.raises(PreconditionFailedException):
        await call("publish_version", FunctionName="f", RevisionId="abc")


async def test_numbers_of_deleted_versions_are_not_used_again(call):
    await call.create(Publish=True)
    await call("delete_function", FunctionName="f", Qualifier="1")
    await call("update_function_code", FunctionName="f", ZipFile=zipped("x = 1"))
    assert (await call("publish_version", FunctionName="f"))["Version"] == "2"


async def test_a_published_version_keeps_its_settings(call):
    await call.create(Publish=True)
    await call("update_function_configuration", FunctionName="f", Timeout=77)
    assert (await call("get_function_configuration", FunctionName="f", Qualifier="1"))["Timeout"] == 10
    assert (await call("get_function_configuration", FunctionName="f"))["Timeout"] == 77


async def test_aliases(call):
    await call.create(Publish=True)
    made = await call("create_alias", FunctionName="f", Name="live", FunctionVersion="1", Description="d")
    assert made["AliasArn"] == f"{ARN}:f:live"
    assert await call("get_alias", FunctionName="f", Name="live") == made
    with pytest.raises(ResourceConflictException, match=rf"^Alias already exists: {ARN}:f:live$"):
        await call("create_alias", FunctionName="f", Name="live", FunctionVersion="1")
    with pytest.raises(ResourceNotFoundException, match=rf"^Function not found: {ARN}:f:9$"):
        await call("create_alias", FunctionName="f", Name="next", FunctionVersion="9")
    with pytest.raises(PreconditionFailedException):
        await call("update_alias", FunctionName="f", Name="live", RevisionId="old")
    changed = await call("update_alias", FunctionName="f", Name="live", FunctionVersion="$LATEST")
    assert changed["FunctionVersion"] == "$LATEST"
    assert changed["Description"] == "d"
    assert changed["RevisionId"] != made["RevisionId"]
    assert [a["Name"] for a in (await call("list_aliases", FunctionName="f"))["Aliases"]] == ["live"]
    assert (await call("list_aliases", FunctionName="f", FunctionVersion="1"))["Aliases"] == []
    await call("delete_alias", FunctionName="f", Name="live")
    with pytest.raises(ResourceNotFoundException, match=rf"^Cannot find alias arn: {ARN}:f:live$"):
        await call("get_alias", FunctionName="f", Name="live")


async def test_an_alias_shares_invocations_out(call):
    await call.create("def handler(event, context):\n    return context.function_version", Publish=True)
    await call("update_function_configuration", FunctionName="f", Description="second")
    await call("publish_version", FunctionName="f")
    half = {"AdditionalVersionWeights": {"2": 0.5}}
    made = await call("create_alias", FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=half)
    assert made["RoutingConfig"] == half
    answers = [await call("invoke", FunctionName="f:live", Payload=b"1") for _ in range(40)]
    assert {answer["ExecutedVersion"] for answer in answers} == {"1", "2"}
    assert all(json.loads(answer["Payload"]) == answer["ExecutedVersion"] for answer in answers)
    everything = {"AdditionalVersionWeights": {"2": 1.0}}
    await call("update_alias", FunctionName="f", Name="live", RoutingConfig=everything)
    assert {await call.invoke(name="f:live") for _ in range(5)} == {"2"}
    changed = await call("update_alias", FunctionName="f", Name="live", FunctionVersion="2", RoutingConfig={})
    assert "RoutingConfig" not in changed
    assert "RoutingConfig" not in await call("get_alias", FunctionName="f", Name="live")


@pytest.mark.parametrize(
    ("version", "weights", "message"),
    [
        ("1", {"1": 0.5}, "already included in routing configuration"),
        ("1", {"$LATEST": 0.5}, "not supported for an alias pointing to more than 1"),
        ("$LATEST", {"1": 0.5}, "not supported for an alias pointing to more than 1"),
        ("1", {"2": 0.1, "3": 0.1}, "cannot be greater than 1"),
        ("1", {"2": 1.5}, "less than or equal to 1.0"),
        ("1", {"7": 0.5}, "Function not found"),
    ],
)
async def test_an_alias_refuses_weights(call, version, weights, message):
    await call.create(Publish=True)
    routing = {"AdditionalVersionWeights": weights}
    with pytest.raises(LambdaError, match=message):
        await call("create_alias", FunctionName="f", Name="live", FunctionVersion=version, RoutingConfig=routing)


async def test_permissions(call):
    made = await call.create()
    with pytest.raises(ResourceNotFoundException, match="The resource you requested does not exist"):
        await call("get_policy", FunctionName="f")
    with pytest.raises(ResourceNotFoundException, match="No policy is associated"):
        await call("remove_permission", FunctionName="f", StatementId="api")
    request = {
        "FunctionName": "f",
        "StatementId": "api",
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": "arn:aws:execute-api:us-east-1:000000000000:x/*",
        "SourceAccount": "000000000000",
    }
    statement = json.loads((await call("add_permission", **request))["Statement"])
    assert statement == {
        "Sid": "api",
        "Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": f"{ARN}:f",
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "000000000000"},
            "ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:000000000000:x/*"},
        },
    }
    with pytest.raises(ResourceConflictException, match=r"The statement id \(api\) provided already exists"):
        await call("add_permission", **request)
    answer = await call("get_policy", FunctionName="f")
    assert json.loads(answer["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    assert answer["RevisionId"] != made["RevisionId"]
    with pytest.raises(ResourceNotFoundException, match="Statement other is not found in resource policy"):
        await call("remove_permission", FunctionName="f", StatementId="other")
    await call("remove_permission", FunctionName="f", StatementId="api")
    with pytest.raises(ResourceNotFoundException):
        await call("get_policy", FunctionName="f")


@pytest.mark.parametrize(
    ("principal", "shown"),
    [
        ("*", "*"),
        ("111111111111", {"AWS": "arn:aws:iam::111111111111:root"}),
        ("arn:aws:iam::111111111111:role/x", {"AWS": "arn:aws:iam::111111111111:role/x"}),
        ("events.amazonaws.com", {"Service": "events.amazonaws.com"}),
    ],
)
async def test_add_permission_for_every_kind_of_principal(call, principal, shown):
    await call.create()
    answer = await call("add_permission", FunctionName="f", StatementId="s", Action="lambda:*", Principal=principal)
    assert json.loads(answer["Statement"])["Principal"] == shown


async def test_add_permission_refuses(call):
    await call.create()
    request = {"FunctionName": "f", "StatementId": "s", "Action": "lambda:*"}
    with pytest.raises(InvalidParameterValueException, match="The provided principal was invalid"):
        await call("add_permission", **request, Principal="someone")
    with pytest.raises(InvalidParameterValueException, match="LATEST"):
        await call("add_permission", **request, Principal="*", Qualifier="$LATEST")
    with pytest.raises(PolicyLengthExceededException):
        await call("add_permission", **request, Principal="*", SourceArn="arn:aws:s3:::" + "x" * 21_000)


async def test_event_invoke_configs(call):
    await call.create(Publish=True)
    with pytest.raises(
        ResourceNotFoundException, match=rf"The function {ARN}:f:\$LATEST doesn't have an EventInvokeConfig"
    ):
        await call("get_function_event_invoke_config", FunctionName="f")
    with pytest.raises(InvalidParameterValueException):
        await call("put_function_event_invoke_config", FunctionName="f")
    made = await call("put_function_event_invoke_config", FunctionName="f", MaximumRetryAttempts=1)
    assert made["FunctionArn"] == f"{ARN}:f:$LATEST"
    assert made["MaximumRetryAttempts"] == 1
    await call("update_function_event_invoke_config", FunctionName="f:$LATEST", MaximumEventAgeInSeconds=60)
    await call("put_function_event_invoke_config", FunctionName="f", Qualifier="1", MaximumRetryAttempts=0)
    shown = await call("get_function_event_invoke_config", FunctionName="f")
    assert (shown["MaximumRetryAttempts"], shown["MaximumEventAgeInSeconds"]) == (1, 60)
    listed = (await call("list_function_event_invoke_configs", FunctionName="f"))["FunctionEventInvokeConfigs"]
    assert [each["FunctionArn"] for each in listed] == [f"{ARN}:f:$LATEST", f"{ARN}:f:1"]
    for arn in ("arn:aws:sqs:us-east-1:000000000000:q", f"{ARN}:f"):
        with pytest.raises(InvalidParameterValueException):
            destination = {"OnFailure": {"Destination": arn}}
            await call("put_function_event_invoke_config", FunctionName="f", DestinationConfig=destination)
    await call("delete_function_event_invoke_config", FunctionName="f")
    with pytest.raises(ResourceNotFoundException):
        await call("delete_function_event_invoke_config", FunctionName="f")


async def test_layers(call):
    content = {"ZipFile": zipped(**{"python/shared.py": "VALUE = 1"})}
    made = await call("publish_layer_version", LayerName="shared", Content=content, Description="d",
                      CompatibleRuntimes=["python3.12"])  # fmt: skip
    arn = "arn:aws:lambda:us-east-1:000000000000:layer:shared"
    assert made["LayerArn"] == arn
    assert made["LayerVersionArn"] == f"{arn}:1"
    content = {"ZipFile": zipped(**{"python/shared.py": "VALUE = 2"})}
    assert (await call("publish_layer_version", LayerName="shared", Content=content))["Version"] == 2
    code = "import shared\ndef handler(event, context):\n    return shared.VALUE"
    made = await call.create(code, Layers=[f"{arn}:1"])
    assert made["Layers"][0]["Arn"] == f"{arn}:1"
    assert made["Layers"][0]["CodeSize"] > 0
    assert await call.invoke() == 1
    await call("update_function_configuration", FunctionName="f", Layers=[f"{arn}:2"])
    assert await call.invoke() == 2
    assert (await call("get_layer_version", LayerName="shared", VersionNumber=1))["Description"] == "d"
    assert (await call("get_layer_version_by_arn", Arn=f"{arn}:2"))["Version"] == 2
    listed = await call("list_layer_versions", LayerName="shared")
    assert [each["Version"] for each in listed["LayerVersions"]] == [2, 1]
    assert [each.get("Description") for each in listed["LayerVersions"]] == [None, "d"]
    listed = await call("list_layer_versions", LayerName="shared", CompatibleRuntime="python3.12")
    assert [each["Version"] for each in listed["LayerVersions"]] == [1]
    assert (await call("list_layers"))["Layers"][0]["LatestMatchingVersion"]["Version"] == 2
    with pytest.raises(InvalidParameterValueException, match="Two different versions of the same layer"):
        await call("update_function_configuration", FunctionName="f", Layers=[f"{arn}:1", f"{arn}:2"])
    await call("delete_layer_version", LayerName="shared", VersionNumber=2)
    with pytest.raises(ResourceNotFoundException):
        await call("get_layer_version", LayerName="shared", VersionNumber=2)
    await call("update_function_configuration", FunctionName="f", Timeout=5)
    assert await call.invoke() == 2, "a function keeps a layer that was deleted"
    assert ECHO
