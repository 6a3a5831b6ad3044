"""The functions that compute one value from many records."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from outcrop.engines.insights.expressions import Expression
from outcrop.engines.insights.record import Record
from outcrop.engines.insights.values import Value, number, sort_key, text


class Aggregate(Protocol):
    def add(self, record: Record) -> None: ...
    def result(self) -> Value: ...


class _Numbers:
    """Of all numbers that the argument gives."""

    def __init__(self, argument: Expression, compute: Callable[[list[float]], float]) -> None:
        self._argument = argument
        self._compute = compute
        self._seen: list[float] = []

    def add(self, record: Record) -> None:
        amount = number(self._argument(record))
        if amount is not None and math.isfinite(amount):
            self._seen.append(amount)

    def result(self) -> Value:
        return self._compute(self._seen) if self._seen else None


class Count:
    def __init__(self, argument: Expression | None) -> None:
        self._argument = argument
        self._count = 0

    def add(self, record: Record) -> None:
        self._count += self._argument is None or self._argument(record) is not None

    def result(self) -> Value:
        return self._count


class CountDistinct:
    def __init__(self, argument: Expression) -> None:
        self._argument = argument
        self._seen: set[str] = set()

    def add(self, record: Record) -> None:
        value = text(self._argument(record))
        if value is not None:
            self._seen.add(value)

    def result(self) -> Value:
        return len(self._seen)


class Extreme:
    """The smallest or largest value; numbers, or texts in their order."""

    def __init__(self, argument: Expression, largest: bool) -> None:
        self._argument = argument
        self._largest = largest
        self._best: Value = None

    def add(self, record: Record) -> None:
        value = self._argument(record)
        if value is None:
            return
        if self._best is None or (sort_key(value) > sort_key(self._best)) is self._largest:
            self._best = value

    def result(self) -> Value:
        return self._best


class AtTheEnd:
    """The value of the earliest or latest record that has one."""

    def __init__(self, argument: Expression, latest: bool) -> None:
        self._argument = argument
        self._latest = latest
        self._at: float | None = None
        self._value: Value = None

    def add(self, record: Record) -> None:
        value, at = self._argument(record), number(record.get("@timestamp"))
        if value is None or at is None:
            return
        if self._at is None or (at >= self._at if self._latest else at < self._at):
            self._at, self._value = at, value

    def result(self) -> Value:
        return self._value


def percentile(argument: Expression, percent: float) -> Aggregate:
    return _Numbers(argument, lambda seen: float(np.percentile(seen, percent)))


ONE_ARGUMENT: Mapping[str, Callable[[Expression], Aggregate]] = {
    "sum": lambda argument: _Numbers(argument, math.fsum),
    "avg": lambda argument: _Numbers(argument, lambda seen: math.fsum(seen) / len(seen)),
    "stddev": lambda argument: _Numbers(argument, lambda seen: float(np.std(seen))),
    "median": lambda argument: percentile(argument, 50),
    "min": lambda argument: Extreme(argument, largest=False),
    "max": lambda argument: Extreme(argument, largest=True),
    "sortsfirst": lambda argument: Extreme(argument, largest=False),
    "sortslast": lambda argument: Extreme(argument, largest=True),
    "earliest": lambda argument: AtTheEnd(argument, latest=False),
    "latest": lambda argument: AtTheEnd(argument, latest=True),
    "count_distinct": CountDistinct,
}
NAMES = frozenset({*ONE_ARGUMENT, "count", "pct", "percentile"})
