import asyncio
import base64
import json
import re

import pytest
from tests.services.lambda_.conftest import ACCOUNT, ARN, ECHO, PYTHON, ROLE, ROOT, Opened, until, zipped

from outcrop.app import Stack
from outcrop.services.lambda_.errors import (
    AccessDeniedException,
    InvalidRequestContentException,
    RequestTooLargeException,
    ResourceNotFoundException,
    TooManyRequestsException,
)
from outcrop.services.lambda_.events import AT_ONCE
from outcrop.settings import Settings

REPORT = (
    r"REPORT RequestId: {id}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
    r"Max Memory Used: \d+ MB\t"
)


async def test_invoke(call):
    await call.create()
    answer = await call("invoke", FunctionName="f", Payload=b'{"question": "Was?"}')
    assert answer == {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": b'{"question": "Was?"}'}


async def test_invoke_without_a_payload_gives_an_empty_event(call):
    await call.create()
    assert json.loads((await call("invoke", FunctionName="f"))["Payload"]) == {}


async def test_invoke_a_function_that_fails(call):
    await call.create("def handler(event, context):\n    raise ValueError('no such chapter')")
    answer = await call("invoke", FunctionName="f")
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    error = json.loads(answer["Payload"])
    assert error["errorType"] == "ValueError"
    assert error["errorMessage"] == "no such chapter"
    assert error["requestId"] == call.context_of_last.request_id
    assert "in handler" in error["stackTrace"][0]


async def test_invoke_a_function_that_times_out(call):
    await call.create("import time\ndef handler(event, context):\n    time.sleep(60)", Timeout=1)
    answer = await call("invoke", FunctionName="f", LogType="Tail")
    request_id = call.context_of_last.request_id
    assert json.loads(answer["Payload"]) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
    }
    log = base64.b64decode(answer["LogResult"]).decode()
    assert f"Z {request_id} Task timed out after 1.00 seconds\n" in log
    assert re.search(r"Duration: 1000\.00 ms\t.*Status: timeout$", log, re.MULTILINE)


async def test_invoke_dry_run(call):
    await call.create()
    answer = await call("invoke", FunctionName="f", InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert "Payload" not in answer


@pytest.mark.parametrize("payload", [b"{", b"\xff", b"'a'", b"[" * 100_000])
async def test_invoke_refuses_what_is_not_json(call, payload):
    await call.create()
    with pytest.raises(InvalidRequestContentException, match="Could not parse request body into json"):
        await call("invoke", FunctionName="f", Payload=payload)


async def test_invoke_refuses_large_payloads(call):
    await call.create()
    large = b'"' + b"x" * (1 << 20) + b'"'
    assert (await call("invoke", FunctionName="f", Payload=large))["Payload"] == large
    with pytest.raises(RequestTooLargeException) as caught:
        await call("invoke", FunctionName="f", Payload=large, InvocationType="Event")
    assert caught.value.status == 413
    with pytest.raises(RequestTooLargeException, match="smaller than 6291456 bytes for the InvokeFunction operation"):
        await call("invoke", FunctionName="f", Payload=b'"' + b"x" * 6 * (1 << 20) + b'"')


async def test_invoke_with_a_client_context(call):
    await call.create("def handler(event, context):\n    return context.client_context.custom")
    context = base64.b64encode(b'{"custom": {"a": 1}}').decode()
    assert await call.invoke(ClientContext=context) == {"a": 1}
    for bad in ("%", base64.b64encode(b"[]").decode(), base64.b64encode(b"x").decode(), "A" * 3584):
        with pytest.raises(InvalidRequestContentException):
            await call.invoke(ClientContext=bad)


async def test_invoke_a_version_and_an_alias(call):
    code = "def handler(event, context):\n    return context.function_version, context.invoked_function_arn"
    await call.create(code, Publish=True)
    await call("create_alias", FunctionName="f", Name="live", FunctionVersion="1")
    assert await call.invoke() == ["$LATEST", f"{ARN}:f"]
    assert await call.invoke(Qualifier="$LATEST") == ["$LATEST", f"{ARN}:f:$LATEST"]
    assert await call.invoke(Qualifier="1") == ["1", f"{ARN}:f:1"]
    assert await call.invoke(name=f"{ARN}:f:live") == ["1", f"{ARN}:f:live"]
    with pytest.raises(ResourceNotFoundException, match=rf"^Function not found: {ARN}:f:gone$"):
        await call.invoke(Qualifier="gone")


async def test_invoke_with_response_stream(call):
    await call.create("def handler(event, context):\n    return 'x' * event if event else 1 / 0")
    answer = await call("invoke_with_response_stream", FunctionName="f", Payload=b"600000", LogType="Tail")
    events = [event async for event in answer["EventStream"]]
    assert b"".join(e["PayloadChunk"]["Payload"] for e in events[:-1]) == b'"' + b"x" * 600_000 + b'"'
    assert b"START RequestId" in base64.b64decode(events[-1]["InvokeComplete"]["LogResult"])
    answer = await call("invoke_with_response_stream", FunctionName="f", Payload=b"0")
    complete = [event async for event in answer["EventStream"]][-1]["InvokeComplete"]
    assert complete["ErrorCode"] == "Unhandled"
    assert "division by zero" in complete["ErrorDetails"]


async def test_a_function_has_lambdas_environment(call):
    await call.create("import os\ndef handler(event, context):\n    return dict(os.environ)", Handler="app.handler")
    got = await call.invoke()
    stream = got.pop("AWS_LAMBDA_LOG_STREAM_NAME")
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream)
    expected = {
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{PYTHON}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    assert expected.items() <= got.items()


async def test_a_function_has_the_credentials_of_its_role(call):
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole"}], "Version": "2012-10-17"}  # fmt: skip
    await call("create_role", service="iam", RoleName="course", AssumeRolePolicyDocument=json.dumps(trust))
    await call.create(
        "import os\ndef handler(event, context):\n"
        "    return [os.environ.get('AWS_' + n) for n in ('ACCESS_KEY_ID', 'SESSION_TOKEN')]"
    )
    key, token = await call.invoke()
    assert key.startswith("ASIA")
    assert token
    await call.create("import os\ndef handler(event, context):\n    return os.environ['AWS_ACCESS_KEY_ID']", name="g")
    assert (await call.invoke(name="g")).startswith("ASIA")
    assert "can't be assumed" not in await call.tail(name="g")


async def test_logs(call):
    await call.create("print('cold')\ndef handler(event, context):\n    print('answering', event)")
    await call.invoke("a")
    first = call.context_of_last.request_id
    await call.invoke("b")
    second = call.context_of_last.request_id
    messages = await call.messages("/aws/lambda/f", count=2)
    note = messages.pop(1)
    assert note.startswith("[OUTCROP] The role arn:aws:iam::000000000000:role/course can't be assumed")
    number = PYTHON.removeprefix("python")
    assert re.fullmatch(
        rf"INIT_START Runtime Version: python:{number}\.v1\t"
        r"Runtime Version ARN: arn:aws:lambda:us-east-1::runtime:\w{64}\n",
        messages[0],
    )
    assert messages[1:5] == ["cold\n", f"START RequestId: {first} Version: $LATEST\n", "answering a\n",
                             f"END RequestId: {first}\n"]  # fmt: skip
    assert re.fullmatch(REPORT.format(id=first) + r"Init Duration: \d+\.\d\d ms\t\n", messages[5])
    assert messages[6:9] == [f"START RequestId: {second} Version: $LATEST\n", "answering b\n",
                             f"END RequestId: {second}\n"]  # fmt: skip
    assert re.fullmatch(REPORT.format(id=second) + r"\n", messages[9])
    billed = int(re.search(r"Billed Duration: (\d+)", messages[5])[1])
    parts = [float(re.search(rf"{name}: ([\d.]+)", messages[5])[1]) for name in ("\tDuration", "Init Duration")]
    assert billed - 1 <= sum(parts) <= billed


async def test_logs_of_a_failed_start(call):
    await call.create("import nothing_like_it")
    await call.invoke()
    messages = await call.messages("/aws/lambda/f")
    error = next(message for message in messages if "[ERROR]" in message)
    assert error.startswith("[ERROR] Runtime.ImportModuleError: Unable to import module 'app'")
    line = next(message for message in messages if message.startswith("INIT_REPORT"))
    assert re.fullmatch(
        r"INIT_REPORT Init Duration: [\d.]+ ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError\n",
        line,
    )
    assert messages[-1].endswith("\tStatus: error\tError Type: Runtime.ImportModuleError\n")


async def test_logs_in_json(call):
    await call.create(
        """
        import logging
        def handler(event, context):
            logging.getLogger().info("hello")
        """,
        LoggingConfig={"LogFormat": "JSON", "LogGroup": "/course/logs"},
    )
    shown = await call("get_function_configuration", FunctionName="f")
    assert shown["LoggingConfig"] == {
        "LogFormat": "JSON",
        "LogGroup": "/course/logs",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "INFO",
    }
    await call.invoke()
    messages = await call.messages("/course/logs", containing="platform.report")
    entries = [json.loads(message) for message in messages if message.startswith("{")]
    assert [entry["type"] for entry in entries if "type" in entry] == [
        "platform.initStart",
        "platform.start",
        "platform.report",
    ]
    hello = next(entry for entry in entries if entry.get("message") == "hello")
    assert hello["level"] == "INFO"
    assert hello["requestId"] == entries[-1]["record"]["requestId"]
    assert entries[-1]["record"]["metrics"].keys() == {
        "durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"
    }  # fmt: skip


async def test_the_tail_is_the_last_four_kilobytes_of_the_invocation(call):
    await call.create("def handler(event, context):\n    for i in range(event):\n        print('line', i)")
    log = await call.tail(3)
    assert log.startswith(f"START RequestId: {call.context_of_last.request_id} Version: $LATEST\nline 0\nline 1\n")
    log = await call.tail(5000)
    assert len(log) == 4096
    assert "line 4999\nEND RequestId" in log
    assert "line 0\n" in await call.tail(1)


@pytest.mark.timeout(60)
async def test_a_hundred_thousand_lines_reach_the_log(call):
    await call.create("def handler(event, context):\n    for i in range(100_000):\n        print(i)", Timeout=30)
    await call.invoke()
    stream = (await call("describe_log_streams", service="logs", logGroupName="/aws/lambda/f"))["logStreams"][0]
    where = {"logGroupName": "/aws/lambda/f", "logStreamName": stream["logStreamName"]}

    async def complete():
        events = (await call("get_log_events", service="logs", **where, limit=4))["events"]
        return [event["message"] for event in events][:2] == ["99998\n", "99999\n"]

    await until(complete, 20)


async def test_metrics(call):
    await call.create("def handler(event, context):\n    return 1 / event")
    for event in (1, 2, 0):
        await call("invoke", FunctionName="f", Payload=json.dumps(event).encode())

    async def sums():
        from datetime import UTC, datetime, timedelta

        found = {}
        for name in ("Invocations", "Errors", "Duration"):
            answer = await call(
                "get_metric_statistics",
                service="cloudwatch",
                Namespace="AWS/Lambda",
                MetricName=name,
                Dimensions=[{"Name": "FunctionName", "Value": "f"}],
                StartTime=datetime.now(UTC) - timedelta(minutes=5),
                EndTime=datetime.now(UTC) + timedelta(minutes=5),
                Period=3600,
                Statistics=["Sum", "SampleCount"],
            )
            found[name] = [(point["Sum"], point["SampleCount"]) for point in answer["Datapoints"]]
        return found

    async def complete():
        return (await sums())["Invocations"] == [(3, 3)]

    await until(complete)
    found = await sums()
    assert found["Errors"] == [(1, 3)]
    assert found["Duration"][0][1] == 3
    assert found["Duration"][0][0] > 0


# limits


async def test_reserved_concurrency(call):
    await call.create("import time\ndef handler(event, context):\n    time.sleep(event)\n    return event")
    await call("put_function_concurrency", FunctionName="f", ReservedConcurrentExecutions=2)
    assert await call("get_function_concurrency", FunctionName="f") == {"ReservedConcurrentExecutions": 2}
    busy = [asyncio.create_task(call.invoke(0.8)) for _ in range(2)]
    await asyncio.sleep(0.2)
    with pytest.raises(TooManyRequestsException, match=r"^Rate Exceeded\.$") as caught:
        await call.invoke(0)
    assert caught.value.members["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert await asyncio.gather(*busy) == [0.8, 0.8]
    assert await call.invoke(0) == 0
    await call("put_function_concurrency", FunctionName="f", ReservedConcurrentExecutions=0)
    with pytest.raises(TooManyRequestsException):
        await call.invoke(0)
    await call("delete_function_concurrency", FunctionName="f")
    assert await call("get_function_concurrency", FunctionName="f") == {}
    assert await call.invoke(0) == 0


async def test_put_function_concurrency_leaves_a_hundred_for_the_others(call):
    from outcrop.services.lambda_.errors import InvalidParameterValueException

    await call.create()
    await call("put_function_concurrency", FunctionName="f", ReservedConcurrentExecutions=900)
    with pytest.raises(InvalidParameterValueException, match=r"below its minimum value of \[100\]"):
        await call("put_function_concurrency", FunctionName="f", ReservedConcurrentExecutions=901)


# permissions


async def test_services_need_a_permission(call):
    await call.create()
    source = "arn:aws:execute-api:us-east-1:000000000000:a1b2c3/$default/POST/ask"
    gateway = call.as_service("apigateway.amazonaws.com", source)
    with pytest.raises(AccessDeniedException, match="no resource-based policy allows the lambda:InvokeFunction action"):
        await gateway.invoke(1)
    await call(
        "add_permission",
        FunctionName="f",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn="arn:aws:execute-api:us-east-1:000000000000:a1b2c3/*/*/ask",
    )
    assert await gateway.invoke(1) == 1
    for other in (
        call.as_service("apigateway.amazonaws.com", source.replace("a1b2c3", "zzz")),
        call.as_service("apigateway.amazonaws.com"),
        call.as_service("s3.amazonaws.com", source),
    ):
        with pytest.raises(AccessDeniedException):
            await other.invoke(1)
    with pytest.raises(AccessDeniedException):
        await gateway.invoke(1, Qualifier="$LATEST")


async def test_a_permission_may_name_an_account(call):
    await call.create()
    await call(
        "add_permission",
        FunctionName="f",
        StatementId="s3",
        Action="lambda:*",
        Principal="s3.amazonaws.com",
        SourceAccount="111111111111",
    )
    with pytest.raises(AccessDeniedException):
        await call.as_service("s3.amazonaws.com", "arn:aws:s3:us-east-1:000000000000:b").invoke(1)
    assert await call.as_service("s3.amazonaws.com", "arn:aws:s3:us-east-1:111111111111:b").invoke(1) == 1


# asynchronous


async def test_invoke_an_event(call, tmp_path):
    mark = tmp_path / "mark"
    await call.create(f"def handler(event, context):\n    open({str(mark)!r}, 'a').write(event)")
    answer = await call("invoke", FunctionName="f", Payload=b'"x"', InvocationType="Event")
    assert answer == {"StatusCode": 202, "Payload": b""}
    await until(lambda: mark.exists() and mark.read_text() == "x")
    request_id = call.context_of_last.request_id
    assert (await call.messages("/aws/lambda/f"))[-1].startswith(f"REPORT RequestId: {request_id}")


async def test_an_event_is_tried_three_times(call, tmp_path):
    mark = tmp_path / "mark"
    await call.create(f"def handler(event, context):\n    open({str(mark)!r}, 'a').write('x')\n    1 / 0")
    await call("invoke", FunctionName="f", InvocationType="Event")
    request_id = call.context_of_last.request_id
    messages = await call.messages("/aws/lambda/f", count=3)
    assert sum(message.startswith(f"START RequestId: {request_id}") for message in messages) == 3
    assert mark.read_text() == "xxx"


async def test_an_event_waits_while_the_function_is_throttled(call, tmp_path):
    mark = tmp_path / "mark"
    await call.create(f"def handler(event, context):\n    open({str(mark)!r}, 'a').write('x')")
    await call("put_function_concurrency", FunctionName="f", ReservedConcurrentExecutions=0)
    await call("invoke", FunctionName="f", InvocationType="Event")
    await asyncio.sleep(0.3)
    assert not mark.exists()
    await call("delete_function_concurrency", FunctionName="f")
    await until(mark.exists)


async def test_an_event_survives_a_restart(stack, call, tmp_path):
    mark = tmp_path / "mark"
    await call.create(f"def handler(event, context):\n    open({str(mark)!r}, 'a').write(event)")
    await call("put_function_concurrency", FunctionName="f", ReservedConcurrentExecutions=0)
    await call("invoke", FunctionName="f", Payload=b'"kept"', InvocationType="Event")
    await call("delete_function_concurrency", FunctionName="f")
    await stack.close()
    assert not mark.exists()
    await stack.open()
    await until(mark.exists)
    await until(lambda: mark.read_text() == "kept")


async def test_results_of_events_go_to_destinations(call, tmp_path):
    mark = tmp_path / "mark"
    await call.create("def handler(event, context):\n    return 1 / event")
    await call.create(
        f"import json\ndef handler(event, context):\n    open({str(mark)!r}, 'a').write(json.dumps(event) + '\\n')",
        name="sink",
    )
    destination = {"Destination": f"{ARN}:sink"}
    await call(
        "put_function_event_invoke_config",
        FunctionName="f",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": destination, "OnFailure": destination},
    )
    await call("invoke", FunctionName="f", Payload=b"2", InvocationType="Event")
    await until(lambda: mark.exists() and mark.read_text().count("\n") == 1)
    await call("invoke", FunctionName="f", Payload=b"0", InvocationType="Event")
    await until(lambda: mark.read_text().count("\n") == 2)
    good, bad = map(json.loads, mark.read_text().splitlines())
    assert good["requestContext"]["condition"] == "Success"
    assert good["requestPayload"] == 2
    assert good["responsePayload"] == 0.5
    assert bad["requestContext"]["condition"] == "RetriesExhausted"
    assert bad["requestContext"]["approximateInvokeCount"] == 1
    assert bad["responseContext"]["functionError"] == "Unhandled"
    assert bad["responsePayload"]["errorType"] == "ZeroDivisionError"


# deadlocks


async def test_a_chain_of_functions_that_call_each_other(tmp_path, cache):
    """Each handler waits for the next one, through this process: no slot may be held while it does."""
    stack = Opened(tmp_path, cache)
    call = await stack.open()
    server = await asyncio.start_server(lambda r, w: _serve(call, r, w), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    code = f"""
        import json, urllib.request
        def handler(event, context):
            if not event:
                return 0
            url = "http://127.0.0.1:{port}/"
            with urllib.request.urlopen(url, json.dumps(event - 1).encode()) as answer:
                return 1 + json.load(answer)
    """
    await call.create(code, Timeout=60)
    assert await call.invoke(12) == 12
    server.close()
    await stack.close()


async def _serve(call, reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
    body = json.dumps(await call.invoke(json.loads(await reader.readexactly(length)))).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_a_runtime_that_is_not_installed_is_a_function_error(strict):
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole"}], "Version": "2012-10-17"}  # fmt: skip
    await strict("create_role", service="iam", RoleName="course", AssumeRolePolicyDocument=json.dumps(trust))
    await strict("create_function", FunctionName="f", Runtime="python3.99", Role=ROLE, Handler="app.handler",
                 Code={"ZipFile": zipped(ECHO)})  # fmt: skip
    error = await strict.invoke()
    assert error["errorType"] == "Runtime.Unavailable"
    assert "This machine has no Python 3.99" in error["errorMessage"]


async def test_a_flood_of_events_is_delivered_by_few_processes(call, tmp_path):
    code = """
        import os
        def handler(event, context):
            with open(os.environ["OUT"], "a") as out:
                out.write(f"{event} {os.getpid()}\\n")
    """
    out = tmp_path / "out"
    await call.create(code, Environment={"Variables": {"OUT": str(out)}})
    for number in range(200):
        await call("invoke", FunctionName="f", Payload=str(number).encode(), InvocationType="Event")
    await until(lambda: out.exists() and out.read_text().count("\n") == 200, 30)
    lines = [line.split() for line in out.read_text().splitlines()]
    assert sorted(int(number) for number, _ in lines) == list(range(200))
    assert len({pid for _, pid in lines}) < 2 * AT_ONCE


async def test_two_invocations_of_one_caller(tmp_path, cache):
    """Called through the gateway, as S3 calls for each notification of one request."""
    stack = Stack(Settings(data=tmp_path, cache=cache, function_sandbox="none"))
    ctx = stack.context(ACCOUNT, "us-east-1", ROOT)
    heard = tmp_path / "heard"
    code = f"def handler(event, context):\n    print(event)\n    open({str(heard)!r}, 'a').write(event)\n"
    request = {
        "FunctionName": "f",
        "Runtime": PYTHON,
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped(code)},
        "Timeout": 10,
    }
    await ctx.call("lambda", "create_function", request)
    call = {"FunctionName": "f", "LogType": "Tail"}
    answers = await asyncio.gather(
        *(ctx.call("lambda", "invoke", {**call, "Payload": payload}) for payload in (b'"a"', b'"b"'))
    )
    logs = [base64.b64decode(answer["LogResult"]).decode() for answer in answers]
    assert [re.findall(r"^[ab]$", log, re.MULTILINE) for log in logs] == [["a"], ["b"]]
    assert len({re.search(r"START RequestId: (\S+)", log)[1] for log in logs}) == 2
    for payload in (b'"c"', b'"d"'):
        await ctx.call("lambda", "invoke", {"FunctionName": "f", "InvocationType": "Event", "Payload": payload})
    await until(lambda: sorted(heard.read_text()) == ["a", "b", "c", "d"])
    for room in reversed(stack.rooms):
        await room.stop()
    stack.close_databases()
