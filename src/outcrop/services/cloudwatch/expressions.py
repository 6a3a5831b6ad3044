"""Metric math: `100 * errors / invocations`, `SUM(METRICS())`, `FILL(m1, 0)`, `IF(m1 > 5, m1, 0)`.

Values are numbers, series, and lists of series. The text is parsed by hand: it comes from outside.
"""

from __future__ import annotations

import bisect
import itertools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_DEPTH = 60
MAX_POINTS = 100_800


class BadExpression(ValueError):
    """The text isn't an expression, or can't be computed."""


@dataclass(frozen=True, slots=True)
class Series:
    points: Mapping[int, float]
    """Seconds since the epoch and value, ascending."""
    grid: range
    """All the times at which there could be a point; its step is the period."""
    label: str = ""


Value = float | Series | list[Series]

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?|\.\d+)|(?P<name>[A-Za-z_]\w*)
    |(?P<text>"[^"]*"|'[^']*')|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/^()<>,\[\]]))""",
    re.VERBOSE,
)


def names_in(text: str) -> list[str]:
    """The lower-case names in an expression: the ids that it may refer to."""
    return [token for kind, token in _tokens(text) if kind == "name" and token[0].islower()]


def evaluate(text: str, operands: Mapping[str, list[Series]], metrics: Sequence[Series]) -> list[Series]:
    """The series that an expression yields. `metrics` is what METRICS() means. Raises BadExpression."""
    if re.match(r"\s*SELECT\s", text, re.IGNORECASE):
        raise BadExpression("Metrics Insights queries (SELECT …) are not supported here; name the metrics instead")
    value = _Parser(text, operands, metrics).parse()
    if isinstance(value, Series):
        return [value]
    if isinstance(value, list):
        return value
    raise BadExpression("The expression must yield a time series, not a single number")


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, position, text = [], 0, text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found or not found.lastgroup:
            raise BadExpression(f"Syntax error at '{text[position : position + 10].strip()}'")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        position = found.end()
    return tokens


def _truth(test: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    return lambda left, right: float(test(left, right))


def _power(left: float, right: float) -> float:
    result = left**right
    return result if isinstance(result, float) else math.nan  # a negative number's root is no metric


_LEVELS: tuple[Mapping[str, Callable[[float, float], float]], ...] = (
    {"||": _truth(lambda a, b: bool(a or b)), "OR": _truth(lambda a, b: bool(a or b))},
    {"&&": _truth(lambda a, b: bool(a and b)), "AND": _truth(lambda a, b: bool(a and b))},
    {
        "==": _truth(operator.eq),
        "!=": _truth(operator.ne),
        "<": _truth(operator.lt),
        "<=": _truth(operator.le),
        ">": _truth(operator.gt),
        ">=": _truth(operator.ge),
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv},
)
"""Operators from loose to tight; `^` and the minus sign are tighter."""


class _Parser:
    """Computes while it reads."""

    def __init__(self, text: str, operands: Mapping[str, list[Series]], metrics: Sequence[Series]) -> None:
        self._tokens = _tokens(text)
        self._position = 0
        self._depth = 0
        self._operands = operands
        self._metrics = list(metrics)
        self._known = [*self._metrics, *(series for several in operands.values() for series in several)]

    def parse(self) -> Value:
        value = self._level(0)
        if self._position < len(self._tokens):
            raise BadExpression(f"Syntax error at '{self._tokens[self._position][1]}'")
        return value

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._position] if self._position < len(self._tokens) else ("end", "the end")

    def _accept(self, token: str) -> bool:
        if self._peek()[0] != "text" and self._peek()[1] == token:
            self._position += 1
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise BadExpression(f"Syntax error: expected '{token}' at '{self._peek()[1]}'")

    def _level(self, number: int) -> Value:
        if number == len(_LEVELS):
            return self._signed()
        value = self._level(number + 1)
        while self._peek()[0] in ("sign", "name") and self._peek()[1] in _LEVELS[number]:
            compute = _LEVELS[number][self._peek()[1]]
            self._position += 1
            value = _combine(compute, value, self._level(number + 1))
        return value

    def _signed(self) -> Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadExpression("The expression is nested too deeply")
        if self._accept("-"):
            value = _each(operator.neg, self._signed())
        else:
            value = self._atom()
            if self._accept("^"):
                value = _combine(_power, value, self._signed())
        self._depth -= 1
        return value

    def _atom(self) -> Value:
        kind, token = self._peek()
        if self._accept("("):
            value = self._level(0)
            self._expect(")")
            return value
        if self._accept("["):
            return self._list()
        if kind == "number":
            self._position += 1
            return float(token)
        if kind == "name" and token[0].islower():
            self._position += 1
            return self._operand(token)
        if kind == "name":
            self._position += 1
            return self._call(token.upper())
        raise BadExpression(f"Syntax error at '{token}'")

    def _operand(self, name: str) -> Value:
        if name not in self._operands:
            raise BadExpression(f"The id '{name}' isn't defined in this request")
        found = self._operands[name]
        return found[0] if len(found) == 1 else list(found)

    def _list(self) -> Value:
        items: list[Series] = []
        while True:
            value = self._level(0)
            if not isinstance(value, Series):
                raise BadExpression("A list takes time series only")
            items.append(value)
            if not self._accept(","):
                self._expect("]")
                return items

    def _call(self, name: str) -> Value:
        self._expect("(")
        if name == "METRICS":
            return self._call_metrics()
        arguments: list[Value | str] = []
        while not self._accept(")"):
            if arguments:
                self._expect(",")
            kind, token = self._peek()
            if kind == "name" and token in ("REPEAT", "LINEAR"):
                self._position += 1
                arguments.append(token)
            else:
                arguments.append(self._level(0))
        if name == "TIME_SERIES" and len(arguments) == 1 and isinstance(arguments[0], float):
            grid = next((series.grid for series in self._known), range(0))
            return Series(dict.fromkeys(_bounded(grid), arguments[0]), grid)
        function = _FUNCTIONS.get(name)
        if function is None:
            raise BadExpression(f"The function {name} is not supported here")
        try:
            return function(*arguments)
        except TypeError:
            raise BadExpression(f"The function {name} doesn't take these arguments") from None

    def _call_metrics(self) -> Value:
        wanted = ""
        if self._peek()[0] == "text":
            wanted = self._peek()[1][1:-1]
            self._position += 1
        self._expect(")")
        return [series for series in self._metrics if wanted in series.label]


# Arithmetic


def _safe(compute: Callable[..., float], *numbers: float) -> float | None:
    try:
        result = compute(*numbers)
    except (ArithmeticError, ValueError):
        return None
    return result if math.isfinite(result) else None


def _combine(compute: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Number with number, and series point by point; a point without its partner is left out."""
    if isinstance(left, list) and isinstance(right, list):
        raise BadExpression("Two lists of series can't be combined; reduce one of them, as with SUM")
    if isinstance(left, list):
        return [_as_series(_combine(compute, item, right)) for item in left]
    if isinstance(right, list):
        return [_as_series(_combine(compute, left, item)) for item in right]
    if isinstance(left, Series) and isinstance(right, Series):
        pairs = {at: _safe(compute, value, right.points[at]) for at, value in left.points.items() if at in right.points}
        return _series(pairs, left)
    if isinstance(left, Series):
        return _series({at: _safe(compute, value, _scalar(right)) for at, value in left.points.items()}, left)
    if isinstance(right, Series):
        return _series({at: _safe(compute, left, value) for at, value in right.points.items()}, right)
    result = _safe(compute, left, right)
    if result is None:
        raise BadExpression("Division by zero, or a number out of range")
    return result


def _each(compute: Callable[[float], float], value: Value) -> Value:
    if isinstance(value, list):
        return [_as_series(_each(compute, item)) for item in value]
    if isinstance(value, Series):
        return _series({at: _safe(compute, number) for at, number in value.points.items()}, value)
    result = _safe(compute, value)
    if result is None:
        raise BadExpression("A number out of range")
    return result


def _series(points: Mapping[int, float | None], like: Series) -> Series:
    return Series({at: value for at, value in points.items() if value is not None}, like.grid, like.label)


def _as_series(value: Value) -> Series:
    if not isinstance(value, Series):
        raise TypeError("expected a time series")
    return value


def _scalar(value: Value) -> float:
    if not isinstance(value, float | int):
        raise TypeError("expected a number")
    return value


# Functions


def _reduce(compute: Callable[[list[float]], float]) -> Callable[[Value], Value]:
    """Over time for one series (a number), across the series for several (a series)."""

    def function(value: Value) -> Value:
        if isinstance(value, list):
            moments = sorted({at for series in value for at in series.points})
            points = {at: compute([s.points[at] for s in value if at in s.points]) for at in moments}
            return Series(points, value[0].grid if value else range(0))
        series = _as_series(value)
        if not series.points:
            raise BadExpression("There is no data to compute a single number from")
        return compute(list(series.points.values()))

    return function


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def _deviation(numbers: list[float]) -> float:
    mean = _mean(numbers)
    return math.sqrt(sum((number - mean) ** 2 for number in numbers) / len(numbers))


def _over_time(compute: Callable[[Series], Mapping[int, float]]) -> Callable[[Value], Value]:
    def function(value: Value) -> Value:
        if isinstance(value, list):
            return [_series(compute(series), series) for series in value]
        return _series(compute(_as_series(value)), _as_series(value))

    return function


def _steps(series: Series, compute: Callable[[float, float], float]) -> dict[int, float]:
    """`compute(difference, seconds)` at each point but the first."""
    points = list(series.points.items())
    return {at: compute(value - last, at - before) for (before, last), (at, value) in itertools.pairwise(points)}


def _running(series: Series) -> dict[int, float]:
    total, points = 0.0, {}
    for at, value in series.points.items():
        points[at] = total = total + value
    return points


def _calendar(read: Callable[[datetime], float]) -> Callable[[Value], Value]:
    return _over_time(lambda series: {at: float(read(datetime.fromtimestamp(at, UTC))) for at in series.points})


def _fill(value: Value, filling: Value | str) -> Value:
    if isinstance(value, list):
        return [_as_series(_fill(series, filling)) for series in value]
    series = _as_series(value)
    grid, known = _bounded(series.grid), sorted(series.points)
    points = {at: series.points[at] if at in series.points else _filled(series, known, filling, at) for at in grid}
    return _series(points, series)


def _bounded(grid: range) -> range:
    """A grid to walk through, if it isn't too long for that."""
    if len(grid) > MAX_POINTS:
        raise BadExpression(f"The time range has more than {MAX_POINTS:,} periods; shorten it or lengthen the period")
    return grid


def _filled(series: Series, known: Sequence[int], filling: Value | str, at: int) -> float | None:
    if isinstance(filling, Series):
        return filling.points.get(at)
    if not isinstance(filling, str):
        return _scalar(filling)
    place = bisect.bisect(known, at)
    if place == 0:
        return None
    before = known[place - 1]
    if filling == "REPEAT" or place == len(known):
        return series.points[before]
    after = known[place]
    share = (at - before) / (after - before)
    return series.points[before] + share * (series.points[after] - series.points[before])


def _if(condition: Value, then: Value, otherwise: Value | None = None) -> Value:
    if isinstance(condition, list) or isinstance(then, list) or isinstance(otherwise, list):
        raise TypeError("IF takes single series and numbers")
    if not isinstance(condition, Series):
        chosen = then if condition else otherwise
        if chosen is None:
            raise BadExpression("IF without a third argument takes a time series as its condition")
        return chosen
    points: dict[int, float | None] = {}
    for at, truth in condition.points.items():
        chosen = then if truth else otherwise
        points[at] = chosen.points.get(at) if isinstance(chosen, Series) else chosen
    return _series(points, condition)


def _edge(last: bool) -> Callable[[Value], Value]:
    def function(value: Value) -> Value:
        if isinstance(value, list):
            if not value:
                raise BadExpression("There is no series to choose from")
            return value[-1 if last else 0]
        raise TypeError("FIRST and LAST take several series")

    return function


def _slice(value: Value, start: Value, end: Value | None = None) -> Value:
    if not isinstance(value, list):
        raise TypeError("SLICE takes several series")
    first = int(_scalar(start))
    return value[first : int(_scalar(end)) if end is not None else first + 1]


def _extreme(choose: Callable[[list[float]], float]) -> Callable[..., Value]:
    reduce = _reduce(choose)

    def function(*values: Value) -> Value:
        if len(values) == 1:
            return reduce(values[0])
        result = values[0]
        for value in values[1:]:
            result = _combine(lambda left, right: choose([left, right]), result, value)
        return result

    return function


_FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "ABS": lambda value: _each(abs, value),
    "AVG": _reduce(_mean),
    "CEIL": lambda value: _each(lambda number: float(math.ceil(number)), value),
    "DATAPOINT_COUNT": _reduce(lambda numbers: float(len(numbers))),
    "DATE": _calendar(lambda moment: moment.day),
    "DAY": _calendar(lambda moment: moment.isoweekday()),
    "DIFF": _over_time(lambda series: _steps(series, lambda difference, seconds: difference)),
    "DIFF_TIME": _over_time(lambda series: _steps(series, lambda difference, seconds: float(seconds))),
    "EPOCH": _calendar(lambda moment: moment.timestamp()),
    "FILL": _fill,
    "FIRST": _edge(last=False),
    "FLOOR": lambda value: _each(lambda number: float(math.floor(number)), value),
    "HOUR": _calendar(lambda moment: moment.hour),
    "IF": _if,
    "LAST": _edge(last=True),
    "LOG": lambda value: _each(math.log, value),
    "LOG10": lambda value: _each(math.log10, value),
    "MAX": _extreme(max),
    "METRIC_COUNT": lambda value: float(len(value)) if isinstance(value, list) else 1.0,
    "MIN": _extreme(min),
    "MINUTE": _calendar(lambda moment: moment.minute),
    "MONTH": _calendar(lambda moment: moment.month),
    "PERIOD": lambda value: float(_as_series(value).grid.step),
    "RATE": _over_time(lambda series: _steps(series, lambda difference, seconds: difference / seconds)),
    "REMOVE_EMPTY": lambda value: [series for series in value if series.points],
    "RUNNING_SUM": _over_time(_running),
    "SLICE": _slice,
    "STDDEV": _reduce(_deviation),
    "SUM": _reduce(math.fsum),
    "YEAR": _calendar(lambda moment: moment.year),
}
