"""JWT authorizers against a real issuer on a local port, and Lambda authorizers."""

import base64
import hashlib
import json
import math
import time
from http.server import BaseHTTPRequestHandler

import pytest

from outcrop.services.apigateway.http_apis.authorization import allows
from outcrop.services.contract import Principal

from ..conftest import serving, url


def _prime(start):
    """The next prime number (Miller and Rabin, bases that are enough for a test's key)."""
    candidate = start | 1
    while True:
        d, r = candidate - 1, 0
        while d % 2 == 0:
            d, r = d // 2, r + 1
        for base in (2, 3, 5, 7, 11, 13, 17, 19, 23):
            x = pow(base, d, candidate)
            if x in (1, candidate - 1):
                continue
            for _ in range(r - 1):
                x = x * x % candidate
                if x == candidate - 1:
                    break
            else:
                break
        else:
            return candidate
        candidate += 2


P, Q = _prime(3**320 | 1 << 511), _prime(7**180 | 1 << 511)
N, E = P * Q, 65537
D = pow(E, -1, math.lcm(P - 1, Q - 1))


def encode(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def sign(claims, key_id="k1", algorithm="RS256"):
    signed = f"{encode({'alg': algorithm, 'kid': key_id})}.{encode(claims)}"
    prefix = bytes.fromhex("3031300d060960864801650304020105000420")
    tail = b"\x00" + prefix + hashlib.sha256(signed.encode()).digest()
    size = (N.bit_length() + 7) // 8
    padded = b"\x00\x01" + b"\xff" * (size - len(tail) - 2) + tail
    return f"{signed}.{encode(pow(int.from_bytes(padded), D, N).to_bytes(size))}"


@pytest.fixture
def issuer():
    """An OpenID issuer: serves its configuration and its keys."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/.well-known/openid-configuration":
                document = {"jwks_uri": f"http://127.0.0.1:{self.server.server_port}/keys"}
            else:
                modulus = encode(N.to_bytes((N.bit_length() + 7) // 8))
                document = {"keys": [{"kty": "RSA", "kid": "k1", "n": modulus, "e": "AQAB"}, {"kty": "EC"}]}
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with serving(Handler) as base:
        yield base


@pytest.fixture
async def secured(stack, issuer):
    """The id of an API whose routes want tokens of the issuer."""
    api_id = await stack.api(lambda event: event["requestContext"]["authorizer"])
    authorizer = await stack(
        "create_authorizer",
        ApiId=api_id,
        Name="jwt",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": issuer, "Audience": ["app"]},
    )
    (route,) = (await stack("get_routes", ApiId=api_id))["Items"]
    await stack(
        "update_route",
        ApiId=api_id,
        RouteId=route["RouteId"],
        AuthorizationType="JWT",
        AuthorizerId=authorizer["AuthorizerId"],
        AuthorizationScopes=["read", "write"],
    )
    return api_id


async def test_jwt(stack, secured, issuer):
    claims = {
        "iss": issuer,
        "aud": ["other", "app"],
        "exp": time.time() + 60,
        "scope": "read other",
        "groups": ["a", "b"],
        "admin": True,
    }
    token = sign(claims)
    answer = await stack.http("GET", url(secured), headers={"authorization": f"Bearer {token}"})
    assert answer.status == 200
    jwt = answer.json()["jwt"]
    assert jwt["scopes"] == ["read", "other"]
    assert (jwt["claims"]["groups"], jwt["claims"]["admin"]) == ("[a b]", "true")


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": None}, "exp is no number"),
        ({"exp": "soon"}, "exp is no number"),
        ({"nbf": time.time() + 86_400}, "nbf is in the future"),
        ({"iss": "https://other"}, "issuer"),
        ({"aud": "else"}, "audience"),
    ],
)
async def test_jwt_refused(stack, secured, issuer, change, hint):
    claims = {"iss": issuer, "aud": "app", "exp": time.time() + 60, "scope": "read", **change}
    answer = await stack.http("GET", url(secured), headers={"authorization": sign(claims)})
    assert (answer.status, answer.json()) == (401, {"message": "Unauthorized"})
    assert 'error="invalid_token"' in answer.header("www-authenticate")
    assert hint in answer.header("x-outcrop-hint")


async def test_jwt_forged(stack, secured, issuer):
    claims = {"iss": issuer, "aud": "app", "exp": time.time() + 60, "scope": "read"}
    token = sign(claims)
    header, body, signature = token.split(".")
    forged = encode({**claims, "scope": "read write"})
    for bad in (
        f"{header}.{forged}.{signature}",
        f"{encode({'alg': 'none', 'kid': 'k1'})}.{body}.",
        f"{encode({'alg': 'HS256', 'kid': 'k1'})}.{body}.{signature}",
        sign(claims, key_id="k2"),
        "nonsense",
        "a.b.c",
        f"{header}.{body}.{encode(b'x')}",
    ):
        answer = await stack.http("GET", url(secured), headers={"authorization": bad})
        assert answer.status == 401, bad
    assert (await stack.http("GET", url(secured))).header("www-authenticate") == "Bearer"
    assert (await stack.http("GET", url(secured), headers={"authorization": token})).status == 200
    narrow = sign({**claims, "scope": "none"})
    answer = await stack.http("GET", url(secured), headers={"authorization": narrow})
    assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})


async def guarded(stack, decide, version="2.0", **authorizer):
    api_id = await stack.api(lambda event: event["requestContext"].get("authorizer", {}), "GET /{name}")
    made = await stack(
        "create_authorizer",
        ApiId=api_id,
        Name="fn",
        AuthorizerType="REQUEST",
        AuthorizerUri=stack.lambda_.add(decide, "decide"),
        AuthorizerPayloadFormatVersion=version,
        **{"IdentitySource": ["$request.header.Auth"], **authorizer},
    )
    (route,) = (await stack("get_routes", ApiId=api_id))["Items"]
    await stack(
        "update_route",
        ApiId=api_id,
        RouteId=route["RouteId"],
        AuthorizationType="CUSTOM",
        AuthorizerId=made["AuthorizerId"],
    )
    return api_id, made["AuthorizerId"]


async def test_lambda_authorizer_simple(stack):
    def decide(event):
        return {"isAuthorized": event["identitySource"] == ["secret"], "context": {"user": "ann", "n": 1}}

    api_id, authorizer_id = await guarded(stack, decide, EnableSimpleResponses=True)
    answer = await stack.http("GET", url(api_id, "/x"), headers={"auth": "secret"})
    assert (answer.status, answer.json()) == (200, {"lambda": {"user": "ann", "n": 1}})
    asked = stack.lambda_.events[0]
    assert asked["type"] == "REQUEST"
    assert asked["routeArn"] == f"arn:aws:execute-api:us-east-1:000000000000:{api_id}/$default/GET/{{name}}"
    assert "body" not in asked
    assert stack.lambda_.callers[0].user_id.endswith(f":{api_id}/authorizers/{authorizer_id}")
    refused = await stack.http("GET", url(api_id, "/x"), headers={"auth": "wrong"})
    assert (refused.status, refused.json()) == (403, {"message": "Forbidden"})
    unasked = await stack.http("GET", url(api_id, "/x"))
    assert (unasked.status, unasked.json()) == (401, {"message": "Unauthorized"})


async def test_lambda_authorizer_policy(stack):
    def decide(event):
        effect = "Allow" if event["authorizationToken"] == "yes" else "Deny"
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
        return {"principalId": "ann", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}

    api_id, _ = await guarded(stack, decide, version="1.0")
    assert (await stack.http("GET", url(api_id, "/x"), headers={"auth": "yes"})).status == 200
    assert (await stack.http("GET", url(api_id, "/x"), headers={"auth": "no"})).status == 403


async def test_lambda_authorizer_cache(stack):
    asked = []

    def decide(event):
        asked.append(event)
        return {"isAuthorized": True}

    api_id, _ = await guarded(stack, decide, EnableSimpleResponses=True, AuthorizerResultTtlInSeconds=60)
    for token in ("a", "a", "b", "a"):
        assert (await stack.http("GET", url(api_id, "/x"), headers={"auth": token})).status == 200
    assert len(asked) == 2
    await stack("reset_authorizers_cache", ApiId=api_id, StageName="$default")
    await stack.http("GET", url(api_id, "/x"), headers={"auth": "a"})
    assert len(asked) == 3


async def test_lambda_authorizer_failures(stack):
    answers = {"raise": ValueError("boom"), "unauthorized": ValueError("Unauthorized")}

    def decide(event):
        token = event["identitySource"][0]
        if token in answers:
            raise answers[token]
        return "not an object"

    api_id, _ = await guarded(stack, decide, EnableSimpleResponses=True)
    statuses = [
        (await stack.http("GET", url(api_id, "/x"), headers={"auth": token})).status
        for token in ("raise", "unauthorized", "odd")
    ]
    assert statuses == [500, 401, 500]


ARN = "arn:aws:execute-api:us-east-1:000000000000:abc/prod/GET/pets"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": ARN}], True),
        ([{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:execute-api:*:*:abc/*/GET/p?ts"}], True),
        ({"Effect": "Allow", "Action": ["execute-api:*"], "Resource": ["x", "*"]}, True),
        ([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}], False),
        ([{"Effect": "Allow", "Action": "*", "Resource": "*/POST/*"}], False),
        (
            [
                {"Effect": "Allow", "Action": "*", "Resource": "*"},
                {"Effect": "Deny", "Action": "*", "Resource": "*/GET/*"},
            ],
            False,
        ),
        ([{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {}}}], False),
        ([None, "x", {}], False),
        (None, False),
    ],
)
def test_allows(statements, expected):
    assert allows({"Statement": statements}, ARN) is expected


async def test_iam_asks_for_a_signature(stack):
    api_id = await stack.api(lambda event: event["requestContext"].get("authorizer"))
    route = (await stack("get_routes", ApiId=api_id))["Items"][0]
    await stack("update_route", ApiId=api_id, RouteId=route["RouteId"], AuthorizationType="AWS_IAM")
    got = await stack.http("GET", url(api_id, "/"))
    assert (got.status, got.body) == (403, b'{"message":"Forbidden"}')
    stack.signer = Principal("arn:aws:iam::000000000000:user/ann", "AIDA", "AKIA", "user")
    got = await stack.http("GET", url(api_id, "/"))
    assert got.json()["iam"]["userArn"] == "arn:aws:iam::000000000000:user/ann"
