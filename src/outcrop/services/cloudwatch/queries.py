"""What metrics say over time: one metric's statistics, or many with arithmetic on them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from outcrop.services.cloudwatch.errors import (
    InvalidParameterCombinationException,
    InvalidParameterValueException,
    MissingRequiredParameterException,
    ValidationError,
)
from outcrop.services.cloudwatch.expressions import BadExpression, Series, evaluate, names_in
from outcrop.services.cloudwatch.metrics import read_dimensions
from outcrop.services.cloudwatch.paging import read_offset, write_offset
from outcrop.services.cloudwatch.statistics import BASIC, Statistic, Summary, merged, read_statistic
from outcrop.services.cloudwatch.store import MetricKey, MetricStore
from outcrop.services.contract import Context, Request, Result

HIGH_RESOLUTION = (1, 5, 10, 20, 30)
MAX_DATAPOINTS = 1_440
MAX_QUERIES = 500
MAX_PAGE = 100_800
_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")


class Calculator:
    """Reads metrics and computes expressions on them."""

    def __init__(self, store: MetricStore) -> None:
        self._store = store

    def run(
        self, account: str, region: str, queries: Sequence[Mapping[str, Any]], start: int, end: int
    ) -> dict[str, list[Series]]:
        """The series of each query by its id. Raises ValidationError for an expression that can't be computed."""
        known: dict[str, list[Series]] = {}
        by_id = {query["Id"]: query for query in queries}
        for query in _in_order(by_id):
            if "MetricStat" in query:
                known[query["Id"]] = [self._metric(account, region, query["MetricStat"], start, end)]
                continue
            operands = {name: known[name] for name in _operands(query) if name in known}
            metrics = [series for other in queries if "MetricStat" in other for series in known.get(other["Id"], ())]
            try:
                found = evaluate(query["Expression"], operands, metrics)
            except BadExpression as error:
                raise ValidationError(f"Error in expression '{query['Id']}': {error}") from None
            label = query.get("Label") or query["Id"]
            known[query["Id"]] = [
                Series(series.points, series.grid, label if len(found) == 1 else series.label) for series in found
            ]
        return known

    def _metric(self, account: str, region: str, stat: Mapping[str, Any], start: int, end: int) -> Series:
        metric, period = stat["Metric"], stat["Period"]
        key = MetricKey(
            account,
            region,
            metric.get("Namespace", ""),
            metric.get("MetricName", ""),
            read_dimensions(metric.get("Dimensions", ())),
        )
        read = read_statistic(stat["Stat"])
        assert read is not None, "check_queries lets only known statistics through"
        buckets = self.buckets(key, start, end, period, stat.get("Unit"), by_unit=False)
        points = {at: value for (at, _), summary in sorted(buckets.items()) if (value := read(summary)) is not None}
        return Series(points, range(start - start % min(period, 60), end, period), key.name)

    def buckets(
        self, key: MetricKey, start: int, end: int, period: int, unit: str | None, *, by_unit: bool
    ) -> dict[tuple[int, str], Summary]:
        """One summary per period (and unit). Periods count from the start, rounded down to what is stored."""
        start -= start % min(period, 60)
        groups: dict[tuple[int, str], list[Summary]] = {}
        for datum in self._store.data(key, start, end, period, unit):
            at = start + (datum.at - start) // period * period
            groups.setdefault((at, datum.unit if by_unit else ""), []).append(datum.summary)
        return {place: merged(summaries) for place, summaries in groups.items()}


class Queries:
    def __init__(self, calculator: Calculator) -> None:
        self._calculator = calculator

    async def get_metric_statistics(self, ctx: Context, request: Request) -> Result:
        period, names = request["Period"], _statistics_of(request)
        if not is_period(period):
            raise InvalidParameterValueException("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
        start, end = _seconds(request["StartTime"]), _seconds(request["EndTime"])
        if start >= end:
            raise InvalidParameterValueException("The parameter StartTime must be less than the parameter EndTime.")
        points = math.ceil((end - start) / period)
        if points > MAX_DATAPOINTS:
            raise InvalidParameterCombinationException(
                f"You have requested up to {points:,} datapoints, which exceeds the limit of {MAX_DATAPOINTS:,}. "
                "You may reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        key = _key(ctx, request)
        buckets = self._calculator.buckets(key, start, end, period, request.get("Unit"), by_unit=True)
        datapoints = []
        for (at, unit), summary in sorted(buckets.items()):
            found = {name: value for name, read in names.items() if (value := read(summary)) is not None}
            if found:
                plain = {name: value for name, value in found.items() if name in BASIC}
                extended = {name: value for name, value in found.items() if name not in BASIC}
                point: dict[str, Any] = {"Timestamp": _moment(at), "Unit": unit, **plain}
                datapoints.append({**point, "ExtendedStatistics": extended} if extended else point)
        return {"Label": request["MetricName"], "Datapoints": datapoints}

    async def get_metric_data(self, ctx: Context, request: Request) -> Result:
        start, end = _seconds(request["StartTime"]), _seconds(request["EndTime"])
        if start >= end:
            raise ValidationError("The parameter StartTime must be less than the parameter EndTime.")
        queries = request["MetricDataQueries"]
        check_queries(queries)
        results = self._calculator.run(ctx.account, ctx.region, queries, start, end)
        newest_first = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        most = request.get("MaxDatapoints") or MAX_PAGE
        if not 1 <= most <= MAX_PAGE:
            raise ValidationError(f"The parameter MaxDatapoints must be between 1 and {MAX_PAGE}.")
        shown = [
            (query["Id"], query.get("Label") or series.label, sorted(series.points.items(), reverse=newest_first))
            for query in queries
            if query.get("ReturnData", True)
            for series in results[query["Id"]]
        ]
        return _page(shown, read_offset(request.get("NextToken")), most)


def check_queries(queries: Sequence[Mapping[str, Any]]) -> None:
    """Raises ValidationError."""
    if len(queries) > MAX_QUERIES:
        raise ValidationError(f"The collection MetricDataQueries must not have a size greater than {MAX_QUERIES}.")
    ids = [query["Id"] for query in queries]
    if not queries or len(set(ids)) != len(ids):
        raise ValidationError(
            "The values for parameter id in MetricDataQueries are not unique."
            if queries
            else "The collection MetricDataQueries must not be empty."
        )
    for number, query in enumerate(queries, 1):
        path = f"MetricDataQueries.member.{number}"
        if not _ID.fullmatch(query["Id"]):
            raise ValidationError(
                f"The value {query['Id']} for parameter {path}.Id is not matching the expected pattern "
                "^[a-z][a-zA-Z0-9_]*$."
            )
        if ("MetricStat" in query) == ("Expression" in query):
            raise ValidationError(
                f"The parameters {path}.Expression and {path}.MetricStat are mutually exclusive, and one of them is "
                "required."
            )
        if stat := query.get("MetricStat"):
            if not is_period(stat["Period"]):
                raise ValidationError(
                    f"{path}.MetricStat.Period is {stat['Period']}: it must be 1, 5, 10, 20, 30 or a multiple of 60."
                )
            if read_statistic(stat["Stat"]) is None:
                raise ValidationError(
                    f"The value {stat['Stat']} for parameter {path}.MetricStat.Stat is not supported."
                )


def _in_order(by_id: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Metrics first, then expressions behind those that they name. Raises ValidationError for circles."""
    order = [query for query in by_id.values() if "MetricStat" in query]
    done = {query["Id"] for query in order}
    waiting = [query for query in by_id.values() if "MetricStat" not in query]
    while waiting:
        ready = [query for query in waiting if not _operands(query) & by_id.keys() - done]
        if not ready:
            raise ValidationError(f"Error in expression '{waiting[0]['Id']}': it refers to itself.")
        order += ready
        done |= {query["Id"] for query in ready}
        waiting = [query for query in waiting if query["Id"] not in done]
    return order


def _operands(query: Mapping[str, Any]) -> set[str]:
    try:
        return set(names_in(query["Expression"]))
    except BadExpression as error:
        raise ValidationError(f"Error in expression '{query['Id']}': {error}") from None


def _statistics_of(request: Request) -> dict[str, Statistic]:
    plain, extended = request.get("Statistics") or [], request.get("ExtendedStatistics") or []
    if not plain and not extended:
        raise MissingRequiredParameterException(
            "At least one of the parameters ExtendedStatistics and Statistics must be specified."
        )
    if plain and extended:
        raise InvalidParameterCombinationException(
            "The parameters ExtendedStatistics and Statistics are mutually exclusive and you have specified both."
        )
    found: dict[str, Statistic] = {}
    for name in (*plain, *extended):
        statistic = read_statistic(name)
        if statistic is None or (name in extended and name in BASIC):
            raise InvalidParameterValueException(f"The value {name} for parameter ExtendedStatistics is not supported.")
        found[name] = statistic
    return found


def _key(ctx: Context, request: Request) -> MetricKey:
    dimensions = read_dimensions(request.get("Dimensions", ()))
    return MetricKey(ctx.account, ctx.region, request["Namespace"], request["MetricName"], dimensions)


def is_period(period: int) -> bool:
    return period in HIGH_RESOLUTION or (period % 60 == 0 and 0 < period <= 86_400 * 366)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _page(shown: Sequence[tuple[str, str, list[tuple[int, float]]]], skipped: int, most: int) -> Result:
    """Of all points in a row those behind `skipped`, at most `most`."""
    results, passed, left = [], 0, most
    for query_id, label, points in shown:
        first = min(max(skipped - passed, 0), len(points))
        part = points[first : first + left]
        passed += len(points)
        cut = first + len(part) < len(points)
        left -= len(part)
        if part or (not points and skipped == 0) or cut:
            results.append(
                {
                    "Id": query_id,
                    "Label": label,
                    "Timestamps": [_moment(at) for at, _ in part],
                    "Values": [value for _, value in part],
                    "StatusCode": "PartialData" if cut else "Complete",
                }
            )
    result: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
    if skipped + most < passed:
        result["NextToken"] = write_offset(skipped + most)
    return result
