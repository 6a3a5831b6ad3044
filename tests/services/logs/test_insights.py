"""Queries over log groups."""

from __future__ import annotations

import asyncio
import time

import pytest

from outcrop.services.logs import errors

NOW = int(time.time() * 1000)


@pytest.fixture
async def stocked(call):
    for group in ("web", "jobs"):
        await call("create_log_group", logGroupName=group)
        await call("create_log_stream", logGroupName=group, logStreamName="s")
        events = [{"timestamp": NOW - 10_000 + n, "message": f'{{"level": "INFO", "n": {n}}}'} for n in range(10)]
        await call("put_log_events", logGroupName=group, logStreamName="s", logEvents=events)
    return call


async def results(call, query, **request):
    given = {"logGroupName": "web", "startTime": NOW // 1000 - 60, "endTime": NOW // 1000 + 60, **request}
    started = await call("start_query", queryString=query, **{k: v for k, v in given.items() if v is not None})
    while (found := await call("get_query_results", **started))["status"] in ("Scheduled", "Running"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return found


async def test_start_query(stocked):
    found = await results(stocked, "fields n | filter n >= 8 | sort n desc")
    assert found["status"] == "Complete"
    assert [row[0] for row in found["results"]] == [{"field": "n", "value": "9"}, {"field": "n", "value": "8"}]
    assert found["results"][0][1]["field"] == "@ptr"
    statistics = found["statistics"]
    assert (statistics["recordsMatched"], statistics["recordsScanned"], statistics["logGroupsScanned"]) == (2, 10, 1)
    assert statistics["bytesScanned"] > 200


async def test_start_query_over_several_groups(stocked):
    query = "stats count(*) as events by @log | sort @log"
    found = await results(stocked, query, logGroupName=None, logGroupNames=["web", "jobs"])
    assert found["results"] == [
        [{"field": "@log", "value": f"000000000000:{name}"}, {"field": "events", "value": "10"}]
        for name in ("jobs", "web")
    ]
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:web"
    found = await results(stocked, query, logGroupName=None, logGroupIdentifiers=[arn])
    assert len(found["results"]) == 1


async def test_start_query_limit_and_pages(stocked):
    started = await results(stocked, "fields n", limit=7)
    assert len(started["results"]) == 7
    queries = (await stocked("describe_queries", logGroupName="web", status="Complete"))["queries"]
    query_id = queries[0]["queryId"]
    first = await stocked("get_query_results", queryId=query_id, maxItems=4)
    rest = await stocked("get_query_results", queryId=query_id, nextToken=first["nextToken"])
    assert first["results"] + rest["results"] == started["results"]
    assert "nextToken" not in rest


async def test_times_bound_the_query(stocked):
    assert (await results(stocked, "fields n", endTime=NOW // 1000 - 50))["results"] == []
    assert len((await results(stocked, "fields n", startTime=NOW - 60_000, endTime=NOW))["results"]) == 10


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"queryString": "nope"}, errors.MalformedQueryException),
        ({"logGroupName": "none"}, errors.ResourceNotFoundException),
        ({"logGroupNames": ["web"]}, errors.InvalidParameterException),
        ({"startTime": NOW // 1000 + 100}, errors.InvalidParameterException),
        ({"queryLanguage": "SQL"}, errors.InvalidParameterException),
    ],
)
async def test_start_query_fails(stocked, request_, error):
    given = {"queryString": "fields n", "logGroupName": "web", "startTime": NOW // 1000 - 60, "endTime": NOW // 1000}
    with pytest.raises(error) as caught:
        await stocked("start_query", **{**given, **request_})
    if error is errors.MalformedQueryException:
        assert caught.value.members["queryCompileError"]["location"]["startCharOffset"] == 0


async def test_unknown_queries(stocked):
    for operation in ("get_query_results", "stop_query"):
        with pytest.raises(errors.ResourceNotFoundException):
            await stocked(operation, queryId="none")


async def test_stop_query(stocked):
    given = {"logGroupName": "web", "startTime": NOW // 1000 - 60, "endTime": NOW // 1000}
    started = await stocked("start_query", queryString="fields n", **given)
    assert await stocked("stop_query", **started) == {"success": True}
    await asyncio.sleep(0.05)
    assert (await stocked("get_query_results", **started))["status"] == "Cancelled"
    with pytest.raises(errors.InvalidParameterException):
        await stocked("stop_query", **started)


async def test_get_log_record(stocked):
    found = await results(stocked, "fields n | limit 1")
    pointer = found["results"][0][-1]["value"]
    record = (await stocked("get_log_record", logRecordPointer=pointer))["logRecord"]
    assert (record["n"], record["level"], record["@logStream"]) == ("9", "INFO", "s")
    for wrong in ("", "zzz", "MS8xLzEvMQ=="):
        with pytest.raises((errors.InvalidParameterException, errors.ResourceNotFoundException)):
            await stocked("get_log_record", logRecordPointer=wrong)


async def test_get_log_group_fields(stocked):
    fields = (await stocked("get_log_group_fields", logGroupName="web"))["logGroupFields"]
    assert {"name": "level", "percent": 100} in fields
    assert "@ptr" not in {each["name"] for each in fields}


async def test_query_definitions(stocked):
    put = {"name": "errors", "queryString": "filter level = 'ERROR'", "logGroupNames": ["web"]}
    known = await stocked("put_query_definition", **put)
    with pytest.raises(errors.InvalidParameterException):
        await stocked("put_query_definition", **put)
    await stocked("put_query_definition", **put | known | {"name": "errors2"})
    (shown,) = (await stocked("describe_query_definitions", queryDefinitionNamePrefix="err"))["queryDefinitions"]
    assert (shown["name"], shown["logGroupNames"]) == ("errors2", ["web"])
    assert await stocked("delete_query_definition", **known) == {"success": True}
    with pytest.raises(errors.ResourceNotFoundException):
        await stocked("delete_query_definition", **known)
    with pytest.raises(errors.MalformedQueryException):
        await stocked("put_query_definition", name="x", queryString="nope")
