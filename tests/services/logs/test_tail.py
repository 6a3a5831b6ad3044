import time

import pytest

from outcrop.services.logs.errors import InvalidParameterException
from outcrop.services.logs.store import LogStore
from outcrop.services.logs.tail import LiveTail, Tails

ARN = "arn:aws:logs:us-east-1:000000000000:log-group:g"


async def test_start_live_tail(call, databases):
    await call("create_log_group", logGroupName="g")
    await call("create_log_stream", logGroupName="g", logStreamName="s")
    events = call.operations["logs", "put_log_events"].__self__
    events._tails.interval = 0.01
    result = await call("start_live_tail", logGroupIdentifiers=[ARN], logEventFilterPattern="ERROR")
    stream = result["responseStream"]
    assert "sessionId" in (await anext(stream))["sessionStart"]
    now = int(time.time() * 1000)
    lines = [{"timestamp": now, "message": "ERROR one"}, {"timestamp": now, "message": "fine"}]
    await call("put_log_events", logGroupName="g", logStreamName="s", logEvents=lines)
    update = (await anext(stream))["sessionUpdate"]
    assert [event["message"] for event in update["sessionResults"]] == ["ERROR one"]
    assert update["sessionMetadata"] == {"sampled": False}
    assert (await anext(stream))["sessionUpdate"]["sessionResults"] == []
    await stream.aclose()
    assert not events._tails._sessions


async def test_start_live_tail_refuses(call, databases):
    tail = LiveTail(LogStore(databases("logs")), Tails())
    with pytest.raises(InvalidParameterException, match="takes ARNs"):
        await tail.start_live_tail(call.context(), {"logGroupIdentifiers": ["g"]})
