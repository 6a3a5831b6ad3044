"""Routes, integrations, stages, deployments and authorizers: the control plane."""

import pytest

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
INVOCATION = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
LAMBDA = {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "PayloadFormatVersion": "2.0"}


@pytest.fixture
async def api_id(stack):
    return (await stack("create_api", Name="a", ProtocolType="HTTP"))["ApiId"]


async def test_create_integration(stack, api_id):
    made = await stack("create_integration", ApiId=api_id, **LAMBDA)
    assert made["IntegrationMethod"] == "POST"
    assert made["TimeoutInMillis"] == 30_000
    assert made["ConnectionType"] == "INTERNET"
    for uri in (INVOCATION, f"{FUNCTION}:live", FUNCTION.replace("function:f", "function:${stageVariables.fn}")):
        await stack("create_integration", ApiId=api_id, **{**LAMBDA, "IntegrationUri": uri})
    assert len((await stack("get_integrations", ApiId=api_id))["Items"]) == 4
    changed = await stack("update_integration", ApiId=api_id, IntegrationId=made["IntegrationId"], TimeoutInMillis=500)
    assert (changed["TimeoutInMillis"], changed["PayloadFormatVersion"]) == (500, "2.0")
    await stack("delete_integration", ApiId=api_id, IntegrationId=made["IntegrationId"])
    with pytest.raises(NotFoundException, match="Invalid Integration identifier specified"):
        await stack("get_integration", ApiId=api_id, IntegrationId=made["IntegrationId"])


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"IntegrationType": "MOCK"}, "not supported for HTTP APIs"),
        ({"IntegrationUri": "f"}, "Invalid integration URI"),
        ({"PayloadFormatVersion": "3.0"}, "'3.0' is not supported"),
        ({"PayloadFormatVersion": None}, "PayloadFormatVersion is a required parameter"),
        ({"TimeoutInMillis": 49}, "between 50 and 30000"),
        ({"TimeoutInMillis": 30_001}, "between 50 and 30000"),
        ({"IntegrationSubtype": "SQS-SendMessage"}, "not supported by Outcrop"),
        ({"ConnectionType": "VPC_LINK", "ConnectionId": "x"}, "VPC links are not supported"),
        ({"IntegrationType": "HTTP_PROXY", "IntegrationUri": "ftp://x"}, "valid HTTP endpoint URL"),
        ({"IntegrationType": "HTTP_PROXY", "IntegrationUri": "http://x"}, "IntegrationMethod is required"),
        ({"RequestParameters": {"move:header.x": "1"}}, "Invalid mapping expression"),
        ({"RequestParameters": {"overwrite:header.authorization": "1"}}, "restricted"),
        ({"ResponseParameters": {"99": {}}}, "not a status code"),
    ],
)
async def test_create_integration_refuses(stack, api_id, request_, said):
    request = {name: value for name, value in {**LAMBDA, **request_}.items() if value is not None}
    with pytest.raises(BadRequestException, match=said):
        await stack("create_integration", ApiId=api_id, **request)


async def test_create_route(stack, api_id):
    integration = (await stack("create_integration", ApiId=api_id, **LAMBDA))["IntegrationId"]
    target = f"integrations/{integration}"
    route = await stack("create_route", ApiId=api_id, RouteKey="GET /a/{id}", Target=target)
    assert (route["AuthorizationType"], route["ApiKeyRequired"]) == ("NONE", False)
    for key in ("GET /a/{id}", "GET /a/{other}"):
        with pytest.raises(ConflictException, match="already exists for this API"):
            await stack("create_route", ApiId=api_id, RouteKey=key)
    await stack("create_route", ApiId=api_id, RouteKey="GET /a/{id+}")
    changed = await stack("update_route", ApiId=api_id, RouteId=route["RouteId"], RouteKey="POST /a")
    assert (changed["RouteKey"], changed["Target"]) == ("POST /a", target)
    with pytest.raises(ConflictException, match="used by a route"):
        await stack("delete_integration", ApiId=api_id, IntegrationId=integration)
    await stack("delete_route", ApiId=api_id, RouteId=route["RouteId"])
    with pytest.raises(NotFoundException, match="Invalid Route identifier specified"):
        await stack("get_route", ApiId=api_id, RouteId=route["RouteId"])


@pytest.mark.parametrize(
    ("request_", "error", "said"),
    [
        ({"RouteKey": "bad"}, BadRequestException, "not formatted properly"),
        ({"Target": "lambda/x"}, BadRequestException, "integrations/<integration id>"),
        ({"Target": "integrations/x"}, NotFoundException, "Invalid Integration identifier specified x"),
        ({"AuthorizationType": "JWT"}, NotFoundException, "Invalid Authorizer identifier"),
        ({"AuthorizationType": "CUSTOM", "AuthorizerId": "x"}, NotFoundException, "Invalid Authorizer identifier"),
        ({"AuthorizationScopes": ["a"]}, BadRequestException, "AuthorizationScopes can only be set"),
        ({"ApiKeyRequired": True}, BadRequestException, "apiKeyRequired"),
    ],
)
async def test_create_route_refuses(stack, api_id, request_, error, said):
    with pytest.raises(error, match=said):
        await stack("create_route", ApiId=api_id, **{"RouteKey": "GET /", **request_})


async def test_create_stage(stack, api_id):
    stage = await stack("create_stage", ApiId=api_id, StageName="prod", StageVariables={"fn": "f"}, Description="d")
    assert (stage["AutoDeploy"], stage["StageVariables"], stage["Description"]) == (False, {"fn": "f"}, "d")
    with pytest.raises(ConflictException, match="Stage already exists"):
        await stack("create_stage", ApiId=api_id, StageName="prod")
    changed = await stack("update_stage", ApiId=api_id, StageName="prod", StageVariables={"fn": "", "g": "h"})
    assert changed["StageVariables"] == {"g": "h"}
    await stack("delete_stage", ApiId=api_id, StageName="prod")
    with pytest.raises(NotFoundException, match="Invalid stage identifier specified"):
        await stack("get_stage", ApiId=api_id, StageName="prod")
    with pytest.raises(BadRequestException):
        await stack("create_stage", ApiId=api_id, StageName="a b")
    with pytest.raises(BadRequestException, match="must contain"):
        arn = "arn:aws:logs:us-east-1:000000000000:log-group:g"
        settings = {"DestinationArn": arn, "Format": "$context.status"}
        await stack("create_stage", ApiId=api_id, StageName="s", AccessLogSettings=settings)
    with pytest.raises(NotFoundException, match="Unable to find Route by key"):
        await stack("create_stage", ApiId=api_id, StageName="s", RouteSettings={"GET /": {}})


async def test_auto_deploy_needs_a_route(stack, api_id):
    stage = await stack("create_stage", ApiId=api_id, StageName="$default", AutoDeploy=True)
    assert "At least one route is required" in stage["LastDeploymentStatusMessage"]
    await stack("create_route", ApiId=api_id, RouteKey="GET /")
    stage = await stack("get_stage", ApiId=api_id, StageName="$default")
    (deployment,) = (await stack("get_deployments", ApiId=api_id))["Items"]
    assert stage["DeploymentId"] == deployment["DeploymentId"]
    assert (deployment["AutoDeployed"], deployment["DeploymentStatus"]) == (True, "DEPLOYED")
    with pytest.raises(BadRequestException, match="autoDeploy"):
        await stack("create_deployment", ApiId=api_id, StageName="$default")
    for number in range(30):
        await stack("create_route", ApiId=api_id, RouteKey=f"GET /{number}")
    assert len((await stack("get_deployments", ApiId=api_id))["Items"]) == 10


async def test_create_deployment(stack, api_id):
    with pytest.raises(BadRequestException, match="At least one route is required before deploying"):
        await stack("create_deployment", ApiId=api_id)
    await stack("create_route", ApiId=api_id, RouteKey="GET /")
    deployment = (await stack("create_deployment", ApiId=api_id, Description="one"))["DeploymentId"]
    with pytest.raises(NotFoundException, match="Unable to find Stage"):
        await stack("create_deployment", ApiId=api_id, StageName="none")
    with pytest.raises(NotFoundException, match="Unable to find Deployment by ID nope"):
        await stack("create_stage", ApiId=api_id, StageName="prod", DeploymentId="nope")
    await stack("create_stage", ApiId=api_id, StageName="prod", DeploymentId=deployment)
    with pytest.raises(BadRequestException, match="Active stages pointing to this deployment"):
        await stack("delete_deployment", ApiId=api_id, DeploymentId=deployment)
    second = await stack("create_deployment", ApiId=api_id, StageName="prod")
    assert (await stack("get_stage", ApiId=api_id, StageName="prod"))["DeploymentId"] == second["DeploymentId"]
    changed = await stack("update_deployment", ApiId=api_id, DeploymentId=deployment, Description="two")
    assert changed["Description"] == "two"
    await stack("delete_deployment", ApiId=api_id, DeploymentId=deployment)


JWT = {
    "AuthorizerType": "JWT",
    "IdentitySource": ["$request.header.Authorization"],
    "JwtConfiguration": {"Audience": ["a"], "Issuer": "https://issuer.example"},
}
REQUEST = {"AuthorizerType": "REQUEST", "AuthorizerUri": INVOCATION, "AuthorizerPayloadFormatVersion": "2.0"}


async def test_create_authorizer(stack, api_id):
    made = await stack("create_authorizer", ApiId=api_id, Name="jwt", **JWT)
    with pytest.raises(ConflictException, match="must be unique"):
        await stack("create_authorizer", ApiId=api_id, Name="jwt", **JWT)
    await stack(
        "create_route", ApiId=api_id, RouteKey="GET /", AuthorizationType="JWT", AuthorizerId=made["AuthorizerId"]
    )
    with pytest.raises(BadRequestException, match="needs an authorizer of type REQUEST"):
        await stack(
            "create_route",
            ApiId=api_id,
            RouteKey="GET /b",
            AuthorizationType="CUSTOM",
            AuthorizerId=made["AuthorizerId"],
        )
    with pytest.raises(ConflictException, match="used by a route"):
        await stack("delete_authorizer", ApiId=api_id, AuthorizerId=made["AuthorizerId"])
    other = await stack("create_authorizer", ApiId=api_id, Name="fn", IdentitySource=[], **REQUEST)
    changed = await stack("update_authorizer", ApiId=api_id, AuthorizerId=other["AuthorizerId"], Name="g")
    assert changed["Name"] == "g"
    await stack("delete_authorizer", ApiId=api_id, AuthorizerId=other["AuthorizerId"])
    assert len((await stack("get_authorizers", ApiId=api_id))["Items"]) == 1


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({**JWT, "IdentitySource": ["Authorization"]}, "Invalid mapping expression"),
        ({**JWT, "JwtConfiguration": {"Audience": ["a"], "Issuer": "x"}}, "issuer URL"),
        ({**JWT, "JwtConfiguration": {"Issuer": "https://x"}}, "Audience is required"),
        ({**REQUEST, "AuthorizerUri": "x"}, "invocation URI"),
        ({**REQUEST, "AuthorizerPayloadFormatVersion": "3"}, "1.0 or 2.0"),
        ({**REQUEST, "AuthorizerResultTtlInSeconds": 5}, "identity source"),
    ],
)
async def test_create_authorizer_refuses(stack, api_id, request_, said):
    with pytest.raises(BadRequestException, match=said):
        await stack("create_authorizer", ApiId=api_id, Name="a", **request_)
