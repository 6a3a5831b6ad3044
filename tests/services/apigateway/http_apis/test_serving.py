"""The URLs, stages, limits, permissions and reports of HTTP APIs."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from outcrop.services.surface import HttpRequest

from ..conftest import url


def echo(event):
    return {
        "statusCode": 200,
        "body": event["routeKey"] + " " + event["rawPath"] + " " + event["requestContext"]["stage"],
    }


@pytest.mark.parametrize(
    "form",
    [
        "http://{api}.execute-api.localhost:4566/hello",
        "http://{api}.execute-api.us-east-1.amazonaws.com/hello",
        "http://{api}.execute-api.us-east-1.localhost:4566/hello",
        "http://{api}.execute-api.localhost.localstack.cloud:4566/hello",
        "http://127.0.0.1:4566/_outcrop/execute-api/{api}/$default/hello",
        "http://127.0.0.1:4566/_outcrop/execute-api/{api}/hello",
        "http://127.0.0.1:4566/_aws/execute-api/{api}/%24default/hello",
    ],
)
async def test_urls(stack, form):
    api_id = await stack.api(echo, "GET /hello")
    answer = await stack.http("GET", form.format(api=api_id))
    assert (answer.status, answer.body) == (200, b"GET /hello /hello $default")


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("127.0.0.1", "/"),
        ("apigateway.us-east-1.amazonaws.com", "/v2/apis"),
        ("a.execute-api.example.com", "/"),
        ("x", "/_outcrop/health"),
    ],
)
async def test_urls_that_are_not_ours(stack, host, path):
    request = HttpRequest("GET", host, path, "", [], None)
    assert not stack.services[0].surfaces[0].matches(request)


async def test_named_stage(stack):
    api_id = await stack.api(echo, "GET /hello")
    await stack("create_stage", ApiId=api_id, StageName="prod", StageVariables={"x": "1"}, AutoDeploy=True)
    answer = await stack.http("GET", url(api_id, "/prod/hello"))
    assert answer.body == b"GET /hello /prod/hello prod"
    assert stack.lambda_.events[-1]["stageVariables"] == {"x": "1"}
    assert (await stack.http("GET", url(api_id, "/prod"))).status == 404
    assert (await stack.http("GET", url(api_id, "/hello"))).status == 200


async def test_not_found(stack):
    api_id = await stack.api(echo, "GET /hello")
    for method, target in (("GET", url(api_id, "/bye")), ("POST", url(api_id, "/hello")), ("GET", url("nothing1"))):
        answer = await stack.http(method, target)
        assert (answer.status, answer.json()) == (404, {"message": "Not Found"})
        assert answer.header("x-outcrop-hint")
    await stack("update_api", ApiId=api_id, DisableExecuteApiEndpoint=True)
    assert (await stack.http("GET", url(api_id, "/hello"))).status == 404
    await stack("delete_api", ApiId=api_id)
    assert (await stack.http("GET", url(api_id, "/hello"))).status == 404


async def test_changes_go_live_with_a_deployment(stack):
    created = await stack("create_api", Name="api", ProtocolType="HTTP")
    api_id = created["ApiId"]
    integration = await stack(
        "create_integration",
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationUri=stack.lambda_.add(echo),
        PayloadFormatVersion="2.0",
    )
    target = f"integrations/{integration['IntegrationId']}"
    await stack("create_route", ApiId=api_id, RouteKey="GET /one", Target=target)
    await stack("create_stage", ApiId=api_id, StageName="prod")
    answer = await stack.http("GET", url(api_id, "/prod/one"))
    assert "Nothing is deployed" in answer.header("x-outcrop-hint")
    first = await stack("create_deployment", ApiId=api_id, StageName="prod")
    assert (await stack.http("GET", url(api_id, "/prod/one"))).status == 200
    await stack("create_route", ApiId=api_id, RouteKey="GET /two", Target=target)
    assert (await stack.http("GET", url(api_id, "/prod/two"))).status == 404
    await stack("create_deployment", ApiId=api_id, StageName="prod")
    assert (await stack.http("GET", url(api_id, "/prod/two"))).status == 200
    await stack("update_stage", ApiId=api_id, StageName="prod", DeploymentId=first["DeploymentId"])
    assert (await stack.http("GET", url(api_id, "/prod/two"))).status == 404


async def test_permission(stack):
    api_id = await stack.api(echo, "ANY /pets/{proxy+}")
    await stack.http("PUT", url(api_id, "/pets/a/b"))
    caller = stack.lambda_.callers[-1]
    assert (caller.kind, caller.arn) == ("service", "apigateway.amazonaws.com")
    assert caller.user_id == f"arn:aws:execute-api:us-east-1:000000000000:{api_id}/$default/PUT/pets/{{proxy+}}"
    stack.lambda_.open_to_all = False
    answer = await stack.http("PUT", url(api_id, "/pets/a/b"))
    assert (answer.status, answer.json()) == (500, {"message": "Internal Server Error"})
    assert "aws lambda add-permission --function-name" in answer.header("x-outcrop-hint")
    default = await stack.api(echo)
    await stack.http("GET", url(default, "/x"))
    assert stack.lambda_.callers[-1].user_id.endswith(f"{default}/$default/$default")


async def test_credentials_of_a_role(stack):
    api_id = await stack.api(echo)
    (integration,) = (await stack("get_integrations", ApiId=api_id))["Items"]
    role = "arn:aws:iam::000000000000:role/caller"
    await stack("update_integration", ApiId=api_id, IntegrationId=integration["IntegrationId"], CredentialsArn=role)
    await stack.http("GET", url(api_id))
    assert stack.lambda_.callers[-1].arn == "arn:aws:sts::000000000000:assumed-role/caller/apigateway"


async def test_timeout(stack):
    finished = asyncio.Event()

    async def slow(event):
        await asyncio.sleep(0.2)
        finished.set()

    api_id = await stack.api(slow)
    (integration,) = (await stack("get_integrations", ApiId=api_id))["Items"]
    await stack("update_integration", ApiId=api_id, IntegrationId=integration["IntegrationId"], TimeoutInMillis=50)
    answer = await stack.http("GET", url(api_id))
    assert not finished.is_set()
    assert (answer.status, answer.json()) == (503, {"message": "Service Unavailable"})
    await asyncio.wait_for(finished.wait(), 2)  # the function itself goes on


async def test_body_limit(stack):
    api_id = await stack.api(echo)
    most = 10 * 1024 * 1024
    answer = await stack.http("POST", url(api_id), body=b"x" * (most + 1))
    assert (answer.status, answer.json()) == (413, {"message": "Request Entity Too Large"})
    answer = await stack.http("POST", url(api_id), headers={"content-length": "5"}, body=b"x" * (most + 1))
    assert answer.status == 413
    assert (await stack.http("POST", url(api_id), body=b"x" * most)).status == 200


async def test_throttling(stack):
    api_id = await stack.api(echo, "GET /a", "GET /b")
    await stack(
        "update_stage",
        ApiId=api_id,
        StageName="$default",
        DefaultRouteSettings={"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 2},
        RouteSettings={"GET /b": {"ThrottlingRateLimit": 1000.0, "ThrottlingBurstLimit": 1000}},
    )
    statuses = [(await stack.http("GET", url(api_id, "/a"))).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert (await stack.http("GET", url(api_id, "/a"))).json() == {"message": "Too Many Requests"}
    assert [(await stack.http("GET", url(api_id, "/b"))).status for _ in range(5)] == [200] * 5


async def test_stage_variables_choose_the_function(stack):
    api_id = await stack.api(echo)
    (integration,) = (await stack("get_integrations", ApiId=api_id))["Items"]
    stack.lambda_.add(lambda event: {"statusCode": 200, "body": "other"}, "other")
    uri = "arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.fn}"
    await stack("update_integration", ApiId=api_id, IntegrationId=integration["IntegrationId"], IntegrationUri=uri)
    await stack("update_stage", ApiId=api_id, StageName="$default", StageVariables={"fn": "other"})
    assert (await stack.http("GET", url(api_id))).body == b"other"


async def test_metrics(stack):
    api_id = await stack.api(lambda event: {"statusCode": 404} if event["rawPath"] == "/no" else {"statusCode": 200})
    for path in ("/", "/no", "/"):
        await stack.http("GET", url(api_id, path))
    await stack.reporting.flush()
    now = datetime.now(UTC)

    async def total(name, *dimensions):
        result = await stack(
            "get_metric_statistics",
            "cloudwatch",
            Namespace="AWS/ApiGateway",
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=600,
            Statistics=["Sum", "SampleCount"],
        )
        return (result["Datapoints"][0]["Sum"], result["Datapoints"][0]["SampleCount"])

    assert await total("Count", ("ApiId", api_id)) == (3, 3)
    assert await total("4xx", ("ApiId", api_id), ("Stage", "$default")) == (1, 3)
    assert (await total("IntegrationLatency", ("ApiId", api_id)))[1] == 3


async def test_access_logs(stack):
    await stack("create_log_group", "logs", logGroupName="access")
    api_id = await stack.api(echo, "GET /hello")
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:access:*"
    line = (
        '{"id":"$context.requestId","status":$context.status,"key":"$context.routeKey","ip":"$context.identity.sourceIp",'
        '"error":"$context.error.message","length":$context.responseLength,"none":"$context.nothing"}'
    )
    settings = {"DestinationArn": arn, "Format": line}
    await stack("update_stage", ApiId=api_id, StageName="$default", AccessLogSettings=settings)
    answer = await stack.http("GET", url(api_id, "/hello"))
    await stack.http("GET", url(api_id, "/missing"))
    await stack.reporting.flush()
    events = (await stack("filter_log_events", "logs", logGroupName="access"))["events"]
    events.sort(key=lambda event: '"status":404' in event["message"])  # both may have come in one millisecond
    assert events[0]["message"] == (
        f'{{"id":"{answer.header("apigw-requestid")}","status":200,"key":"GET /hello","ip":"127.0.0.1",'
        f'"error":"-","length":{len(answer.body)},"none":"-"}}'
    )
    assert '"error":"Not Found"' in events[1]["message"]
    await stack("delete_access_log_settings", ApiId=api_id, StageName="$default")
    await stack.http("GET", url(api_id, "/hello"))
    await stack.reporting.flush()
    assert len((await stack("filter_log_events", "logs", logGroupName="access"))["events"]) == 2


async def test_apis_survive_a_restart(stack, make_stack):
    api_id = await stack.api(echo, "GET /hello")
    again = make_stack()
    again.lambda_.add(echo)
    assert (await again.http("GET", url(api_id, "/hello"))).status == 200
    await again.services[0].on_stop()


async def test_own_share_is_small(stack):
    api_id = await stack.api(lambda event: {"statusCode": 200, "body": "ok"}, *(f"GET /r{n}/{{id}}" for n in range(50)))
    await stack.http("GET", url(api_id, "/r7/x"))
    started = time.perf_counter()
    for _ in range(200):
        await stack.http("GET", url(api_id, "/r7/x?a=1"), headers={"user-agent": "t", "accept": "*/*"})
    assert (time.perf_counter() - started) / 200 < 0.003, "seconds a request, of which the aim is one third"
