import json

import pytest

from outcrop.services.iam import errors


async def test_account_alias(call):
    assert (await call("list_account_aliases"))["AccountAliases"] == []
    await call("create_account_alias", AccountAlias="first")
    await call("create_account_alias", AccountAlias="second")
    assert (await call("list_account_aliases"))["AccountAliases"] == ["second"]
    with pytest.raises(errors.EntityAlreadyExists, match=r"^The account alias second already exists\.$"):
        await call.as_key("111122223333")("create_account_alias", AccountAlias="second")
    with pytest.raises(errors.NoSuchEntity):
        await call("delete_account_alias", AccountAlias="first")
    await call("delete_account_alias", AccountAlias="second")
    assert (await call("list_account_aliases"))["AccountAliases"] == []


async def test_get_account_summary(call, trust, document):
    await call("create_role", RoleName="r", AssumeRolePolicyDocument=trust)
    await call("create_user", UserName="u")
    await call("create_policy", PolicyName="p", PolicyDocument=document)
    summary = (await call("get_account_summary"))["SummaryMap"]
    expected = {"Roles": 1, "Users": 1, "Groups": 0, "Policies": 1, "PolicyVersionsInUse": 1, "InstanceProfiles": 0}
    assert expected.items() <= summary.items()
    other = (await call.as_key("111122223333")("get_account_summary"))["SummaryMap"]
    assert (other["Roles"], other["Users"], other["Policies"]) == (0, 0, 0)


@pytest.fixture
async def inhabited(call, trust, document):
    arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    await call("create_role", RoleName="r", AssumeRolePolicyDocument=trust, Tags=[{"Key": "a", "Value": "b"}])
    await call("put_role_policy", RoleName="r", PolicyName="inline", PolicyDocument=document)
    await call("create_instance_profile", InstanceProfileName="box")
    await call("add_role_to_instance_profile", InstanceProfileName="box", RoleName="r")
    await call("create_user", UserName="u")
    await call("create_group", GroupName="g")
    await call("add_user_to_group", GroupName="g", UserName="u")
    await call("attach_group_policy", GroupName="g", PolicyArn=arn)
    await call("create_policy", PolicyName="p", PolicyDocument=document)
    return call


async def test_get_account_authorization_details(inhabited, document, decoded):
    found = await inhabited("get_account_authorization_details")
    (role,) = found["RoleDetailList"]
    assert decoded(role["RolePolicyList"][0]["PolicyDocument"]) == json.loads(document)
    assert role["Tags"] == [{"Key": "a", "Value": "b"}]
    assert role["InstanceProfileList"][0]["InstanceProfileName"] == "box"
    (user,) = found["UserDetailList"]
    assert user["GroupList"] == ["g"]
    (group,) = found["GroupDetailList"]
    assert [each["PolicyName"] for each in group["AttachedManagedPolicies"]] == ["AmazonS3ReadOnlyAccess"]
    assert [each["PolicyName"] for each in found["Policies"]] == ["p", "AmazonS3ReadOnlyAccess"]
    assert decoded(found["Policies"][0]["PolicyVersionList"][0]["Document"]) == json.loads(document)


async def test_get_account_authorization_details_filtered(inhabited):
    found = await inhabited("get_account_authorization_details", Filter=["User", "LocalManagedPolicy"])
    counts = {name: len(found[name]) for name in ("UserDetailList", "RoleDetailList", "GroupDetailList", "Policies")}
    assert counts == {"UserDetailList": 1, "RoleDetailList": 0, "GroupDetailList": 0, "Policies": 1}


async def test_get_account_authorization_details_in_pages(inhabited):
    total, marker = 0, {}
    while True:
        found = await inhabited("get_account_authorization_details", MaxItems=2, **marker)
        total += sum(len(each) for each in found.values() if isinstance(each, list))
        if not found["IsTruncated"]:
            break
        marker = {"Marker": found["Marker"]}
    assert total == 5
