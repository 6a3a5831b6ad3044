import time

import pytest

from outcrop.services.logs.errors import InvalidParameterException, ResourceNotFoundException

NOW = int(time.time() * 1000)


async def test_test_metric_filter(call):
    result = await call(
        "test_metric_filter", filterPattern="[ip, ..., bytes > 5]", logEventMessages=["10.0.0.1 x 9", "10.0.0.1 x 1"]
    )
    assert result["matches"] == [
        {"eventNumber": 1, "eventMessage": "10.0.0.1 x 9", "extractedValues": {"$ip": "10.0.0.1", "$bytes": "9"}}
    ]


async def put_filter(call, **transformation):
    await call(
        "put_metric_filter",
        logGroupName="g",
        filterName="f",
        filterPattern='{ $.kind = "done" }',
        metricTransformations=[
            {"metricName": "Latency", "metricNamespace": "App", "metricValue": "$.ms", **transformation}
        ],
    )


async def test_put_metric_filter_feeds_cloudwatch(call):
    await call("create_log_group", logGroupName="g")
    await call("create_log_stream", logGroupName="g", logStreamName="s")
    await put_filter(call, unit="Milliseconds", dimensions={"Page": "$.page"})
    lines = ['{"kind":"done","ms":5,"page":"a"}', '{"kind":"done","ms":7,"page":"a"}', '{"kind":"begun","ms":99}']
    events = [{"timestamp": NOW, "message": line} for line in lines]
    await call("put_log_events", logGroupName="g", logStreamName="s", logEvents=events)
    (metric,) = (await call("list_metrics", "cloudwatch"))["Metrics"]
    assert metric["Dimensions"] == [{"Name": "Page", "Value": "a"}]
    assert (await call("describe_log_groups"))["logGroups"][0]["metricFilterCount"] == 1


async def test_describe_metric_filters(call):
    await call("create_log_group", logGroupName="g")
    await put_filter(call, defaultValue=0.0)
    (known,) = (await call("describe_metric_filters", logGroupName="g", filterNamePrefix="f"))["metricFilters"]
    assert known["metricTransformations"][0]["defaultValue"] == 0.0
    assert known["logGroupName"] == "g"
    assert (await call("describe_metric_filters", metricName="X", metricNamespace="App"))["metricFilters"] == []
    await call("delete_metric_filter", logGroupName="g", filterName="f")
    with pytest.raises(ResourceNotFoundException, match="metric filter does not exist"):
        await call("delete_metric_filter", logGroupName="g", filterName="f")


async def test_put_metric_filter_refuses(call):
    await call("create_log_group", logGroupName="g")
    with pytest.raises(InvalidParameterException, match="neither a number nor a field"):
        await put_filter(call, metricValue="many")
    with pytest.raises(InvalidParameterException, match="exclude each other"):
        await put_filter(call, defaultValue=1.0, dimensions={"a": "$.a"})
