"""Alarms on one metric or on metric math: kept, watched, and told about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from outcrop.services.cloudwatch.errors import ResourceNotFound, ResourceNotFoundException, ValidationError
from outcrop.services.cloudwatch.metrics import read_dimensions
from outcrop.services.cloudwatch.paging import read_offset, write_offset
from outcrop.services.cloudwatch.queries import check_queries, is_period
from outcrop.services.cloudwatch.statistics import read_statistic
from outcrop.services.cloudwatch.store import Alarm, MetricStore
from outcrop.services.cloudwatch.watch import COMPARISONS, MISSING, change_state
from outcrop.services.contract import Context, Request, Result

KEPT = (
    "ActionsEnabled",
    "AlarmActions",
    "AlarmDescription",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "Dimensions",
    "EvaluateLowSampleCountPercentile",
    "EvaluationPeriods",
    "ExtendedStatistic",
    "InsufficientDataActions",
    "MetricName",
    "Metrics",
    "Namespace",
    "OKActions",
    "Period",
    "Statistic",
    "Threshold",
    "TreatMissingData",
    "Unit",
)
PAGE = 100
LONGEST = 7 * 86_400


class Alarms:
    def __init__(self, store: MetricStore, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake

    async def put_metric_alarm(self, ctx: Context, request: Request) -> Result:
        definition = {"ActionsEnabled": True, **{name: request[name] for name in KEPT if name in request}}
        _check(definition)
        name = request["AlarmName"]
        new = self._store.put_alarm(ctx.account, ctx.region, name, definition)
        alarm = self._store.alarm(ctx.account, ctx.region, name)
        assert alarm is not None, "it was just put"
        if new and (tags := request.get("Tags")):
            self._store.set_tags(alarm.arn, {tag["Key"]: tag["Value"] for tag in tags})
        summary = f'Alarm "{name}" {"created" if new else "updated"}'
        self._store.add_history(alarm, "ConfigurationUpdate", summary, {"type": "Create" if new else "Update"})
        self._wake()
        return {}

    async def describe_alarms(self, ctx: Context, request: Request) -> Result:
        names, prefix = request.get("AlarmNames"), request.get("AlarmNamePrefix", "")
        if names and prefix:
            raise ValidationError("The parameters AlarmNames and AlarmNamePrefix are mutually exclusive")
        if "MetricAlarm" not in request.get("AlarmTypes", ["MetricAlarm"]):
            return {"MetricAlarms": [], "CompositeAlarms": []}
        action = request.get("ActionPrefix", "")
        found = [
            alarm
            for alarm in self._store.alarms(ctx.account, ctx.region)
            if (not names or alarm.name in names)
            and alarm.name.startswith(prefix)
            and request.get("StateValue", alarm.state) == alarm.state
            and (not action or any(one.startswith(action) for one in alarm.definition.get("AlarmActions", ())))
        ]
        start, limit = read_offset(request.get("NextToken")), request.get("MaxRecords", PAGE)
        result: dict[str, Any] = {
            "MetricAlarms": [_describe(alarm) for alarm in found[start : start + limit]],
            "CompositeAlarms": [],
        }
        if start + limit < len(found):
            result["NextToken"] = write_offset(start + limit)
        return result

    async def describe_alarms_for_metric(self, ctx: Context, request: Request) -> Result:
        wanted = {
            name: request[name] for name in ("Statistic", "ExtendedStatistic", "Period", "Unit") if name in request
        }
        dimensions = read_dimensions(request.get("Dimensions", ()))
        found = [
            alarm
            for alarm in self._store.alarms(ctx.account, ctx.region)
            if alarm.definition.get("MetricName") == request["MetricName"]
            and alarm.definition.get("Namespace") == request["Namespace"]
            and read_dimensions(alarm.definition.get("Dimensions", ())) == dimensions
            and all(alarm.definition.get(name) == value for name, value in wanted.items())
        ]
        return {"MetricAlarms": [_describe(alarm) for alarm in found]}

    async def set_alarm_state(self, ctx: Context, request: Request) -> Result:
        alarm = self._find(ctx, request["AlarmName"])
        state, data = request["StateValue"], request.get("StateReasonData", "")
        change_state(self._store, alarm, state, request["StateReason"], data)
        self._wake()
        return {}

    async def delete_alarms(self, ctx: Context, request: Request) -> Result:
        for alarm in [self._find(ctx, name) for name in request["AlarmNames"]]:
            self._store.delete_alarm(alarm)
        return {}

    async def enable_alarm_actions(self, ctx: Context, request: Request) -> Result:
        self._switch(ctx, request, enabled=True)
        return {}

    async def disable_alarm_actions(self, ctx: Context, request: Request) -> Result:
        self._switch(ctx, request, enabled=False)
        return {}

    async def describe_alarm_history(self, ctx: Context, request: Request) -> Result:
        name, kind = request.get("AlarmName"), request.get("HistoryItemType")
        since, until = request.get("StartDate"), request.get("EndDate")
        items = [
            item
            for item in self._store.history(ctx.account, ctx.region)
            if name in (None, item.alarm_name)
            and kind in (None, item.kind)
            and (since is None or item.at >= since.timestamp())
            and (until is None or item.at <= until.timestamp())
        ]
        if request.get("ScanBy") == "TimestampAscending":
            items.reverse()
        start, limit = read_offset(request.get("NextToken")), request.get("MaxRecords", PAGE)
        result: dict[str, Any] = {
            "AlarmHistoryItems": [
                {
                    "AlarmName": item.alarm_name,
                    "AlarmType": "MetricAlarm",
                    "Timestamp": _moment(item.at),
                    "HistoryItemType": item.kind,
                    "HistorySummary": item.summary,
                    "HistoryData": item.data,
                }
                for item in items[start : start + limit]
            ]
        }
        if start + limit < len(items):
            result["NextToken"] = write_offset(start + limit)
        return result

    def _find(self, ctx: Context, name: str) -> Alarm:
        if not (alarm := self._store.alarm(ctx.account, ctx.region, name)):
            raise ResourceNotFound(f"Unknown alarm: {name}")
        return alarm

    def _switch(self, ctx: Context, request: Request, *, enabled: bool) -> None:
        for name in request["AlarmNames"]:
            if alarm := self._store.alarm(ctx.account, ctx.region, name):
                self._store.put_alarm(ctx.account, ctx.region, name, {**alarm.definition, "ActionsEnabled": enabled})


class Tags:
    """Tags of alarms and dashboards."""

    def __init__(self, store: MetricStore) -> None:
        self._store = store

    async def tag_resource(self, ctx: Context, request: Request) -> Result:
        arn = self._known(ctx, request["ResourceARN"])
        tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        if len({**self._store.tags(arn), **tags}) > 50:
            raise ValidationError("A resource takes 50 tags")
        self._store.set_tags(arn, tags)
        return {}

    async def untag_resource(self, ctx: Context, request: Request) -> Result:
        self._store.delete_tags(self._known(ctx, request["ResourceARN"]), request["TagKeys"])
        return {}

    async def list_tags_for_resource(self, ctx: Context, request: Request) -> Result:
        tags = self._store.tags(self._known(ctx, request["ResourceARN"]))
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _known(self, ctx: Context, arn: str) -> str:
        name = arn.rpartition("/")[2]
        found = self._store.dashboard(ctx.account, name) or self._store.alarm(
            ctx.account, ctx.region, arn.partition(":alarm:")[2]
        )
        if found is None or found.arn != arn:
            raise ResourceNotFoundException(f"Unknown resource: {arn}")
        return arn


def _check(definition: Mapping[str, Any]) -> None:
    if ("Metrics" in definition) == ("MetricName" in definition):
        raise ValidationError("Either MetricName or Metrics must be specified, and not both.")
    for name in ("EvaluationPeriods", "ComparisonOperator", "Threshold"):
        if name not in definition:
            raise ValidationError(f"The parameter {name} is required.")
    if definition["ComparisonOperator"] not in COMPARISONS:
        raise ValidationError("Anomaly detection is not supported by Outcrop: compare with a threshold instead.")
    if definition.get("TreatMissingData", "missing") not in MISSING:
        raise ValidationError(
            f"The value '{definition['TreatMissingData']}' for parameter TreatMissingData must be one of "
            f"{', '.join(MISSING)}."
        )
    if not 1 <= definition.get("DatapointsToAlarm", 1) <= definition["EvaluationPeriods"]:
        raise ValidationError("DatapointsToAlarm must not be greater than EvaluationPeriods.")
    if "Metrics" in definition:
        check_queries(definition["Metrics"])
        if sum(query.get("ReturnData", True) for query in definition["Metrics"]) != 1:
            raise ValidationError(
                "Exactly one of the Metrics must have ReturnData true: the one that the alarm watches."
            )
        return
    for name in ("Namespace", "Period"):
        if name not in definition:
            raise ValidationError(f"The parameter {name} is required.")
    if ("Statistic" in definition) == ("ExtendedStatistic" in definition):
        raise ValidationError("Exactly one of Statistic and ExtendedStatistic must be specified.")
    if read_statistic(definition.get("Statistic") or definition["ExtendedStatistic"]) is None:
        raise ValidationError(f"The value {definition['ExtendedStatistic']} for ExtendedStatistic is not supported.")
    if not is_period(definition["Period"]):
        raise ValidationError("The parameter Period must be 10, 20, 30 or a multiple of 60.")
    if definition["Period"] * definition["EvaluationPeriods"] > LONGEST:
        raise ValidationError(
            "Metrics cannot be checked across more than seven days (EvaluationPeriods * Period must be <= 604800)."
        )


def _describe(alarm: Alarm) -> Result:
    described: dict[str, Any] = {
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        "Dimensions": [],
        **alarm.definition,
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": _moment(alarm.configured_at),
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateUpdatedTimestamp": _moment(alarm.updated_at),
        "StateTransitionedTimestamp": _moment(alarm.changed_at),
    }
    return {**described, "StateReasonData": alarm.reason_data} if alarm.reason_data else described


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
