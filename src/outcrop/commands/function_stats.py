"""`outcrop function stats`: how often a function ran, how long, how many at once, and with how much memory."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from outcrop.commands import logs as log_commands
from outcrop.commands import stack

if TYPE_CHECKING:
    from outcrop.settings import Settings

COLUMNS = 60
_BARS = "▁▂▃▄▅▆▇█"
_METRICS = (
    ("Invocations", "Sum", "invocations"),
    ("Errors", "Sum", "errors"),
    ("Throttles", "Sum", "throttles"),
    ("Duration", "Average", "duration, ms"),
    ("ConcurrentExecutions", "Maximum", "at once"),
)
_MEMORY = (
    'filter @type = "REPORT" | stats count(*) as runs, pct(@duration, 50) as p50, pct(@duration, 95) as p95, '
    "max(@duration) as slowest, pct(@maxMemoryUsed, 50) as memory, max(@maxMemoryUsed) as most, "
    "max(@memorySize) as size, count(@initDuration) as cold, avg(@initDuration) as start"
)


def add(stats: argparse.ArgumentParser) -> None:
    stats.add_argument("name", metavar="NAME")
    stats.add_argument("--since", type=log_commands.span, default=3600, metavar="1h", help="how far back")
    stats.set_defaults(run=_stats)


def bars(values: Sequence[float | None]) -> str:
    """One character a value, as high as it is beside the largest; a dot where there is none."""
    top = max((value for value in values if value is not None), default=0.0)
    return "".join(
        "·"
        if value is None or (value == 0 and top == 0)
        else _BARS[min(len(_BARS) - 1, math.floor(value / top * (len(_BARS) - 1) + 0.5))]
        for value in values
    )


def _stats(settings: Settings, options: argparse.Namespace) -> int:
    stack.client(settings, "lambda").get_function_configuration(FunctionName=options.name)
    for line in report(stack.client(settings, "cloudwatch"), stack.client(settings, "logs"), options):
        print(line)
    return 0


def report(cloudwatch: Any, logs: Any, options: argparse.Namespace) -> Iterator[str]:
    period = max(60, math.ceil(options.since / COLUMNS / 60) * 60)
    end = int(time.time()) // period * period + period
    start = end - math.ceil(options.since / period) * period
    moments = [datetime.fromtimestamp(at, UTC) for at in range(start, end, period)]
    yield f"{options.name}, the last {_long(options.since)}; one column is {_long(period)}"
    for metric, statistic, label in _METRICS:
        found = cloudwatch.get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=[{"Name": "FunctionName", "Value": options.name}],
            StartTime=moments[0],
            EndTime=datetime.fromtimestamp(end, UTC),
            Period=period,
            Statistics=[statistic],
        )["Datapoints"]
        by_time = {point["Timestamp"].timestamp(): point[statistic] for point in found}
        values = [by_time.get(moment.timestamp()) for moment in moments]
        known = [value for value in values if value is not None]
        whole = sum(known) if statistic == "Sum" else max(known, default=0)
        word = "in all" if statistic == "Sum" else "at most"
        yield f"  {label:<13} {bars(values)}  {whole:,.0f} {word}"
    yield from _runs(logs, options)


def _runs(logs: Any, options: argparse.Namespace) -> Iterator[str]:
    try:
        group = log_commands.group_of(logs, f"/aws/lambda/{options.name}")
    except RuntimeError:
        yield "  It has not run yet, or writes its log elsewhere."
        return
    (row,) = log_commands.query(logs, group, _MEMORY, options.since)
    if not int(row["runs"]):
        return
    yield (
        f"  one run       {float(row['p50']):,.1f} ms in the middle, {float(row['p95']):,.1f} ms at 95 %, "
        f"{float(row['slowest']):,.1f} ms the slowest"
    )
    yield (
        f"  memory        {float(row['memory']) / 1e6:,.0f} MB in the middle, "
        f"{float(row['most']) / 1e6:,.0f} MB at most, "
        f"of {float(row['size']) / 1e6:,.0f} MB"
    )
    if int(row["cold"]):
        yield f"  cold starts   {row['cold']}, of {float(row['start']):,.0f} ms"


def _long(seconds: int) -> str:
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {word}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"
