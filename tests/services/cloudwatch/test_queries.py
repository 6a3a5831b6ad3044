from datetime import UTC, datetime, timedelta

import pytest

from outcrop.services.cloudwatch.errors import (
    InvalidParameterCombinationException,
    InvalidParameterValueException,
    MissingRequiredParameterException,
    ValidationError,
)
from outcrop.services.cloudwatch.store import DAY

MINUTE = timedelta(minutes=1)
START = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)


async def put(call, at, name="M", **datum):
    datum.setdefault("StorageResolution", 60)
    await call("put_metric_data", Namespace="App", MetricData=[{"MetricName": name, "Timestamp": at, **datum}])


async def statistics(call, start=START, end=START + 30 * MINUTE, period=60, **request):
    request.setdefault("Statistics", ["Sum"])
    result = await call(
        "get_metric_statistics",
        **{"Namespace": "App", "MetricName": "M", "StartTime": start, "EndTime": end, "Period": period, **request},
    )
    return result["Datapoints"]


async def test_get_metric_statistics(call):
    for second, value in ((0, 1.0), (30, 3.0), (61, 10.0)):
        await put(call, START + timedelta(seconds=second), Value=value, Unit="Seconds")
    first, second = await statistics(call, Statistics=["SampleCount", "Average", "Sum", "Minimum", "Maximum"])
    assert first == {
        "Timestamp": START,
        "Unit": "Seconds",
        "SampleCount": 2,
        "Average": 2,
        "Sum": 4,
        "Minimum": 1,
        "Maximum": 3,
    }
    assert second["Timestamp"] == START + MINUTE
    (whole,) = await statistics(call, period=300)
    assert whole["Sum"] == 14


async def test_get_metric_statistics_extended(call):
    await put(call, START, Values=[float(n) for n in range(1, 101)])
    await put(call, START, Values=[1.0], Counts=[900.0])
    (point,) = await statistics(call, Statistics=[], ExtendedStatistics=["p50", "p99", "tm95"])
    assert point["ExtendedStatistics"]["p50"] == 1
    assert point["ExtendedStatistics"]["p99"] == 90
    await put(call, START, StatisticValues={"SampleCount": 2.0, "Sum": 5.0, "Minimum": 1.0, "Maximum": 4.0})
    assert await statistics(call, Statistics=[], ExtendedStatistics=["p50"]) == []
    assert (await statistics(call))[0]["Sum"] == 5050 + 900 + 5


async def test_get_metric_statistics_by_unit(call):
    await put(call, START, Value=1.0, Unit="Seconds")
    await put(call, START, Value=2.0, Unit="Bytes")
    assert {point["Unit"]: point["Sum"] for point in await statistics(call)} == {"Seconds": 1, "Bytes": 2}
    assert [point["Sum"] for point in await statistics(call, Unit="Bytes")] == [2]
    assert await statistics(call, Unit="Count") == []


async def test_get_metric_statistics_by_dimensions(call):
    dimensions = [{"Name": "x", "Value": "1"}, {"Name": "y", "Value": "2"}]
    await put(call, START, Value=1.0, Dimensions=dimensions)
    assert await statistics(call) == []
    assert len(await statistics(call, Dimensions=dimensions[::-1])) == 1
    assert await statistics(call, Dimensions=dimensions[:1]) == []


async def test_get_metric_statistics_high_resolution(call):
    for second in (0, 4, 7):
        await put(call, START + timedelta(seconds=second), Value=1.0, StorageResolution=1)
    assert [point["Sum"] for point in await statistics(call, period=5)] == [2, 1]
    assert [point["Sum"] for point in await statistics(call, period=60)] == [3]
    await put(call, START, "Low", Value=1.0)
    assert await statistics(call, period=5, MetricName="Low") == []


@pytest.mark.parametrize(
    ("request_", "error", "said"),
    [
        ({"period": 7}, InvalidParameterValueException, "Period must be"),
        ({"start": START, "end": START}, InvalidParameterValueException, "StartTime must be less than"),
        ({"Statistics": []}, MissingRequiredParameterException, "At least one of the parameters"),
        ({"ExtendedStatistics": ["p9"]}, InvalidParameterCombinationException, "mutually exclusive"),
        ({"Statistics": [], "ExtendedStatistics": ["q9"]}, InvalidParameterValueException, "q9"),
        (
            {"end": START + timedelta(days=2)},
            InvalidParameterCombinationException,
            "You have requested up to 2,880 datapoints, which exceeds the limit of 1,440",
        ),
    ],
)
async def test_get_metric_statistics_refuses(call, request_, error, said):
    with pytest.raises(error, match=said):
        await statistics(call, **request_)


def stat(name, query_id, **more):
    metric = {"Namespace": "App", "MetricName": name}
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, **more}


async def data(call, *queries, **request):
    request = {"StartTime": START, "EndTime": START + 10 * MINUTE, **request}
    return await call("get_metric_data", MetricDataQueries=list(queries), **request)


async def test_get_metric_data(call):
    for minute in range(3):
        await put(call, START + minute * MINUTE, "Errors", Value=1.0)
        await put(call, START + minute * MINUTE, "Calls", Value=4.0)
    result = await data(
        call,
        {"Id": "rate", "Expression": "100 * errors / calls", "Label": "Error rate"},
        {"Id": "filled", "Expression": "FILL(rate, 0)"},
        stat("Errors", "errors"),
        stat("Calls", "calls", ReturnData=False),
        ScanBy="TimestampAscending",
    )
    rate, filled, errors = result["MetricDataResults"]
    assert (rate["Id"], rate["Label"], rate["StatusCode"]) == ("rate", "Error rate", "Complete")
    assert rate["Timestamps"] == [START + minute * MINUTE for minute in range(3)]
    assert rate["Values"] == [25, 25, 25]
    assert filled["Values"] == [25] * 3 + [0] * 7
    assert (errors["Label"], errors["Values"]) == ("Errors", [1, 1, 1])
    assert "NextToken" not in result


async def test_get_metric_data_pages(call):
    for minute in range(5):
        await put(call, START + minute * MINUTE, "A", Value=float(minute))
        await put(call, START + minute * MINUTE, "B", Value=float(minute))
    seen, token = {"a": [], "b": [], "none": []}, {}
    while True:
        page = await data(call, stat("A", "a"), stat("B", "b"), stat("None", "none"), MaxDatapoints=3, **token)
        for result in page["MetricDataResults"]:
            seen[result["Id"]] += result["Values"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert seen == {"a": [4, 3, 2, 1, 0], "b": [4, 3, 2, 1, 0], "none": []}


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        ([stat("A", "Upper")], "not matching the expected pattern"),
        ([stat("A", "a"), stat("B", "a")], "not unique"),
        ([{"Id": "a"}], "mutually exclusive"),
        ([{"Id": "a", "Expression": "b + 1"}, {"Id": "b", "Expression": "a + 1"}], "refers to itself"),
        ([{"Id": "a", "Expression": "a"}], "refers to itself"),
        ([{"Id": "a", "Expression": "1 +"}], "Error in expression 'a': Syntax error"),
        ([{"Id": "a", "Expression": "m + $"}], "Error in expression 'a': Syntax error"),
        ([{"Id": "a", "Expression": "1 + 1"}], "must yield a time series"),
        ([], "must not be empty"),
    ],
)
async def test_get_metric_data_refuses(call, queries, said):
    with pytest.raises(ValidationError, match=said):
        await data(call, *queries)


async def test_data_grow_coarser_with_age(call, store):
    for second in range(0, 120, 10):
        await put(call, START + timedelta(seconds=second), Value=1.0, StorageResolution=1)
    store.age(START.timestamp() + 4 * 3600, batch=3)
    assert await statistics(call, period=10) == []
    assert [point["Sum"] for point in await statistics(call)] == [6, 6]
    store.age(START.timestamp() + 16 * DAY)
    assert await statistics(call) == []
    assert sum(point["Sum"] for point in await statistics(call, start=START - 15 * MINUTE, period=300)) == 12
    store.age(START.timestamp() + 500 * DAY)
    assert (await call("list_metrics"))["Metrics"] == []
