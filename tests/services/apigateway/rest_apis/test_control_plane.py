import pytest

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException


async def test_an_api_has_a_root_and_two_models(rest):
    api = await rest("create_rest_api", name="shop", description="d", tags={"a": "b"})
    assert api["apiKeySource"] == "HEADER"
    assert api["endpointConfiguration"]["types"] == ["EDGE"]
    assert api["disableExecuteApiEndpoint"] is False
    resources = (await rest("get_resources", restApiId=api["id"]))["items"]
    assert resources == [{"id": api["rootResourceId"], "path": "/"}]
    models = (await rest("get_models", restApiId=api["id"]))["items"]
    assert [model["name"] for model in models] == ["Empty", "Error"]
    assert await rest("get_rest_api", restApiId=api["id"]) == api


async def test_apis_of_others_are_not_there(rest):
    api_id = await rest.api()
    other = rest.stack.context("111111111111")
    with pytest.raises(NotFoundException, match=f"Invalid API identifier specified 111111111111:{api_id}"):
        await other.call("apigateway", "get_rest_api", {"restApiId": api_id})


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"name": ""}, "API Name cannot be empty"),
        ({"name": "a", "minimumCompressionSize": -1}, "Invalid minimum compression size"),
        ({"name": "a", "endpointConfiguration": {"types": ["EDGE", "PRIVATE"]}}, "multiple Endpoint Types"),
        ({"name": "a", "apiKeySource": "X"}, "apiKeySource"),
        ({"name": "a", "cloneFrom": "nothing"}, "Invalid API identifier"),
    ],
)
async def test_apis_that_cannot_be(rest, request_, message):
    with pytest.raises((BadRequestException, NotFoundException), match=message):
        await rest("create_rest_api", **request_)


async def test_patches_change_what_they_name(rest):
    api_id = await rest.api(binaryMediaTypes=["image/png"])
    changes = [
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "add", "path": "/binaryMediaTypes/image~1jpeg"},
        {"op": "remove", "path": "/binaryMediaTypes/image~1png"},
        {"op": "replace", "path": "/endpointConfiguration/types/EDGE", "value": "REGIONAL"},
        {"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"},
    ]
    with pytest.raises(BadRequestException):
        await rest("update_rest_api", restApiId=api_id, patchOperations=[*changes, {"op": "add", "path": "/nothing"}])
    assert (await rest("get_rest_api", restApiId=api_id))["name"] == "api"
    await rest("update_rest_api", restApiId=api_id, patchOperations=changes[:3] + changes[4:])
    api = await rest("get_rest_api", restApiId=api_id)
    assert (api["name"], api["binaryMediaTypes"], api["disableExecuteApiEndpoint"]) == ("new", ["image/jpeg"], True)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (
            {"op": "replace", "path": "/id", "value": "x"},
            "Invalid patch path  '/id' specified for op 'replace'. Must be",
        ),
        ({"op": "test", "path": "/name", "value": "x"}, "Please choose supported operations"),
        ({"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "maybe"}, "Invalid patch value 'maybe'"),
        ({"op": "replace", "path": "/minimumCompressionSize", "value": "many"}, "Invalid patch value"),
        ({"op": "replace", "path": "/name"}, "API Name cannot be empty"),
        ({}, "Invalid patch path"),
    ],
)
async def test_patches_that_cannot_be(rest, operation, message):
    api_id = await rest.api()
    with pytest.raises(BadRequestException, match=message):
        await rest("update_rest_api", restApiId=api_id, patchOperations=[operation])


async def test_resources_are_a_tree(rest):
    api_id = await rest.api()
    pets = await rest.resource(api_id, "/pets")
    pet = await rest.resource(api_id, "/pets/{id}")
    await rest.resource(api_id, "/pets/{id}/{rest+}")
    with pytest.raises(ConflictException, match="already has this name: pets"):
        root = await rest.resource(api_id, "/")
        await rest("create_resource", restApiId=api_id, parentId=root, pathPart="pets")
    with pytest.raises(BadRequestException, match=r"A sibling \(\{id\}\) of this resource"):
        await rest("create_resource", restApiId=api_id, parentId=pets, pathPart="{name}")
    for part in ("a b", "{a", "{a}b", "", "{}"):
        with pytest.raises(BadRequestException, match="path part only allow"):
            await rest("create_resource", restApiId=api_id, parentId=pets, pathPart=part)
    change = [{"op": "replace", "path": "/pathPart", "value": "animals"}]
    await rest("update_resource", restApiId=api_id, resourceId=pets, patchOperations=change)
    assert (await rest("get_resource", restApiId=api_id, resourceId=pet))["path"] == "/animals/{id}"
    move = [{"op": "replace", "path": "/parentId", "value": pet}]
    with pytest.raises(BadRequestException, match="beneath itself"):
        await rest("update_resource", restApiId=api_id, resourceId=pets, patchOperations=move)
    await rest("delete_resource", restApiId=api_id, resourceId=pets)
    assert len((await rest("get_resources", restApiId=api_id))["items"]) == 1


async def test_methods_and_what_they_hold(rest):
    api_id = await rest.api()
    names = await rest.mock(api_id, "GET /", "hello", requestParameters={"method.request.querystring.q": True})
    with pytest.raises(ConflictException, match="Method already exists for this resource"):
        await rest("put_method", **names, authorizationType="NONE")
    method = await rest("get_method", **names)
    assert method["methodIntegration"]["integrationResponses"]["200"]["responseTemplates"] == {
        "application/json": "hello"
    }
    assert method["methodIntegration"]["cacheNamespace"] == names["resourceId"]
    assert method["methodIntegration"]["timeoutInMillis"] == 29_000
    assert method["requestParameters"] == {"method.request.querystring.q": True}
    changed = await rest(
        "update_method", **names, patchOperations=[{"op": "replace", "path": "/apiKeyRequired", "value": "true"}]
    )
    assert changed["apiKeyRequired"] is True
    await rest("delete_integration", **names)
    with pytest.raises(NotFoundException, match="Invalid Integration identifier specified"):
        await rest("get_integration", **names)
    await rest("delete_method", **names)
    with pytest.raises(NotFoundException, match="Invalid Method identifier specified"):
        await rest("get_method", **names)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"httpMethod": "FETCH"}, "Invalid HttpMethod"),
        ({"authorizationType": "CUSTOM"}, "requires a valid authorizer"),
        ({"authorizationType": "MAGIC"}, "authorization type"),
        ({"requestValidatorId": "nope"}, "Invalid Request Validator"),
        ({"requestModels": {"application/json": "Nope"}}, "Invalid model identifier specified: Nope"),
        ({"requestParameters": {"querystring.q": True}}, "Invalid mapping expression"),
    ],
)
async def test_methods_that_cannot_be(rest, method, message):
    api_id = await rest.api()
    names = {"restApiId": api_id, "resourceId": await rest.resource(api_id, "/")}
    with pytest.raises(BadRequestException, match=message):
        await rest("put_method", **{**names, "httpMethod": "GET", "authorizationType": "NONE", **method})


@pytest.mark.parametrize(
    ("integration", "message"),
    [
        ({"type": "HTTP", "uri": "http://x"}, "Enumeration value for HttpMethod must be non-empty"),
        ({"type": "HTTP", "integrationHttpMethod": "GET", "uri": "x"}, "Invalid HTTP endpoint specified for URI"),
        ({"type": "AWS", "integrationHttpMethod": "POST", "uri": "http://x"}, "Invalid ARN specified in the request"),
        ({"type": "AWS", "integrationHttpMethod": "POST", "uri": "arn:aws:lambda:x"}, "must contain path or action"),
        (
            {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": "arn:aws:apigateway:us-east-1:s3:path/b"},
            "only supports Lambda",
        ),
        ({"type": "MOCK", "timeoutInMillis": 1}, "Timeout should be between"),
        ({"type": "MOCK", "passthroughBehavior": "SOMETIMES"}, "passthrough"),
        ({"type": "MOCK", "contentHandling": "X"}, "content handling"),
        ({"type": "MOCK", "requestParameters": {"header.x": "'y'"}}, "Invalid mapping expression"),
    ],
)
async def test_integrations_that_cannot_be(rest, integration, message):
    api_id = await rest.api()
    with pytest.raises(BadRequestException, match=message):
        await rest.method(api_id, "GET /", integration)


async def test_responses_that_cannot_be(rest):
    api_id = await rest.api()
    names = await rest.mock(api_id, "GET /")
    with pytest.raises(BadRequestException, match="Invalid status code"):
        await rest("put_method_response", **names, statusCode="abc")
    with pytest.raises(NotFoundException, match="Invalid Response status code specified"):
        await rest("put_integration_response", **names, statusCode="404")
    with pytest.raises(BadRequestException, match="Invalid mapping expression parameter specified"):
        parameters = {"method.response.header.X": "'y'"}
        await rest("put_integration_response", **names, statusCode="200", responseParameters=parameters)
    with pytest.raises(BadRequestException, match="selection pattern"):
        await rest("put_integration_response", **names, statusCode="200", selectionPattern="(")


async def test_deployments_need_methods_with_integrations(rest):
    api_id = await rest.api()
    with pytest.raises(BadRequestException, match="doesn't contain any methods"):
        await rest.deploy(api_id)
    names = {"restApiId": api_id, "resourceId": await rest.resource(api_id, "/"), "httpMethod": "GET"}
    await rest("put_method", **names, authorizationType="NONE")
    with pytest.raises(NotFoundException, match="No integration defined for method"):
        await rest.deploy(api_id)


async def test_stages_keep_their_settings(rest):
    api_id = await rest.api()
    await rest.mock(api_id, "GET /pets", "x")
    deployment = await rest.deploy(api_id, variables={"a": "1"})
    changes = [
        {"op": "replace", "path": "/variables/b", "value": "2"},
        {"op": "replace", "path": "/pets/GET/throttling/rateLimit", "value": "5.5"},
        {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"},
        {"op": "replace", "path": "/description", "value": "d"},
    ]
    stage = await rest("update_stage", restApiId=api_id, stageName="test", patchOperations=changes)
    assert stage["variables"] == {"a": "1", "b": "2"}
    assert stage["methodSettings"]["pets/GET"]["throttlingRateLimit"] == 5.5
    assert stage["methodSettings"]["*/*"]["loggingLevel"] == "INFO"
    assert stage["deploymentId"] == deployment
    with pytest.raises(BadRequestException, match="Active stages pointing to this deployment"):
        await rest("delete_deployment", restApiId=api_id, deploymentId=deployment)
    for operation in (
        {"op": "replace", "path": "/deploymentId", "value": "nothing"},
        {"op": "replace", "path": "/*/*/logging/loglevel", "value": "LOUD"},
        {"op": "remove", "path": "/other/GET"},
        {"op": "copy", "path": "/x", "from": "/y"},
        {"op": "replace", "path": "/accessLogSettings/format", "value": "no id"},
        {"op": "replace", "path": "/variables/a", "value": "<script>"},
    ):
        with pytest.raises(BadRequestException):
            await rest("update_stage", restApiId=api_id, stageName="test", patchOperations=[operation])
    summary = await rest("get_deployment", restApiId=api_id, deploymentId=deployment, embed=["apisummary"])
    assert summary["apiSummary"] == {"/pets": {"GET": {"authorizationType": "NONE", "apiKeyRequired": False}}}
    assert [one["stageName"] for one in (await rest("get_stages", restApiId=api_id))["item"]] == ["test"]
    await rest("delete_stage", restApiId=api_id, stageName="test")
    await rest("delete_deployment", restApiId=api_id, deploymentId=deployment)


async def test_models_are_schemas(rest):
    api_id = await rest.api()
    model = {"restApiId": api_id, "name": "Pet", "contentType": "application/json"}
    await rest("create_model", **model, schema='{"type": "object", "properties": {"n": {"type": "integer"}}}')
    with pytest.raises(ConflictException):
        await rest("create_model", **model, schema="{}")
    for schema in ("", "{", "[]", '{"type": 1}'):
        with pytest.raises(BadRequestException):
            await rest("create_model", **{**model, "name": "Other"}, schema=schema)
    template = (await rest("get_model_template", restApiId=api_id, modelName="Pet"))["value"]
    assert '"n" : $inputRoot.n' in template
    await rest.mock(api_id, "POST /", requestModels={"application/json": "Pet"})
    with pytest.raises(ConflictException, match="is referenced in method request: //POST"):
        await rest("delete_model", restApiId=api_id, modelName="Pet")


async def test_clones_have_what_their_source_has(rest):
    source = await rest.api(description="original")
    await rest.mock(source, "GET /a/b", "x")
    clone = await rest("create_rest_api", name="clone", cloneFrom=source)
    assert clone["description"] == "original"
    paths = {one["path"] for one in (await rest("get_resources", restApiId=clone["id"]))["items"]}
    assert paths == {"/", "/a", "/a/b"}
    await rest.deploy(clone["id"])
    await rest("delete_rest_api", restApiId=source)
    assert (await rest.http("GET", clone["id"], "/test/a/b")).body == b"x"


async def test_tags_of_apis_stages_and_keys(rest):
    api_id = await rest.api(tags={"a": "1"})
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api_id}"
    await rest("tag_resource", resourceArn=arn, tags={"b": "2"})
    await rest("untag_resource", resourceArn=arn, tagKeys=["a"])
    assert (await rest("get_tags", resourceArn=arn))["tags"] == {"b": "2"}
    for bad in (arn + "/nothing", "arn:aws:s3:::b", "x"):
        with pytest.raises(NotFoundException):
            await rest("tag_resource", resourceArn=bad, tags={})


async def test_lists_come_in_pages(rest):
    made = [await rest.api(name=f"a{number}") for number in range(3)]
    first = await rest("get_rest_apis", limit=2)
    second = await rest("get_rest_apis", limit=2, position=first["position"])
    assert [one["id"] for one in (*first["items"], *second["items"])] == made
    assert "position" not in second
    with pytest.raises(BadRequestException):
        await rest("get_rest_apis", position="???")


async def test_gateway_responses_are_there_before_they_are_put(rest):
    api_id = await rest.api()
    names = {"restApiId": api_id, "responseType": "UNAUTHORIZED"}
    before = await rest("get_gateway_response", **names)
    assert (before["defaultResponse"], before["statusCode"]) == (True, "401")
    put = await rest(
        "put_gateway_response", **names, statusCode="418", responseParameters={"gatewayresponse.header.x": "'y'"}
    )
    assert (put["defaultResponse"], put["statusCode"]) == (False, "418")
    with pytest.raises(BadRequestException):
        await rest("put_gateway_response", **names, responseParameters={"x": "y"})
    await rest("delete_gateway_response", **names)
    with pytest.raises(NotFoundException):
        await rest("delete_gateway_response", **names)
    assert len((await rest("get_gateway_responses", restApiId=api_id))["items"]) == 21


async def test_documentation_is_kept_and_versioned(rest):
    api_id = await rest.api()
    part = {"restApiId": api_id, "location": {"type": "API"}, "properties": '{"description": "d"}'}
    made = await rest("create_documentation_part", **part)
    with pytest.raises(ConflictException):
        await rest("create_documentation_part", **part)
    with pytest.raises(BadRequestException):
        await rest("create_documentation_part", restApiId=api_id, location={"type": "MODEL"}, properties="[]")
    await rest("create_documentation_version", restApiId=api_id, documentationVersion="1")
    assert (await rest("get_documentation_versions", restApiId=api_id))["items"][0]["version"] == "1"
    await rest("delete_documentation_part", restApiId=api_id, documentationPartId=made["id"])
    assert (await rest("get_documentation_parts", restApiId=api_id))["items"] == []
