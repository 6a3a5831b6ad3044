"""boto3 and plain HTTP against a stack in a process of its own."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import botocore.exceptions
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.services.lambda_.conftest import ECHO, PYTHON, ROLE, zipped

from outcrop.testing import StackProcess

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with StackProcess(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="module")
def client(stack):
    return stack.client("lambda")


def create(client, name, code=ECHO, files=None, **settings):
    request = {"Runtime": PYTHON, "Role": ROLE, "Handler": "app.handler", "Timeout": 20, **settings}
    client.create_function(FunctionName=name, Code={"ZipFile": zipped(code, **(files or {}))}, **request)
    client.get_waiter("function_active_v2").wait(FunctionName=name)


def test_the_life_of_a_function(client):
    create(client, "life")
    client.get_waiter("function_exists").wait(FunctionName="life")
    answer = client.invoke(FunctionName="life", Payload=b'{"a": "\xc3\xbc"}')
    assert answer["StatusCode"] == 200
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/json"
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read()) == {"a": "ü"}
    client.update_function_code(FunctionName="life", ZipFile=zipped("def handler(e, c):\n    1 / 0"))
    client.get_waiter("function_updated_v2").wait(FunctionName="life")
    answer = client.invoke(FunctionName="life", LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "ZeroDivisionError"
    version = client.publish_version(FunctionName="life")["Version"]
    client.get_waiter("published_version_active").wait(FunctionName="life", Qualifier=version)
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName="life")
    assert [each["Version"] for page in pages for each in page["Versions"]] == ["$LATEST", "1"]
    assert client.invoke(FunctionName="life", InvocationType="DryRun")["StatusCode"] == 204
    assert client.invoke(FunctionName="life", InvocationType="Event")["StatusCode"] == 202
    location = client.get_function(FunctionName="life")["Code"]["Location"]
    with urllib.request.urlopen(location) as response:
        assert response.read()[:2] == b"PK"
    client.delete_function(FunctionName="life")
    with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
        client.get_function(FunctionName="life")
    assert caught.value.response["Error"]["Message"].startswith("Function not found: arn:aws:lambda:")
    assert caught.value.response["Type"] == "User"


def test_a_handler_uses_the_stack_as_its_role(stack, client):
    stack.client("iam").create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(TRUST))
    stack.client("s3").create_bucket(Bucket="lectures")
    stack.client("s3").put_object(Bucket="lectures", Key="a", Body=b"text of the lecture")
    code = """
        import boto3
        def handler(event, context):
            body = boto3.client("s3").get_object(Bucket="lectures", Key="a")["Body"].read().decode()
            return body, boto3.client("sts").get_caller_identity()["Arn"]
    """
    create(client, "reads", code, Role="arn:aws:iam::000000000000:role/reader")
    body, arn = json.loads(client.invoke(FunctionName="reads")["Payload"].read())
    assert body == "text of the lecture"
    assert arn == "arn:aws:sts::000000000000:assumed-role/reader/reads"


def test_functions_that_invoke_functions(client):
    code = """
        import json, boto3
        def handler(event, context):
            if not event:
                return 0
            answer = boto3.client("lambda").invoke(FunctionName="nested", Payload=json.dumps(event - 1))
            return 1 + json.load(answer["Payload"])
    """
    create(client, "nested", code)
    assert client.invoke(FunctionName="nested", Payload=b"5")["Payload"].read() == b"5"


def test_invoke_with_response_stream(client):
    create(client, "streams")
    events = list(client.invoke_with_response_stream(FunctionName="streams", Payload=b'"x"')["EventStream"])
    assert events[0]["PayloadChunk"]["Payload"] == b'"x"'
    assert "InvokeComplete" in events[-1]


def test_reserved_concurrency_throttles(stack, client):
    create(client, "closed")
    client.put_function_concurrency(FunctionName="closed", ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
        client.invoke(FunctionName="closed")
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"Runtime": "cobol"}, "InvalidParameterValueException|ValidationException"),
        ({"Role": "me"}, "ValidationException"),
        ({"Timeout": 5401}, "ValidationException"),
        ({"Timeout": 901}, "InvalidParameterValueException"),
        ({"Handler": "a b"}, "ValidationException"),
        ({"Code": {"ZipFile": b"no"}}, "InvalidParameterValueException"),
    ],
)
def test_bad_requests_are_refused(client, settings, code):
    request = {"Runtime": PYTHON, "Role": ROLE, "Handler": "app.handler", "Code": {"ZipFile": zipped(ECHO)}, **settings}
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.create_function(FunctionName="bad", **request)
    assert re.fullmatch(code, caught.value.response["Error"]["Code"])
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.timeout(60)
def test_sixteen_clients_at_once(stack, client):
    create(client, "busy")

    def one(number):
        own = stack.client("lambda")
        return [json.load(own.invoke(FunctionName="busy", Payload=str(n).encode())["Payload"]) for n in range(20)]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        results = list(pool.map(one, range(16)))
    assert results == [list(range(20))] * 16


def test_a_function_url(stack, client):
    code = """
        import json
        def handler(event, context):
            if event["rawPath"] == "/plain":
                return "inferred"
            http = event["requestContext"]["http"]
            body = {"method": http["method"], "path": event["rawPath"], "query": event.get("queryStringParameters"),
                    "body": event.get("body"), "base64": event["isBase64Encoded"], "cookies": event.get("cookies")}
            return {"statusCode": 201, "headers": {"x-mine": "1"}, "cookies": ["a=b", "c=d"], "body": json.dumps(body)}
    """
    create(client, "web", code)
    cors = {"AllowOrigins": ["https://course.example"], "AllowMethods": ["GET"], "MaxAge": 60}
    made = client.create_function_url_config(FunctionName="web", AuthType="NONE", Cors=cors)
    url = urlsplit(made["FunctionUrl"])
    assert re.fullmatch(r"[a-z0-9]{32}\.lambda-url\.us-east-1\.localhost", url.hostname)
    assert client.get_function_url_config(FunctionName="web")["FunctionUrl"] == made["FunctionUrl"]

    def get(path, method="GET", body=None, host=url.netloc, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(stack.url).port)
        connection.request(method, path, body, {"Host": host, **headers})
        with contextlib.closing(connection), connection.getresponse() as response:
            return response.status, response.headers, response.read()

    assert get("/")[0] == 403
    client.add_permission(FunctionName="web", StatementId="all", Action="lambda:InvokeFunctionUrl", Principal="*",
                          FunctionUrlAuthType="NONE")  # fmt: skip
    headers = {"Content-Type": "text/plain", "Cookie": "s=1; t=2"}
    status, got, body = get("/a%20b?x=1&x=2&y=", "POST", "ü".encode(), **headers)
    assert status == 201
    assert got["x-mine"] == "1"
    assert got.get_all("set-cookie") == ["a=b", "c=d"]
    assert json.loads(body) == {
        "method": "POST",
        "path": "/a b",
        "query": {"x": "1,2", "y": ""},
        "body": "ü",
        "base64": False,
        "cookies": ["s=1", "t=2"],
    }
    status, got, body = get("/plain", Origin="https://course.example")
    assert (status, body, got["content-type"]) == (200, b"inferred", "application/json")
    assert got["access-control-allow-origin"] == "https://course.example"
    assert "access-control-allow-origin" not in get("/plain", Origin="https://other.example")[1]
    status, got, _ = get(
        "/plain", "OPTIONS", Origin="https://course.example", **{"Access-Control-Request-Method": "GET"}
    )
    assert (status, got["access-control-allow-methods"], got["access-control-max-age"]) == (200, "GET", "60")
    path = f"/_outcrop/lambda/url/{url.hostname.split('.')[0]}/plain"
    assert get(path, host="127.0.0.1")[2] == b"inferred"
    client.delete_function_url_config(FunctionName="web")
    assert get("/plain")[0] == 404


def test_a_server_that_is_killed_leaves_no_process_and_loses_no_function(tmp_path):
    with StackProcess(tmp_path) as stack:
        client = stack.client("lambda")
        variables = {"Variables": {"MARK": str(tmp_path)}}
        create(client, "survivor", "def handler(event, context):\n    return event", Environment=variables)
        assert json.load(client.invoke(FunctionName="survivor", Payload=b"1")["Payload"]) == 1
        assert _marked(tmp_path)
        os.kill(stack.pid, 9)
        deadline = time.monotonic() + 5
        while _marked(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not _marked(tmp_path)
    with StackProcess(tmp_path) as stack:
        assert json.load(stack.client("lambda").invoke(FunctionName="survivor", Payload=b"2")["Payload"]) == 2


def _marked(mark):
    """The processes that have the variable MARK with this value; a zombie has none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"MARK={mark}".encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
    return found


STREAMING = """
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  if (event.rawPath === "/plain") {
    stream.setContentType("text/plain");
  } else {
    const headers = { "Content-Type": "text/x-course", "x-page": "12" };
    stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers, cookies: ["a=b"] });
  }
  for (const piece of ["one ", "two ", "three"]) {
    stream.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  if (event.rawPath === "/broken") throw new RangeError("too far");
  stream.end();
});
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node isn't installed")
def test_a_function_that_streams(stack, client):
    create(client, "streamer", None, Runtime="nodejs20.x", Handler="index.handler", files={"index.mjs": STREAMING})
    answer = client.invoke_with_response_stream(FunctionName="streamer", Payload=b'{"rawPath": "/plain"}')
    assert answer["ResponseStreamContentType"] == "text/plain"
    arrivals, pieces = [], []
    for event in answer["EventStream"]:
        arrivals.append(time.monotonic())
        pieces.append(event.get("PayloadChunk", {}).get("Payload"))
    assert (pieces, event) == ([b"one ", b"two ", b"three", None], {"InvokeComplete": {}})
    assert arrivals[-1] - arrivals[0] > 0.15
    url = client.create_function_url_config(FunctionName="streamer", AuthType="NONE", InvokeMode="RESPONSE_STREAM")[
        "FunctionUrl"
    ]
    client.add_permission(
        FunctionName="streamer",
        StatementId="public",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    host = urlsplit(url).hostname
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(stack.url).port)
    connection.request("GET", "/course", headers={"Host": host})
    with contextlib.closing(connection), connection.getresponse() as response:
        assert (response.status, response.headers["x-page"], response.headers["set-cookie"]) == (201, "12", "a=b")
        assert response.headers["content-type"] == "text/x-course"
        assert response.read() == b"one two three"
    broken = client.invoke_with_response_stream(FunctionName="streamer", Payload=b'{"rawPath": "/broken"}')
    complete = list(broken["EventStream"])[-1]["InvokeComplete"]
    assert (complete["ErrorCode"], json.loads(complete["ErrorDetails"])["errorMessage"]) == ("Unhandled", "too far")


def test_a_function_url_that_wants_signatures(stack, client):
    code = "def handler(event, context):\n    return event['requestContext']['authorizer']['iam']"
    create(client, "signed", code)
    url = urlsplit(client.create_function_url_config(FunctionName="signed", AuthType="AWS_IAM")["FunctionUrl"])
    port = urlsplit(stack.url).port

    def post(body, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/ask", body, {"Host": url.netloc, **headers})
        with contextlib.closing(connection), connection.getresponse() as response:
            return response.status, json.load(response)

    def sign(body, secret="test"):
        request = AWSRequest("POST", f"http://{url.netloc}/ask", data=body, headers={"Host": url.netloc})
        SigV4Auth(Credentials("test", secret), "lambda", "us-east-1").add_auth(request)
        return dict(request.headers)

    status, answer = post(b"{}")
    assert (status, answer["Message"][:10]) == (403, "Forbidden.")
    status, answer = post(b"{}", **sign(b"{}"))
    assert (status, answer["accessKey"], answer["accountId"]) == (200, "test", "000000000000")
    assert answer["userArn"] == "arn:aws:iam::000000000000:root"
    assert post(b"[]", **sign(b"{}"))[0] == 403
    assert post(b"{}", **sign(b"{}", "wrong"))[0] == 403


def test_events_survive_a_server_that_is_killed(tmp_path):
    code = """
        import boto3, time
        def handler(event, context):
            time.sleep(0.5)
            boto3.client("s3").put_object(Bucket="done", Key=event["Records"][0]["s3"]["object"]["key"])
    """
    keys = {f"page-{number}" for number in range(4)}
    with StackProcess(tmp_path) as stack:
        client, s3 = stack.client("lambda"), stack.client("s3")
        create(client, "reader", code)
        for bucket in ("inbox", "done"):
            s3.create_bucket(Bucket=bucket)
        client.add_permission(
            FunctionName="reader", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
        )
        arn = client.get_function_configuration(FunctionName="reader")["FunctionArn"]
        rule = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
        s3.put_bucket_notification_configuration(
            Bucket="inbox", NotificationConfiguration={"LambdaFunctionConfigurations": [rule]}
        )
        for key in keys:
            s3.put_object(Bucket="inbox", Key=key, Body=b"text")
        os.kill(stack.pid, 9)
    with StackProcess(tmp_path) as stack:
        s3, deadline, done = stack.client("s3"), time.monotonic() + 30, set()
        while done != keys and time.monotonic() < deadline:
            time.sleep(0.1)
            done = {entry["Key"] for entry in s3.list_objects_v2(Bucket="done").get("Contents", ())}
        assert done == keys


def test_a_function_that_writes_to_its_own_bucket_is_stopped(stack, client):
    code = """
        import boto3
        def handler(event, context):
            key = event["Records"][0]["s3"]["object"]["key"]
            boto3.client("s3").put_object(Bucket="loop", Key=str(int(key) + 1))
    """
    s3 = stack.client("s3")
    s3.create_bucket(Bucket="loop")
    create(client, "looping", code)
    client.add_permission(
        FunctionName="looping", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    arn = client.get_function_configuration(FunctionName="looping")["FunctionArn"]
    rule = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="loop", NotificationConfiguration={"LambdaFunctionConfigurations": [rule]}
    )
    s3.put_object(Bucket="loop", Key="0")

    def written():
        return s3.list_objects_v2(Bucket="loop")["KeyCount"]

    deadline = time.monotonic() + 30
    while written() < 17 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    assert written() == 17  # the first object, and one for each of 16 invocations
