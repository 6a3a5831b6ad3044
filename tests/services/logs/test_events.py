import time

import pytest

from outcrop.services.logs import service as logs
from outcrop.services.logs.errors import InvalidParameterException, ResourceNotFoundException
from outcrop.services.logs.groups import trim_expired
from outcrop.services.logs.store import DAY, LogStore

NOW = int(time.time() * 1000)


@pytest.fixture
async def put(call):
    await call("create_log_group", logGroupName="g")
    await call("create_log_stream", logGroupName="g", logStreamName="s")

    async def put(*messages, stream="s", start=NOW, step=1):
        events = [{"timestamp": start + number * step, "message": message} for number, message in enumerate(messages)]
        return await call("put_log_events", logGroupName="g", logStreamName=stream, logEvents=events)

    return put


async def messages(call, **request):
    page = await call("get_log_events", logGroupName="g", logStreamName="s", **request)
    return [event["message"] for event in page["events"]], page


async def test_put_log_events(call, put):
    result = await put("one", "two", "three")
    assert len(result["nextSequenceToken"]) == 56
    assert "rejectedLogEventsInfo" not in result
    (stream,) = (await call("describe_log_streams", logGroupName="g"))["logStreams"]
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (NOW, NOW + 2)
    assert stream["uploadSequenceToken"] == result["nextSequenceToken"]
    found, page = await messages(call)
    assert found == ["one", "two", "three"]
    assert page["events"][0]["ingestionTime"] >= NOW


async def test_put_log_events_takes_any_text(call, put):
    await put("half \ud800 a character", "nul \x00", "é\n")
    assert (await messages(call))[0] == ["half ? a character", "nul \x00", "é\n"]


async def test_put_log_events_refuses_bad_batches(call, put):
    with pytest.raises(InvalidParameterException, match="chronological order"):
        await put("a", "b", step=-1)
    with pytest.raises(InvalidParameterException, match="span more than 24 hours"):
        await put("a", "b", start=NOW - 2 * DAY, step=DAY + 1)
    with pytest.raises(InvalidParameterException, match="Upload too large: 1200052 bytes exceeds limit of 1048576"):
        await put("x" * 600_000, "y" * 600_000)
    with pytest.raises(InvalidParameterException, match="Log event too large"):
        await put("x" * (1 << 20))
    with pytest.raises(ResourceNotFoundException, match="log stream does not exist"):
        await put("a", stream="nowhere")
    assert (await messages(call))[0] == []


async def test_put_log_events_rejects_out_of_range(call, put):
    await call("put_retention_policy", logGroupName="g", retentionInDays=3)
    events = [(NOW - 15 * DAY, "old"), (NOW - 4 * DAY, "expired"), (NOW, "good"), (NOW + 3 * 3_600_000, "new")]
    result = await call(
        "put_log_events",
        logGroupName="g",
        logStreamName="s",
        logEvents=[{"timestamp": at, "message": message} for at, message in events],
    )
    assert result["rejectedLogEventsInfo"] == {
        "tooOldLogEventEndIndex": 1,
        "expiredLogEventEndIndex": 2,
        "tooNewLogEventStartIndex": 3,
    }
    assert (await messages(call))[0] == ["good"]


async def test_get_log_events_pages_forward(call, put):
    await put(*(str(number) for number in range(10)))
    first, page = await messages(call, startFromHead=True, limit=4)
    assert first == ["0", "1", "2", "3"]
    second, page = await messages(call, nextToken=page["nextForwardToken"], limit=4)
    third, page = await messages(call, nextToken=page["nextForwardToken"], limit=4)
    assert (second, third) == (["4", "5", "6", "7"], ["8", "9"])
    end, last = await messages(call, nextToken=page["nextForwardToken"])
    assert (end, last["nextForwardToken"]) == ([], page["nextForwardToken"])
    back, _ = await messages(call, nextToken=last["nextBackwardToken"], limit=2)
    assert back == ["8", "9"]
    await put("later", start=NOW + 50)
    assert (await messages(call, nextToken=last["nextForwardToken"]))[0] == ["later"]


async def test_get_log_events_pages_backward(call, put):
    await put(*(str(number) for number in range(5)))
    latest, page = await messages(call, limit=3)
    assert latest == ["2", "3", "4"]
    earlier, page = await messages(call, nextToken=page["nextBackwardToken"], limit=3)
    assert earlier == ["0", "1"]
    nothing, last = await messages(call, nextToken=page["nextBackwardToken"])
    assert (nothing, last["nextBackwardToken"]) == ([], page["nextBackwardToken"])
    assert (await messages(call, nextToken=last["nextForwardToken"], limit=1))[0] == ["0"]


async def test_get_log_events_follows_an_empty_stream(call, put):
    nothing, page = await messages(call, startFromHead=True)
    assert nothing == []
    await put("first")
    assert (await messages(call, nextToken=page["nextForwardToken"]))[0] == ["first"]


async def test_get_log_events_time_range(call, put):
    await put("a", "b", "c")
    assert (await messages(call, startTime=NOW + 1, endTime=NOW + 2))[0] == ["b"]
    assert (await messages(call, startTime=1 << 63, endTime=1 << 63))[0] == []
    with pytest.raises(InvalidParameterException, match="nextToken is invalid"):
        await messages(call, nextToken="f/123/s")
    with pytest.raises(InvalidParameterException, match="nextToken is invalid"):
        await messages(call, nextToken="f/" + "9" * 56 + "/s")
    with pytest.raises(InvalidParameterException, match="cannot both be specified"):
        await messages(call, logGroupIdentifier="g")


async def test_get_log_events_page_is_a_megabyte(call, put):
    await put(*["x" * 300_000] * 3)
    await put(*["y" * 300_000] * 3, start=NOW + 10)
    first, page = await messages(call, startFromHead=True)
    assert [message[0] for message in first] == ["x", "x", "x"]
    assert [m[0] for m in (await messages(call, nextToken=page["nextForwardToken"]))[0]] == ["y", "y", "y"]


async def test_retention_hides_and_trims(call, put, databases):
    await put("old", start=NOW - 5 * DAY)
    await put("fresh")
    await call("put_retention_policy", logGroupName="g", retentionInDays=3)
    assert (await messages(call, startFromHead=True))[0] == ["fresh"]
    trim_expired(LogStore(databases("logs")))
    await call("delete_retention_policy", logGroupName="g")
    assert (await messages(call, startFromHead=True))[0] == ["fresh"]
    assert (await call("describe_log_groups"))["logGroups"][0]["storedBytes"] == 26 + len("fresh")
    assert (await call("describe_log_streams", logGroupName="g"))["logStreams"][0]["firstEventTimestamp"] == NOW


async def filtered(call, **request):
    page = await call("filter_log_events", logGroupName="g", **request)
    return [event["message"] for event in page["events"]], page


async def test_filter_log_events_interleaves(call, put):
    await call("create_log_stream", logGroupName="g", logStreamName="t")
    await put("s1", "s2", "s3", step=10)
    await put("t1", "t2", "t3", stream="t", start=NOW + 5, step=10)
    found, page = await filtered(call)
    assert found == ["s1", "t1", "s2", "t2", "s3", "t3"]
    assert "nextToken" not in page
    assert page["searchedLogStreams"] == []
    assert page["events"][1]["logStreamName"] == "t"
    assert len({event["eventId"] for event in page["events"]}) == 6
    assert (await filtered(call, startFromHead=False))[0] == ["t3", "s3", "t2", "s2", "t1", "s1"]
    assert (await filtered(call, logStreamNames=["t"]))[0] == ["t1", "t2", "t3"]
    assert (await filtered(call, logStreamNamePrefix="s"))[0] == ["s1", "s2", "s3"]
    assert (await filtered(call, startTime=NOW + 5, endTime=NOW + 10))[0] == ["t1", "s2"]


@pytest.mark.parametrize("from_head", [True, False])
async def test_filter_log_events_pages(call, put, from_head):
    streams = ["s", "t", "u"]
    for name in streams[1:]:
        await call("create_log_stream", logGroupName="g", logStreamName=name)
    expected = []
    for number in range(40):  # the same times in every stream: order must stay total across pages
        for name in streams:
            await put(f"{name}{number}", stream=name, start=NOW + number // 4)
            expected.append(f"{name}{number}")
    seen, token = [], {"startFromHead": from_head}
    while True:
        found, page = await filtered(call, limit=7, **token)
        assert len(found) <= 7
        seen += found
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert len(seen) == len(expected)
    assert sorted(seen) == sorted(expected)
    times = [int(message[1:]) // 4 for message in seen]
    assert times == sorted(times, reverse=not from_head)


async def test_filter_log_events_pattern(call, put):
    await put('{"level": "ERROR", "ms": 5}', '{"level": "ERROR", "ms": 1}', '{"level": "INFO", "ms": 9}', "ERROR plain")
    assert (await filtered(call, filterPattern='{ $.level = "ERROR" && $.ms > 3 }'))[0] == [
        '{"level": "ERROR", "ms": 5}'
    ]
    assert (await filtered(call, filterPattern="ERROR -level"))[0] == ["ERROR plain"]
    with pytest.raises(InvalidParameterException, match="Invalid character"):
        await filtered(call, filterPattern="a:b")
    with pytest.raises(InvalidParameterException, match="logStreamNamePrefix"):
        await filtered(call, logStreamNames=["s"], logStreamNamePrefix="s")
    with pytest.raises(InvalidParameterException, match="nextToken is invalid"):
        await filtered(call, nextToken="what")


async def test_events_survive_a_restart(call, put, deps, databases):
    await put("kept")
    databases("logs").close()
    again = logs.services(deps)[0]
    events = next(resource for resource in again.resources if hasattr(resource, "get_log_events"))
    page = await events.get_log_events(call.context(), {"logGroupName": "g", "logStreamName": "s"})
    assert [event["message"] for event in page["events"]] == ["kept"]


async def test_put_log_events_is_fast(call, put):
    started = time.perf_counter()
    for batch in range(5):
        await put(*[f"line {number} of a hundred characters {'x' * 70}" for number in range(5000)], start=NOW + batch)
    assert 25_000 / (time.perf_counter() - started) > 10_000, "lines a second"
