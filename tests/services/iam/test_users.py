import pytest

from outcrop.services.iam import errors


@pytest.fixture
async def ann(call):
    return (await call("create_user", UserName="ann"))["User"]


async def test_create_and_get_user(call):
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    created = (await call("create_user", UserName="bob", Path="/staff/", Tags=tags))["User"]
    assert created["UserId"].startswith("AIDA")
    assert created["Arn"] == "arn:aws:iam::000000000000:user/staff/bob"
    assert created["Tags"] == tags
    assert (await call("get_user", UserName="bob"))["User"] == created
    listed = (await call("list_users", PathPrefix="/staff"))["Users"]
    assert listed == [{key: value for key, value in created.items() if key != "Tags"}]


async def test_create_user_twice(call, ann):
    with pytest.raises(errors.EntityAlreadyExists, match=r"^User with name ann already exists\.$"):
        await call("create_user", UserName="ann")


@pytest.mark.parametrize("operation", ["get_user", "update_user", "delete_user", "list_user_tags", "create_access_key"])
async def test_no_such_user(call, operation):
    with pytest.raises(errors.NoSuchEntity, match=r"^The user with name nobody cannot be found\.$"):
        await call(operation, UserName="nobody")


async def test_get_user_without_a_name_is_the_caller(call, ann):
    assert (await call("get_user"))["User"]["Arn"] == "arn:aws:iam::000000000000:root"
    key = (await call("create_access_key", UserName="ann"))["AccessKey"]
    assert (await call.as_key(key["AccessKeyId"])("get_user"))["User"] == ann


async def test_update_user(call, ann):
    key = (await call("create_access_key", UserName="ann"))["AccessKey"]
    await call("update_user", UserName="ann", NewUserName="anna", NewPath="/x/")
    renamed = (await call("get_user", UserName="anna"))["User"]
    assert (renamed["UserId"], renamed["Arn"]) == (ann["UserId"], "arn:aws:iam::000000000000:user/x/anna")
    assert (await call("list_access_keys", UserName="anna"))["AccessKeyMetadata"][0]["UserName"] == "anna"
    identity = await call.as_key(key["AccessKeyId"]).sts("get_caller_identity")
    assert identity == {"Account": "000000000000", "Arn": renamed["Arn"], "UserId": ann["UserId"]}
    await call("create_user", UserName="bob")
    with pytest.raises(errors.EntityAlreadyExists, match=r"^User with name bob already exists\.$"):
        await call("update_user", UserName="anna", NewUserName="bob")
    await call("update_user", UserName="anna", NewUserName="Anna")


async def test_delete_user(call, ann, document):
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    await call("create_group", GroupName="team")
    await call("add_user_to_group", GroupName="team", UserName="ann")
    await call("attach_user_policy", UserName="ann", PolicyArn=arn)
    await call("put_user_policy", UserName="ann", PolicyName="p", PolicyDocument=document)
    key = (await call("create_access_key", UserName="ann"))["AccessKey"]["AccessKeyId"]
    await call("create_login_profile", UserName="ann", Password="correct horse")
    for words, operation, more in (
        ("remove users from group", "remove_user_from_group", {"GroupName": "team"}),
        ("detach all policies", "detach_user_policy", {"PolicyArn": arn}),
        ("delete policies", "delete_user_policy", {"PolicyName": "p"}),
        ("delete access keys", "delete_access_key", {"AccessKeyId": key}),
        ("delete login profile", "delete_login_profile", {}),
    ):
        with pytest.raises(errors.DeleteConflict, match=rf"^Cannot delete entity, must {words} first\.$"):
            await call("delete_user", UserName="ann")
        await call(operation, UserName="ann", **more)
    await call("delete_user", UserName="ann")
    assert (await call("list_users"))["Users"] == []


async def test_user_permissions_boundary(call, ann):
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    await call("put_user_permissions_boundary", UserName="ann", PermissionsBoundary=arn)
    assert (await call("get_user", UserName="ann"))["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    await call("delete_user_permissions_boundary", UserName="ann")
    with pytest.raises(errors.NoSuchEntity):
        await call("delete_user_permissions_boundary", UserName="ann")


async def test_login_profile(call, ann):
    created = await call("create_login_profile", UserName="ann", Password="correct horse")
    assert created["LoginProfile"]["PasswordResetRequired"] is False
    with pytest.raises(errors.EntityAlreadyExists, match=r"^Login Profile for user ann already exists\.$"):
        await call("create_login_profile", UserName="ann", Password="other")
    await call("update_login_profile", UserName="ann", PasswordResetRequired=True)
    found = await call("get_login_profile", UserName="ann")
    assert found["LoginProfile"] == created["LoginProfile"] | {"PasswordResetRequired": True}
    await call("delete_login_profile", UserName="ann")
    for operation in ("get_login_profile", "delete_login_profile", "update_login_profile"):
        with pytest.raises(errors.NoSuchEntity, match=r"^Login Profile for User ann cannot be found\.$"):
            await call(operation, UserName="ann")


async def test_groups(call, ann):
    created = (await call("create_group", GroupName="team", Path="/g/"))["Group"]
    assert created["GroupId"].startswith("AGPA")
    assert created["Arn"] == "arn:aws:iam::000000000000:group/g/team"
    with pytest.raises(errors.EntityAlreadyExists, match=r"^Group with name team already exists\.$"):
        await call("create_group", GroupName="team")
    for _ in range(2):
        await call("add_user_to_group", GroupName="team", UserName="ann")
    found = await call("get_group", GroupName="team")
    assert found == {"Group": created, "Users": [ann], "IsTruncated": False}
    assert (await call("list_groups_for_user", UserName="ann"))["Groups"] == [created]
    with pytest.raises(errors.DeleteConflict, match="must remove users from group first"):
        await call("delete_group", GroupName="team")
    for _ in range(2):
        await call("remove_user_from_group", GroupName="team", UserName="ann")
    assert (await call("get_group", GroupName="team"))["Users"] == []
    await call("update_group", GroupName="team", NewGroupName="crew", NewPath="/")
    assert [each["Arn"] for each in (await call("list_groups"))["Groups"]] == ["arn:aws:iam::000000000000:group/crew"]
    await call("delete_group", GroupName="crew")
    with pytest.raises(errors.NoSuchEntity, match=r"^The group with name crew cannot be found\.$"):
        await call("get_group", GroupName="crew")


async def test_add_user_to_group_says_who_is_missing(call, ann):
    with pytest.raises(errors.NoSuchEntity, match="The user with name nobody"):
        await call("add_user_to_group", GroupName="none", UserName="nobody")
    with pytest.raises(errors.NoSuchEntity, match="The group with name none"):
        await call("add_user_to_group", GroupName="none", UserName="ann")


async def test_groups_per_user(call, ann):
    for number in range(11):
        await call("create_group", GroupName=f"g{number}")
    for number in range(10):
        await call("add_user_to_group", GroupName=f"g{number}", UserName="ann")
    with pytest.raises(errors.LimitExceeded, match=r"^Cannot exceed quota for GroupsPerUser: 10$"):
        await call("add_user_to_group", GroupName="g10", UserName="ann")
