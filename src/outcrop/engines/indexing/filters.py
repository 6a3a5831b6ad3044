"""Metadata filters: a small tree that every index evaluates alike. `None` as a filter lets everything through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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


def matches(where: Filter | None, metadata: Mapping[str, Any]) -> bool:
    """Whether metadata passes the filter. `not_equals` and `not_in` also pass where the key is absent; every other
    operator fails there. Numbers compare with numbers only, strings with strings."""
    raise NotImplementedError
