import asyncio
import base64
import json
from http.server import BaseHTTPRequestHandler

import pytest

from ..conftest import serving

TEMPLATED = '{"statusCode": 200}'


def hello(event):
    return {"statusCode": 200, "body": "hello"}


async def served(rest, integration, key="ANY /{proxy+}", **api):
    api_id = await rest.api(**api)
    await rest.method(api_id, key, integration)
    await rest.deploy(api_id)
    return api_id


async def test_a_function_gets_the_whole_request(rest):
    api_id = await served(rest, rest.proxy(hello), "POST /pets/{id}")
    headers = [
        ("content-type", "application/json"),
        ("x-two", "1"),
        ("x-two", "2"),
        ("user-agent", "me"),
        ("connection", "close"),
    ]
    answer = await rest.http("POST", api_id, "/test/pets/a%20b?q=1&q=2&e=", headers, b'{"a": 1}')
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.header("content-type") == "application/json"
    assert answer.header("x-amz-apigw-id").endswith("=")
    assert answer.header("x-amzn-requestid")
    assert answer.header("x-amzn-trace-id").startswith("Root=1-")
    event = rest.lambda_.events[-1]
    assert event["resource"] == "/pets/{id}"
    assert event["path"] == "/pets/a b"
    assert event["httpMethod"] == "POST"
    assert event["headers"]["x-two"] == "2"
    assert event["multiValueHeaders"]["x-two"] == ["1", "2"]
    assert event["headers"]["Content-Type"] == "application/json"
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert "Connection" not in event["headers"]
    assert event["queryStringParameters"] == {"q": "2", "e": ""}
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"], "e": [""]}
    assert event["pathParameters"] == {"id": "a b"}
    assert event["stageVariables"] is None
    assert (event["body"], event["isBase64Encoded"]) == ('{"a": 1}', False)
    context = event["requestContext"]
    assert context["resourcePath"] == "/pets/{id}"
    assert context["path"] == "/test/pets/a b"
    assert context["stage"] == "test"
    assert context["apiId"] == api_id
    assert context["accountId"] == "000000000000"
    assert context["domainPrefix"] == api_id
    assert context["protocol"] == "HTTP/1.1"
    assert context["identity"]["userAgent"] == "me"
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["identity"]["user"] is None
    assert context["requestTime"].endswith(" +0000")


async def test_all_forms_of_the_url_lead_to_it(rest):
    api_id = await served(rest, rest.proxy(hello))
    for url in (
        f"http://{api_id}.execute-api.localhost:4566/test/x",
        f"http://{api_id}.execute-api.us-east-1.amazonaws.com/test/x",
        f"http://localhost:4566/restapis/{api_id}/test/_user_request_/x",
        f"http://localhost:4566/_outcrop/execute-api/{api_id}/test/x",
        f"http://localhost:4566/_aws/execute-api/{api_id}/test/x",
    ):
        assert (await rest.stack.http("GET", url)).body == b"hello", url
        assert rest.lambda_.events[-1]["path"] == "/x"
        assert rest.lambda_.events[-1]["requestContext"]["domainName"].startswith(f"{api_id}.execute-api.")


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        ({}, 200, b""),
        ({"statusCode": "201"}, 201, b""),
        ({"headers": {"x": "y"}}, 200, b""),
        ({"statusCode": 200, "body": None}, 200, b""),
        ({"statusCode": 200, "body": {"a": 1}}, 502, b'{"message": "Internal server error"}'),
        ({"statusCode": 200, "extra": 1}, 502, b'{"message": "Internal server error"}'),
        ({"statusCode": "x"}, 502, b'{"message": "Internal server error"}'),
        ({"statusCode": 99}, 502, b'{"message": "Internal server error"}'),
        ({"headers": {"x": "a\nb"}}, 502, b'{"message": "Internal server error"}'),
        ({"multiValueHeaders": {"x": "a"}}, 502, b'{"message": "Internal server error"}'),
        ("text", 502, b'{"message": "Internal server error"}'),
        (None, 502, b'{"message": "Internal server error"}'),
    ],
)
async def test_what_functions_may_answer(rest, answer, status, body):
    api_id = await served(rest, rest.proxy(lambda event: answer))
    got = await rest.http("GET", api_id, "/test/x")
    assert (got.status, got.body) == (status, body)
    if status == 502:
        assert got.header("x-amzn-errortype") == "InternalServerErrorException"


async def test_headers_of_a_function(rest):
    answer = {
        "statusCode": 200,
        "headers": {"X-One": 1, "Set-Cookie": "a", "Date": "never", "Content-Type": "text/x"},
        "multiValueHeaders": {"Set-Cookie": ["b", "c"]},
    }
    api_id = await served(rest, rest.proxy(lambda event: answer))
    got = await rest.http("GET", api_id, "/test/x")
    assert [value for name, value in got.headers if name == "set-cookie"] == ["b", "c"]
    assert got.header("x-one") == "1"
    assert got.header("x-amzn-remapped-date") == "never"
    assert got.header("content-type") == "text/x"


async def test_functions_that_fail(rest):
    def fail(event):
        raise ValueError("no")

    api_id = await served(rest, rest.proxy(fail))
    got = await rest.http("GET", api_id, "/test/x")
    assert (got.status, got.body) == (502, b'{"message": "Internal server error"}')
    assert "ValueError: no" in got.header("x-outcrop-hint")


async def test_without_permission_it_is_a_500_that_says_what_to_do(rest):
    api_id = await served(rest, rest.proxy(hello))
    rest.lambda_.open_to_all = False
    got = await rest.http("GET", api_id, "/test/x")
    assert (got.status, got.body) == (500, b'{"message": "Internal server error"}')
    assert "aws lambda add-permission" in got.header("x-outcrop-hint")


async def test_a_proxy_integration_must_post(rest):
    api_id = await served(rest, {**rest.proxy(hello), "integrationHttpMethod": "GET"})
    got = await rest.http("GET", api_id, "/test/x")
    assert (got.status, got.body) == (500, b'{"message": "Internal server error"}')


async def test_a_slow_function_is_a_504(rest):
    async def slow(event):
        await asyncio.sleep(30)

    api_id = await served(rest, {**rest.proxy(slow), "timeoutInMillis": 50})
    got = await rest.http("GET", api_id, "/test/x")
    assert (got.status, got.body) == (504, b'{"message": "Endpoint request timed out"}')


async def test_unknown_paths_apis_and_stages(rest):
    api_id = await served(rest, rest.proxy(hello), "GET /a")
    for method, path in (("GET", "/test/b"), ("POST", "/test/a"), ("GET", "/test"), ("GET", "/test/a/b")):
        got = await rest.http(method, api_id, path)
        assert (got.status, got.body) == (403, b'{"message":"Missing Authentication Token"}')
        assert got.header("x-amzn-errortype") == "MissingAuthenticationTokenException"
    got = await rest.http("GET", api_id, "/prod/a")
    assert (got.status, got.body) == (403, b'{"message":"Forbidden"}')
    assert got.header("x-amzn-errortype") == "ForbiddenException"
    await rest(
        "update_rest_api",
        restApiId=api_id,
        patchOperations=[{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"}],
    )
    assert (await rest.http("GET", api_id, "/test/a")).status == 403


async def test_too_large_a_body(rest):
    api_id = await served(rest, rest.proxy(hello))
    got = await rest.http("POST", api_id, "/test/x", body=b"x" * (10 * 1024 * 1024 + 1))
    assert (got.status, got.body) == (413, b'{"message":"HTTP content length exceeded 10485760 bytes."}')


async def test_changes_are_live_once_they_are_deployed(rest):
    api_id = await rest.api()
    names = await rest.mock(api_id, "GET /a", "old")
    first = await rest.deploy(api_id)
    templates = {"application/json": "new"}
    await rest("put_integration_response", **names, statusCode="200", responseTemplates=templates)
    assert (await rest.http("GET", api_id, "/test/a")).body == b"old"
    await rest.deploy(api_id)
    assert (await rest.http("GET", api_id, "/test/a")).body == b"new"
    back = [{"op": "replace", "path": "/deploymentId", "value": first}]
    await rest("update_stage", restApiId=api_id, stageName="test", patchOperations=back)
    assert (await rest.http("GET", api_id, "/test/a")).body == b"old"


async def test_canaries_get_their_share(rest):
    api_id = await rest.api()
    names = await rest.mock(api_id, "GET /a", "old $stageVariables.v")
    await rest.deploy(api_id, variables={"v": "1"})
    templates = {"application/json": "new $stageVariables.v"}
    await rest("put_integration_response", **names, statusCode="200", responseTemplates=templates)
    canary = {"percentTraffic": 100.0, "stageVariableOverrides": {"v": "2"}}
    await rest.deploy(api_id, canarySettings=canary)
    assert (await rest.http("GET", api_id, "/test/a")).body == b"new 2"
    less = [{"op": "replace", "path": "/canarySettings/percentTraffic", "value": "0.0"}]
    await rest("update_stage", restApiId=api_id, stageName="test", patchOperations=less)
    assert (await rest.http("GET", api_id, "/test/a")).body == b"old 1"
    promote = [
        {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"},
        {"op": "copy", "from": "/canarySettings/stageVariableOverrides", "path": "/variables"},
        {"op": "remove", "path": "/canarySettings"},
    ]
    stage = await rest("update_stage", restApiId=api_id, stageName="test", patchOperations=promote)
    assert "canarySettings" not in stage
    assert (await rest.http("GET", api_id, "/test/a")).body == b"new 2"


async def test_binary_bodies_travel_in_base64(rest):
    image = b"\x89PNG\x00\xff"

    def echo(event):
        return {"statusCode": 200, "body": event["body"], "isBase64Encoded": event["isBase64Encoded"]}

    api_id = await served(rest, rest.proxy(echo), binaryMediaTypes=["image/png"])
    got = await rest.http("POST", api_id, "/test/x", {"content-type": "image/png", "accept": "image/png"}, image)
    assert got.body == image
    assert rest.lambda_.events[-1]["isBase64Encoded"] is True
    got = await rest.http("POST", api_id, "/test/x", {"content-type": "image/png", "accept": "text/plain"}, image)
    assert got.body == base64.b64encode(image)


async def test_stage_variables_choose_the_function(rest):
    integration = rest.proxy(hello, "f-blue")
    integration["uri"] = integration["uri"].replace("f-blue", "f-${stageVariables.colour}")
    api_id = await rest.api()
    await rest.method(api_id, "GET /a", integration)
    await rest.deploy(api_id, variables={"colour": "blue"})
    assert (await rest.http("GET", api_id, "/test/a")).body == b"hello"
    assert rest.lambda_.events[-1]["stageVariables"] == {"colour": "blue"}


# Mapping templates


async def test_a_mock_reads_its_status_from_its_template(rest):
    api_id = await rest.api()
    template = '#if($input.params("fail") == "yes"){"statusCode": 404}#else{"statusCode": 200}#end'
    names = await rest.mock(api_id, "GET /a/{id}", 'ok $input.params("id")', template=template)
    await rest("put_method_response", **names, statusCode="404")
    await rest("put_integration_response", **names, statusCode="404", selectionPattern="404")
    await rest.deploy(api_id)
    got = await rest.http("GET", api_id, "/test/a/7")
    assert (got.status, got.body) == (200, b"ok 7")
    assert (await rest.http("GET", api_id, "/test/a/7?fail=yes")).status == 404
    got = await rest.http("GET", api_id, "/test/a/7", {"content-type": "text/plain"})
    assert (got.status, got.body) == (500, b'{"message": "Internal server error"}')


async def test_cors_by_a_mock(rest):
    api_id = await rest.api()
    names = await rest.method(
        api_id, "OPTIONS /a", {"type": "MOCK", "requestTemplates": {"application/json": TEMPLATED}}
    )
    allow = "method.response.header.Access-Control-Allow-Origin"
    await rest("put_method_response", **names, statusCode="200", responseParameters={allow: False})
    await rest("put_integration_response", **names, statusCode="200", responseParameters={allow: "'*'"})
    await rest.deploy(api_id)
    got = await rest.http("OPTIONS", api_id, "/test/a", {"origin": "http://x", "access-control-request-method": "GET"})
    assert (got.status, got.header("access-control-allow-origin")) == (200, "*")


async def test_a_custom_integration_maps_both_ways(rest):
    def work(event):
        if event["id"] == "0":
            raise ValueError("[NotFound] nothing here")
        return {"found": event["id"], "user": event["user"], "list": [1, 2]}

    request = """
#set($body = $input.path('$'))
{"id": "$input.params('id')", "user": "$body.name", "raw": $input.json('$'), "stage": "$context.stage",
 "ua": "$util.escapeJavaScript($input.params().header.get('User-Agent'))"}
"""
    api_id = await rest.api()
    names = await rest.method(api_id, "POST /a/{id}", rest.custom(work, requestTemplates={"application/json": request}))
    header = "method.response.header.X-Found"
    await rest("put_method_response", **names, statusCode="200", responseParameters={header: False})
    await rest("put_method_response", **names, statusCode="404")
    await rest(
        "put_integration_response",
        **names,
        statusCode="200",
        responseTemplates={
            "application/json": '#set($r = $input.path(\'$\')){"got": "$r.found by $r.user", '
            '"list": [#foreach($i in $r.list)$i#if($foreach.hasNext),#end#end]}'
        },
        responseParameters={header: "integration.response.body.found"},
    )
    await rest(
        "put_integration_response",
        **names,
        statusCode="404",
        selectionPattern=r"\[NotFound\].*",
        responseTemplates={"application/json": '{"error": "$input.path("$.errorMessage")"}'},
    )
    await rest.deploy(api_id)
    got = await rest.http("POST", api_id, "/test/a/7", {"user-agent": 'a"b'}, b'{"name": "Ann"}')
    assert (got.status, got.json()) == (200, {"got": "7 by Ann", "list": [1, 2]})
    assert got.header("x-found") == "7"
    event = rest.lambda_.events[-1]
    assert (event["raw"], event["stage"], event["ua"]) == ({"name": "Ann"}, "test", 'a"b')
    got = await rest.http("POST", api_id, "/test/a/0", body=b"{}")
    assert (got.status, got.json()) == (404, {"error": "[NotFound] nothing here"})


async def test_overrides_of_status_and_headers(rest):
    api_id = await rest.api()
    body = '#set($context.responseOverride.status = 202)#set($context.responseOverride.header.x-a = "b")done'
    await rest.mock(api_id, "GET /a", body)
    await rest.deploy(api_id)
    got = await rest.http("GET", api_id, "/test/a")
    assert (got.status, got.header("x-a"), got.body) == (202, "b", b"done")


@pytest.mark.parametrize(
    ("behaviour", "kind", "status"),
    [
        ("WHEN_NO_MATCH", "text/plain", 200),
        ("WHEN_NO_TEMPLATES", "text/plain", 415),
        ("NEVER", "text/plain", 415),
        ("NEVER", "application/json", 200),
    ],
)
async def test_passthrough(rest, behaviour, kind, status):
    templates = {"application/json": "{}"}
    integration = rest.custom(lambda event: event, requestTemplates=templates, passthroughBehavior=behaviour)
    api_id = await rest.api()
    names = await rest.method(api_id, "POST /a", integration)
    await rest("put_method_response", **names, statusCode="200")
    await rest("put_integration_response", **names, statusCode="200")
    await rest.deploy(api_id)
    got = await rest.http("POST", api_id, "/test/a", {"content-type": kind}, b'"as it is"')
    assert got.status == status
    assert (
        got.body
        == {
            415: b'{"message":"Unsupported Media Type"}',
            200: b"{}" if kind == "application/json" else b'"as it is"',
        }[status]
    )


async def test_a_template_that_fails_is_a_500(rest):
    api_id = await rest.api()
    await rest.mock(api_id, "GET /a", "#if(")
    await rest.deploy(api_id)
    got = await rest.http("GET", api_id, "/test/a")
    assert (got.status, got.body) == (500, b'{"message": "Internal server error"}')
    assert "Line 1 of the template" in got.header("x-outcrop-hint")


async def test_asynchronous_invocation(rest):
    parameters = {"integration.request.header.X-Amz-Invocation-Type": "'Event'"}
    api_id = await rest.api()
    names = await rest.method(api_id, "POST /a", rest.custom(hello, requestParameters=parameters))
    await rest("put_method_response", **names, statusCode="202")
    await rest("put_integration_response", **names, statusCode="202")
    await rest.deploy(api_id)
    assert (await rest.http("POST", api_id, "/test/a", body=b"{}")).status == 202


# Web servers


class Echo(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        answer = json.dumps({"path": self.path, "headers": dict(self.headers), "body": body}).encode()
        self.send_response(201 if "fail" not in self.path else 500)
        self.send_header("content-type", "application/json")
        self.send_header("x-backend", "b")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


async def test_an_http_proxy_passes_everything_on(rest):
    with serving(Echo) as server:
        integration = {
            "type": "HTTP_PROXY",
            "integrationHttpMethod": "ANY",
            "uri": f"{server}/base/{{proxy}}",
            "requestParameters": {
                "integration.request.path.proxy": "method.request.path.proxy",
                "integration.request.header.X-Static": "'yes'",
            },
        }
        api_id = await rest.api()
        parameters = {"method.request.path.proxy": True}
        await rest.method(api_id, "ANY /{proxy+}", integration, requestParameters=parameters)
        await rest.deploy(api_id)
        got = await rest.http("POST", api_id, "/test/a/b?q=1", {"x-mine": "m"}, b"text")
    assert got.status == 201
    assert got.header("x-backend") == "b"
    seen = got.json()
    assert (seen["path"], seen["body"]) == ("/base/a/b?q=1", "text")
    assert (seen["headers"]["x-mine"], seen["headers"]["X-Static"]) == ("m", "yes")


async def test_an_http_integration_maps_status_and_body(rest):
    with serving(Echo) as server:
        integration = {
            "type": "HTTP",
            "integrationHttpMethod": "POST",
            "uri": f"{server}/{{where}}",
            "requestParameters": {
                "integration.request.path.where": "method.request.querystring.where",
                "integration.request.querystring.only": "'this'",
            },
            "requestTemplates": {"application/json": '{"wrapped": $input.body}'},
        }
        api_id = await rest.api()
        names = await rest.method(
            api_id, "POST /a", integration, requestParameters={"method.request.querystring.where": True}
        )
        for status, pattern in (("200", ""), ("502", r"5\d{2}")):
            await rest("put_method_response", **names, statusCode=status)
            await rest("put_integration_response", **names, statusCode=status, selectionPattern=pattern)
        await rest.deploy(api_id)
        got = await rest.http("POST", api_id, "/test/a?where=w", {"x-mine": "m"}, b"1")
        assert got.status == 200
        assert (got.json()["path"], got.json()["body"]) == ("/w?only=this", '{"wrapped": 1}')
        assert "x-mine" not in got.json()["headers"]
        assert (await rest.http("POST", api_id, "/test/a?where=fail", body=b"1")).status == 502


async def test_a_web_server_that_is_not_there(rest):
    integration = {"type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": "http://127.0.0.1:9/"}
    api_id = await served(rest, integration, "GET /a")
    got = await rest.http("GET", api_id, "/test/a")
    assert (got.status, got.body) == (500, b'{"message": "Internal server error"}')


# Validators and gateway responses


async def test_validators_look_at_parameters_and_bodies(rest):
    api_id = await rest.api()
    pet = '{"type": "object", "required": ["name"], "properties": {"name": {"$ref": "%s"}}}'
    name = '{"type": "string", "minLength": 2}'
    reference = f"https://apigateway.amazonaws.com/restapis/{api_id}/models/Name"
    model = {"restApiId": api_id, "contentType": "application/json"}
    await rest("create_model", **model, name="Name", schema=name)
    await rest("create_model", **model, name="Pet", schema=pet % reference)
    validator = await rest(
        "create_request_validator", restApiId=api_id, validateRequestBody=True, validateRequestParameters=True
    )
    await rest.mock(
        api_id,
        "POST /a",
        "fine",
        requestValidatorId=validator["id"],
        requestModels={"application/json": "Pet"},
        requestParameters={"method.request.querystring.q": True, "method.request.header.x-a": True},
    )
    await rest.deploy(api_id)
    got = await rest.http("POST", api_id, "/test/a", body=b"{}")
    assert (got.status, got.body) == (400, b'{"message": "Missing required request parameters: [q, x-a]"}')
    assert got.header("x-amzn-errortype") == "BadRequestException"
    for body in (b"{}", b'{"name": "x"}', b"[]", b"{", b""):
        got = await rest.http("POST", api_id, "/test/a?q=1", {"x-a": "1"}, body)
        assert (got.status, got.body) == (400, b'{"message": "Invalid request body"}'), body
    assert (await rest.http("POST", api_id, "/test/a?q=1", {"x-a": "1"}, b'{"name": "xy"}')).body == b"fine"


async def test_gateway_responses_shape_failures(rest):
    api_id = await rest.api()
    await rest.mock(api_id, "GET /a", "x")
    await rest(
        "put_gateway_response",
        restApiId=api_id,
        responseType="DEFAULT_4XX",
        statusCode="404",
        responseParameters={
            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
            "gatewayresponse.header.x-host": "method.request.header.host",
        },
        responseTemplates={
            "application/json": '{"m": $context.error.messageString, "t": "$context.error.responseType", '
            '"s": "$stageVariables.v", "n": "$context.nothing"}'
        },
    )
    await rest.deploy(api_id, variables={"v": "1"})
    got = await rest.http("GET", api_id, "/test/b")
    assert got.status == 404
    assert got.header("access-control-allow-origin") == "*"
    assert got.header("x-host").startswith(api_id)
    assert got.json() == {
        "m": "Missing Authentication Token",
        "t": "MISSING_AUTHENTICATION_TOKEN",
        "s": "1",
        "n": "",
    }


async def test_a_method_can_be_tested_undeployed(rest):
    api_id = await rest.api()
    names = await rest.mock(api_id, "GET /a/{id}", '$input.params("id") $input.params("q") $stageVariables.v')
    result = await rest(
        "test_invoke_method", **names, pathWithQueryString="/a/7?q=x", stageVariables={"v": "w"}, headers={"a": "b"}
    )
    assert (result["status"], result["body"]) == (200, "7 x w")
    assert result["headers"]["Content-Type"] == "application/json"
    assert "Method completed with status: 200" in result["log"]


async def test_answers_are_compressed_if_the_api_says_so(rest):
    import gzip

    api_id = await rest.api(minimumCompressionSize=10)
    await rest.mock(api_id, "GET /a", "x" * 100)
    await rest.mock(api_id, "GET /b", "x")
    await rest.deploy(api_id)
    got = await rest.http("GET", api_id, "/test/a", {"accept-encoding": "gzip"})
    assert gzip.decompress(got.body) == b"x" * 100
    assert (await rest.http("GET", api_id, "/test/a")).body == b"x" * 100
    assert (await rest.http("GET", api_id, "/test/b", {"accept-encoding": "gzip"})).body == b"x"
