"""Metrics: put samples, list what there is."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from outcrop.services.cloudwatch.errors import (
    InvalidParameterCombinationException,
    InvalidParameterValueException,
    MissingRequiredParameterException,
)
from outcrop.services.cloudwatch.paging import read_offset, write_offset
from outcrop.services.cloudwatch.statistics import Summary
from outcrop.services.cloudwatch.store import DAY, HOUR, Dimensions, MetricKey, MetricStore
from outcrop.services.contract import Context, Request, Result

MAX_METRICS = 1_000
MAX_VALUES = 150
LARGEST = 2.0**360
PAGE = 500


def read_dimensions(pairs: Sequence[Mapping[str, str]]) -> Dimensions:
    return tuple(sorted((pair["Name"], pair["Value"]) for pair in pairs))


class Metrics:
    def __init__(self, store: MetricStore) -> None:
        self._store = store

    async def put_metric_data(self, ctx: Context, request: Request) -> Result:
        data = list(_all_data(request))
        if not data:
            raise MissingRequiredParameterException("The parameter MetricData is required.")
        if len(data) > MAX_METRICS:
            raise InvalidParameterValueException(
                f"The collection MetricData must not have a size greater than {MAX_METRICS}."
            )
        now = time.time()
        samples: dict[tuple[MetricKey, int, int, str], Summary] = {}
        for path, datum in data:
            at = _time(path, datum.get("Timestamp"), now)
            resolution = datum.get("StorageResolution", 60)
            if resolution not in (1, 60):
                raise InvalidParameterValueException(f"The parameter {path}.StorageResolution must be 1 or 60.")
            dimensions = read_dimensions(datum.get("Dimensions", ()))
            if len({name for name, _ in dimensions}) != len(dimensions):
                raise InvalidParameterValueException(f"The parameter {path}.Dimensions names a dimension twice.")
            key = MetricKey(ctx.account, ctx.region, request["Namespace"], datum["MetricName"], dimensions)
            place = (key, at // resolution * resolution, resolution, datum.get("Unit", "None"))
            _collect(path, datum, samples.setdefault(place, Summary()))
        self._store.add(samples)
        return {}

    async def list_metrics(self, ctx: Context, request: Request) -> Result:
        age = 3 * HOUR if request.get("RecentlyActive") else 14 * DAY
        metrics = self._store.metrics(
            ctx.account, ctx.region, request.get("Namespace"), request.get("MetricName"), time.time() - age
        )
        for wanted in request.get("Dimensions", ()):
            name, value = wanted["Name"], wanted.get("Value")
            metrics = [m for m in metrics if any(n == name and value in (None, v) for n, v in m.dimensions)]
        start = read_offset(request.get("NextToken"))
        result: dict[str, Any] = {
            "Metrics": [
                {
                    "Namespace": metric.namespace,
                    "MetricName": metric.name,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
                }
                for metric in metrics[start : start + PAGE]
            ]
        }
        if start + PAGE < len(metrics):
            result["NextToken"] = write_offset(start + PAGE)
        return result


def _all_data(request: Request) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each datum and where it stands."""
    for number, datum in enumerate(request.get("MetricData", ()), 1):
        yield f"MetricData.member.{number}", datum
    for number, entity in enumerate(request.get("EntityMetricData", ()), 1):
        for inner, datum in enumerate(entity.get("MetricData", ()), 1):
            yield f"EntityMetricData.member.{number}.MetricData.member.{inner}", datum


def _time(path: str, timestamp: datetime | None, now: float) -> int:
    at = now if timestamp is None else timestamp.timestamp()
    if at < now - 14 * DAY:
        raise InvalidParameterValueException(
            f"The parameter {path}.Timestamp must specify a time within the past two weeks."
        )
    if at > now + 2 * HOUR:
        raise InvalidParameterValueException(
            f"The parameter {path}.Timestamp must specify a time no more than two hours in the future."
        )
    return int(at)


def _collect(path: str, datum: Mapping[str, Any], summary: Summary) -> None:
    """Add a datum's samples, given as a value, as values with counts, or as a statistic set."""
    given = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if not given:
        raise MissingRequiredParameterException(
            f"At least one of the parameters {path}.Value, {path}.Values or {path}.StatisticValues must be specified."
        )
    if len(given) > 1:
        raise InvalidParameterCombinationException(
            f"The parameters {path}.{given[0]} and {path}.{given[1]} are mutually exclusive and you have specified "
            "both."
        )
    if "Value" in datum:
        summary.add(_valid(f"{path}.Value", datum["Value"]), 1.0)
    elif "Values" in datum:
        _collect_values(path, datum, summary)
    else:
        _collect_set(f"{path}.StatisticValues", datum["StatisticValues"], summary)


def _collect_values(path: str, datum: Mapping[str, Any], summary: Summary) -> None:
    values = datum["Values"]
    counts = datum.get("Counts") or [1.0] * len(values)
    if not values:
        raise MissingRequiredParameterException(f"The parameter {path}.Values must not be empty.")
    if len(values) > MAX_VALUES:
        raise InvalidParameterValueException(
            f"The collection {path}.Values must not have a size greater than {MAX_VALUES}."
        )
    if len(values) != len(counts):
        raise InvalidParameterValueException(
            f"The parameters {path}.Values and {path}.Counts must be of the same size."
        )
    for number, (value, count) in enumerate(zip(values, counts, strict=True), 1):
        if _valid(f"{path}.Counts.member.{number}", count) <= 0:
            raise InvalidParameterValueException(f"The parameter {path}.Counts.member.{number} must be greater than 0.")
        summary.add(_valid(f"{path}.Values.member.{number}", value), count)


def _collect_set(path: str, values: Mapping[str, float], summary: Summary) -> None:
    count, total, least, most = (
        _valid(f"{path}.{name}", values[name]) for name in ("SampleCount", "Sum", "Minimum", "Maximum")
    )
    if count <= 0:
        raise InvalidParameterValueException(f"The parameter {path}.SampleCount must be greater than 0.")
    if least > most:
        raise InvalidParameterCombinationException(
            f"The parameter {path}.Maximum must be greater than or equal to {path}.Minimum."
        )
    summary.add_set(count, total, least, most)


def _valid(path: str, value: float) -> float:
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise InvalidParameterValueException(f"The value {value} for parameter {path} is invalid.")
    return float(value)
