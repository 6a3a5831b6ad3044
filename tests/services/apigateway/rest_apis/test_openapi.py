import json

import pytest
import yaml

from outcrop.services.apigateway.http_apis.errors import BadRequestException, NotFoundException

from .conftest import INVOCATIONS


def document(rest, **parts):
    function = f"{INVOCATIONS}/{rest.lambda_.add(lambda event: {'body': event['resource']})}/invocations"
    guard = f"{INVOCATIONS}/{rest.lambda_.add(lambda event: {}, 'guard')}/invocations"
    proxy = {"type": "aws_proxy", "httpMethod": "POST", "uri": function}
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": "mocked"}}},
    }
    return {
        "openapi": "3.0.1",
        "info": {"title": "shop", "version": "7", "description": "d"},
        "paths": {
            "/pets": {
                "get": {"x-amazon-apigateway-integration": mock, "responses": {"200": {"description": "ok"}}},
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                    "x-amazon-apigateway-request-validator": "all",
                    "x-amazon-apigateway-integration": proxy,
                    "security": [{"api_key": []}],
                },
            },
            "/pets/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "get": {
                    "operationId": "getPet",
                    "parameters": [{"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}],
                    "x-amazon-apigateway-integration": proxy,
                    "security": [{"guard": []}],
                },
                "x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": proxy},
            },
        },
        "components": {
            "schemas": {
                "Pet": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"$ref": "#/components/schemas/N"}},
                },
                "N": {"type": "string"},
            },
            "securitySchemes": {
                "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
                "guard": {
                    "type": "apiKey",
                    "name": "Authorization",
                    "in": "header",
                    "x-amazon-apigateway-authtype": "custom",
                    "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": guard},
                },
            },
        },
        "x-amazon-apigateway-request-validators": {
            "all": {"validateRequestBody": True, "validateRequestParameters": True}
        },
        "x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {"statusCode": 404}},
        "x-amazon-apigateway-binary-media-types": ["image/png"],
        **parts,
    }


async def imported(rest, **parts):
    body = json.dumps(document(rest, **parts)).encode()
    return await rest("import_rest_api", body=body)


async def described(rest, api_id):
    """The API's methods by path and name, without ids."""
    resources = (await rest("get_resources", restApiId=api_id, embed=["methods"], limit=500))["items"]
    text = json.dumps({one["path"]: one.get("resourceMethods", {}) for one in resources}, sort_keys=True)
    for kind in ("authorizers", "request_validators"):
        for one in (await rest(f"get_{kind}", restApiId=api_id))["items"]:
            text = text.replace(one["id"], one["name"])
    for one in resources:
        text = text.replace(one["id"], one["path"])
    return json.loads(text)


async def test_a_document_becomes_an_api(rest):
    api = await imported(rest)
    assert (api["name"], api["version"], api["binaryMediaTypes"]) == ("shop", "7", ["image/png"])
    await rest.deploy(api["id"])
    assert (await rest.http("GET", api["id"], "/test/pets")).body == b"mocked"
    assert (await rest.http("DELETE", api["id"], "/test/pets/1")).body == b"/pets/{id}"
    got = await rest.http("GET", api["id"], "/test/pets/1?q=1")
    assert (got.status, got.body) == (404, b'{"message":"Unauthorized"}')
    got = await rest.http("GET", api["id"], "/test/nowhere")
    assert got.status == 404
    methods = await described(rest, api["id"])
    assert methods["/pets"]["POST"]["apiKeyRequired"] is True
    assert methods["/pets"]["POST"]["requestModels"] == {"application/json": "Pet"}
    assert methods["/pets/{id}"]["GET"]["requestParameters"] == {
        "method.request.path.id": True,
        "method.request.querystring.q": True,
    }
    assert methods["/pets/{id}"]["GET"]["operationName"] == "getPet"


@pytest.mark.parametrize("kind", ["oas30", "swagger"])
@pytest.mark.parametrize("accepts", ["application/json", "application/yaml"])
async def test_what_is_exported_can_be_imported_again(rest, kind, accepts):
    api = await imported(rest)
    await rest.deploy(api["id"])
    export = await rest(
        "get_export",
        restApiId=api["id"],
        stageName="test",
        exportType=kind,
        accepts=accepts,
        parameters={"extensions": "apigateway"},
    )
    assert export["contentDisposition"].startswith(f'attachment; filename="{kind}_')
    again = await rest("import_rest_api", body=export["body"])
    one, other = await described(rest, api["id"]), await described(rest, again["id"])
    if kind == "swagger":  # which names one media type for all answers of an operation
        for methods in (one, other):
            methods["/pets"]["GET"].pop("methodResponses")
    assert other == one
    for name in ("get_models", "get_gateway_responses", "get_request_validators"):
        first = (await rest(name, restApiId=api["id"]))["items"]
        second = (await rest(name, restApiId=again["id"]))["items"]
        assert len(first) == len(second)


async def test_an_export_without_extensions_has_none(rest):
    api = await imported(rest)
    await rest.deploy(api["id"])
    names = {"restApiId": api["id"], "stageName": "test"}
    body = (await rest("get_export", **names, exportType="oas30"))["body"]
    exported = json.loads(body)
    assert "x-amazon-apigateway-integration" not in body.decode()
    assert exported["info"] == {"title": "shop", "version": "7", "description": "d"}
    assert exported["components"]["schemas"]["Pet"]["properties"]["name"] == {"$ref": "#/components/schemas/N"}
    assert exported["servers"][0]["variables"]["basePath"]["default"] == "/test"
    assert exported["paths"]["/pets"]["post"]["security"] == [{"api_key": []}]
    with pytest.raises(BadRequestException, match="No API exporter for type 'raml'"):
        await rest("get_export", **names, exportType="raml")
    with pytest.raises(NotFoundException):
        await rest("get_export", restApiId=api["id"], stageName="prod", exportType="oas30")


async def test_put_merges_or_overwrites(rest):
    api = await imported(rest)
    mock = document(rest)["paths"]["/pets"]["get"]
    small = {"openapi": "3.0.1", "info": {"title": "small"}, "paths": {"/pets": {"put": mock}, "/new": {"get": mock}}}
    body = json.dumps(small).encode()
    merged = await rest("put_rest_api", restApiId=api["id"], mode="merge", body=body)
    assert (merged["name"], merged["description"]) == ("small", "d")
    methods = await described(rest, api["id"])
    assert set(methods["/pets"]) == {"GET", "POST", "PUT"}
    await rest("put_rest_api", restApiId=api["id"], mode="overwrite", body=body)
    methods = await described(rest, api["id"])
    assert methods.keys() == {"/", "/pets", "/new"}
    assert set(methods["/pets"]) == {"PUT"}


async def test_swagger_with_a_base_path(rest):
    mock = document(rest)["paths"]["/pets"]["get"]
    old = {"swagger": "2.0", "info": {"title": "old"}, "basePath": "/a/b", "paths": {"/pets": {"get": mock}}}
    body = yaml.safe_dump(old).encode()
    for mode, path in (("ignore", "/pets"), ("prepend", "/a/b/pets"), ("split", "/b/pets")):
        api = await rest("import_rest_api", body=body, parameters={"basepath": mode})
        assert path in await described(rest, api["id"])


async def test_answers_without_a_status_are_warned_of(rest):
    paths = {"/a": {"get": {"responses": {"default": {"description": "d"}}}}}
    body = json.dumps({"openapi": "3.0.1", "info": {"title": "a"}, "paths": paths}).encode()
    result = await rest("import_rest_api", body=body)
    assert result["warnings"] == ["Unable to put the response 'default': it is not a status code"]
    with pytest.raises(BadRequestException, match="Warnings found during import"):
        await rest("import_rest_api", body=body, failOnWarnings=True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"a: [1",
        b'{"openapi": "3.0.1", "info": {}}',
        b'{"openapi": "4.0", "info": {}, "paths": {}}',
        b'{"openapi": "3.0.1", "info": {}, "paths": {"/a": {"get": [1]}}}',
        b'{"openapi": "3.0.1", "info": {}, "paths": {"/a b": {"get": {}}}}',
        b'{"openapi": "3.0.1", "info": {}, "paths": {"a": {"get": {}}}}',
        b'{"swagger": "2.0", "info": {}, "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "x"}}}}}',
        b'{"openapi": "3.0.1", "info": {}, "paths": {"/a": {"get": {"parameters": [1]}}}, "components": 1}',
        b"[" * 100_000,
    ],
)
async def test_documents_that_cannot_be_read(rest, body):
    before = (await rest("get_rest_apis"))["items"]
    with pytest.raises(BadRequestException):
        await rest("import_rest_api", body=body)
    assert (await rest("get_rest_apis"))["items"] == before
