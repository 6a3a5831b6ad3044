"""Metadata filters: a small tree that every index evaluates alike. `None` as a filter lets everything through.

Where a stored value is a list, `equals`, `in`, `starts_with` and `string_contains` ask whether any of its members
passes (two lists are equal if all members are, in order), `list_contains` whether it has the member, and the orderings
never pass. Numbers order as numbers, strings as strings (so ISO dates order by time); a boolean is neither.
`exists` asks whether the key is there (value True) or isn't (False).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

Operator = Literal[
    "equals",
    "not_equals",
    "greater_than",
    "greater_than_or_equals",
    "less_than",
    "less_than_or_equals",
    "in",
    "not_in",
    "starts_with",
    "string_contains",
    "list_contains",
    "exists",
]


@dataclass(frozen=True, slots=True)
class Compare:
    operator: Operator
    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: Sequence[Filter]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: Sequence[Filter]


Filter = Compare | AllOf | AnyOf


class Missing:
    """What `passes` is given for a key that isn't there."""


MISSING = Missing()


def matches(where: Filter | None, metadata: Mapping[str, Any]) -> bool:
    """Whether metadata passes the filter. `not_equals` and `not_in` also pass where the key is absent; every other
    operator but `exists` fails there. Numbers compare with numbers only, strings with strings."""
    match where:
        case None:
            return True
        case AllOf(parts):
            return all(matches(part, metadata) for part in parts)
        case AnyOf(parts):
            return any(matches(part, metadata) for part in parts)
        case Compare(operator, key, value):
            return passes(operator, metadata.get(key, MISSING), value)


def passes(operator: Operator, stored: Any, value: Any) -> bool:
    """Whether one stored value (`MISSING` if there is none) passes one comparison. Raises ValueError for an operator
    that doesn't exist."""
    if operator not in _OPERATORS:
        raise ValueError(f"no filter operator is named {operator!r}; there are {', '.join(_OPERATORS)}")
    match operator:
        case "not_equals":
            return not passes("equals", stored, value)
        case "not_in":
            return not passes("in", stored, value)
        case "exists":
            return isinstance(stored, Missing) is not bool(value)
    if isinstance(stored, Missing):
        return False
    match operator:
        case "equals":
            return _equal(stored, value) or (
                not _is_list(value) and any(_equal(one, value) for one in _members(stored))
            )
        case "in":
            return _is_list(value) and any(_equal(one, wanted) for one in _members(stored) for wanted in value)
        case "starts_with":
            return isinstance(value, str) and any(isinstance(o, str) and o.startswith(value) for o in _members(stored))
        case "string_contains":
            return isinstance(value, str) and any(isinstance(one, str) and value in one for one in _members(stored))
        case "list_contains":
            return _is_list(stored) and any(_equal(one, value) for one in stored)
    return _comparable(stored, value) and _ORDERS[operator](stored, value)


_OPERATORS: tuple[str, ...] = get_args(Operator)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "greater_than": lambda stored, value: stored > value,
    "greater_than_or_equals": lambda stored, value: stored >= value,
    "less_than": lambda stored, value: stored < value,
    "less_than_or_equals": lambda stored, value: stored <= value,
}


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _members(stored: Any) -> Sequence[Any]:
    return stored if _is_list(stored) else (stored,)


def _comparable(one: Any, other: Any) -> bool:
    return (_is_number(one) and _is_number(other)) or (isinstance(one, str) and isinstance(other, str))


def _equal(one: Any, other: Any) -> bool:
    if _is_list(one) and _is_list(other):
        return len(one) == len(other) and all(_equal(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if one is None or other is None:
        return one is other
    return _comparable(one, other) and bool(one == other)
