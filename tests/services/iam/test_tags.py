import pytest

from outcrop.services.iam import errors


@pytest.fixture(params=["role", "user", "instance_profile"])
async def tagged(request, call, trust):
    """Calls the tag operations of one kind of thing."""
    member, name = {
        "role": ("RoleName", "create_role"),
        "user": ("UserName", "create_user"),
        "instance_profile": ("InstanceProfileName", "create_instance_profile"),
    }[request.param]
    more = {"AssumeRolePolicyDocument": trust} if request.param == "role" else {}
    await call(name, **{member: "thing"}, **more)

    async def operate(verb, **more):
        operation = f"list_{request.param}_tags" if verb == "list" else f"{verb}_{request.param}"
        return await call(operation, **{member: "thing"}, **more)

    return operate


def tags(**values):
    return [{"Key": key, "Value": value} for key, value in values.items()]


async def test_tag_and_untag(tagged):
    assert await tagged("list") == {"Tags": [], "IsTruncated": False}
    await tagged("tag", Tags=tags(b="2", a="1"))
    assert (await tagged("list"))["Tags"] == tags(a="1", b="2")
    await tagged("tag", Tags=tags(A="3"))
    assert (await tagged("list"))["Tags"] == tags(A="3", b="2")
    await tagged("untag", TagKeys=["B", "none"])
    assert (await tagged("list"))["Tags"] == tags(A="3")


async def test_tag_twice_the_same_key(tagged):
    words = r"^Duplicate tag keys found\. Please note that Tag keys are case insensitive\.$"
    with pytest.raises(errors.InvalidInput, match=words):
        await tagged("tag", Tags=tags(a="1", A="2"))


async def test_tag_more_than_fifty(tagged):
    await tagged("tag", Tags=tags(**{f"k{number}": "" for number in range(50)}))
    await tagged("tag", Tags=tags(k0="again"))
    with pytest.raises(errors.LimitExceeded):
        await tagged("tag", Tags=tags(one_more=""))


async def test_list_tags_in_pages(tagged):
    await tagged("tag", Tags=tags(a="1", b="2", c="3"))
    first = await tagged("list", MaxItems=2)
    assert (first["Tags"], first["IsTruncated"]) == (tags(a="1", b="2"), True)
    rest = await tagged("list", MaxItems=2, Marker=first["Marker"])
    assert rest == {"Tags": tags(c="3"), "IsTruncated": False}


async def test_tags_of_policies_know_case(call, document):
    created = await call("create_policy", PolicyName="p", PolicyDocument=document, Tags=tags(a="1", A="2"))
    arn = created["Policy"]["Arn"]
    assert created["Policy"]["Tags"] == tags(a="1", A="2")
    assert (await call("list_policy_tags", PolicyArn=arn))["Tags"] == tags(A="2", a="1")
    await call("untag_policy", PolicyArn=arn, TagKeys=["a"])
    await call("tag_policy", PolicyArn=arn, Tags=tags(c="3"))
    assert (await call("get_policy", PolicyArn=arn))["Policy"]["Tags"] == tags(A="2", c="3")
    with pytest.raises(errors.InvalidInput, match=r"^Duplicate tag keys found\.$"):
        await call("tag_policy", PolicyArn=arn, Tags=[*tags(a="1"), *tags(a="2")])
    with pytest.raises(errors.NoSuchEntity, match="policy/none was not found"):
        await call("tag_policy", PolicyArn="arn:aws:iam::000000000000:policy/none", Tags=[])
