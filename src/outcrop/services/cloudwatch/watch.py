"""Watches alarms: compares what their metrics say with their thresholds, and acts when that changes."""

from __future__ import annotations

import asyncio
import json
import logging
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from outcrop.services.cloudwatch.errors import ValidationError
from outcrop.services.cloudwatch.queries import Calculator
from outcrop.services.cloudwatch.store import Alarm, MetricStore
from outcrop.services.contract import Deps, Principal, ServiceError

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two looks at all alarms."""
EXTRA = 2
"""Periods before the evaluated ones in which late data are still found."""

COMPARISONS: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
MISSING = ("missing", "notBreaching", "breaching", "ignore")
_ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}

Verdict = tuple[str, str, str]
"""State, reason, reason data."""


def change_state(store: MetricStore, alarm: Alarm, state: str, reason: str, data: str) -> None:
    store.set_alarm_state(alarm, state, reason, data)
    if state != alarm.state:
        change = {
            "version": "1.0",
            "oldState": {"stateValue": alarm.state, "stateReason": alarm.reason},
            "newState": {"stateValue": state, "stateReason": reason},
        }
        store.add_history(alarm, "StateUpdate", f"Alarm updated from {alarm.state} to {state}", change)


class Watch:
    def __init__(self, store: MetricStore, calculator: Calculator, deps: Deps) -> None:
        self._store = store
        self._calculator = calculator
        self._deps = deps
        self._news = asyncio.Event()

    def wake(self) -> None:
        """There is an alarm to look at."""
        self._news.set()

    async def run(self) -> None:
        """Look at all alarms now and then; sleep while there are none."""
        while True:
            alarms = self._store.all_alarms()
            if not alarms:
                self._news.clear()
                await self._news.wait()
                continue
            for alarm in alarms:
                await self.check(alarm, time.time())
                await asyncio.sleep(0)
            await asyncio.sleep(EVERY)

    async def check(self, alarm: Alarm, now: float) -> None:
        """Evaluate one alarm, and act if its state changes."""
        try:
            verdict = self._judge(alarm, now)
        except ValidationError as error:
            log.warning("alarm %s can't be evaluated: %s", alarm.name, error.message)
            return
        if verdict and verdict[0] != alarm.state:
            change_state(self._store, alarm, *verdict)
            if alarm.definition.get("ActionsEnabled", True):
                for action in alarm.definition.get(_ACTIONS[verdict[0]], ()):
                    await self._act(alarm, verdict, action)

    def _judge(self, alarm: Alarm, now: float) -> Verdict | None:
        """What the data say; None: nothing new."""
        definition = alarm.definition
        periods = definition["EvaluationPeriods"]
        queries, watched, period = _queries(definition)
        current = int(now) // period * period
        start = current - (periods + EXTRA) * period
        found = self._calculator.run(alarm.account, alarm.region, queries, start, current + period)[watched]
        points = sorted(found[0].points.items()) if found else []
        if not points or points[-1][0] < current:
            points = [point for point in points if point[0] >= start - period]
        else:
            points = [point for point in points if point[0] >= start + period]
        return _verdict(definition, points[-periods:], alarm.state)

    async def _act(self, alarm: Alarm, verdict: Verdict, action: str) -> None:
        done = {"actionState": "Succeeded", "notificationResource": action}
        if action.startswith("arn:aws:lambda:"):
            caller = Principal("lambda.alarms.cloudwatch.amazonaws.com", alarm.arn, kind="service")
            context = self._deps.context(alarm.account, alarm.region, caller)
            event = json.dumps(_notice(alarm, verdict)).encode()
            request = {"FunctionName": action, "InvocationType": "Event", "Payload": event}
            try:
                await context.call("lambda", "invoke", request)
            except ServiceError as error:
                done = {**done, "actionState": "Failed", "error": error.message}
        else:
            done = {**done, "actionState": "Failed", "error": "Outcrop carries out only actions on Lambda functions"}
        words = "Successfully executed" if done["actionState"] == "Succeeded" else "Failed to execute"
        self._store.add_history(alarm, "Action", f"{words} action {action}", done)


def _queries(definition: Mapping[str, Any]) -> tuple[Sequence[Mapping[str, Any]], str, int]:
    """What to compute, the id of the result to watch, and the period in seconds."""
    if "Metrics" in definition:
        queries = definition["Metrics"]
        watched = next(query["Id"] for query in queries if query.get("ReturnData", True))
        periods = [query["MetricStat"]["Period"] for query in queries if "MetricStat" in query]
        return queries, watched, max(periods, default=60)
    metric = {name: definition[name] for name in ("Namespace", "MetricName", "Dimensions") if name in definition}
    stat = {
        "Metric": metric,
        "Period": definition["Period"],
        "Stat": definition.get("Statistic") or definition["ExtendedStatistic"],
    }
    if "Unit" in definition:
        stat["Unit"] = definition["Unit"]
    return [{"Id": "m1", "MetricStat": stat}], "m1", definition["Period"]


def _verdict(definition: Mapping[str, Any], points: Sequence[tuple[int, float]], state: str) -> Verdict | None:
    periods = definition["EvaluationPeriods"]
    needed = definition.get("DatapointsToAlarm", periods)
    missing, treatment = periods - len(points), definition.get("TreatMissingData", "missing")
    compare, words = COMPARISONS[definition["ComparisonOperator"]]
    breaching = [(at, value) for at, value in points if compare(value, definition["Threshold"])]
    if not points and treatment in ("missing", "ignore"):
        reason = "Insufficient Data: no datapoints were received"
        return ("INSUFFICIENT_DATA", reason, "") if treatment == "missing" else None
    count = len(breaching)
    match treatment:
        case "breaching":
            alarming = count + missing >= needed
        case "missing":
            alarming = count >= min(needed, len(points))
        case "ignore" if missing and count < needed and len(points) - count <= periods - needed:
            return None
        case _:
            alarming = count >= needed
    shown = breaching if alarming else [point for point in points if point not in breaching]
    listed = ", ".join(f"{value} ({datetime.fromtimestamp(at, UTC):%d/%m/%y %H:%M:%S})" for at, value in shown)
    one = len(shown) == 1
    reason = (
        f"Threshold Crossed: {len(shown)} {'out of the last ' + str(periods) + ' ' if alarming else ''}"
        f"datapoint{'' if one else 's'} [{listed}] {'was' if one else 'were'} {'' if alarming else 'not '}{words} "
        f"the threshold ({definition['Threshold']})."
        if shown
        else f"Threshold Crossed: no datapoints were received for {missing} periods and missing datapoints were "
        f"treated as [{'Breaching' if treatment == 'breaching' else 'NonBreaching'}]."
    )
    data = {
        "version": "1.0",
        "queryDate": datetime.now(UTC).isoformat(),
        "recentDatapoints": [value for _, value in points],
        "threshold": definition["Threshold"],
    }
    return ("ALARM" if alarming else "OK"), reason[:1023], json.dumps(data)[:4000]


def _notice(alarm: Alarm, verdict: Verdict) -> Mapping[str, Any]:
    """What an action's function gets."""
    state, reason, data = verdict
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm.arn,
        "accountId": alarm.account,
        "time": now,
        "region": alarm.region,
        "alarmData": {
            "alarmName": alarm.name,
            "state": {"value": state, "reason": reason, "reasonData": data, "timestamp": now},
            "previousState": {"value": alarm.state, "reason": alarm.reason},
            "configuration": {"description": alarm.definition.get("AlarmDescription", "")},
        },
    }
