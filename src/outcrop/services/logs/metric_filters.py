"""Metric filters: what they find in new log events becomes CloudWatch metrics."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from outcrop.services.contract import Context, Request, Result, ServiceError
from outcrop.services.logs.errors import (
    InvalidParameterException,
    LimitExceededException,
    ResourceNotFoundException,
)
from outcrop.services.logs.groups import find_group
from outcrop.services.logs.paging import page
from outcrop.services.logs.patterns import InvalidPattern, Match, Pattern, compile_pattern
from outcrop.services.logs.store import Event, Group, LogStore, MetricFilter

log = logging.getLogger(__name__)

MAX_FILTERS = 100
MAX_DIMENSIONS = 3
KEPT = ("applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFieldDimensions")


class MetricFeed:
    """Runs new events through the metric filters of their group."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._compiled: dict[int, list[tuple[MetricFilter, Pattern]]] = {}

    def forget(self, group: Group) -> None:
        """The filters of a group have changed."""
        self._compiled.pop(group.id, None)

    async def feed(self, ctx: Context, group: Group, events: Sequence[Event]) -> None:
        """Hand new events of a group to its filters. One that fails is logged; the events are kept all the same."""
        if (filters := self._compiled.get(group.id)) is None:
            filters = [(known, _compile(known.pattern)) for known in self._store.metric_filters_of(group)]
            self._compiled[group.id] = filters
        for known, pattern in filters:
            transformation = known.transformation
            data = [datum for event in events if (datum := _datum(transformation, event, pattern.match(event.message)))]
            for start in range(0, len(data), 1000):
                request = {"Namespace": transformation["metricNamespace"], "MetricData": data[start : start + 1000]}
                try:
                    await ctx.call("cloudwatch", "put_metric_data", request)
                except ServiceError as error:
                    log.warning("metric filter %s of %s: %s", known.name, group.name, error.message)


class MetricFilters:
    def __init__(self, store: LogStore, feed: MetricFeed) -> None:
        self._store = store
        self._feed = feed

    async def put_metric_filter(self, ctx: Context, request: Request) -> Result:
        group = find_group(self._store, ctx, request)
        _compile(request["filterPattern"])
        transformation = dict(request["metricTransformations"][0])
        _check_transformation(transformation)
        existing = {known.name for known in self._store.metric_filters_of(group)}
        if request["filterName"] not in existing and len(existing) >= MAX_FILTERS:
            raise LimitExceededException("Resource limit exceeded.")
        extra = {name: request[name] for name in KEPT if name in request}
        self._store.put_metric_filter(group, request["filterName"], request["filterPattern"], transformation, extra)
        self._feed.forget(group)
        return {}

    async def describe_metric_filters(self, ctx: Context, request: Request) -> Result:
        metric, namespace = request.get("metricName"), request.get("metricNamespace")
        if (metric is None) != (namespace is None):
            raise InvalidParameterException("metricName and metricNamespace must be given together.")
        if "logGroupName" in request:
            filters = self._store.metric_filters_of(find_group(self._store, ctx, request))
        else:
            filters = self._store.metric_filters(ctx.account, ctx.region)
        filters = [
            known
            for known in filters
            if known.name.startswith(request.get("filterNamePrefix", ""))
            and metric in (None, known.transformation["metricName"])
            and namespace in (None, known.transformation["metricNamespace"])
        ]
        shown, token = page(
            filters,
            lambda known: f"{known.name}\n{known.group_name}",
            request.get("nextToken"),
            request.get("limit", 50),
        )
        result: dict[str, object] = {
            "metricFilters": [
                {
                    "filterName": known.name,
                    "filterPattern": known.pattern,
                    "metricTransformations": [dict(known.transformation)],
                    "creationTime": known.created_at,
                    "logGroupName": known.group_name,
                    **known.extra,
                }
                for known in shown
            ]
        }
        return {**result, "nextToken": token} if token else result

    async def delete_metric_filter(self, ctx: Context, request: Request) -> Result:
        group = find_group(self._store, ctx, request)
        if not self._store.delete_metric_filter(group, request["filterName"]):
            raise ResourceNotFoundException("The specified metric filter does not exist.")
        self._feed.forget(group)
        return {}

    async def test_metric_filter(self, ctx: Context, request: Request) -> Result:
        pattern = _compile(request["filterPattern"])
        return {
            "matches": [
                {"eventNumber": number, "eventMessage": message, "extractedValues": dict(match.values)}
                for number, message in enumerate(request["logEventMessages"], 1)
                if (match := pattern.match(message))
            ]
        }


def _compile(text: str) -> Pattern:
    try:
        return compile_pattern(text)
    except InvalidPattern as error:
        raise InvalidParameterException(str(error)) from None


def _check_transformation(transformation: Mapping[str, Any]) -> None:
    value = transformation["metricValue"]
    if not value.startswith("$") and _finite(value) is None:
        raise InvalidParameterException(f"Invalid metric transformation: '{value}' is neither a number nor a field.")
    dimensions = transformation.get("dimensions", {})
    if len(dimensions) > MAX_DIMENSIONS:
        raise InvalidParameterException(f"At most {MAX_DIMENSIONS} dimensions can be given for a metric filter.")
    if dimensions and "defaultValue" in transformation:
        raise InvalidParameterException(
            "Invalid metric transformation: dimensions and a default value exclude each other"
        )


def _datum(transformation: Mapping[str, Any], event: Event, match: Match | None) -> dict[str, Any] | None:
    """What one event contributes: nothing, its value, or the default."""
    if match:
        value = _value(transformation["metricValue"], match)
    else:
        value = transformation.get("defaultValue")
    if value is None:
        return None
    datum = {"MetricName": transformation["metricName"], "Timestamp": _moment(event.at), "Value": value}
    if "unit" in transformation:
        datum["Unit"] = transformation["unit"]
    if match and (dimensions := transformation.get("dimensions")):
        found = {name: _resolve(selector, match) for name, selector in dimensions.items()}
        if any(value is None for value in found.values()):
            return None
        datum["Dimensions"] = [{"Name": name, "Value": value} for name, value in found.items()]
    return datum


def _resolve(selector: str, match: Match) -> str | None:
    return match.values.get(selector) or match.find(selector)


def _value(source: str, match: Match) -> float | None:
    text = _resolve(source, match) if source.startswith("$") else source
    return None if text is None else _finite(text)


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
