import json

import pytest

from outcrop.services.iam import errors

S3 = "arn:aws:iam::aws:policy/AmazonS3FullAccess"


@pytest.fixture(params=["role", "user", "group"])
async def holder(request, call, trust):
    """Calls the policy operations of one kind of holder, called `thing`."""
    kind = request.param
    member = f"{kind.capitalize()}Name"
    more = {"AssumeRolePolicyDocument": trust} if kind == "role" else {}
    await call(f"create_{kind}", **{member: "thing"}, **more)

    async def operate(operation, **more):
        return await call(operation.format(kind), **{member: "thing"}, **more)

    operate.kind = kind
    return operate


async def test_inline_policies(holder, document, decoded):
    assert await holder("list_{}_policies") == {"PolicyNames": [], "IsTruncated": False}
    for name in ("b", "a"):
        await holder("put_{}_policy", PolicyName=name, PolicyDocument=document)
    assert (await holder("list_{}_policies"))["PolicyNames"] == ["a", "b"]
    found = await holder("get_{}_policy", PolicyName="a")
    assert decoded(found["PolicyDocument"]) == json.loads(document)
    assert found[f"{holder.kind.capitalize()}Name"] == "thing"
    changed = document.replace("List", "Get")
    await holder("put_{}_policy", PolicyName="a", PolicyDocument=changed)
    assert decoded((await holder("get_{}_policy", PolicyName="a"))["PolicyDocument"]) == json.loads(changed)
    await holder("delete_{}_policy", PolicyName="a")
    for operation in ("get_{}_policy", "delete_{}_policy"):
        with pytest.raises(errors.NoSuchEntity, match=rf"^The {holder.kind} policy with name a cannot be found\.$"):
            await holder(operation, PolicyName="a")


async def test_inline_policies_are_checked(holder):
    with pytest.raises(errors.MalformedPolicyDocument, match=r"^Syntax errors in policy\.$"):
        await holder("put_{}_policy", PolicyName="p", PolicyDocument="{")


async def test_inline_policies_are_limited(holder):
    statement = {"Effect": "Allow", "Action": ["s3:" + "x" * 1500], "Resource": "*"}
    long = json.dumps({"Version": "2012-10-17", "Statement": statement}, indent=200)
    with pytest.raises(
        errors.LimitExceeded, match=rf"^Maximum policy size of \d+ bytes exceeded for {holder.kind} thing$"
    ):
        for number in range(10):
            await holder("put_{}_policy", PolicyName=f"p{number}", PolicyDocument=long)
    assert len((await holder("list_{}_policies"))["PolicyNames"]) == {"role": 6, "user": 1, "group": 3}[holder.kind]


async def test_attached_policies(holder, call, document):
    mine = (await call("create_policy", PolicyName="mine", Path="/p/", PolicyDocument=document))["Policy"]["Arn"]
    for _ in range(2):
        await holder("attach_{}_policy", PolicyArn=mine)
    await holder("attach_{}_policy", PolicyArn=S3)
    listed = await holder("list_attached_{}_policies")
    assert listed["AttachedPolicies"] == [
        {"PolicyName": "mine", "PolicyArn": mine},
        {"PolicyName": "AmazonS3FullAccess", "PolicyArn": S3},
    ]
    listed = await holder("list_attached_{}_policies", PathPrefix="/p/")
    assert [each["PolicyName"] for each in listed["AttachedPolicies"]] == ["mine"]
    await holder("detach_{}_policy", PolicyArn=mine)
    with pytest.raises(errors.NoSuchEntity, match=rf"^Policy {mine} was not found\.$"):
        await holder("detach_{}_policy", PolicyArn=mine)


async def test_attach_what_is_not_there(holder):
    missing = "arn:aws:iam::000000000000:policy/none"
    with pytest.raises(errors.NoSuchEntity, match=rf"^Policy {missing} does not exist or is not attachable\.$"):
        await holder("attach_{}_policy", PolicyArn=missing)
    with pytest.raises(errors.ValidationError, match=r"^ARN longpolicynamebutnoarn is not valid\.$"):
        await holder("attach_{}_policy", PolicyArn="longpolicynamebutnoarn")


async def test_attach_eleven(holder, call, document):
    for number in range(11):
        await call("create_policy", PolicyName=f"p{number}", PolicyDocument=document)
    for number in range(10):
        await holder("attach_{}_policy", PolicyArn=f"arn:aws:iam::000000000000:policy/p{number}")
    with pytest.raises(errors.LimitExceeded, match=r"^Cannot exceed quota for PoliciesPer(Role|User|Group): 10$"):
        await holder("attach_{}_policy", PolicyArn="arn:aws:iam::000000000000:policy/p10")
