import json
import re
from datetime import UTC, datetime

import pytest

from outcrop.services.iam import errors


@pytest.fixture
def role(call, trust):
    async def create(name="worker", **more):
        return (await call("create_role", RoleName=name, AssumeRolePolicyDocument=trust, **more))["Role"]

    return create


async def test_create_role(role, trust, decoded):
    created = await role(Path="/app/", Description="does things", Tags=[{"Key": "team", "Value": "a"}])
    assert created.pop("RoleId").startswith("AROA")
    assert (datetime.now(UTC) - created.pop("CreateDate")).total_seconds() < 5
    assert decoded(created.pop("AssumeRolePolicyDocument")) == json.loads(trust)
    assert created == {
        "RoleName": "worker",
        "Path": "/app/",
        "Arn": "arn:aws:iam::000000000000:role/app/worker",
        "Tags": [{"Key": "team", "Value": "a"}],
    }


async def test_get_role(call, role):
    created = await role(Description="does things", MaxSessionDuration=7200)
    found = (await call("get_role", RoleName="worker"))["Role"]
    assert re.fullmatch("AROA[A-Z2-7]{17}", found["RoleId"])
    assert found == created | {"Description": "does things", "MaxSessionDuration": 7200, "RoleLastUsed": {}}


async def test_create_role_twice(role):
    await role()
    with pytest.raises(errors.EntityAlreadyExists, match=r"^Role with name worker already exists\.$"):
        await role()
    with pytest.raises(errors.EntityAlreadyExists, match=r"^Role with name Worker already exists\.$"):
        await role("Worker")


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("get_role", {}),
        ("update_role", {}),
        ("delete_role", {}),
        ("update_assume_role_policy", {"PolicyDocument": "{}"}),
        ("list_role_tags", {}),
        ("tag_role", {"Tags": []}),
        ("untag_role", {"TagKeys": []}),
        ("put_role_permissions_boundary", {"PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
        ("list_role_policies", {}),
        ("get_role_policy", {"PolicyName": "p"}),
        ("put_role_policy", {"PolicyName": "p", "PolicyDocument": "{}"}),
        ("attach_role_policy", {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
        ("list_attached_role_policies", {}),
        ("list_instance_profiles_for_role", {}),
    ],
)
async def test_no_such_role(call, operation, more):
    with pytest.raises(errors.NoSuchEntity, match=r"^The role with name nobody cannot be found\.$"):
        await call(operation, RoleName="nobody", **more)


async def test_list_roles(call, role):
    for name in ("c", "a", "b"):
        await role(name, Path="/p/" if name != "b" else "/")
    listed = await call("list_roles")
    assert [each["RoleName"] for each in listed["Roles"]] == ["a", "b", "c"]
    assert listed["IsTruncated"] is False
    assert "Tags" not in listed["Roles"][0]
    listed = await call("list_roles", PathPrefix="/p")
    assert [each["RoleName"] for each in listed["Roles"]] == ["a", "c"]
    assert (await call("list_roles", PathPrefix="/q/"))["Roles"] == []


async def test_list_roles_in_pages(call, role):
    names = [f"role{number}" for number in range(7)]
    for name in names:
        await role(name)
    found, marker = [], {}
    while True:
        listed = await call("list_roles", MaxItems=3, **marker)
        found += [each["RoleName"] for each in listed["Roles"]]
        if not listed["IsTruncated"]:
            break
        assert len(listed["Roles"]) == 3
        marker = {"Marker": listed["Marker"]}
        await call("delete_role", RoleName=found[-1])
    assert found == names
    with pytest.raises(errors.ValidationError, match="Marker"):
        await call("list_roles", Marker="\xff")


async def test_roles_of_accounts_are_apart(call, role, trust):
    await role()
    other = call.as_key("111122223333")
    assert (await other("list_roles"))["Roles"] == []
    created = await other("create_role", RoleName="worker", AssumeRolePolicyDocument=trust)
    assert created["Role"]["Arn"] == "arn:aws:iam::111122223333:role/worker"


async def test_roles_survive_a_restart(call, role, database):
    created = await role()
    database.close()
    assert (await call("get_role", RoleName="worker"))["Role"]["RoleId"] == created["RoleId"]


async def test_update_role(call, role):
    await role(Description="old")
    await call("update_role", RoleName="worker", Description="new", MaxSessionDuration=43200)
    await call("update_role", RoleName="worker")
    found = (await call("get_role", RoleName="worker"))["Role"]
    assert (found["Description"], found["MaxSessionDuration"]) == ("new", 43200)
    updated = await call("update_role_description", RoleName="worker", Description="newest")
    assert updated["Role"]["Description"] == "newest"
    await call("update_role", RoleName="worker", Description="")
    assert "Description" not in (await call("get_role", RoleName="worker"))["Role"]


async def test_update_assume_role_policy(call, role, trust, decoded):
    await role()
    changed = trust.replace("lambda", "bedrock")
    await call("update_assume_role_policy", RoleName="worker", PolicyDocument=changed)
    found = (await call("get_role", RoleName="worker"))["Role"]
    assert decoded(found["AssumeRolePolicyDocument"]) == json.loads(changed)
    with pytest.raises(errors.MalformedPolicyDocument, match=r"^This policy contains invalid Json$"):
        await call("update_assume_role_policy", RoleName="worker", PolicyDocument="no json")


async def test_delete_role(call, role, document):
    await role()
    arn = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    await call("create_instance_profile", InstanceProfileName="box")
    await call("add_role_to_instance_profile", InstanceProfileName="box", RoleName="worker")
    await call("attach_role_policy", RoleName="worker", PolicyArn=arn)
    await call("put_role_policy", RoleName="worker", PolicyName="list", PolicyDocument=document)
    for words, operation, more in (
        (
            "must remove roles from instance profile first",
            "remove_role_from_instance_profile",
            {"InstanceProfileName": "box"},
        ),
        ("must detach all policies first", "detach_role_policy", {"PolicyArn": arn}),
        ("must delete policies first", "delete_role_policy", {"PolicyName": "list"}),
    ):
        with pytest.raises(errors.DeleteConflict, match=rf"^Cannot delete entity, {words}\.$"):
            await call("delete_role", RoleName="worker")
        await call(operation, RoleName="worker", **more)
    await call("delete_role", RoleName="worker")
    assert (await call("list_roles"))["Roles"] == []


async def test_role_permissions_boundary(call, role):
    arn = "arn:aws:iam::aws:policy/PowerUserAccess"
    shown = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    assert (await role(PermissionsBoundary=arn))["PermissionsBoundary"] == shown
    assert (await call("get_policy", PolicyArn=arn))["Policy"]["PermissionsBoundaryUsageCount"] == 1
    await call("delete_role_permissions_boundary", RoleName="worker")
    assert "PermissionsBoundary" not in (await call("get_role", RoleName="worker"))["Role"]
    await call("put_role_permissions_boundary", RoleName="worker", PermissionsBoundary=arn)
    assert (await call("get_role", RoleName="worker"))["Role"]["PermissionsBoundary"] == shown
    with pytest.raises(errors.InvalidInput, match=r"^ARN arn:aws:iam::0{12}:not_a_policy/x is not valid\.$"):
        await role("other", PermissionsBoundary="arn:aws:iam::000000000000:not_a_policy/x")
    missing = "arn:aws:iam::000000000000:policy/missing"
    with pytest.raises(errors.NoSuchEntity, match=rf"^Scope ARN: {missing} does not exist or is not attachable\.$"):
        await call("put_role_permissions_boundary", RoleName="worker", PermissionsBoundary=missing)


async def test_service_linked_role(call):
    created = (await call("create_service_linked_role", AWSServiceName="ops.apigateway.amazonaws.com"))["Role"]
    assert created["RoleName"] == "AWSServiceRoleForAPIGateway"
    assert created["Path"] == "/aws-service-role/ops.apigateway.amazonaws.com/"
    with pytest.raises(errors.InvalidInput, match="has been taken in this account"):
        await call("create_service_linked_role", AWSServiceName="ops.apigateway.amazonaws.com")
    other = await call("create_service_linked_role", AWSServiceName="lex.amazonaws.com", CustomSuffix="mine")
    assert other["Role"]["RoleName"] == "AWSServiceRoleForLex_mine"
    for operation, more in (
        ("delete_role", {}),
        ("attach_role_policy", {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
        ("update_assume_role_policy", {"PolicyDocument": "{}"}),
    ):
        with pytest.raises(errors.UnmodifiableEntity, match="protected role 'AWSServiceRoleForAPIGateway'"):
            await call(operation, RoleName=created["RoleName"], **more)
    task = (await call("delete_service_linked_role", RoleName=created["RoleName"]))["DeletionTaskId"]
    assert (await call("get_service_linked_role_deletion_status", DeletionTaskId=task)) == {"Status": "SUCCEEDED"}
    with pytest.raises(errors.NoSuchEntity):
        await call("get_role", RoleName=created["RoleName"])
    with pytest.raises(errors.NoSuchEntity):
        await call("get_service_linked_role_deletion_status", DeletionTaskId=task + "0")
    with pytest.raises(errors.InvalidInput):
        await call("create_service_linked_role", AWSServiceName="nonsense")


async def test_instance_profiles(call, role):
    worker = await role()
    created = await call("create_instance_profile", InstanceProfileName="box", Path="/p/")
    profile = created["InstanceProfile"]
    assert profile["InstanceProfileId"].startswith("AIPA")
    assert profile["Arn"] == "arn:aws:iam::000000000000:instance-profile/p/box"
    assert profile["Roles"] == []
    with pytest.raises(errors.EntityAlreadyExists, match=r"^Instance Profile box already exists\.$"):
        await call("create_instance_profile", InstanceProfileName="box")
    both = {"InstanceProfileName": "box", "RoleName": "worker"}
    with pytest.raises(errors.NoSuchEntity, match=r"^Role worker in Instance Profile box cannot be found\.$"):
        await call("remove_role_from_instance_profile", **both)
    await call("add_role_to_instance_profile", **both)
    with pytest.raises(errors.LimitExceeded, match=r"^Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1$"):
        await call("add_role_to_instance_profile", **both)
    found = (await call("get_instance_profile", InstanceProfileName="box"))["InstanceProfile"]
    assert [each["RoleId"] for each in found["Roles"]] == [worker["RoleId"]]
    assert found["Tags"] == []
    for listed in (
        await call("list_instance_profiles"),
        await call("list_instance_profiles_for_role", RoleName="worker"),
    ):
        assert [each["InstanceProfileName"] for each in listed["InstanceProfiles"]] == ["box"]
    with pytest.raises(errors.DeleteConflict, match="must remove roles from instance profile first"):
        await call("delete_instance_profile", InstanceProfileName="box")
    await call("remove_role_from_instance_profile", **both)
    await call("delete_instance_profile", InstanceProfileName="box")
    with pytest.raises(errors.NoSuchEntity, match=r"^Instance Profile box cannot be found\.$"):
        await call("get_instance_profile", InstanceProfileName="box")
