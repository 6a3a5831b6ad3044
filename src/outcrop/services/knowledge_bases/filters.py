"""AWS's retrieval filters, turned into the index's."""

from __future__ import annotations

from collections.abc import Mapping
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
NUMERIC = {"greaterThan", "greaterThanOrEquals", "lessThan", "lessThanOrEquals"}
STRINGS = {"startsWith", "stringContains", "listContains"}
MAX_DEPTH = 8


def translate(given: Mapping[str, Any] | None, depth: int = 0) -> Filter | None:
    """Raises ValidationException for values that an operator can't compare."""
    if not given:
        return None
    if depth > MAX_DEPTH:
        raise ValidationException(f"The filter is nested more than {MAX_DEPTH} levels deep.")
    operator, operand = next(iter(given.items()))
    if operator in ("andAll", "orAll"):
        parts = [part for item in operand if (part := translate(item, depth + 1)) is not None]
        return AllOf(parts) if operator == "andAll" else AnyOf(parts)
    key, value = operand["key"], operand["value"]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if operator in NUMERIC and not is_number:
        raise ValidationException(f"The value of {operator} on {key} must be a number.")
    if operator in STRINGS and not isinstance(value, str):
        raise ValidationException(f"The value of {operator} on {key} must be a string.")
    if operator in ("in", "notIn") and not (isinstance(value, list) and value):
        raise ValidationException(f"The value of {operator} on {key} must be a list with at least one member.")
    return Compare(OPERATORS[operator], key, value)
