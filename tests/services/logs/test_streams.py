import time

import pytest

from outcrop.services.logs.errors import (
    InvalidParameterException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)


async def test_create_log_stream(call):
    with pytest.raises(ResourceNotFoundException, match="log group does not exist"):
        await call("create_log_stream", logGroupName="g", logStreamName="s")
    await call("create_log_group", logGroupName="g")
    await call("create_log_stream", logGroupName="g", logStreamName="2026/01/01/[$LATEST]abc")
    with pytest.raises(ResourceAlreadyExistsException, match="The specified log stream already exists"):
        await call("create_log_stream", logGroupName="g", logStreamName="2026/01/01/[$LATEST]abc")
    (stream,) = (await call("describe_log_streams", logGroupName="g"))["logStreams"]
    assert stream["arn"].endswith(":log-group:g:log-stream:2026/01/01/[$LATEST]abc")
    assert "lastEventTimestamp" not in stream


async def test_describe_log_streams_orders(call):
    await call("create_log_group", logGroupName="g")
    now = int(time.time() * 1000)
    for name, at in (("a", now - 10), ("b", now - 30), ("c", now - 20)):
        await call("create_log_stream", logGroupName="g", logStreamName=name)
        event = {"timestamp": at, "message": name}
        await call("put_log_events", logGroupName="g", logStreamName=name, logEvents=[event])

    async def names(**request):
        page = await call("describe_log_streams", logGroupName="g", **request)
        return [stream["logStreamName"] for stream in page["logStreams"]], page.get("nextToken")

    assert (await names())[0] == ["a", "b", "c"]
    assert (await names(descending=True))[0] == ["c", "b", "a"]
    first, token = await names(orderBy="LastEventTime", descending=True, limit=2)
    assert first == ["a", "c"]
    assert await names(orderBy="LastEventTime", descending=True, limit=2, nextToken=token) == (["b"], None)
    assert (await names(logStreamNamePrefix="b"))[0] == ["b"]
    with pytest.raises(InvalidParameterException, match="Cannot order by LastEventTime with a logStreamNamePrefix"):
        await names(logStreamNamePrefix="b", orderBy="LastEventTime")


async def test_delete_log_stream(call):
    await call("create_log_group", logGroupName="g")
    await call("create_log_stream", logGroupName="g", logStreamName="s")
    event = {"timestamp": int(time.time() * 1000), "message": "x" * 74}
    await call("put_log_events", logGroupName="g", logStreamName="s", logEvents=[event])
    assert (await call("describe_log_groups"))["logGroups"][0]["storedBytes"] == 100
    await call("delete_log_stream", logGroupName="g", logStreamName="s")
    assert (await call("describe_log_groups"))["logGroups"][0]["storedBytes"] == 0
    with pytest.raises(ResourceNotFoundException, match="log stream does not exist"):
        await call("delete_log_stream", logGroupName="g", logStreamName="s")
