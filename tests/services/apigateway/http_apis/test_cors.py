import pytest

from ..conftest import url

CORS = {
    "AllowOrigins": ["https://www.example.com", "http://*"],
    "AllowMethods": ["GET", "POST"],
    "AllowHeaders": ["Content-Type", "x-key"],
    "ExposeHeaders": ["X-One"],
    "MaxAge": 300,
    "AllowCredentials": True,
}
PREFLIGHT = {"origin": "https://www.example.com", "access-control-request-method": "POST"}


def function(event):
    return {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "mine", "x-one": "1"}, "body": "ok"}


async def test_preflight(stack):
    api_id = await stack.api(function, "POST /ask", CorsConfiguration=CORS)
    answer = await stack.http("OPTIONS", url(api_id, "/ask"), headers=PREFLIGHT)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("access-control-allow-origin") == "https://www.example.com"
    assert answer.header("access-control-allow-methods") == "GET,POST"
    assert answer.header("access-control-allow-headers") == "content-type,x-key"
    assert answer.header("access-control-max-age") == "300"
    assert answer.header("access-control-allow-credentials") == "true"
    assert stack.lambda_.events == []
    refused = await stack.http("OPTIONS", url(api_id, "/ask"), headers={**PREFLIGHT, "origin": "https://evil.example"})
    assert (refused.status, refused.header("access-control-allow-origin")) == (204, None)
    assert (await stack.http("OPTIONS", url(api_id, "/ask"), headers={"origin": "http://x"})).status == 404


async def test_cors_headers_on_answers(stack):
    api_id = await stack.api(function, "POST /ask", CorsConfiguration=CORS)
    answer = await stack.http("POST", url(api_id, "/ask"), headers={"origin": "http://localhost:3000"})
    assert answer.header("access-control-allow-origin") == "http://localhost:3000"
    assert answer.header("access-control-expose-headers") == "x-one"
    assert answer.header("x-one") == "1"
    plain = await stack.http("POST", url(api_id, "/ask"))
    assert plain.header("access-control-allow-origin") is None
    missing = await stack.http("POST", url(api_id, "/none"), headers={"origin": "http://localhost:3000"})
    assert (missing.status, missing.header("access-control-allow-origin")) == (404, "http://localhost:3000")


async def test_any_origin(stack):
    api_id = await stack.api(function, CorsConfiguration={"AllowOrigins": ["*"], "AllowMethods": ["*"]})
    answer = await stack.http("OPTIONS", url(api_id, "/x"), headers=PREFLIGHT)
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-methods") == "*"


async def test_without_cors_the_function_decides(stack):
    api_id = await stack.api(function)
    answer = await stack.http("OPTIONS", url(api_id, "/x"), headers=PREFLIGHT)
    assert (answer.status, answer.header("access-control-allow-origin")) == (200, "mine")


@pytest.mark.parametrize("origin", ["null", "", "http://" + "a" * 5000, "http://x\ny"])
async def test_odd_origins(stack, origin):
    api_id = await stack.api(function, CorsConfiguration={"AllowOrigins": ["https://a.example"]})
    answer = await stack.http("GET", url(api_id), headers={"origin": origin})
    assert (answer.status, answer.header("access-control-allow-origin")) == (200, None)
