import json

import pytest
import yaml

from outcrop.services.apigateway.http_apis.errors import BadRequestException, NotFoundException

from ..conftest import url


def document(stack):
    function = stack.lambda_.add(lambda event: {"statusCode": 200, "body": event["routeKey"]})
    integration = {"type": "AWS_PROXY", "httpMethod": "POST", "uri": function, "payloadFormatVersion": "2.0"}
    operation = {"x-amazon-apigateway-integration": integration, "responses": {}}
    jwt = {
        "type": "jwt",
        "jwtConfiguration": {"issuer": "https://issuer.example", "audience": ["me"]},
        "identitySource": "$request.header.Authorization",
    }
    return {
        "openapi": "3.0.1",
        "info": {"title": "tutor", "version": "3", "description": "d"},
        "paths": {
            "/ask/{id}": {"get": operation, "x-amazon-apigateway-any-method": operation},
            "/closed": {"post": {**operation, "security": [{"jwt": ["read"]}]}},
            "/$default": {"x-amazon-apigateway-any-method": {**operation, "isDefaultRoute": True}},
        },
        "components": {
            "securitySchemes": {"jwt": {"type": "oauth2", "flows": {}, "x-amazon-apigateway-authorizer": jwt}}
        },
        "x-amazon-apigateway-cors": {"allowOrigins": ["http://a.example"]},
    }


async def described(stack, api_id):
    integrations = (await stack("get_integrations", ApiId=api_id))["Items"]
    names = {f"integrations/{one['IntegrationId']}": one["IntegrationUri"] for one in integrations}
    routes = (await stack("get_routes", ApiId=api_id))["Items"]
    return {
        route["RouteKey"]: (
            names.get(route.get("Target", "")),
            route["AuthorizationType"],
            route.get("AuthorizationScopes"),
        )
        for route in routes
    }


async def test_a_document_becomes_an_api(stack):
    api = await stack("import_api", Body=json.dumps(document(stack)))
    assert (api["Name"], api["Version"], api["Description"]) == ("tutor", "3", "d")
    assert api["CorsConfiguration"] == {"AllowOrigins": ["http://a.example"]}
    await stack("create_stage", ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    assert (await stack.http("GET", url(api["ApiId"], "/ask/1"))).body == b"GET /ask/{id}"
    assert (await stack.http("PUT", url(api["ApiId"], "/ask/1"))).body == b"ANY /ask/{id}"
    assert (await stack.http("PUT", url(api["ApiId"], "/other"))).body == b"$default"
    assert (await stack.http("POST", url(api["ApiId"], "/closed"))).status == 401


@pytest.mark.parametrize("kind", ["JSON", "YAML"])
async def test_what_is_exported_can_be_imported_again(stack, kind):
    api = await stack("import_api", Body=json.dumps(document(stack)))
    names = {"ApiId": api["ApiId"], "Specification": "OAS30", "OutputType": kind}
    exported = (await stack("export_api", **names))["body"].decode()
    again = await stack("import_api", Body=exported)
    assert again["CorsConfiguration"] == api["CorsConfiguration"]
    assert await described(stack, again["ApiId"]) == await described(stack, api["ApiId"])
    bare = (await stack("export_api", **names, IncludeExtensions=False))["body"].decode()
    assert "x-amazon-apigateway-integration" not in bare
    assert yaml.safe_load(bare)["paths"]["/ask/{id}"]["get"]["parameters"][0]["name"] == "id"


async def test_an_export_of_a_stage_is_what_it_serves(stack):
    api = await stack("import_api", Body=json.dumps(document(stack)))
    names = {"ApiId": api["ApiId"], "Specification": "OAS30", "OutputType": "JSON"}
    with pytest.raises(NotFoundException):
        await stack("export_api", **names, StageName="prod")
    await stack("create_stage", ApiId=api["ApiId"], StageName="prod")
    await stack("create_deployment", ApiId=api["ApiId"], StageName="prod")
    for route in (await stack("get_routes", ApiId=api["ApiId"]))["Items"]:
        await stack("delete_route", ApiId=api["ApiId"], RouteId=route["RouteId"])
    exported = json.loads((await stack("export_api", **names, StageName="prod"))["body"])
    assert set(exported["paths"]) == {"/ask/{id}", "/closed", "/$default"}
    assert json.loads((await stack("export_api", **names))["body"])["paths"] == {}
    with pytest.raises(BadRequestException):
        await stack("export_api", **{**names, "OutputType": "XML"})


async def test_an_import_replaces_what_was_there(stack):
    api = await stack("import_api", Body=json.dumps(document(stack)))
    small = document(stack)
    small["info"]["title"] = "small"
    del small["paths"]["/closed"], small["paths"]["/$default"]
    result = await stack("reimport_api", ApiId=api["ApiId"], Body=json.dumps(small))
    assert result["Name"] == "small"
    before = await described(stack, api["ApiId"])
    assert set(before) == {"GET /ask/{id}", "ANY /ask/{id}"}
    small["paths"]["/bad"] = {"get": {"x-amazon-apigateway-integration": {"type": "nothing"}}}
    with pytest.raises(BadRequestException):
        await stack("reimport_api", ApiId=api["ApiId"], Body=json.dumps(small))
    assert await described(stack, api["ApiId"]) == before


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"openapi": "3.0.1", "info": {"title": "a"}, "paths": {"/a": 1}}',
        '{"openapi": "3.0.1", "info": {"title": "a"}, "paths": {"/a": {"get": [1]}}}',
        '{"openapi": "3.0.1", "info": {"title": "a"}, "paths": {"a": {"get": {}}}}',
    ],
)
async def test_documents_that_cannot_be_read(stack, body):
    with pytest.raises(BadRequestException):
        await stack("import_api", Body=body)
    assert (await stack("get_apis"))["Items"] == []
