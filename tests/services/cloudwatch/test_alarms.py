import json
import time
from datetime import UTC, datetime

import pytest

from outcrop.services.cloudwatch.errors import ResourceNotFound, ResourceNotFoundException, ValidationError
from outcrop.services.cloudwatch.queries import Calculator
from outcrop.services.cloudwatch.watch import Watch
from outcrop.services.contract import Context

ALARM = {
    "AlarmName": "slow",
    "Namespace": "App",
    "MetricName": "Latency",
    "Statistic": "Maximum",
    "Period": 60,
    "EvaluationPeriods": 3,
    "Threshold": 5.0,
    "ComparisonOperator": "GreaterThanThreshold",
}
NOW = int(time.time()) // 60 * 60 - 60


async def put(call, minutes_ago, value, name="Latency"):
    at = datetime.fromtimestamp(NOW - 60 * minutes_ago, UTC)
    await call("put_metric_data", Namespace="App", MetricData=[{"MetricName": name, "Timestamp": at, "Value": value}])


@pytest.fixture
def invoked():
    return []


@pytest.fixture
def check(call, store, invoked):
    class Deps:
        def context(self, account, region, principal):
            async def ask(service, operation, request):
                invoked.append((principal, service, operation, request))
                return {}

            return Context(account, region, principal, "id", ask)

    async def check(now=NOW + 1):
        (alarm,) = store.all_alarms()
        await Watch(store, Calculator(store), Deps()).check(alarm, now)
        (described,) = (await call("describe_alarms"))["MetricAlarms"]
        return described["StateValue"]

    return check


async def test_put_metric_alarm(call):
    await call("put_metric_alarm", **ALARM, Tags=[{"Key": "a", "Value": "1"}], AlarmDescription="d")
    (alarm,) = (await call("describe_alarms", AlarmNames=["slow"]))["MetricAlarms"]
    assert alarm["StateValue"] == "INSUFFICIENT_DATA"
    assert alarm["StateReason"] == "Unchecked: Initial alarm creation"
    assert alarm["AlarmArn"] == "arn:aws:cloudwatch:us-east-1:000000000000:alarm:slow"
    assert (alarm["Threshold"], alarm["ActionsEnabled"], alarm["AlarmActions"]) == (5.0, True, [])
    tags = await call("list_tags_for_resource", ResourceARN=alarm["AlarmArn"])
    assert tags["Tags"] == [{"Key": "a", "Value": "1"}]
    await call("put_metric_alarm", **{**ALARM, "Threshold": 9.0})
    assert (await call("describe_alarms"))["MetricAlarms"][0]["Threshold"] == 9.0
    found = await call("describe_alarms_for_metric", Namespace="App", MetricName="Latency")
    assert len(found["MetricAlarms"]) == 1
    await call("delete_alarms", AlarmNames=["slow"])
    assert (await call("describe_alarms"))["MetricAlarms"] == []
    with pytest.raises(ResourceNotFoundException):
        await call("tag_resource", ResourceARN=alarm["AlarmArn"], Tags=[])
    with pytest.raises(ResourceNotFound):
        await call("set_alarm_state", AlarmName="slow", StateValue="OK", StateReason="r")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"MetricName": None}, "Either MetricName or Metrics"),
        ({"Threshold": None}, "Threshold is required"),
        ({"Statistic": None}, "Exactly one of Statistic"),
        ({"Statistic": None, "ExtendedStatistic": "px"}, "px"),
        ({"Period": 7}, "Period must be"),
        ({"EvaluationPeriods": 100_000}, "seven days"),
        ({"DatapointsToAlarm": 4}, "DatapointsToAlarm"),
        ({"TreatMissingData": "panic"}, "TreatMissingData"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "Anomaly detection is not supported"),
    ],
)
async def test_put_metric_alarm_refuses(call, change, said):
    request = {name: value for name, value in {**ALARM, **change}.items() if value is not None}
    with pytest.raises(ValidationError, match=said):
        await call("put_metric_alarm", **request)


async def test_describe_alarms_pages(call):
    for number in range(5):
        await call("put_metric_alarm", **{**ALARM, "AlarmName": f"a{number}"})
    first = await call("describe_alarms", MaxRecords=3)
    second = await call("describe_alarms", MaxRecords=3, NextToken=first["NextToken"])
    assert [a["AlarmName"] for a in first["MetricAlarms"] + second["MetricAlarms"]] == [f"a{n}" for n in range(5)]
    assert len((await call("describe_alarms", AlarmNamePrefix="a3"))["MetricAlarms"]) == 1
    assert (await call("describe_alarms", StateValue="ALARM"))["MetricAlarms"] == []


@pytest.mark.parametrize(
    ("values", "more", "expected"),
    [
        ({}, {}, "INSUFFICIENT_DATA"),
        ({0: 9, 1: 9, 2: 9}, {}, "ALARM"),
        ({0: 9, 1: 9, 2: 1}, {}, "OK"),
        ({0: 9, 1: 1, 2: 9}, {"DatapointsToAlarm": 2}, "ALARM"),
        ({2: 9}, {}, "ALARM"),
        ({2: 1}, {}, "OK"),
        ({2: 9}, {"TreatMissingData": "notBreaching"}, "OK"),
        ({2: 9}, {"TreatMissingData": "breaching"}, "ALARM"),
        ({}, {"TreatMissingData": "breaching"}, "ALARM"),
        ({}, {"TreatMissingData": "notBreaching"}, "OK"),
        ({2: 9}, {"TreatMissingData": "ignore"}, "INSUFFICIENT_DATA"),
        ({0: 9, 1: 9, 2: 9}, {"TreatMissingData": "ignore"}, "ALARM"),
        ({1: 9, 2: 9, 3: 9}, {}, "ALARM"),
        ({8: 9, 9: 9, 10: 9}, {}, "INSUFFICIENT_DATA"),
    ],
)
async def test_states(call, check, values, more, expected):
    for minutes_ago, value in values.items():
        await put(call, minutes_ago, float(value))
    await call("put_metric_alarm", **ALARM, **more)
    assert await check() == expected


async def test_alarm_on_metric_math(call, check):
    metric = {"Namespace": "App", "MetricName": "Latency"}
    await call(
        "put_metric_alarm",
        AlarmName="math",
        EvaluationPeriods=1,
        Threshold=10.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Metrics=[
            {"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
            {"Id": "e", "Expression": "m * 2"},
        ],
    )
    await put(call, 0, 5.0)
    assert await check() == "ALARM"


async def test_actions_and_history(call, check, invoked):
    function = "arn:aws:lambda:us-east-1:000000000000:function:f"
    topic = "arn:aws:sns:us-east-1:000000000000:t"
    await call("put_metric_alarm", **{**ALARM, "EvaluationPeriods": 1, "AlarmActions": [function, topic]})
    await put(call, 0, 9.0)
    assert await check() == "ALARM"
    assert await check() == "ALARM"
    ((principal, service, operation, request),) = invoked
    assert (principal.kind, service, operation) == ("service", "lambda", "invoke")
    assert json.loads(request["Payload"])["alarmData"]["state"]["value"] == "ALARM"
    items = (await call("describe_alarm_history", AlarmName="slow"))["AlarmHistoryItems"]
    assert [item["HistoryItemType"] for item in items] == ["Action", "Action", "StateUpdate", "ConfigurationUpdate"]
    assert "Failed to execute" in items[0]["HistorySummary"]
    assert "Successfully executed" in items[1]["HistorySummary"]
    only = await call("describe_alarm_history", HistoryItemType="StateUpdate", ScanBy="TimestampAscending")
    assert len(only["AlarmHistoryItems"]) == 1


async def test_set_alarm_state_lasts_until_the_next_look(call, check, invoked):
    await call("put_metric_alarm", **{**ALARM, "EvaluationPeriods": 1})
    await call("set_alarm_state", AlarmName="slow", StateValue="ALARM", StateReason="a drill")
    (alarm,) = (await call("describe_alarms"))["MetricAlarms"]
    assert (alarm["StateValue"], alarm["StateReason"]) == ("ALARM", "a drill")
    await put(call, 0, 1.0)
    assert await check() == "OK"
    await call("disable_alarm_actions", AlarmNames=["slow", "unknown"])
    assert (await call("describe_alarms"))["MetricAlarms"][0]["ActionsEnabled"] is False
    await call("enable_alarm_actions", AlarmNames=["slow"])
    assert (await call("describe_alarms"))["MetricAlarms"][0]["ActionsEnabled"] is True
