"""Filters as PostgreSQL evaluates them on a jsonb column; what passes is what `filters.matches` lets pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outcrop.engines.indexing.filters import AllOf, Compare, Filter

_ORDERS = {
    "greater_than": ">",
    "greater_than_or_equals": ">=",
    "less_than": "<",
    "less_than_or_equals": "<=",
}


@dataclass(frozen=True, slots=True)
class Condition:
    sql: str
    values: Mapping[str, Any]
    """By the names under which `sql` mentions them."""

    @classmethod
    def of(cls, where: Filter | None, column: str) -> Condition:
        """`column` is the jsonb column's quoted name."""
        values: dict[str, Any] = {}
        return cls("TRUE" if where is None else f"COALESCE({_sql(where, column, values)}, FALSE)", values)


def _sql(where: Filter, column: str, values: dict[str, Any]) -> str:
    if isinstance(where, Compare):
        return _comparison(where, column, values)
    parts = [f"COALESCE({_sql(part, column, values)}, FALSE)" for part in where.parts]
    if isinstance(where, AllOf):
        return f"({' AND '.join(parts)})" if parts else "TRUE"
    return f"({' OR '.join(parts)})" if parts else "FALSE"


def _comparison(where: Compare, column: str, values: dict[str, Any]) -> str:
    value = where.value
    stored = f"({column} -> CAST({_bound(values, where.key)} AS text))"
    match where.operator:
        case "exists":
            return f"({stored} IS NOT NULL) = {'TRUE' if value else 'FALSE'}"
        case "equals":
            return _equal(stored, value, values)
        case "not_equals":
            return f"NOT COALESCE({_equal(stored, value, values)}, FALSE)"
        case "in" | "not_in":
            members = value if isinstance(value, list | tuple) else ()
            found = " OR ".join(_equal(stored, one, values) for one in members) or "FALSE"
            return f"({found})" if where.operator == "in" else f"NOT COALESCE({found}, FALSE)"
        case "list_contains":
            return f"(jsonb_typeof({stored}) = 'array' AND {_equal(stored, value, values)})"
        case "starts_with":
            return _any_string(stored, f"starts_with(m #>> '{{}}', CAST({_text(values, value)} AS text))", value)
        case "string_contains":
            return _any_string(stored, f"strpos(m #>> '{{}}', CAST({_text(values, value)} AS text)) > 0", value)
    return _ordered(stored, _ORDERS[where.operator], value, values)


def _equal(stored: str, value: Any, values: dict[str, Any]) -> str:
    """A list contains, in jsonb's sense, what is equal to one of its members."""
    bound = f"CAST({_bound(values, _json(value))} AS jsonb)"
    return f"{stored} = {bound}" if isinstance(value, list | tuple) else f"{stored} @> {bound}"


def _any_string(stored: str, test: str, value: Any) -> str:
    if not isinstance(value, str):
        return "FALSE"
    members = f"CASE jsonb_typeof({stored}) WHEN 'array' THEN {stored} ELSE jsonb_build_array({stored}) END"
    return f"EXISTS (SELECT 1 FROM jsonb_array_elements({members}) AS m WHERE jsonb_typeof(m) = 'string' AND {test})"


def _ordered(stored: str, sign: str, value: Any, values: dict[str, Any]) -> str:
    text = f"({stored} #>> '{{}}')"
    if isinstance(value, str):
        bound = f"CAST({_text(values, value)} AS text)"
        return f"CASE jsonb_typeof({stored}) WHEN 'string' THEN {text} COLLATE \"C\" {sign} {bound} ELSE FALSE END"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "FALSE"
    bound = f"CAST({_bound(values, repr(value))} AS numeric)"
    return f"CASE jsonb_typeof({stored}) WHEN 'number' THEN CAST({text} AS numeric) {sign} {bound} ELSE FALSE END"


def _text(values: dict[str, Any], value: Any) -> str:
    return _bound(values, value.replace("\0", " ") if isinstance(value, str) else "")


def _json(value: Any) -> str:
    return json.dumps(value).replace("\\u0000", " ")


def _bound(values: dict[str, Any], value: Any) -> str:
    name = f"f{len(values)}"
    values[name] = value
    return f":{name}"
