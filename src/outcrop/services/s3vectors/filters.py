"""The filter language of QueryVectors: `{"year": {"$gte": 2020}, "$or": [{"genre": "drama"}, …]}`."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Any

from outcrop.services.contract import ValidationException
from outcrop.services.s3vectors.errors import invalid

if TYPE_CHECKING:
    from outcrop.engines.indexing.filters import Filter, Operator

_OPERATORS: dict[str, Operator] = {
    "$eq": "equals",
    "$ne": "not_equals",
    "$gt": "greater_than",
    "$gte": "greater_than_or_equals",
    "$lt": "less_than",
    "$lte": "less_than_or_equals",
    "$in": "in",
    "$nin": "not_in",
    "$exists": "exists",
}
_DEEPEST = 32


def parse(value: Any, not_filterable: Container[str]) -> Filter:
    """Raises ValidationException for what the language doesn't have."""
    return _object(value, not_filterable, 1)


def _object(value: Any, not_filterable: Container[str], depth: int) -> Filter:
    from outcrop.engines.indexing.filters import AllOf

    if not isinstance(value, dict) or not value:
        raise _wrong("a filter must be an object with at least one condition")
    if depth > _DEEPEST:
        raise _wrong(f"filters may be nested {_DEEPEST} deep")
    parts: list[Filter] = []
    for key, condition in value.items():
        if key in ("$and", "$or"):
            parts.append(_group(key, condition, not_filterable, depth))
        elif key.startswith("$"):
            raise _wrong(f"{key} is not a logical operator; there are $and and $or")
        elif key in not_filterable:
            raise invalid("Invalid use of non-filterable metadata in filter", "/filter")
        else:
            parts.extend(_conditions(key, condition))
    return parts[0] if len(parts) == 1 else AllOf(parts)


def _group(key: str, members: Any, not_filterable: Container[str], depth: int) -> Filter:
    from outcrop.engines.indexing.filters import AllOf, AnyOf

    if not isinstance(members, list) or not members:
        raise _wrong(f"{key} takes a list of at least one filter")
    parts = [_object(member, not_filterable, depth + 1) for member in members]
    return AllOf(parts) if key == "$and" else AnyOf(parts)


def _conditions(key: str, condition: Any) -> list[Filter]:
    from outcrop.engines.indexing.filters import Compare

    if not isinstance(condition, dict):
        _check_operand("$eq", condition)
        return [Compare("equals", key, condition)]
    if not condition:
        raise _wrong(f"the condition of {key} is empty")
    for operator, operand in condition.items():
        if operator not in _OPERATORS:
            raise _wrong(f"{operator} is not an operator; there are {', '.join(_OPERATORS)}")
        _check_operand(operator, operand)
    return [Compare(_OPERATORS[operator], key, operand) for operator, operand in condition.items()]


def _check_operand(operator: str, operand: Any) -> None:
    match operator:
        case "$exists":
            sound, takes = isinstance(operand, bool), "true or false"
        case "$in" | "$nin":
            sound = isinstance(operand, list) and bool(operand)
            sound = sound and all(isinstance(one, str | int | float) for one in operand)
            takes = "a list of at least one string, number or boolean"
        case "$eq" | "$ne":
            sound, takes = isinstance(operand, str | int | float), "a string, a number or a boolean"
        case _:
            sound, takes = isinstance(operand, int | float) and not isinstance(operand, bool), "a number"
    if not sound:
        raise _wrong(f"{operator} takes {takes}")


def _wrong(why: str) -> ValidationException:
    return invalid(f"Invalid query filter: {why}", "/filter")
