import json

import pytest

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException

GROUP = "arn:aws:logs:us-east-1:000000000000:log-group:access"


async def lines(rest, group):
    found = await rest.stack("filter_log_events", service="logs", logGroupName=group)
    return [event["message"] for event in found["events"]]


async def test_access_logs_execution_logs_and_metrics(rest):
    api_id = await rest.api(name="shop")
    await rest.mock(api_id, "GET /a", "x")
    await rest.deploy(api_id)
    await rest.stack("create_log_group", service="logs", logGroupName="access")
    form = '{"id":"$context.requestId","s":$context.status,"p":"$context.resourcePath","e":"$context.error.message"}'
    changes = [
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": GROUP},
        {"op": "replace", "path": "/accessLogSettings/format", "value": form},
        {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"},
        {"op": "replace", "path": "/*/*/metrics/enabled", "value": "true"},
    ]
    await rest("update_stage", restApiId=api_id, stageName="test", patchOperations=changes)
    await rest.http("GET", api_id, "/test/a")
    await rest.http("GET", api_id, "/test/nope")
    await rest.stack.reporting.flush()
    first, second = sorted((json.loads(line) for line in await lines(rest, "access")), key=lambda line: line["s"])
    assert (first["s"], first["p"], first["e"]) == (200, "/a", "-")
    assert (second["s"], second["e"]) == (403, "Missing Authentication Token")
    executed = await lines(rest, f"API-Gateway-Execution-Logs_{api_id}/test")
    assert any("Method completed with status: 200" in line for line in executed)
    metrics = await rest.stack("list_metrics", service="cloudwatch", Namespace="AWS/ApiGateway")
    seen = {
        (metric["MetricName"], tuple(sorted((d["Name"], d["Value"]) for d in metric["Dimensions"])))
        for metric in metrics["Metrics"]
    }
    assert ("Count", (("ApiName", "shop"),)) in seen
    assert ("4XXError", (("ApiName", "shop"), ("Stage", "test"))) in seen
    assert (
        "Latency",
        (("ApiName", "shop"), ("Method", "GET"), ("Resource", "/a"), ("Stage", "test")),
    ) in seen


async def test_a_domain_name_leads_to_apis_by_base_path(rest):
    api_id = await rest.api()
    await rest.mock(api_id, "GET /a", "x")
    await rest.deploy(api_id)
    domain = await rest("create_domain_name", domainName="api.example.com", certificateName="c")
    assert domain["domainNameStatus"] == "AVAILABLE"
    with pytest.raises(BadRequestException):
        await rest("create_domain_name", domainName="api.example.com")
    names = {"domainName": "api.example.com", "restApiId": api_id}
    await rest("create_base_path_mapping", **names, stage="test", basePath="v1")
    await rest("create_base_path_mapping", **names)
    with pytest.raises(ConflictException):
        await rest("create_base_path_mapping", **names)
    assert (await rest.stack.http("GET", "http://api.example.com/v1/a")).body == b"x"
    assert (await rest.stack.http("GET", "http://api.example.com/test/a")).body == b"x"
    assert (await rest.stack.http("GET", "http://api.example.com/other/a")).status == 403
    with pytest.raises(BadRequestException, match="base path mappings"):
        await rest("delete_rest_api", restApiId=api_id)
    await rest("delete_base_path_mapping", domainName="api.example.com", basePath="(none)")
    got = await rest.stack.http("GET", "http://api.example.com/test/a")
    assert (got.status, got.body) == (403, b'{"message":"Forbidden"}')
    change = [{"op": "replace", "path": "/basePath", "value": "v2"}]
    await rest("update_base_path_mapping", domainName="api.example.com", basePath="v1", patchOperations=change)
    assert (await rest.stack.http("GET", "http://api.example.com/v2/a")).body == b"x"
    await rest("delete_domain_name", domainName="api.example.com")
    with pytest.raises(NotFoundException):
        await rest("get_base_path_mappings", domainName="api.example.com")


async def test_the_account(rest):
    assert (await rest("get_account"))["throttleSettings"] == {"burstLimit": 5000, "rateLimit": 10000.0}
    role = "arn:aws:iam::000000000000:role/logs"
    change = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}]
    assert (await rest("update_account", patchOperations=change))["cloudwatchRoleArn"] == role
    for bad in (
        {"op": "replace", "path": "/cloudwatchRoleArn", "value": "x"},
        {"op": "remove", "path": "/features", "value": "UsagePlans"},
        {"op": "replace", "path": "/throttle", "value": "1"},
    ):
        with pytest.raises(BadRequestException):
            await rest("update_account", patchOperations=[bad])


async def test_vpc_links_are_kept(rest):
    link = await rest("create_vpc_link", name="l", targetArns=["arn:aws:elasticloadbalancing:x"])
    assert link["status"] == "AVAILABLE"
    change = [{"op": "replace", "path": "/name", "value": "m"}]
    await rest("update_vpc_link", vpcLinkId=link["id"], patchOperations=change)
    assert (await rest("get_vpc_links"))["items"][0]["name"] == "m"
    await rest("delete_vpc_link", vpcLinkId=link["id"])
    with pytest.raises(NotFoundException):
        await rest("get_vpc_link", vpcLinkId=link["id"])
