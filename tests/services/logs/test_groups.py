import pytest

from outcrop.services.logs.errors import (
    InvalidParameterException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
    ValidationException,
)


async def test_create_log_group(call):
    await call("create_log_group", logGroupName="/aws/lambda/f", tags={"team": "a"})
    group = (await call("describe_log_groups"))["logGroups"][0]
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f"
    assert group["arn"] == f"{arn}:*"
    assert group["logGroupArn"] == arn
    assert group["creationTime"] > 1_700_000_000_000
    assert group["storedBytes"] == group["metricFilterCount"] == 0
    assert group["logGroupClass"] == "STANDARD"
    assert "retentionInDays" not in group
    assert (await call("list_tags_log_group", logGroupName="/aws/lambda/f"))["tags"] == {"team": "a"}
    with pytest.raises(ResourceAlreadyExistsException, match="The specified log group already exists"):
        await call("create_log_group", logGroupName="/aws/lambda/f")


async def test_groups_belong_to_account_and_region(call):
    await call("create_log_group", logGroupName="g")
    call.region = "eu-west-1"
    assert (await call("describe_log_groups"))["logGroups"] == []
    call.region, call.account = "us-east-1", "111111111111"
    assert (await call("describe_log_groups"))["logGroups"] == []
    with pytest.raises(ResourceNotFoundException):
        await call("describe_log_streams", logGroupIdentifier="arn:aws:logs:us-east-1:000000000000:log-group:g")


async def test_describe_log_groups_pages_and_filters(call):
    for number in range(7):
        await call("create_log_group", logGroupName=f"app-{number}", logGroupClass="INFREQUENT_ACCESS")
    await call("create_log_group", logGroupName="other")
    seen, token = [], {}
    while True:
        page = await call("describe_log_groups", logGroupNamePrefix="app", limit=3, **token)
        seen += [group["logGroupName"] for group in page["logGroups"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert seen == [f"app-{number}" for number in range(7)]
    assert len((await call("describe_log_groups", logGroupNamePattern="the"))["logGroups"]) == 1
    assert len((await call("describe_log_groups", logGroupClass="STANDARD"))["logGroups"]) == 1
    assert [
        g["logGroupName"] for g in (await call("list_log_groups", logGroupNamePattern="^app-3|oth"))["logGroups"]
    ] == [
        "app-3",
        "other",
    ]
    with pytest.raises(InvalidParameterException):
        await call("describe_log_groups", logGroupNamePattern="a", logGroupNamePrefix="a")
    with pytest.raises(InvalidParameterException, match="nextToken is invalid"):
        await call("describe_log_groups", nextToken="§")


async def test_delete_log_group(call):
    await call("create_log_group", logGroupName="g", deletionProtectionEnabled=True)
    with pytest.raises(ValidationException):
        await call("delete_log_group", logGroupName="g")
    await call("put_log_group_deletion_protection", logGroupIdentifier="g", deletionProtectionEnabled=False)
    await call("delete_log_group", logGroupName="g")
    with pytest.raises(ResourceNotFoundException, match=r"The specified log group does not exist\."):
        await call("delete_log_group", logGroupName="g")


async def test_put_retention_policy(call):
    await call("create_log_group", logGroupName="g")
    await call("put_retention_policy", logGroupName="g", retentionInDays=7)
    assert (await call("describe_log_groups"))["logGroups"][0]["retentionInDays"] == 7
    await call("delete_retention_policy", logGroupName="g")
    assert "retentionInDays" not in (await call("describe_log_groups"))["logGroups"][0]
    with pytest.raises(InvalidParameterException, match="enum value set"):
        await call("put_retention_policy", logGroupName="g", retentionInDays=2)


async def test_tag_resource(call):
    await call("create_log_group", logGroupName="g")
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:g"
    await call("tag_resource", resourceArn=arn, tags={"a": "1", "b": "2"})
    await call("tag_log_group", logGroupName="g", tags={"b": "3"})
    assert (await call("list_tags_for_resource", resourceArn=f"{arn}:*"))["tags"] == {"a": "1", "b": "3"}
    await call("untag_resource", resourceArn=arn, tagKeys=["a"])
    await call("untag_log_group", logGroupName="g", tags=["missing"])
    assert (await call("list_tags_log_group", logGroupName="g"))["tags"] == {"b": "3"}
    with pytest.raises(ResourceNotFoundException):
        await call("tag_resource", resourceArn=arn + "x", tags={"a": "1"})
    with pytest.raises(InvalidParameterException):
        await call("tag_resource", resourceArn="g", tags={"a": "1"})


async def test_keys_come_and_go(call):
    key = "arn:aws:kms:us-east-1:000000000000:key/51d81fab-b138-4bd2-8a09-07fd6d37224d"
    await call("create_log_group", logGroupName="g")
    await call("associate_kms_key", logGroupName="g", kmsKeyId=key)
    (group,) = (await call("describe_log_groups"))["logGroups"]
    assert group["kmsKeyId"] == key
    await call("disassociate_kms_key", resourceIdentifier=group["arn"])
    (group,) = (await call("describe_log_groups"))["logGroups"]
    assert "kmsKeyId" not in group
    for request in ({}, {"logGroupName": "g", "resourceIdentifier": group["arn"]}):
        with pytest.raises(InvalidParameterException, match="not both"):
            await call("associate_kms_key", kmsKeyId=key, **request)
    with pytest.raises(InvalidParameterException, match="ARN of a key"):
        await call("associate_kms_key", logGroupName="g", kmsKeyId="alias/mine")
    with pytest.raises(ResourceNotFoundException):
        await call("disassociate_kms_key", logGroupName="other")
