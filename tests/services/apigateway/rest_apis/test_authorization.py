import json

import pytest

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException
from outcrop.services.contract import Principal

from .conftest import INVOCATIONS


def policy(effect, resource="*"):
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


async def guarded(rest, function, **authorizer):
    """An API whose proxy function is behind an authorizer."""
    api_id = await rest.api()
    made = await rest(
        "create_authorizer",
        **{
            "restApiId": api_id,
            "name": "guard",
            "type": "TOKEN",
            "authorizerUri": f"{INVOCATIONS}/{rest.lambda_.add(function, 'guard')}/invocations",
            "identitySource": "method.request.header.Authorization",
            **authorizer,
        },
    )
    integration = rest.proxy(lambda event: {"body": json.dumps(event["requestContext"].get("authorizer"))})
    await rest.method(api_id, "GET /a/{id}", integration, authorizationType="CUSTOM", authorizerId=made["id"])
    await rest.deploy(api_id)
    return api_id, made["id"]


def by_token(event):
    if event["authorizationToken"] == "who":
        raise ValueError("Unauthorized")
    if event["authorizationToken"] == "broken":
        raise ValueError("oh")
    if event["authorizationToken"] == "nonsense":
        return {"yes": True}
    effect = "Allow" if event["authorizationToken"] == "good" else "Deny"
    context = {"level": 3, "admin": True, "name": "Ann"}
    return {"principalId": "u", "policyDocument": policy(effect, event["methodArn"]), "context": context}


async def test_a_token_is_judged_by_a_function(rest):
    api_id, _ = await guarded(rest, by_token)
    got = await rest.http("GET", api_id, "/test/a/1", {"authorization": "good"})
    assert got.json() == {"level": "3", "admin": "true", "name": "Ann", "principalId": "u", "integrationLatency": 0}
    asked = rest.lambda_.events[0]
    assert asked == {
        "type": "TOKEN",
        "methodArn": f"arn:aws:execute-api:us-east-1:000000000000:{api_id}/test/GET/a/1",
        "authorizationToken": "good",
    }


@pytest.mark.parametrize(
    ("token", "status", "body"),
    [
        ("", 401, b'{"message":"Unauthorized"}'),
        ("who", 401, b'{"message":"Unauthorized"}'),
        ("bad", 403, b'{"Message":"User is not authorized to access this resource with an explicit deny"}'),
        ("broken", 500, b'{"message": "Internal server error"}'),
        ("nonsense", 500, b'{"message": "Internal server error"}'),
    ],
)
async def test_tokens_that_do_not_pass(rest, token, status, body):
    api_id, _ = await guarded(rest, by_token)
    got = await rest.http("GET", api_id, "/test/a/1", {"authorization": token} if token else {})
    assert (got.status, got.body) == (status, body)


async def test_a_policy_for_another_resource_denies_implicitly(rest):
    api_id, _ = await guarded(rest, lambda event: {"principalId": "u", "policyDocument": policy("Allow", "arn:x")})
    got = await rest.http("GET", api_id, "/test/a/1", {"authorization": "t"})
    assert (got.status, got.body) == (403, b'{"Message":"User is not authorized to access this resource"}')


async def test_verdicts_are_kept_and_flushed(rest):
    api_id, _ = await guarded(rest, by_token)
    for _ in range(3):
        # the policy names one resource: what is cached for the token doesn't open another
        assert (await rest.http("GET", api_id, "/test/a/1", {"authorization": "good"})).status == 200
        assert (await rest.http("GET", api_id, "/test/a/2", {"authorization": "good"})).status == 403
    questions = [event for event in rest.lambda_.events if event.get("type") == "TOKEN"]
    assert len(questions) == 1
    await rest("flush_stage_authorizers_cache", restApiId=api_id, stageName="test")
    await rest.http("GET", api_id, "/test/a/1", {"authorization": "good"})
    assert len([event for event in rest.lambda_.events if event.get("type") == "TOKEN"]) == 2


async def test_a_request_authorizer_sees_the_request(rest):
    def guard(event):
        return {"principalId": "u", "policyDocument": policy("Allow")}

    source = "method.request.header.x-a, method.request.querystring.q"
    api_id, _ = await guarded(rest, guard, type="REQUEST", identitySource=source)
    assert (await rest.http("GET", api_id, "/test/a/1?q=2")).status == 401
    assert (await rest.http("GET", api_id, "/test/a/1?q=2", {"x-a": "b"})).status == 200
    asked = rest.lambda_.events[0]
    assert (asked["type"], asked["resource"], asked["path"]) == ("REQUEST", "/a/{id}", "/a/1")
    assert (asked["headers"]["x-a"], asked["queryStringParameters"]) == ("b", {"q": "2"})
    assert asked["pathParameters"] == {"id": "1"}


async def test_a_token_must_fit_the_expression(rest):
    api_id, _ = await guarded(rest, by_token, identityValidationExpression="g.*")
    assert (await rest.http("GET", api_id, "/test/a/1", {"authorization": "bad"})).status == 401
    assert (await rest.http("GET", api_id, "/test/a/1", {"authorization": "good"})).status == 200


async def test_authorizers_can_be_tested(rest):
    api_id, authorizer_id = await guarded(rest, lambda event: {"principalId": "u", "policyDocument": policy("Allow")})
    names = {"restApiId": api_id, "authorizerId": authorizer_id}
    result = await rest("test_invoke_authorizer", **names, headers={"Authorization": "t"})
    assert (result["clientStatus"], result["principalId"]) == (0, "u")
    assert json.loads(result["policy"])["Statement"][0]["Effect"] == "Allow"
    assert (await rest("test_invoke_authorizer", **names))["clientStatus"] == 401


@pytest.mark.parametrize(
    ("authorizer", "message"),
    [
        ({"type": "MAGIC"}, "Invalid authorizer type"),
        ({"authorizerUri": "x"}, "Invalid Authorizer URI"),
        ({"identitySource": ""}, "Identity source cannot be empty"),
        ({"identitySource": "header.x"}, "Invalid identity source"),
        ({"authorizerResultTtlInSeconds": 3601}, "between 0 and 3600"),
        ({"type": "COGNITO_USER_POOLS"}, "Cognito User Pool"),
    ],
)
async def test_authorizers_that_cannot_be(rest, authorizer, message):
    with pytest.raises(BadRequestException, match=message):
        await guarded(rest, by_token, **authorizer)


async def test_an_authorizer_in_use_stays(rest):
    api_id, authorizer_id = await guarded(rest, by_token)
    with pytest.raises(ConflictException, match="is referenced in method"):
        await rest("delete_authorizer", restApiId=api_id, authorizerId=authorizer_id)


async def test_iam_asks_for_a_signature(rest):
    api_id = await rest.api()
    integration = rest.proxy(lambda event: {"body": json.dumps(event["requestContext"]["identity"])})
    await rest.method(api_id, "GET /a", integration, authorizationType="AWS_IAM")
    await rest.deploy(api_id)
    got = await rest.http("GET", api_id, "/test/a")
    assert (got.status, got.body) == (403, b'{"message":"Missing Authentication Token"}')
    rest.stack.signer = Principal("arn:aws:iam::000000000000:user/ann", "AIDA", "AKIA", "user")
    identity = (await rest.http("GET", api_id, "/test/a")).json()
    assert identity["userArn"] == "arn:aws:iam::000000000000:user/ann"
    assert (identity["accountId"], identity["accessKey"], identity["caller"]) == ("000000000000", "AKIA", "AIDA")


async def test_a_resource_policy_decides_by_address_and_path(rest):
    def statement(effect, resource, address):
        condition = {"IpAddress": {"aws:SourceIp": [address]}}
        base = {"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke"}
        return {**base, "Resource": f"execute-api:/{resource}", "Condition": condition}

    statements = [statement("Allow", "*", "127.0.0.0/8"), statement("Deny", "test/GET/b", "127.0.0.1/32")]
    api_id = await rest.api(policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    for path in ("/a", "/b"):
        await rest.mock(api_id, f"GET {path}", "x")
    await rest.deploy(api_id)
    assert (await rest.http("GET", api_id, "/test/a")).status == 200
    got = await rest.http("GET", api_id, "/test/b")
    assert got.status == 403
    assert got.json()["Message"].startswith("User: anonymous is not authorized to perform: execute-api:Invoke")
