"""The functions that compute a value from values."""

from __future__ import annotations

import ipaddress
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from outcrop.engines.insights.values import Value, compare, milliseconds, number, text

Evaluate = Callable[[Sequence[Value]], Value]

LONGEST = 1_000_000
"""Characters of a computed text."""


@dataclass(frozen=True, slots=True)
class Function:
    least: int
    most: int
    """How many arguments it takes."""
    evaluate: Evaluate


def _numeric(compute: Callable[[float], float]) -> Evaluate:
    def evaluate(arguments: Sequence[Value]) -> Value:
        amount = number(arguments[0])
        if amount is None:
            return None
        try:
            return compute(amount)
        except (ValueError, OverflowError):
            return None

    return evaluate


def _textual(compute: Callable[[str], Value]) -> Evaluate:
    def evaluate(arguments: Sequence[Value]) -> Value:
        given = text(arguments[0])
        return None if given is None else compute(given)

    return evaluate


def _extreme(wanted: int) -> Evaluate:
    def evaluate(arguments: Sequence[Value]) -> Value:
        best: Value = None
        for argument in arguments:
            amount = number(argument)
            if amount is not None and (best is None or compare(amount, best) == wanted):
                best = amount
        return best

    return evaluate


def _trim(strip: Callable[[str, str | None], str]) -> Evaluate:
    def evaluate(arguments: Sequence[Value]) -> Value:
        given = text(arguments[0])
        characters = text(arguments[1]) if len(arguments) > 1 else None
        return None if given is None else strip(given, characters)

    return evaluate


def _substr(arguments: Sequence[Value]) -> Value:
    given, start = text(arguments[0]), number(arguments[1])
    if given is None or start is None:
        return None
    begin = max(int(start), 0)
    if len(arguments) < 3:
        return given[begin:]
    length = number(arguments[2])
    return None if length is None else given[begin : begin + max(int(length), 0)]


def _replace(arguments: Sequence[Value]) -> Value:
    given, old, new = (text(argument) for argument in arguments)
    if given is None or old is None or new is None:
        return None
    if not old or len(given) + given.count(old) * len(new) > LONGEST:
        return given
    return given.replace(old, new)


def _strcontains(arguments: Sequence[Value]) -> Value:
    given, part = text(arguments[0]), text(arguments[1])
    return None if given is None or part is None else int(part in given)


def _concat(arguments: Sequence[Value]) -> Value:
    return "".join(text(argument) or "" for argument in arguments)[:LONGEST]


def _coalesce(arguments: Sequence[Value]) -> Value:
    return next((argument for argument in arguments if argument is not None), None)


def _json_stringify(arguments: Sequence[Value]) -> Value:
    return None if arguments[0] is None else json.dumps(arguments[0])


def _address(version: int | None) -> Evaluate:
    def evaluate(arguments: Sequence[Value]) -> Value:
        try:
            found = ipaddress.ip_address(text(arguments[0]) or "")
        except ValueError:
            return 0
        return int(version in (None, found.version))

    return evaluate


def _in_subnet(version: int | None) -> Evaluate:
    def evaluate(arguments: Sequence[Value]) -> Value:
        try:
            found = ipaddress.ip_address(text(arguments[0]) or "")
            network = ipaddress.ip_network(text(arguments[1]) or "", strict=False)
        except ValueError:
            return 0
        return int(version in (None, found.version) and found.version == network.version and found in network)

    return evaluate


def _divided(a: float, b: float) -> Value:
    return None if b == 0 else a / b


def _remainder(a: float, b: float) -> Value:
    return None if b == 0 else math.fmod(a, b)


def _power(a: float, b: float) -> Value:
    try:
        found = float(a) ** b
    except (OverflowError, ZeroDivisionError):
        return None
    return found if isinstance(found, float) else None


ARITHMETIC: Mapping[str, Callable[[float, float], Value]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "%": _remainder,
    "^": _power,
}

FUNCTIONS: Mapping[str, Function] = {
    "abs": Function(1, 1, _numeric(abs)),
    "ceil": Function(1, 1, _numeric(math.ceil)),
    "floor": Function(1, 1, _numeric(math.floor)),
    "sqrt": Function(1, 1, _numeric(math.sqrt)),
    "log": Function(1, 1, _numeric(math.log)),
    "greatest": Function(1, 20, _extreme(1)),
    "least": Function(1, 20, _extreme(-1)),
    "frommillis": Function(1, 1, lambda arguments: number(arguments[0])),
    "tomillis": Function(1, 1, lambda arguments: milliseconds(arguments[0])),
    "now": Function(0, 0, lambda arguments: int(time.time())),
    "ispresent": Function(1, 1, lambda arguments: int(arguments[0] is not None)),
    "coalesce": Function(1, 20, _coalesce),
    "isempty": Function(1, 1, lambda arguments: int(not text(arguments[0]))),
    "isblank": Function(1, 1, lambda arguments: int(not (text(arguments[0]) or "").strip())),
    "concat": Function(1, 20, _concat),
    "trim": Function(1, 2, _trim(str.strip)),
    "ltrim": Function(1, 2, _trim(str.lstrip)),
    "rtrim": Function(1, 2, _trim(str.rstrip)),
    "strlen": Function(1, 1, _textual(len)),
    "toupper": Function(1, 1, _textual(str.upper)),
    "tolower": Function(1, 1, _textual(str.lower)),
    "substr": Function(2, 3, _substr),
    "replace": Function(3, 3, _replace),
    "strcontains": Function(2, 2, _strcontains),
    "jsonstringify": Function(1, 1, _json_stringify),
    "isvalidip": Function(1, 1, _address(None)),
    "isvalidipv4": Function(1, 1, _address(4)),
    "isvalidipv6": Function(1, 1, _address(6)),
    "isipinsubnet": Function(2, 2, _in_subnet(None)),
    "isipv4insubnet": Function(2, 2, _in_subnet(4)),
    "isipv6insubnet": Function(2, 2, _in_subnet(6)),
}
"""By name in lower case: names are read in any case."""
