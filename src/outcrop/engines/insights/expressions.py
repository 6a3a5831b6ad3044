"""Expressions, read into functions from a record to a value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from outcrop.engines.insights.functions import ARITHMETIC, FUNCTIONS
from outcrop.engines.insights.record import Record
from outcrop.engines.insights.scanner import InvalidQuery, Scanner
from outcrop.engines.insights.values import Value, compare, milliseconds, number, text, truth

Expression = Callable[[Record], Value]

MAX_DEPTH = 50
"""Parentheses and functions within each other."""
MAX_OPERATORS = 200
"""Of arithmetic, in a query."""

_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_ALIASES = {"msec": "ms", "milliseconds": "ms", "millisecond": "ms", "sec": "s", "min": "m", "hr": "h"}
_MONTHS = {"mo": 1, "q": 3, "y": 12}
_COMPARISONS: dict[str, Callable[[int], bool]] = {
    "=": lambda order: order == 0,
    "!=": lambda order: order != 0,
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


class Expressions:
    """Reads expressions off a scanner; the weakest operator is read first."""

    def __init__(self, scanner: Scanner) -> None:
        self._scan = scanner
        self._depth = 0
        self._operators = 0

    def read(self) -> Expression:
        """A value or a condition. Raises InvalidQuery."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._scan.fail("the expression is nested too deeply")
        try:
            return self._any_of()
        finally:
            self._depth -= 1

    def _any_of(self) -> Expression:
        parts = [self._all_of()]
        while self._scan.word("or"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else lambda record: int(any(truth(part(record)) for part in parts))

    def _all_of(self) -> Expression:
        parts = [self._negation()]
        while self._scan.word("and"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else lambda record: int(all(truth(part(record)) for part in parts))

    def _negation(self) -> Expression:
        negated = False
        while self._scan.word("not"):
            negated = not negated
        inner = self._comparison()
        return (lambda record: int(not truth(inner(record)))) if negated else inner

    def _comparison(self) -> Expression:
        left = self._sum()
        if self._scan.symbol("=~"):
            return self._like(left, negated=False)
        if symbol := self._scan.symbol(*_COMPARISONS):
            return _compared(left, self._sum(), symbol)
        negated = bool(self._scan.word("not"))
        if self._scan.word("like"):
            return self._like(left, negated)
        if self._scan.word("in"):
            return self._membership(left, negated)
        if negated:
            raise self._scan.fail()
        return left

    def _like(self, left: Expression, negated: bool) -> Expression:
        regex: Any = self._scan.regex()
        if regex is not None:
            return lambda record: int(bool(regex.search(text(left(record)) or "")) is not negated)
        part = self._scan.string()
        if part is None:
            raise self._scan.fail()
        return lambda record: int((part in (text(left(record)) or "")) is not negated)

    def _membership(self, left: Expression, negated: bool) -> Expression:
        self._scan.expect_symbol("[")
        members = [self._sum()]
        while self._scan.symbol(","):
            members.append(self._sum())
        self._scan.expect_symbol("]")

        def evaluate(record: Record) -> Value:
            value = left(record)
            return int(any(compare(value, member(record)) == 0 for member in members) is not negated)

        return evaluate

    def _operator(self, *symbols: str) -> str | None:
        symbol = self._scan.symbol(*symbols)
        if symbol:
            self._operators += 1
            if self._operators > MAX_OPERATORS:
                raise self._scan.fail(f"a query has {MAX_OPERATORS} arithmetic operators at most:")
        return symbol

    def _sum(self) -> Expression:
        left = self._product()
        while symbol := self._operator("+", "-"):
            left = _computed(left, self._product(), symbol)
        return left

    def _product(self) -> Expression:
        left = self._power()
        while symbol := self._operator("*", "/", "%"):
            left = _computed(left, self._power(), symbol)
        return left

    def _power(self) -> Expression:
        base = self._atom()
        return _computed(base, self._power(), "^") if self._operator("^") else base

    def _atom(self) -> Expression:
        if self._operator("-"):
            inner = self._atom()
            return _computed(lambda record: 0, inner, "-")
        if self._scan.symbol("("):
            inner = self.read()
            self._scan.expect_symbol(")")
            return inner
        constant: Value = self._scan.string()
        if constant is None:
            constant = self._scan.number()
        if constant is not None:
            return lambda record: constant
        start = self._scan.at
        name = self._scan.name()
        if name is None:
            raise self._scan.fail()
        if self._scan.symbol("("):
            return self._function(name, start)
        return lambda record: record.get(name)

    def _function(self, name: str, start: int) -> Expression:
        lowered = name.lower()
        if lowered in ("bin", "datefloor", "dateceil"):
            return self._rounded(lowered)
        known = FUNCTIONS.get(lowered)
        if known is None:
            raise InvalidQuery(f"unknown function {name}", start)
        arguments = self._arguments()
        if not known.least <= len(arguments) <= known.most:
            wanted = str(known.least) if known.least == known.most else f"{known.least} to {known.most}"
            raise InvalidQuery(f"{name} takes {wanted} arguments, not {len(arguments)}", start)
        return lambda record: known.evaluate([argument(record) for argument in arguments])

    def _arguments(self) -> list[Expression]:
        if self._scan.symbol(")"):
            return []
        arguments = [self.read()]
        while self._scan.symbol(","):
            arguments.append(self.read())
        self._scan.expect_symbol(")")
        return arguments

    def _rounded(self, name: str) -> Expression:
        """`bin(5m)`, `bin(field, 5m)`, `datefloor(field, 1h)`, `dateceil(field, 1h)`."""
        moment: Expression = lambda record: record.get("@timestamp")  # noqa: E731 - the other arm replaces it
        span = self._scan.span()
        if span is None:
            moment = self.read()
            self._scan.expect_symbol(",")
            span = self._scan.span()
        if span is None:
            raise self._scan.fail()
        self._scan.expect_symbol(")")
        count, unit = span
        step = _step(unit)
        if count < 1 or (step is None and unit not in _MONTHS):
            raise self._scan.fail("unknown time span")

        def evaluate(record: Record) -> Value:
            at = milliseconds(moment(record))
            if at is None or not math.isfinite(at):
                return None
            if step is None:
                return _month(at, count * _MONTHS[unit], up=name == "dateceil")
            floor = int(at // (step * count)) * step * count
            return floor + step * count if name == "dateceil" and floor != at else floor

        return evaluate


def _step(unit: str) -> int | None:
    unit = _ALIASES.get(unit, unit)
    return _MS.get(unit) or _MS.get(unit.rstrip("s")[:1] if len(unit) > 2 else "")


def _month(at: float, count: int, up: bool) -> Value:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromtimestamp(at / 1000, UTC)
        number = (moment.year * 12 + moment.month - 1) // count * count
        floor = int(datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp() * 1000)
        if up and floor != at:
            number += count
            return int(datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None
    return floor


def _compared(left: Expression, right: Expression, symbol: str) -> Expression:
    accepts = _COMPARISONS[symbol]

    def evaluate(record: Record) -> Value:
        order = compare(left(record), right(record))
        return int(symbol == "!=") if order is None else int(accepts(order))

    return evaluate


def _computed(left: Expression, right: Expression, symbol: str) -> Expression:
    compute = ARITHMETIC[symbol]

    def evaluate(record: Record) -> Value:
        one, other = number(left(record)), number(right(record))
        if one is None or other is None:
            return None
        try:
            return compute(one, other)
        except OverflowError:
            return None

    return evaluate
