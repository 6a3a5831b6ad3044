"""Provisioned concurrency, loops, code signing, runtime updates, layers' permissions, event sources."""

import json
from dataclasses import replace

import pytest
from tests.services.lambda_.conftest import ARN, ECHO, until, zipped

from outcrop.services.lambda_.errors import (
    CodeSigningConfigNotFoundException,
    CodeVerificationFailedException,
    InvalidParameterValueException,
    PreconditionFailedException,
    ProvisionedConcurrencyConfigNotFoundException,
    RecursiveInvocationException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from outcrop.services.lambda_.names import FunctionName
from outcrop.services.lambda_.recursion import MOST, advance

PROVISIONED = "AWS_LAMBDA_INITIALIZATION_TYPE"


async def ready(call, qualifier="1"):
    async def is_ready():
        config = await call("get_provisioned_concurrency_config", FunctionName="f", Qualifier=qualifier)
        return config["Status"] == "READY"

    await until(is_ready, 20)


async def provision(call, wanted, qualifier="1"):
    return await call(
        "put_provisioned_concurrency_config",
        FunctionName="f",
        Qualifier=qualifier,
        ProvisionedConcurrentExecutions=wanted,
    )


async def test_provisioned_environments_are_started_kept_and_let_go(call):
    await call.create(f"import os\ndef handler(e, c):\n    return os.environ['{PROVISIONED}']", Publish=True)
    made = await provision(call, 2)
    assert (made["Status"], made["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 2)
    await ready(call)
    answer = await call.tail()
    assert "Init Duration" not in (await call("invoke", FunctionName="f:1", LogType="Tail"))["LogResult"]
    assert "Init Duration" in answer
    assert await call.invoke(name="f:1") == "provisioned-concurrency"
    listed = await call("list_provisioned_concurrency_configs", FunctionName="f")
    assert [config["FunctionArn"] for config in listed["ProvisionedConcurrencyConfigs"]] == [f"{ARN}:f:1"]
    await call("delete_provisioned_concurrency_config", FunctionName="f", Qualifier="1")
    with pytest.raises(ProvisionedConcurrencyConfigNotFoundException):
        await call("get_provisioned_concurrency_config", FunctionName="f", Qualifier="1")


async def test_provisioned_environments_are_replaced_and_come_back_after_a_restart(call, stack):
    await call.create("import os\ndef handler(e, c):\n    os._exit(1)", Publish=True)
    await provision(call, 1)
    await ready(call)
    assert (await call.invoke(name="f:1"))["errorType"] == "Runtime.ExitError"
    await ready(call)
    await stack.close()
    await ready(await stack.open())


async def test_a_version_that_can_not_start_is_not_provisioned_for_ever(call):
    await call.create("1 / 0", Publish=True)
    await provision(call, 1)

    async def failed():
        config = await call("get_provisioned_concurrency_config", FunctionName="f", Qualifier="1")
        return (config["Status"], config.get("StatusReason")) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")

    await until(failed, 20)


async def test_put_provisioned_concurrency_config_refuses(call):
    await call.create(Publish=True)
    await call("create_alias", FunctionName="f", Name="live", FunctionVersion="1")
    for qualifier in ("$LATEST",):
        with pytest.raises(InvalidParameterValueException, match="unpublished function versions"):
            await provision(call, 1, qualifier)
    with pytest.raises(ResourceNotFoundException):
        await provision(call, 1, "7")
    with pytest.raises(InvalidParameterValueException, match="below its minimum value"):
        await provision(call, 1000)
    await call("put_function_concurrency", FunctionName="f", ReservedConcurrentExecutions=1)
    with pytest.raises(InvalidParameterValueException, match="should not be greater"):
        await provision(call, 2)
    await provision(call, 1, "live")
    with pytest.raises(ResourceConflictException, match="pointed by"):
        await provision(call, 1, "1")


# loops


def test_advance_counts_the_visits_of_each_function():
    one, other = FunctionName("0" * 12, "us-east-1", "one"), FunctionName("0" * 12, "us-east-1", "other")
    trace, visits = advance("Root=1-5e1b4151-5ac6c58f3c1b5f2b1b2b3b4b;Parent=53995c3f42cd8ad8;Sampled=1", one)
    assert visits == 1
    assert trace.startswith("Root=1-5e1b4151-5ac6c58f3c1b5f2b1b2b3b4b;Parent=")
    assert ";Sampled=1;" in trace
    trace, visits = advance(trace, other)
    assert visits == 1
    assert advance(trace, one)[1] == 2
    for broken in ("", ";;=;Lineage=", "Lineage=x:y|:|z:99999999999", "Root"):
        assert advance(broken, one)[1] == 1


async def test_a_loop_is_ended_unless_it_is_allowed(call):
    await call.create()
    trace = ""
    for _ in range(MOST):
        trace, _ = advance(trace, FunctionName("0" * 12, "us-east-1", "f"))

    async def again(**request):
        ctx = replace(call.context(), trace_id=trace)
        return await call.operation("lambda", "invoke")(ctx, {"FunctionName": "f", "Payload": b"1", **request})

    with pytest.raises(RecursiveInvocationException, match="recursive loop"):
        await again()
    assert (await again(InvocationType="Event"))["StatusCode"] == 202
    with pytest.raises(RecursiveInvocationException):
        await again()
    await call("put_function_recursion_config", FunctionName="f", RecursiveLoop="Allow")
    assert (await call("get_function_recursion_config", FunctionName="f")) == {"RecursiveLoop": "Allow"}
    assert (await again())["Payload"] == b"1"


# code signing


async def test_code_signing(call):
    made = (await call("create_code_signing_config", AllowedPublishers={"SigningProfileVersionArns": ["arn:x"]}))[
        "CodeSigningConfig"
    ]
    arn = made["CodeSigningConfigArn"]
    assert made["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    await call.create(CodeSigningConfigArn=arn)
    assert (await call("get_function_code_signing_config", FunctionName="f"))["CodeSigningConfigArn"] == arn
    listed = await call("list_functions_by_code_signing_config", CodeSigningConfigArn=arn)
    assert listed["FunctionArns"] == [f"{ARN}:f"]
    with pytest.raises(ResourceConflictException):
        await call("delete_code_signing_config", CodeSigningConfigArn=arn)
    enforce = {"UntrustedArtifactOnDeployment": "Enforce"}
    await call("update_code_signing_config", CodeSigningConfigArn=arn, CodeSigningPolicies=enforce)
    with pytest.raises(CodeVerificationFailedException):
        await call("update_function_code", FunctionName="f", ZipFile=zipped(ECHO))
    await call("delete_function_code_signing_config", FunctionName="f")
    await call("update_function_code", FunctionName="f", ZipFile=zipped(ECHO))
    await call("delete_code_signing_config", CodeSigningConfigArn=arn)
    assert (await call("list_code_signing_configs"))["CodeSigningConfigs"] == []
    with pytest.raises(ResourceNotFoundException):
        await call("get_code_signing_config", CodeSigningConfigArn=arn)
    with pytest.raises(CodeSigningConfigNotFoundException):
        await call("put_function_code_signing_config", FunctionName="f", CodeSigningConfigArn=arn)


# the rest


async def test_runtime_management(call):
    await call.create()
    with pytest.raises(InvalidParameterValueException, match="RuntimeVersionArn"):
        await call("put_runtime_management_config", FunctionName="f", UpdateRuntimeOn="Manual")
    await call("put_runtime_management_config", FunctionName="f", UpdateRuntimeOn="FunctionUpdate")
    got = await call("get_runtime_management_config", FunctionName="f")
    assert got == {"FunctionArn": f"{ARN}:f:$LATEST", "UpdateRuntimeOn": "FunctionUpdate"}


async def test_layer_permissions(call):
    await call("publish_layer_version", LayerName="tools", Content={"ZipFile": zipped(ECHO)})
    layer = {"LayerName": "tools", "VersionNumber": 1}
    with pytest.raises(ResourceNotFoundException, match="No policy is associated"):
        await call("get_layer_version_policy", **layer)
    statement = {"StatementId": "all", "Action": "lambda:GetLayerVersion", "Principal": "*", "OrganizationId": "o-1"}
    made = await call("add_layer_version_permission", **layer, **statement)
    assert json.loads(made["Statement"])["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
    with pytest.raises(ResourceConflictException):
        await call("add_layer_version_permission", **layer, **statement)
    policy = await call("get_layer_version_policy", **layer)
    assert [one["Sid"] for one in json.loads(policy["Policy"])["Statement"]] == ["all"]
    assert policy["RevisionId"] == made["RevisionId"]
    with pytest.raises(PreconditionFailedException):
        await call("remove_layer_version_permission", **layer, StatementId="all", RevisionId="x")
    await call("remove_layer_version_permission", **layer, StatementId="all", RevisionId=policy["RevisionId"])
    with pytest.raises(ResourceNotFoundException):
        await call("remove_layer_version_permission", **layer, StatementId="all")
    with pytest.raises(ResourceNotFoundException, match="does not exist"):
        await call("add_layer_version_permission", LayerName="tools", VersionNumber=2, **statement)


async def test_event_sources_are_refused(call):
    await call.create()
    with pytest.raises(InvalidParameterValueException, match="no SQS"):
        await call(
            "create_event_source_mapping", FunctionName="f", EventSourceArn="arn:aws:sqs:us-east-1:000000000000:q"
        )
    for operation in ("get", "update", "delete"):
        with pytest.raises(ResourceNotFoundException):
            await call(f"{operation}_event_source_mapping", UUID="1")


async def test_invoke_async(call, tmp_path):
    mark = tmp_path / "mark"
    await call.create(f"def handler(event, context):\n    open({str(mark)!r}, 'w').write(str(event))")
    assert await call("invoke_async", FunctionName="f", InvokeArgs=b"7") == {"Status": 202}
    await until(lambda: mark.exists() and mark.read_text() == "7")


async def test_failures_go_to_a_bucket(call):
    await call("create_bucket", service="s3", Bucket="failures")
    await call.create("def handler(event, context):\n    return 1 / event")
    config = {"FunctionName": "f", "MaximumRetryAttempts": 0}
    bucket = {"Destination": "arn:aws:s3:::failures"}
    with pytest.raises(InvalidParameterValueException, match="failures only"):
        await call("put_function_event_invoke_config", **config, DestinationConfig={"OnSuccess": bucket})
    with pytest.raises(InvalidParameterValueException, match="is invalid"):
        nowhere = {"OnFailure": {"Destination": "arn:aws:s3:::nowhere"}}
        await call("put_function_event_invoke_config", **config, DestinationConfig=nowhere)
    await call("put_function_event_invoke_config", **config, DestinationConfig={"OnFailure": bucket})
    await call("invoke", FunctionName="f", Payload=b"0", InvocationType="Event")

    async def keys():
        listed = await call("list_objects_v2", service="s3", Bucket="failures")
        return [one["Key"] for one in listed.get("Contents", ())]

    await until(keys)
    (key,) = await keys()
    assert key.startswith("aws/lambda/async/f/20")
    answer = await call("get_object", service="s3", Bucket="failures", Key=key)
    record = json.loads(b"".join([piece async for piece in answer["Body"]]))
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["responsePayload"]["errorType"] == "ZeroDivisionError"
