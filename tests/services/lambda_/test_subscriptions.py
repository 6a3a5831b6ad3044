"""Log events, and the functions that have subscribed to them."""

import base64
import gzip
import json
import random
import string
import time

import pytest
from tests.services.lambda_.conftest import ACCOUNT, ARN, until

from outcrop.services.contract import ServiceError

GROUP = "/app"
TELL = """
    import json, os
    def handler(event, context):
        with open(os.environ["OUT"], "a") as out:
            out.write(json.dumps(event) + "\\n")
"""


async def allow(call, principal="logs.amazonaws.com", **statement):
    await call(
        "add_permission",
        FunctionName="f",
        StatementId="logs",
        Action="lambda:InvokeFunction",
        Principal=principal,
        SourceArn=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}:*",
        SourceAccount=ACCOUNT,
        **statement,
    )


async def subscribe(call, name="s", pattern="", destination=f"{ARN}:f", **members):
    await call(
        "put_subscription_filter",
        service="logs",
        logGroupName=GROUP,
        filterName=name,
        filterPattern=pattern,
        destinationArn=destination,
        **members,
    )


async def put(call, *messages):
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": message} for message in messages]
    await call("put_log_events", service="logs", logGroupName=GROUP, logStreamName="one", logEvents=events)


@pytest.fixture
async def heard(call, tmp_path):
    """A group, and a function beside it; answers the messages that it got so far."""
    await call("create_log_group", service="logs", logGroupName=GROUP)
    await call("create_log_stream", service="logs", logGroupName=GROUP, logStreamName="one")
    await call.create(TELL, Environment={"Variables": {"OUT": str(tmp_path / "heard")}})

    def messages():
        out = tmp_path / "heard"
        lines = out.read_text().splitlines() if out.exists() else []
        return [json.loads(gzip.decompress(base64.b64decode(json.loads(line)["awslogs"]["data"]))) for line in lines]

    return messages


async def test_matching_events_reach_the_function(call, heard):
    await allow(call)
    await put(call, "ERROR before")
    await subscribe(call, pattern="ERROR")
    await put(call, "ERROR ünö", "fine", "an ERROR too")
    await until(heard)
    (message,) = heard()
    events = message.pop("logEvents")
    assert message == {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": GROUP,
        "logStream": "one",
        "subscriptionFilters": ["s"],
    }
    assert [event["message"] for event in events] == ["ERROR ünö", "an ERROR too"]
    kept = await call("filter_log_events", service="logs", logGroupName=GROUP, filterPattern="ERROR")
    assert [event["id"] for event in events] == [event["eventId"] for event in kept["events"][1:]]


async def test_fields_come_with_the_names_of_the_pattern(call, heard):
    await allow(call, "logs.us-east-1.amazonaws.com")
    await subscribe(call, pattern="[level, code=5*]")
    await put(call, "WARN 404", "WARN 503")
    await until(heard)
    (event,) = heard()[0]["logEvents"]
    assert event["extractedFields"] == {"level": "WARN", "code": "503"}


async def test_many_events_come_in_several_messages(call, heard):
    await allow(call)
    await subscribe(call)
    noise = random.Random(1)
    sent = ["".join(noise.choices(string.printable, k=50_000)) for _ in range(12)]
    await put(call, *sent)

    def arrived():
        return sorted(event["message"] for message in heard() for event in message["logEvents"])

    await until(lambda: len(arrived()) == len(sent))
    assert arrived() == sorted(sent)
    assert len(heard()) > 1


async def test_the_life_of_a_filter(call, heard):
    await allow(call)
    await subscribe(call, "a")
    await subscribe(call, "b", distribution="Random")
    with pytest.raises(ServiceError, match="Resource limit exceeded") as refused:
        await subscribe(call, "c")
    assert refused.value.code == "LimitExceededException"
    before = await call("describe_subscription_filters", service="logs", logGroupName=GROUP)
    await subscribe(call, "a", "[]")
    after = await call("describe_subscription_filters", service="logs", logGroupName=GROUP, limit=1)
    assert after["nextToken"]
    assert after["subscriptionFilters"] == [
        {
            "filterName": "a",
            "logGroupName": GROUP,
            "filterPattern": "[]",
            "destinationArn": f"{ARN}:f",
            "creationTime": before["subscriptionFilters"][0]["creationTime"],
            "distribution": "ByLogStream",
        }
    ]
    for name in ("a", "b"):
        await call("delete_subscription_filter", service="logs", logGroupName=GROUP, filterName=name)
    with pytest.raises(ServiceError, match="The specified subscription filter does not exist"):
        await call("delete_subscription_filter", service="logs", logGroupName=GROUP, filterName="a")


async def test_put_refuses(call, heard):
    with pytest.raises(ServiceError, match="Could not execute the lambda function"):
        await subscribe(call)
    with pytest.raises(ServiceError, match="Could not execute the lambda function"):
        await subscribe(call, destination=f"{ARN}:missing")
    with pytest.raises(ServiceError, match="functions only"):
        await subscribe(call, destination=f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/s")
    with pytest.raises(ServiceError, match="emitSystemFields"):
        await subscribe(call, emitSystemFields=["@aws.region"])
    await allow(call)
    with pytest.raises(ServiceError, match="filter pattern"):
        await subscribe(call, pattern="{ nonsense")


async def test_a_function_cannot_hear_its_own_log(call, heard):
    await call("create_log_group", service="logs", logGroupName="/aws/lambda/f")
    with pytest.raises(ServiceError, match="own log"):
        await call(
            "put_subscription_filter",
            service="logs",
            logGroupName="/aws/lambda/f",
            filterName="s",
            filterPattern="",
            destinationArn=f"{ARN}:f:live",
        )
