import time
from datetime import UTC, datetime, timedelta

import pytest

from outcrop.services.cloudwatch.errors import (
    InvalidNextToken,
    InvalidParameterCombinationException,
    InvalidParameterValueException,
    MissingRequiredParameterException,
)

NOW = datetime.now(UTC).replace(microsecond=0)


async def put(call, name="M", **datum):
    await call("put_metric_data", Namespace="App", MetricData=[{"MetricName": name, **datum}])


@pytest.mark.parametrize(
    ("datum", "error", "said"),
    [
        (
            {"Value": float("nan")},
            InvalidParameterValueException,
            "The value nan for parameter MetricData.member.1.Value",
        ),
        ({"Value": float("inf")}, InvalidParameterValueException, "is invalid"),
        ({"Value": 2.0**361}, InvalidParameterValueException, "is invalid"),
        ({}, MissingRequiredParameterException, "must be specified"),
        ({"Value": 1.0, "Values": [1.0]}, InvalidParameterCombinationException, "mutually exclusive"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, InvalidParameterValueException, "must be of the same size"),
        ({"Values": [1.0], "Counts": [0.0]}, InvalidParameterValueException, "greater than 0"),
        ({"Values": [float(n) for n in range(151)]}, InvalidParameterValueException, "greater than 150"),
        ({"Value": 1.0, "Timestamp": NOW - timedelta(days=15)}, InvalidParameterValueException, "past two weeks"),
        (
            {"Value": 1.0, "Timestamp": NOW + timedelta(hours=3)},
            InvalidParameterValueException,
            "two hours in the future",
        ),
        ({"Value": 1.0, "StorageResolution": 5}, InvalidParameterValueException, "must be 1 or 60"),
        (
            {"StatisticValues": {"SampleCount": 1.0, "Sum": 1.0, "Minimum": 2.0, "Maximum": 1.0}},
            InvalidParameterCombinationException,
            "Maximum must be",
        ),
        (
            {"Value": 1.0, "Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]},
            InvalidParameterValueException,
            "names a dimension twice",
        ),
    ],
)
async def test_put_metric_data_refuses(call, datum, error, said):
    with pytest.raises(error, match=said):
        await put(call, **datum)
    assert (await call("list_metrics"))["Metrics"] == []


async def test_put_metric_data_is_all_or_nothing(call):
    data = [{"MetricName": "Good", "Value": 1.0}, {"MetricName": "Bad", "Value": float("nan")}]
    with pytest.raises(InvalidParameterValueException, match=r"MetricData\.member\.2"):
        await call("put_metric_data", Namespace="App", MetricData=data)
    assert (await call("list_metrics"))["Metrics"] == []
    with pytest.raises(InvalidParameterValueException, match="greater than 1000"):
        await call("put_metric_data", Namespace="App", MetricData=[data[0]] * 1001)


async def test_list_metrics(call):
    await put(call, "A", Value=1.0, Dimensions=[{"Name": "y", "Value": "2"}, {"Name": "x", "Value": "1"}])
    await put(call, "A", Value=1.0, Dimensions=[{"Name": "x", "Value": "2"}])
    await put(call, "B", Value=1.0, Timestamp=NOW - timedelta(hours=5))
    await call("put_metric_data", Namespace="Other", MetricData=[{"MetricName": "A", "Value": 1.0}])

    async def names(**request):
        return [(m["Namespace"], m["MetricName"]) for m in (await call("list_metrics", **request))["Metrics"]]

    assert await names() == [("App", "A"), ("App", "A"), ("App", "B"), ("Other", "A")]
    assert await names(Namespace="App", MetricName="B") == [("App", "B")]
    assert await names(RecentlyActive="PT3H") == [("App", "A"), ("App", "A"), ("Other", "A")]
    assert len(await names(Dimensions=[{"Name": "x"}])) == 2
    found = await call("list_metrics", Dimensions=[{"Name": "x", "Value": "1"}])
    assert found["Metrics"][0]["Dimensions"] == [{"Name": "x", "Value": "1"}, {"Name": "y", "Value": "2"}]
    call.region = "eu-west-1"
    assert await names() == []


async def test_list_metrics_pages(call):
    data = [{"MetricName": f"M{number:04d}", "Value": 1.0} for number in range(1000)]
    await call("put_metric_data", Namespace="App", MetricData=data)
    first = await call("list_metrics")
    second = await call("list_metrics", NextToken=first["NextToken"])
    assert len(first["Metrics"]) == len(second["Metrics"]) == 500
    assert "NextToken" not in second
    with pytest.raises(InvalidNextToken):
        await call("list_metrics", NextToken="x")


async def test_put_metric_data_is_fast(call):
    data = [{"MetricName": f"M{number}", "Value": float(number)} for number in range(1000)]
    started = time.perf_counter()
    for _ in range(5):
        await call("put_metric_data", Namespace="App", MetricData=data)
    assert 5000 / (time.perf_counter() - started) > 2_000, "samples a second"
