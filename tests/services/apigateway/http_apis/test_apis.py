import pytest

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"


async def test_create_api(stack):
    api = await stack("create_api", Name="api", ProtocolType="HTTP", Description="d", Tags={"a": "1"}, Version="v1")
    assert len(api["ApiId"]) == 10
    assert api["ApiEndpoint"] == f"http://{api['ApiId']}.execute-api.localhost:4566"
    assert api["RouteSelectionExpression"] == "$request.method $request.path"
    assert (api["Tags"], api["Description"], api["Version"]) == ({"a": "1"}, "d", "v1")
    assert api["DisableExecuteApiEndpoint"] is False
    assert await stack("get_api", ApiId=api["ApiId"]) == api


async def test_create_api_quickly(stack):
    api = await stack("create_api", Name="api", ProtocolType="HTTP", Target=FUNCTION, RouteKey="GET /hello")
    (integration,) = (await stack("get_integrations", ApiId=api["ApiId"]))["Items"]
    assert (integration["IntegrationType"], integration["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    (route,) = (await stack("get_routes", ApiId=api["ApiId"]))["Items"]
    assert (route["RouteKey"], route["Target"]) == ("GET /hello", f"integrations/{integration['IntegrationId']}")
    (stage,) = (await stack("get_stages", ApiId=api["ApiId"]))["Items"]
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert stage["LastDeploymentStatusMessage"].startswith("Successfully deployed stage with deployment ID")
    await stack("update_api", ApiId=api["ApiId"], Target="https://example.com/", RouteKey="GET /bye")
    (integration,) = (await stack("get_integrations", ApiId=api["ApiId"]))["Items"]
    assert integration["IntegrationType"] == "HTTP_PROXY"


async def test_create_api_with_chosen_id(stack, make_stack):
    assert (await stack("create_api", Name="a", ProtocolType="HTTP", Tags={"_custom_id_": "tutor"}))["ApiId"] == "tutor"
    with pytest.raises(ConflictException):
        await stack("create_api", Name="a", ProtocolType="HTTP", Tags={"_custom_id_": "tutor"})
    with pytest.raises(BadRequestException):
        await stack("create_api", Name="a", ProtocolType="HTTP", Tags={"_custom_id_": "a.b"})
    strict = make_stack(strict=True)
    assert len((await strict("create_api", Name="a", ProtocolType="HTTP", Tags={"_custom_id_": "x"}))["ApiId"]) == 10


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"ProtocolType": "WEBSOCKET"}, "Route selection expression is required"),
        ({"Name": ""}, "between 1 and 128"),
        ({"Target": "nonsense"}, "neither a Lambda function's ARN nor a URL"),
        ({"RouteKey": "GET /a"}, "target is required"),
        ({"RouteKey": "GET a", "Target": FUNCTION}, "not formatted properly"),
        ({"RouteSelectionExpression": "$request.body.action"}, "route selection expression"),
        ({"CorsConfiguration": {"AllowOrigins": ["example.com"]}}, "Invalid format for origin"),
        ({"CorsConfiguration": {"AllowOrigins": ["*"], "AllowCredentials": True}}, "not supported when allow-origin"),
    ],
)
async def test_create_api_refuses(stack, request_, said):
    with pytest.raises(BadRequestException, match=said):
        await stack("create_api", **{"Name": "api", "ProtocolType": "HTTP", **request_})
    assert (await stack("get_apis"))["Items"] == []


async def test_get_apis_pages(stack):
    ids = [(await stack("create_api", Name=f"a{number}", ProtocolType="HTTP"))["ApiId"] for number in range(5)]
    first = await stack("get_apis", MaxResults="3")
    second = await stack("get_apis", MaxResults="3", NextToken=first["NextToken"])
    assert [api["ApiId"] for api in first["Items"] + second["Items"]] == ids
    assert "NextToken" not in second
    for bad in ({"MaxResults": "0"}, {"MaxResults": "many"}, {"NextToken": "x"}):
        with pytest.raises(BadRequestException):
            await stack("get_apis", **bad)


async def test_update_api(stack):
    api = await stack("create_api", Name="a", ProtocolType="HTTP", CorsConfiguration={"AllowOrigins": ["*"]})
    changed = await stack("update_api", ApiId=api["ApiId"], Name="b", Description="new")
    assert (changed["Name"], changed["CorsConfiguration"]) == ("b", {"AllowOrigins": ["*"]})
    await stack("delete_cors_configuration", ApiId=api["ApiId"])
    assert "CorsConfiguration" not in await stack("get_api", ApiId=api["ApiId"])
    with pytest.raises(BadRequestException, match="Only an API made by quick create"):
        await stack("update_api", ApiId=api["ApiId"], Target=FUNCTION)


async def test_delete_api(stack):
    api = await stack("create_api", Name="a", ProtocolType="HTTP", Target=FUNCTION)
    await stack("delete_api", ApiId=api["ApiId"])
    with pytest.raises(NotFoundException, match=f"Invalid API identifier specified {api['ApiId']}"):
        await stack("get_api", ApiId=api["ApiId"])
    with pytest.raises(NotFoundException):
        await stack("get_routes", ApiId=api["ApiId"])


async def test_apis_belong_to_account_and_region(stack):
    api = await stack("create_api", Name="a", ProtocolType="HTTP")
    for other in (stack.context(region="eu-west-1"), stack.context(account="111111111111")):
        assert (await other.call("apigatewayv2", "get_apis", {}))["Items"] == []
        with pytest.raises(NotFoundException):
            await other.call("apigatewayv2", "get_api", {"ApiId": api["ApiId"]})


async def test_tag_resource(stack):
    api = await stack("create_api", Name="a", ProtocolType="HTTP")
    await stack("create_stage", ApiId=api["ApiId"], StageName="prod", Tags={"s": "1"})
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api['ApiId']}"
    await stack("tag_resource", ResourceArn=arn, Tags={"a": "1", "b": "2"})
    await stack("untag_resource", ResourceArn=arn, TagKeys=["a"])
    assert (await stack("get_tags", ResourceArn=arn))["Tags"] == {"b": "2"}
    assert (await stack("get_tags", ResourceArn=f"{arn}/stages/prod"))["Tags"] == {"s": "1"}
    for bad in ("x", f"{arn}x", f"{arn}/stages/none"):
        with pytest.raises(NotFoundException):
            await stack("get_tags", ResourceArn=bad)
