import json
import re
import time

import pytest

from outcrop.services.contract import Principal
from outcrop.services.iam import errors
from outcrop.services.iam.trust import trusts


@pytest.fixture
async def role(call):
    async def create(name="worker", principal=None, path="/", action="sts:AssumeRole", **more):
        statement = {"Effect": "Allow", "Principal": principal or {"AWS": "000000000000"}, "Action": action}
        condition = {"Condition": more.pop("Condition")} if "Condition" in more else {}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement | condition]})
        made = await call("create_role", RoleName=name, Path=path, AssumeRolePolicyDocument=document, **more)
        return made["Role"]

    return create


@pytest.fixture
async def ann(call):
    await call("create_user", UserName="ann")
    made = await call("create_access_key", UserName="ann")
    return call.as_key(made["AccessKey"]["AccessKeyId"])


async def test_get_caller_identity(call):
    expected = {"UserId": "000000000000", "Account": "000000000000", "Arn": "arn:aws:iam::000000000000:root"}
    assert await call.sts("get_caller_identity") == expected


async def test_assume_role(call, role):
    made = await role(path="/deep/er/")
    before = time.time()
    answer = await call.sts("assume_role", RoleArn=made["Arn"], RoleSessionName="one@two", SourceIdentity="me")
    key = answer["Credentials"]
    assert re.fullmatch("ASIA[A-Z2-7]{16}", key["AccessKeyId"])
    assert abs(key["Expiration"].timestamp() - before - 3600) < 5
    assert answer["AssumedRoleUser"] == {
        "AssumedRoleId": f"{made['RoleId']}:one@two",
        "Arn": "arn:aws:sts::000000000000:assumed-role/worker/one@two",
    }
    assert answer["SourceIdentity"] == "me"
    assert "PackedPolicySize" not in answer
    found = call.credentials.lookup(key["AccessKeyId"])
    assert (found.secret, found.session_token) == (key["SecretAccessKey"], key["SessionToken"])
    assert int(found.expires_at) == key["Expiration"].timestamp()
    assert found.principal.kind == "assumed-role"
    identity = await call.as_key(key["AccessKeyId"]).sts("get_caller_identity")
    assert identity == {
        "UserId": f"{made['RoleId']}:one@two",
        "Account": "000000000000",
        "Arn": "arn:aws:sts::000000000000:assumed-role/worker/one@two",
    }


async def test_assume_role_of_another_account(call, role):
    made = await role(principal={"AWS": "111122223333"})
    answer = await call.as_key("111122223333").sts("assume_role", RoleArn=made["Arn"], RoleSessionName="s1")
    found = call.credentials.lookup(answer["Credentials"]["AccessKeyId"])
    assert found.account == "000000000000"


async def test_assume_role_that_is_not_there(call, role):
    await role(path="/a/")
    for arn in ("arn:aws:iam::000000000000:role/none", "arn:aws:iam::000000000000:role/worker"):
        words = rf"^User: arn:aws:iam::0{{12}}:root is not authorized to perform: sts:AssumeRole on resource: {arn}$"
        with pytest.raises(errors.AccessDenied, match=words):
            await call.sts("assume_role", RoleArn=arn, RoleSessionName="s1")
        assert call.notes["reason"] == "there is no such role"


@pytest.mark.parametrize("arn", ["nothing-valid-in-here", "arn:a:::something/test-role", "arn:a:a::aaaaaaaaaa:"])
async def test_assume_role_with_a_malformed_arn(call, arn):
    with pytest.raises(errors.ValidationError, match=f"^{arn} is invalid$"):
        await call.sts("assume_role", RoleArn=arn, RoleSessionName="s1")


async def test_assume_role_for_long(call, role):
    arn = (await role(MaxSessionDuration=7200))["Arn"]
    await call.sts("assume_role", RoleArn=arn, RoleSessionName="s1", DurationSeconds=7200)
    with pytest.raises(errors.ValidationError, match="exceeds the MaxSessionDuration set for this role"):
        await call.sts("assume_role", RoleArn=arn, RoleSessionName="s1", DurationSeconds=7201)
    first = await call.sts("assume_role", RoleArn=arn, RoleSessionName="s1")
    chained = call.as_key(first["Credentials"]["AccessKeyId"])
    with pytest.raises(errors.ValidationError, match="1 hour session limit for roles assumed by role chaining"):
        await chained.sts("assume_role", RoleArn=arn, RoleSessionName="s1", DurationSeconds=7200)


async def test_assume_role_with_a_policy_and_tags(call, role, document):
    arn = (await role())["Arn"]
    tags = [{"Key": "a", "Value": "1"}]
    answer = await call.sts("assume_role", RoleArn=arn, RoleSessionName="s1", Policy=document, Tags=tags)
    assert 0 < answer["PackedPolicySize"] <= 100
    with pytest.raises(errors.MalformedPolicyDocument):
        await call.sts("assume_role", RoleArn=arn, RoleSessionName="s1", Policy="{}")
    with pytest.raises(errors.InvalidParameterValue, match="transitive tag key must be included"):
        await call.sts("assume_role", RoleArn=arn, RoleSessionName="s1", Tags=tags, TransitiveTagKeys=["b"])
    with pytest.raises(errors.InvalidParameterValue, match="Duplicate tag keys found"):
        await call.sts("assume_role", RoleArn=arn, RoleSessionName="s1", Tags=[*tags, {"Key": "A", "Value": ""}])


async def test_assume_role_asks_trust_when_strict(call, strict, role):
    arn = (await role(principal={"Service": "lambda.amazonaws.com"}))["Arn"]
    await call.sts("assume_role", RoleArn=arn, RoleSessionName="s1")
    assert call.notes["trust-policy"].startswith("on AWS worker's trust policy would refuse")
    with pytest.raises(errors.AccessDenied, match="is not authorized to perform: sts:AssumeRole"):
        await strict.sts("assume_role", RoleArn=arn, RoleSessionName="s1")
    with pytest.raises(errors.AccessDenied):
        await strict.as_service("bedrock.amazonaws.com").sts("assume_role", RoleArn=arn, RoleSessionName="s1")
    await strict.as_service("lambda.amazonaws.com").sts("assume_role", RoleArn=arn, RoleSessionName="s1")


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        ("*", True),
        ({"AWS": "*"}, True),
        ({"AWS": "arn:aws:iam::000000000000:root"}, True),
        ({"AWS": "arn:aws:iam::000000000000:user/ann"}, True),
        ({"AWS": ["111122223333", "arn:aws:iam::000000000000:user/bob"]}, False),
        ({"Service": "lambda.amazonaws.com"}, False),
    ],
)
async def test_trust_names_users(strict, role, ann, principal, allowed):
    arn = (await role(principal=principal))["Arn"]
    as_ann = strict.as_key(ann.principal.access_key_id)
    if allowed:
        await as_ann.sts("assume_role", RoleArn=arn, RoleSessionName="s1")
    else:
        with pytest.raises(errors.AccessDenied):
            await as_ann.sts("assume_role", RoleArn=arn, RoleSessionName="s1")


@pytest.mark.parametrize("kind", ["anonymous", "assumed-role"])
def test_trust_and_callers_without_an_arn(kind):
    nobody = Principal("", "", kind=kind)
    for named, expected in (
        ("*", True),
        ({"AWS": "000000000000"}, False),
        ({"Service": "lambda.amazonaws.com"}, False),
    ):
        statement = {"Effect": "Allow", "Principal": named, "Action": "sts:AssumeRole"}
        assert trusts(json.dumps({"Statement": statement}), nobody, None) is expected


async def test_trust_names_roles(strict, role):
    first = await role("first", path="/p/")
    second = (await role("second", principal={"AWS": first["Arn"]}))["Arn"]
    with pytest.raises(errors.AccessDenied):
        await strict.sts("assume_role", RoleArn=second, RoleSessionName="s1")
    session = await strict.sts("assume_role", RoleArn=first["Arn"], RoleSessionName="s1")
    chained = strict.as_key(session["Credentials"]["AccessKeyId"])
    await chained.sts("assume_role", RoleArn=second, RoleSessionName="s1")


async def test_trust_wants_an_external_id(strict, role):
    arn = (await role(Condition={"StringEquals": {"sts:ExternalId": ["a", "b"]}}))["Arn"]
    for wrong in ({}, {"ExternalId": "c"}):
        with pytest.raises(errors.AccessDenied):
            await strict.sts("assume_role", RoleArn=arn, RoleSessionName="s1", **wrong)
    await strict.sts("assume_role", RoleArn=arn, RoleSessionName="s1", ExternalId="b")


async def test_sessions_end_with_their_role(call, role):
    arn = (await role())["Arn"]
    key = (await call.sts("assume_role", RoleArn=arn, RoleSessionName="s1"))["Credentials"]["AccessKeyId"]
    await call("delete_role", RoleName="worker")
    assert call.credentials.lookup(key) is None


async def test_sessions_of_long_ago_are_forgotten(call, role, database, monkeypatch):
    arn = (await role())["Arn"]
    await call.sts("assume_role", RoleArn=arn, RoleSessionName="s1")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86400)
    await call.sts("assume_role", RoleArn=arn, RoleSessionName="s2")
    (row,) = database.read("SELECT arn FROM access_key")
    assert row["arn"].endswith("/s2")


async def test_get_session_token(call, ann):
    key = (await ann.sts("get_session_token", DurationSeconds=900))["Credentials"]
    assert abs(key["Expiration"].timestamp() - time.time() - 900) < 5
    session = ann.as_key(key["AccessKeyId"])
    assert await session.sts("get_caller_identity") == await ann.sts("get_caller_identity")
    for operation, more in (("get_session_token", {}), ("get_federation_token", {"Name": "fed"})):
        with pytest.raises(errors.AccessDenied, match=r"with session credentials$"):
            await session.sts(operation, **more)
    root = (await call.sts("get_session_token"))["Credentials"]
    assert abs(root["Expiration"].timestamp() - time.time() - 3600) < 5


async def test_get_federation_token(call, ann):
    answer = await ann.sts("get_federation_token", Name="guest")
    arn = "arn:aws:sts::000000000000:federated-user/guest"
    assert answer["FederatedUser"] == {"FederatedUserId": "000000000000:guest", "Arn": arn}
    assert answer["PackedPolicySize"] == 0
    identity = await call.as_key(answer["Credentials"]["AccessKeyId"]).sts("get_caller_identity")
    assert identity == {"Account": "000000000000", "UserId": "000000000000:guest", "Arn": arn}


async def test_get_access_key_info(call):
    other = call.as_key("111122223333")
    made = (await other("create_access_key"))["AccessKey"]["AccessKeyId"]
    assert await call.sts("get_access_key_info", AccessKeyId=made) == {"Account": "111122223333"}
    with pytest.raises(errors.ValidationError):
        await call.sts("get_access_key_info", AccessKeyId="notanaccesskeyid!")


async def test_what_sts_refuses(call):
    with pytest.raises(errors.InvalidIdentityToken):
        await call.sts("assume_role_with_web_identity", RoleArn="x", RoleSessionName="s1", WebIdentityToken="t")
    with pytest.raises(errors.InvalidIdentityToken):
        await call.sts("assume_role_with_saml", RoleArn="x", PrincipalArn="y", SAMLAssertion="z")
    with pytest.raises(errors.InvalidAuthorizationMessageException):
        await call.sts("decode_authorization_message", EncodedMessage="x")
