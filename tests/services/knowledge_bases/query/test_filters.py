from __future__ import annotations

import pytest

from outcrop.engines.indexing.filters import AllOf, AnyOf, Compare
from outcrop.services.knowledge_bases.errors import ValidationException
from outcrop.services.knowledge_bases.query.filters import translate


def test_groups_nest():
    assert translate(
        {
            "andAll": [
                {"equals": {"key": "course", "value": "bio101"}},
                {"orAll": [{"lessThan": {"key": "week", "value": 3}}, {"in": {"key": "week", "value": [7, 8]}}]},
            ]
        }
    ) == AllOf(
        [Compare("equals", "course", "bio101"), AnyOf([Compare("less_than", "week", 3), Compare("in", "week", [7, 8])])]
    )


def test_no_filter_is_none():
    assert translate(None) is None


@pytest.mark.parametrize(
    "given",
    [
        {"lessThan": {"key": "week", "value": "3"}},
        {"greaterThan": {"key": "week", "value": True}},
        {"startsWith": {"key": "name", "value": 3}},
        {"in": {"key": "week", "value": 3}},
        {"notIn": {"key": "week", "value": []}},
    ],
)
def test_a_value_that_an_operator_cannot_compare_is_refused(given):
    with pytest.raises(ValidationException):
        translate(given)


def test_a_filter_that_nests_without_end_is_refused():
    nested = {"equals": {"key": "a", "value": 1}}
    for _ in range(50):
        nested = {"andAll": [nested, nested]}
    with pytest.raises(ValidationException, match="nested"):
        translate(nested)
