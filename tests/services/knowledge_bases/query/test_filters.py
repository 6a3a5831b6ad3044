from __future__ import annotations

import pytest

from outcrop.engines.indexing.filters import AllOf, AnyOf, Compare
from outcrop.services.knowledge_bases.errors import ValidationException
from outcrop.services.knowledge_bases.query.filters import beyond_aws, translate


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
        {"in": {"key": "week", "value": [None]}},
        {"equals": {"key": "week", "value": {"a": 1}}},
        {"equals": {"key": "week", "value": 10**400}},
        {"lessThan": {"key": "week", "value": float("nan")}},
        {"lessThan": {"key": "week", "value": -(10**400)}},
        {"listContains": {"key": "week", "value": ["a"]}},
        {"equals": {"key": "a", "value": 1}, "notEquals": {"key": "a", "value": 1}},
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


def test_a_filter_without_end_is_refused():
    with pytest.raises(ValidationException, match="500 conditions"):
        translate({"orAll": [{"equals": {"key": "a", "value": number}} for number in range(501)]})


@pytest.mark.parametrize(
    ("given", "store", "words"),
    [
        ({"startsWith": {"key": "a", "value": "b"}}, "RDS", ["startsWith"]),
        ({"startsWith": {"key": "a", "value": "b"}}, "OPENSEARCH_SERVERLESS", []),
        ({"stringContains": {"key": "a", "value": "b"}}, "S3_VECTORS", ["stringContains"]),
        ({"stringContains": {"key": "a", "value": "b"}}, "RDS", []),
        ({"orAll": [{"equals": {"key": "a", "value": 1}}] * 6}, "RDS", ["maximum is 5"]),
        ({"orAll": [{"andAll": [{"equals": {"key": "a", "value": 1}}] * 2}] * 2}, "RDS", []),
        (
            {"orAll": [{"andAll": [{"orAll": [{"equals": {"key": "a", "value": 1}}] * 2}] * 2}] * 2},
            "RDS",
            ["nested 3 levels"],
        ),
        (None, "RDS", []),
    ],
)
def test_what_aws_would_refuse(given, store, words):
    found = beyond_aws(given, store)
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))
