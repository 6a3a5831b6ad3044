"""AWS's retrieval filters, turned into the index's."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from outcrop.engines.indexing.filters import AllOf, AnyOf, Compare, Filter, Operator
from outcrop.services.knowledge_bases.errors import ValidationException

OPERATORS: Mapping[str, Operator] = {
    "equals": "equals",
    "notEquals": "not_equals",
    "greaterThan": "greater_than",
    "greaterThanOrEquals": "greater_than_or_equals",
    "lessThan": "less_than",
    "lessThanOrEquals": "less_than_or_equals",
    "in": "in",
    "notIn": "not_in",
    "startsWith": "starts_with",
    "stringContains": "string_contains",
    "listContains": "list_contains",
}
GROUPS = ("andAll", "orAll")
NUMERIC = ("greaterThan", "greaterThanOrEquals", "lessThan", "lessThanOrEquals")
STRINGS = ("startsWith", "stringContains")
LISTS = ("in", "notIn")

MAX_DEPTH = 8
"""Groups within groups here; AWS's own limits are in `beyond_aws`."""
MAX_CONDITIONS = 500
AWS_GROUP_SIZE = 5
AWS_DEPTH = 2
"""A group, and one level of groups in it."""
_STARTS_WITH = ("OPENSEARCH_SERVERLESS",)
_LACKING = {"S3_VECTORS": ("startsWith", "stringContains")}


def translate(given: Mapping[str, Any] | None) -> Filter | None:
    """Raises ValidationException for values that an operator can't compare, and for groups without end."""
    if not given:
        return None
    if sum(1 for _ in _conditions(given, 1)) > MAX_CONDITIONS:
        raise ValidationException(f"The filter has more than {MAX_CONDITIONS} conditions.")
    return _translate(given)


def beyond_aws(given: Mapping[str, Any] | None, storage: str) -> list[str]:
    """What works here but not on AWS with this kind of store: sentences, none if all is well."""
    if not given:
        return []
    found: dict[str, None] = {}
    for depth, operator, operand in _conditions(given, 1):
        if operator in GROUPS and len(operand) > AWS_GROUP_SIZE:
            found[f"{operator} has {len(operand)} filters; the maximum is {AWS_GROUP_SIZE}."] = None
        if operator in GROUPS and depth > AWS_DEPTH:
            found[f"The filter's groups are nested {depth} levels deep; the maximum is {AWS_DEPTH}."] = None
        if (operator == "startsWith" and storage not in _STARTS_WITH) or operator in _LACKING.get(storage, ()):
            found[f"The filter operator {operator} is not supported for vector stores of type {storage}."] = None
    return list(found)


def _conditions(given: Mapping[str, Any], depth: int) -> Iterator[tuple[int, str, Any]]:
    """Every group and comparison with its depth from 1. Raises ValidationException if that grows too large."""
    operator, operand = _only(given)
    if depth > MAX_DEPTH:
        raise ValidationException(f"The filter is nested more than {MAX_DEPTH} levels deep.")
    yield depth, operator, operand
    if operator in GROUPS:
        for item in operand:
            yield from _conditions(item, depth + 1)


def _only(given: Mapping[str, Any]) -> tuple[str, Any]:
    set_members = [(name, value) for name, value in given.items() if value is not None]
    if len(set_members) != 1:
        raise ValidationException("A filter must have exactly one operator.")
    return set_members[0]


def _translate(given: Mapping[str, Any]) -> Filter:
    operator, operand = _only(given)
    if operator in GROUPS:
        parts = [_translate(item) for item in operand]
        return AllOf(parts) if operator == "andAll" else AnyOf(parts)
    key, value = operand["key"], operand["value"]
    _check(operator, key, value)
    return Compare(OPERATORS[operator], key, value)


def _check(operator: str, key: str, value: Any) -> None:
    if operator in NUMERIC and not _is_number(value):
        raise ValidationException(f"The value of {operator} on {key} must be a number.")
    if operator in STRINGS and not isinstance(value, str):
        raise ValidationException(f"The value of {operator} on {key} must be a string.")
    if operator in LISTS and not (isinstance(value, list) and value and all(map(_is_plain, value))):
        raise ValidationException(
            f"The value of {operator} on {key} must be a list of at least one string, number or boolean."
        )
    if operator == "listContains" and not _is_plain(value):
        raise ValidationException(f"The value of listContains on {key} must be a string, a number or a boolean.")
    if operator in ("equals", "notEquals") and not (
        _is_plain(value) or (isinstance(value, list) and all(map(_is_plain, value)))
    ):
        raise ValidationException(
            f"The value of {operator} on {key} must be a string, a number, a boolean or a list of these."
        )


def _is_number(value: Any) -> bool:
    """One that others can be compared with: a double holds it."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool) or _is_number(value)
