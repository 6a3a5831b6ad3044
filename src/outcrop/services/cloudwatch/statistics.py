"""Summaries of samples, and the statistics that are read from them: `Average`, `p99`, `TM(10%:90%)`, `PR(:300)`."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

MAX_VALUES = 512
"""Distinct values kept exactly in one summary; more are rounded to three digits."""


@dataclass(slots=True)
class Summary:
    """Samples of one metric in one stretch of time."""

    count: float = 0.0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    values: dict[float, float] | None = field(default_factory=dict)
    """How often each value came; None once a statistic set was mixed in that doesn't tell."""

    def add(self, value: float, count: float) -> None:
        self.count += count
        self.total += value * count
        self.least = min(self.least, value)
        self.most = max(self.most, value)
        if self.values is not None:
            self.values[value] = self.values.get(value, 0.0) + count
            self._round()

    def add_set(self, count: float, total: float, least: float, most: float) -> None:
        """Mix in a statistic set. Its values are known only where all are the same."""
        if least == most and count > 0:
            self.add(least, count)
            return
        self.count += count
        self.total += total
        self.least = min(self.least, least)
        self.most = max(self.most, most)
        self.values = None

    def merge(self, other: Summary) -> None:
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        if self.values is None or other.values is None:
            self.values = None
            return
        for value, count in other.values.items():
            self.values[value] = self.values.get(value, 0.0) + count
        self._round()

    def _round(self) -> None:
        if self.values is not None and len(self.values) > MAX_VALUES:
            rounded: dict[float, float] = {}
            for value, count in self.values.items():
                near = float(f"{value:.3g}")
                rounded[near] = rounded.get(near, 0.0) + count
            self.values = rounded

    def pack(self) -> bytes | None:
        """The values as pairs of doubles."""
        if self.values is None:
            return None
        flat = [number for pair in self.values.items() for number in pair]
        return struct.pack(f"<{len(flat)}d", *flat)


def unpack_values(packed: bytes | None) -> dict[float, float] | None:
    if packed is None:
        return None
    flat = struct.unpack(f"<{len(packed) // 8}d", packed)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def merged(summaries: Iterable[Summary]) -> Summary:
    result = Summary()
    for summary in summaries:
        result.merge(summary)
    return result


Statistic = Callable[[Summary], float | None]
"""A number; None where the summary doesn't tell."""

BASIC: Mapping[str, Statistic] = {
    "SampleCount": lambda summary: summary.count,
    "Average": lambda summary: summary.total / summary.count if summary.count else None,
    "Sum": lambda summary: summary.total,
    "Minimum": lambda summary: summary.least,
    "Maximum": lambda summary: summary.most,
}

_SHORT = re.compile(r"(?P<kind>p|tm|wm|tc|ts)(?P<high>\d{1,3}(?:\.\d{1,10})?)", re.IGNORECASE)
_NUMBER = r"-?\d{0,18}(?:\.\d{1,10})?"
_RANGE = re.compile(
    rf"(?P<kind>tm|wm|tc|ts|pr)\((?P<low>{_NUMBER})(?P<low_percent>%?):(?P<high>{_NUMBER})(?P<high_percent>%?)\)",
    re.IGNORECASE,
)


def read_statistic(text: str) -> Statistic | None:
    """`Average`, `p99.9`, `tm90`, `TM(10%:90%)`, `WM(:95%)`, `TC(0:100)`, `TS(80%:)`, `PR(:300)`, `IQM`;
    None if it is none of them."""
    if text in BASIC:
        return BASIC[text]
    if text.upper() == "IQM":
        return _of_values(lambda values, summary: _trimmed("tm", values, summary, (25.0, 75.0), percent=True))
    if short := _SHORT.fullmatch(text):
        kind, high = short["kind"].lower(), float(short["high"])
        if high > 100:
            return None
        if kind == "p":
            return _of_values(lambda values, summary: _percentile(values, summary.count, high))
        return _of_values(lambda values, summary: _trimmed(kind, values, summary, (0.0, high), percent=True))
    if found := _RANGE.fullmatch(text):
        return _read_range(found)
    return None


def _read_range(found: re.Match[str]) -> Statistic | None:
    kind, low, high = found["kind"].lower(), found["low"], found["high"]
    if (not low and not high) or low in ("-", ".") or high in ("-", "."):
        return None
    percents = {bool(found[f"{side}_percent"]) for side in ("low", "high") if found[side]}
    if len(percents) > 1 or (kind in ("wm",) and percents == {False}) or (kind == "pr" and percents == {True}):
        return None
    percent = percents == {True}
    bounds = (
        float(low) if low else (0.0 if percent else -math.inf),
        float(high) if high else (100.0 if percent else math.inf),
    )
    if bounds[0] >= bounds[1] or (percent and not (bounds[0] >= 0 and bounds[1] <= 100)):
        return None
    return _of_values(lambda values, summary: _trimmed(kind, values, summary, bounds, percent=percent))


def _of_values(compute: Callable[[list[tuple[float, float]], Summary], float | None]) -> Statistic:
    """A statistic that needs the single values, none of them negative."""

    def statistic(summary: Summary) -> float | None:
        if summary.values is None or summary.count <= 0 or summary.least < 0:
            return None
        return compute(sorted(summary.values.items()), summary)

    return statistic


def _percentile(values: list[tuple[float, float]], count: float, percent: float) -> float:
    """The smallest value that at least so many percent of the samples don't exceed."""
    wanted, seen = count * percent / 100, 0.0
    for value, times in values:
        seen += times
        if seen >= wanted - 1e-9:
            return value
    return values[-1][0]


def _trimmed(
    kind: str, values: list[tuple[float, float]], summary: Summary, bounds: tuple[float, float], *, percent: bool
) -> float | None:
    low, high = bounds
    if percent:
        inside = _slice(values, summary.count * low / 100, summary.count * high / 100)
    else:
        inside = [(value, times) for value, times in values if low < value <= high]
    count = sum(times for _, times in inside)
    total = sum(value * times for value, times in inside)
    match kind:
        case "tc":
            return count
        case "ts":
            return total
        case "pr":
            return 100 * count / summary.count
        case "wm":
            floor, ceiling = _percentile(values, summary.count, low), _percentile(values, summary.count, high)
            clipped = sum(min(max(value, floor), ceiling) * times for value, times in values)
            return clipped / summary.count
    return total / count if count else None


def _slice(values: list[tuple[float, float]], start: float, end: float) -> list[tuple[float, float]]:
    """The samples from rank `start` to rank `end`, parts of a sample included."""
    inside, rank = [], 0.0
    for value, times in values:
        weight = min(rank + times, end) - max(rank, start)
        if weight > 0:
            inside.append((value, weight))
        rank += times
    return inside
