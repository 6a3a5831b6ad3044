"""boto3 and plain HTTP clients against a real server with these three rooms and a small Lambda behind it."""

import asyncio
import http.client
import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import boto3
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError

from outcrop.services.contract import Credential, Principal, Service
from outcrop.settings import Settings
from outcrop.wire.gateway import Gateway

from .conftest import ACCOUNT, REGION

KEY = Credential("test", "test", ACCOUNT, Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT))


class Server:
    """The gateway on a port of its own, in a thread with a loop of its own."""

    def __init__(self, stack, settings):
        self.stack = stack
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        services = (*stack.services, Service("lambda", stack.lambda_))
        lookup = {"test": KEY}.get
        gateway = Gateway(services, settings=settings, lookup=lookup, endpoint=lambda: f"http://127.0.0.1:{self.port}")
        stack.context = gateway.context
        self._server = uvicorn.Server(
            uvicorn.Config(gateway, log_level="error", lifespan="off", ws="websockets-sansio", ws_max_size=128 << 10)
        )
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *failure):
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    async def _serve(self):
        for service in self.stack.services:
            if service.on_start:
                await service.on_start()
        await self._server.serve(sockets=[self._listener])
        for service in self.stack.services:
            if service.on_stop:
                await service.on_stop()

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 1}, inject_host_prefix=False),
        )

    def http(self, method, host, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {"host": f"{host}:{self.port}", **(headers or {})})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()


@pytest.fixture
def server(make_stack, tmp_path):
    stack = make_stack()
    with Server(stack, Settings(data=tmp_path)) as server:
        yield server


def test_http_api(server):
    apis = server.client("apigatewayv2")

    def ask(event):
        question = json.loads(event["body"])["question"]
        return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": f"{question} {event['rawPath']}"}

    api = apis.create_api(Name="tutor", ProtocolType="HTTP", CorsConfiguration={"AllowOrigins": ["*"]}, Tags={"a": "b"})
    api_id = api["ApiId"]
    assert api["ApiEndpoint"] == f"http://{api_id}.execute-api.localhost:{server.port}"
    assert isinstance(api["CreatedDate"], datetime)
    integration = apis.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationUri=server.stack.lambda_.add(ask),
        PayloadFormatVersion="2.0",
    )
    apis.create_route(ApiId=api_id, RouteKey="POST /ask", Target=f"integrations/{integration['IntegrationId']}")
    apis.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    assert apis.get_stage(ApiId=api_id, StageName="$default")["AutoDeploy"] is True

    host = f"{api_id}.execute-api.localhost"
    body = json.dumps({"question": "why?"})
    headers = {"content-type": "application/json", "origin": "http://localhost:3000"}
    status, answered, content = server.http("POST", host, "/ask", headers, body)
    assert (status, content) == (200, b"why? /ask")
    assert answered["access-control-allow-origin"] == "*"
    assert answered["apigw-requestid"]
    status, _, content = server.http("POST", "127.0.0.1", f"/_outcrop/execute-api/{api_id}/$default/ask", headers, body)
    assert (status, content) == (200, b"why? /ask")
    status, _, content = server.http("GET", host, "/nowhere")
    assert (status, json.loads(content)) == (404, {"message": "Not Found"})
    status, answered, content = server.http("HEAD", host, "/nowhere")
    assert (status, content, answered["content-length"]) == (404, b"", "23")
    status, _, _ = server.http("POST", host, "/ask", {"content-type": "text/plain"}, b"x" * (11 << 20))
    assert status == 413

    arn = f"arn:aws:apigateway:{REGION}::/apis/{api_id}"
    apis.tag_resource(ResourceArn=arn, Tags={"c": "d"})
    apis.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert apis.get_tags(ResourceArn=arn)["Tags"] == {"c": "d"}
    assert [page["Items"][0]["ApiId"] for page in apis.get_paginator("get_apis").paginate()] == [api_id]
    with pytest.raises(ClientError) as caught:
        apis.get_api(ApiId="none")
    assert caught.value.response["Error"]["Code"] == "NotFoundException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(ClientError) as caught:
        apis.create_api(Name="x", ProtocolType="SMTP")
    assert caught.value.response["Error"]["Code"] == "BadRequestException"
    apis.delete_route(ApiId=api_id, RouteId=apis.get_routes(ApiId=api_id)["Items"][0]["RouteId"])
    apis.delete_api(ApiId=api_id)
    assert apis.get_apis()["Items"] == []

    metrics = server.client("cloudwatch")
    deadline = time.monotonic() + 10
    while not (found := metrics.list_metrics(Namespace="AWS/ApiGateway", MetricName="Count")["Metrics"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert {"Name": "ApiId", "Value": api_id} in found[0]["Dimensions"]


def test_logs(server):
    logs = server.client("logs")
    logs.create_log_group(logGroupName="/app", tags={"a": "b"})
    logs.create_log_stream(logGroupName="/app", logStreamName="s")
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": json.dumps({"n": number})} for number in range(20)]
    logs.put_log_events(logGroupName="/app", logStreamName="s", logEvents=events, sequenceToken="whatever")
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName="/app", filterPattern="{ $.n >= 10 }", PaginationConfig={"PageSize": 3}
    )
    assert [event["message"] for page in pages for event in page["events"]] == [e["message"] for e in events[10:]]
    page = logs.get_log_events(logGroupName="/app", logStreamName="s", startFromHead=True, limit=5)
    assert len(page["events"]) == 5
    following = logs.get_log_events(logGroupName="/app", logStreamName="s", nextToken=page["nextForwardToken"])
    assert following["events"][0]["message"] == '{"n": 5}'
    group = logs.describe_log_groups(logGroupNamePrefix="/app")["logGroups"][0]
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"a": "b"}
    for wrong, code in (
        (lambda: logs.describe_log_streams(logGroupName="none"), "ResourceNotFoundException"),
        (lambda: logs.create_log_group(logGroupName="a b"), "InvalidParameterException"),
        (lambda: logs.create_log_group(logGroupName="/app"), "ResourceAlreadyExistsException"),
    ):
        with pytest.raises(ClientError) as caught:
            wrong()
        assert caught.value.response["Error"]["Code"] == code
    tail = logs.start_live_tail(logGroupIdentifiers=[group["logGroupArn"]])["responseStream"]
    stream = iter(tail)
    assert "sessionStart" in next(stream)
    late = [{"timestamp": now, "message": "live"}]
    logs.put_log_events(logGroupName="/app", logStreamName="s", logEvents=late)
    assert next(stream)["sessionUpdate"]["sessionResults"][0]["message"] == "live"
    tail.close()


def test_metrics(server):
    metrics = server.client("cloudwatch")
    now = datetime.now(UTC).replace(microsecond=0)
    metrics.put_metric_data(
        Namespace="App",
        MetricData=[
            {"MetricName": "Latency", "Values": [1.0, 2.0, 9.0], "Counts": [5.0, 4.0, 1.0], "Unit": "Milliseconds"},
            {"MetricName": "Calls", "Value": 10.0, "Timestamp": now, "Dimensions": [{"Name": "a", "Value": "b"}]},
        ],
    )
    window = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5)}
    (point,) = metrics.get_metric_statistics(
        Namespace="App", MetricName="Latency", Period=600, ExtendedStatistics=["p90"], **window
    )["Datapoints"]
    assert (point["ExtendedStatistics"], point["Unit"]) == ({"p90": 2.0}, "Milliseconds")
    metric = {"Namespace": "App", "MetricName": "Calls", "Dimensions": [{"Name": "a", "Value": "b"}]}
    (result,) = metrics.get_metric_data(
        MetricDataQueries=[
            {"Id": "calls", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
            {"Id": "double", "Expression": "calls * 2"},
        ],
        **window,
    )["MetricDataResults"]
    assert (result["Id"], result["Values"], result["StatusCode"]) == ("double", [20.0], "Complete")
    assert len(metrics.list_metrics(Namespace="App")["Metrics"]) == 2
    metrics.put_dashboard(DashboardName="d", DashboardBody='{"widgets": []}')
    assert metrics.get_dashboard(DashboardName="d")["DashboardBody"] == '{"widgets": []}'
    for wrong, codes in (
        (lambda: metrics.put_metric_data(Namespace="App", MetricData=[{"MetricName": "x"}]), {"MissingParameter"}),
        (
            lambda: metrics.put_metric_data(Namespace="App", MetricData=[{"MetricName": "x", "Value": float("nan")}]),
            {"InvalidParameterValue"},
        ),
        (lambda: metrics.get_dashboard(DashboardName="none"), {"ResourceNotFound"}),
    ):
        with pytest.raises(ClientError) as caught:
            wrong()
        assert caught.value.response["Error"]["Code"] in codes
