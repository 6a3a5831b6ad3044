import json

import pytest

from outcrop.services.iam import errors
from outcrop.services.iam.documents import check_policy
from outcrop.services.iam.managed import managed_policies

BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


@pytest.fixture
async def arn(call, document):
    return (await call("create_policy", PolicyName="mine", PolicyDocument=document))["Policy"]["Arn"]


async def test_create_policy(call, document):
    created = await call("create_policy", PolicyName="p", Path="/a/b/", PolicyDocument=document, Description="d")
    policy = created["Policy"]
    assert policy["PolicyId"].startswith("ANPA")
    assert policy["CreateDate"] == policy["UpdateDate"]
    expected = {
        "PolicyName": "p",
        "Path": "/a/b/",
        "Arn": "arn:aws:iam::000000000000:policy/a/b/p",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
    }
    assert expected.items() <= policy.items()
    assert "Description" not in policy
    found = (await call("get_policy", PolicyArn=policy["Arn"]))["Policy"]
    assert found == policy | {"Description": "d", "Tags": []}


async def test_create_policy_twice(call, arn, document):
    words = r"^A policy called mine already exists\. Duplicate names are not allowed\.$"
    with pytest.raises(errors.EntityAlreadyExists, match=words):
        await call("create_policy", PolicyName="mine", Path="/other/", PolicyDocument=document)


async def test_create_policy_too_long(call):
    statement = {"Effect": "Allow", "Action": ["s3:" + "x" * 6200], "Resource": "*"}
    with pytest.raises(errors.LimitExceeded, match=r"^Cannot exceed quota for PolicySize: 6144$"):
        await call(
            "create_policy",
            PolicyName="p",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}),
        )


async def test_get_policy_that_is_not_there(call):
    with pytest.raises(errors.NoSuchEntity, match=r"^Policy arn:aws:iam::000000000000:policy/none was not found\.$"):
        await call("get_policy", PolicyArn="arn:aws:iam::000000000000:policy/none")
    with pytest.raises(errors.ValidationError, match=r"^ARN twenty-characters-long is not valid\.$"):
        await call("get_policy", PolicyArn="twenty-characters-long")


async def test_policy_versions(call, arn, document, decoded):
    changed = document.replace("ListBucket", "GetObject")
    made = await call("create_policy_version", PolicyArn=arn, PolicyDocument=changed)
    assert (made["PolicyVersion"]["VersionId"], made["PolicyVersion"]["IsDefaultVersion"]) == ("v2", False)
    await call("create_policy_version", PolicyArn=arn, PolicyDocument=changed, SetAsDefault=True)
    listed = (await call("list_policy_versions", PolicyArn=arn))["Versions"]
    assert [(each["VersionId"], each["IsDefaultVersion"]) for each in listed] == [
        *(("v3", True), ("v2", False), ("v1", False)),
    ]
    found = (await call("get_policy_version", PolicyArn=arn, VersionId="v2"))["PolicyVersion"]
    assert decoded(found["Document"]) == json.loads(changed)
    with pytest.raises(errors.DeleteConflict, match=r"^Cannot delete the default version of a policy\.$"):
        await call("delete_policy_version", PolicyArn=arn, VersionId="v3")
    await call("set_default_policy_version", PolicyArn=arn, VersionId="v1")
    assert (await call("get_policy", PolicyArn=arn))["Policy"]["DefaultVersionId"] == "v1"
    await call("delete_policy_version", PolicyArn=arn, VersionId="v3")
    await call("create_policy_version", PolicyArn=arn, PolicyDocument=changed)
    listed = await call("list_policy_versions", PolicyArn=arn, MaxItems=2)
    assert [each["VersionId"] for each in listed["Versions"]] == ["v4", "v2"]
    listed = await call("list_policy_versions", PolicyArn=arn, MaxItems=2, Marker=listed["Marker"])
    assert [each["VersionId"] for each in listed["Versions"]] == ["v1"]


async def test_policy_version_that_is_not_there(call, arn):
    for policy, version in ((arn, "v9"), ("arn:aws:iam::000000000000:policy/none", "v1")):
        for operation in ("get_policy_version", "delete_policy_version", "set_default_policy_version"):
            words = rf"^Policy {policy} version {version} does not exist or is not attachable\.$"
            with pytest.raises(errors.NoSuchEntity, match=words):
                await call(operation, PolicyArn=policy, VersionId=version)


async def test_five_policy_versions(call, arn, document):
    for _ in range(4):
        await call("create_policy_version", PolicyArn=arn, PolicyDocument=document)
    with pytest.raises(errors.LimitExceeded, match=r"^A managed policy can have up to 5 versions\."):
        await call("create_policy_version", PolicyArn=arn, PolicyDocument=document)


async def test_delete_policy(call, arn, document):
    await call("create_user", UserName="ann")
    await call("attach_user_policy", UserName="ann", PolicyArn=arn)
    with pytest.raises(errors.DeleteConflict, match=r"^Cannot delete a policy attached to entities\.$"):
        await call("delete_policy", PolicyArn=arn)
    await call("detach_user_policy", UserName="ann", PolicyArn=arn)
    await call("create_policy_version", PolicyArn=arn, PolicyDocument=document)
    with pytest.raises(errors.DeleteConflict, match="more than one version"):
        await call("delete_policy", PolicyArn=arn)
    await call("delete_policy_version", PolicyArn=arn, VersionId="v2")
    await call("delete_policy", PolicyArn=arn)
    assert (await call("list_policies", Scope="Local"))["Policies"] == []


async def test_aws_managed_policies(call, decoded):
    policy = (await call("get_policy", PolicyArn=BASIC))["Policy"]
    assert policy["Path"] == "/service-role/"
    assert policy["Description"] == "Provides write permissions to CloudWatch Logs."
    version = await call("get_policy_version", PolicyArn=BASIC, VersionId=policy["DefaultVersionId"])
    (statement,) = decoded(version["PolicyVersion"]["Document"])["Statement"]
    assert statement["Action"] == ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    assert (await call("list_policy_versions", PolicyArn=BASIC))["Versions"][0]["IsDefaultVersion"]
    with pytest.raises(errors.AccessDenied):
        await call("delete_policy", PolicyArn=BASIC)
    with pytest.raises(errors.AccessDenied):
        await call("create_policy_version", PolicyArn=BASIC, PolicyDocument="{}")


@pytest.mark.parametrize("arn", list(managed_policies()))
def test_aws_managed_policies_are_sound(arn):
    managed = managed_policies()[arn]
    check_policy(managed.version.document)
    assert managed.policy.id.startswith("ANPA")
    assert len(managed.policy.id) == 21


async def test_list_policies(call, arn):
    everything = (await call("list_policies", MaxItems=1000))["Policies"]
    assert everything[0]["Arn"] == arn
    assert {BASIC, "arn:aws:iam::aws:policy/AdministratorAccess"} < {each["Arn"] for each in everything}
    assert [each["Arn"] for each in (await call("list_policies", Scope="Local"))["Policies"]] == [arn]
    ours = await call("list_policies", Scope="AWS", PathPrefix="/service-role/")
    assert BASIC in [each["Arn"] for each in ours["Policies"]]
    assert (await call("list_policies", OnlyAttached=True))["Policies"] == []
    await call("create_group", GroupName="team")
    await call("attach_group_policy", GroupName="team", PolicyArn=BASIC)
    (attached,) = (await call("list_policies", OnlyAttached=True))["Policies"]
    assert (attached["Arn"], attached["AttachmentCount"]) == (BASIC, 1)
    assert (await call("list_policies", PolicyUsageFilter="PermissionsBoundary"))["Policies"] == []


async def test_list_policies_in_pages(call, arn):
    everything = [each["Arn"] for each in (await call("list_policies", MaxItems=1000))["Policies"]]
    found, marker = [], {}
    while True:
        listed = await call("list_policies", MaxItems=7, **marker)
        found += [each["Arn"] for each in listed["Policies"]]
        if not listed["IsTruncated"]:
            break
        marker = {"Marker": listed["Marker"]}
    assert found == everything


async def test_list_entities_for_policy(call, arn, trust):
    await call("create_role", RoleName="r", AssumeRolePolicyDocument=trust)
    await call("create_user", UserName="u", PermissionsBoundary=arn)
    await call("create_group", GroupName="g")
    await call("attach_role_policy", RoleName="r", PolicyArn=arn)
    await call("attach_group_policy", GroupName="g", PolicyArn=arn)
    found = await call("list_entities_for_policy", PolicyArn=arn)
    assert [each["RoleName"] for each in found["PolicyRoles"]] == ["r"]
    assert [each["UserName"] for each in found["PolicyUsers"]] == ["u"]
    assert [each["GroupName"] for each in found["PolicyGroups"]] == ["g"]
    found = await call("list_entities_for_policy", PolicyArn=arn, EntityFilter="Role")
    assert (len(found["PolicyRoles"]), found["PolicyUsers"], found["PolicyGroups"]) == (1, [], [])
    found = await call("list_entities_for_policy", PolicyArn=arn, PolicyUsageFilter="PermissionsBoundary")
    assert (found["PolicyRoles"], len(found["PolicyUsers"])) == ([], 1)
    assert (await call("get_policy", PolicyArn=arn))["Policy"]["AttachmentCount"] == 2


async def test_list_entities_for_policy_of_another_account(call):
    await call("create_group", GroupName="g")
    await call("attach_group_policy", GroupName="g", PolicyArn=BASIC)
    found = await call.as_key("111122223333")("list_entities_for_policy", PolicyArn=BASIC)
    assert found["PolicyGroups"] == []
