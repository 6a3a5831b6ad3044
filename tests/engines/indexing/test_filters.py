import pytest

from outcrop.engines.indexing.filters import AllOf, AnyOf, Compare, matches

BOOK = {"course": "bio101", "week": 3, "open": True, "tags": ["cell", "osmosis"], "day": "2024-05-01", "page": 7.0}


@pytest.mark.parametrize(
    ("operator", "key", "value", "expected"),
    [
        ("equals", "course", "bio101", True),
        ("equals", "course", "Bio101", False),
        ("equals", "page", 7, True),
        ("equals", "week", "3", False),
        ("equals", "open", True, True),
        ("equals", "open", 1, False),
        ("equals", "week", True, False),
        ("equals", "tags", "cell", True),
        ("equals", "tags", ["cell", "osmosis"], True),
        ("equals", "tags", ["osmosis", "cell"], False),
        ("equals", "nothing", "bio101", False),
        ("not_equals", "course", "bio101", False),
        ("not_equals", "course", "chem", True),
        ("not_equals", "week", "3", True),
        ("not_equals", "nothing", "bio101", True),
        ("not_equals", "tags", "cell", False),
        ("greater_than", "week", 2, True),
        ("greater_than", "week", 3, False),
        ("greater_than", "week", "2", False),
        ("greater_than", "open", 0, False),
        ("greater_than", "tags", "a", False),
        ("greater_than", "nothing", 0, False),
        ("greater_than_or_equals", "week", 3.0, True),
        ("less_than", "week", 3.5, True),
        ("less_than", "day", "2024-06-01", True),
        ("less_than_or_equals", "day", "2024-05-01", True),
        ("less_than", "week", float("nan"), False),
        ("in", "course", ["chem", "bio101"], True),
        ("in", "course", [], False),
        ("in", "course", "bio101", False),
        ("in", "week", ["3", True], False),
        ("in", "tags", ["osmosis", "x"], True),
        ("in", "nothing", ["x"], False),
        ("not_in", "course", ["chem"], True),
        ("not_in", "course", ["bio101"], False),
        ("not_in", "nothing", ["x"], True),
        ("starts_with", "course", "bio", True),
        ("starts_with", "course", "io", False),
        ("starts_with", "week", "3", False),
        ("starts_with", "tags", "os", True),
        ("string_contains", "course", "o1", True),
        ("string_contains", "tags", "mos", True),
        ("string_contains", "tags", 3, False),
        ("list_contains", "tags", "cell", True),
        ("list_contains", "tags", "cel", False),
        ("list_contains", "course", "bio101", False),
    ],
)
def test_compare(operator, key, value, expected):
    assert matches(Compare(operator, key, value), BOOK) is expected


def test_groups():
    biology, late = Compare("equals", "course", "bio101"), Compare("greater_than", "week", 5)
    assert matches(AnyOf([biology, late]), BOOK)
    assert not matches(AllOf([biology, late]), BOOK)
    assert matches(AllOf([biology, AnyOf([late, Compare("list_contains", "tags", "cell")])]), BOOK)
    assert matches(AllOf([]), BOOK)
    assert not matches(AnyOf([]), BOOK)


def test_no_filter_lets_everything_through():
    assert matches(None, {})


def test_unknown_operator_is_refused():
    with pytest.raises(ValueError, match="no filter operator is named 'regex'"):
        matches(Compare("regex", "course", "b.*"), BOOK)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="regex"):
        matches(Compare("regex", "nothing", "b.*"), BOOK)  # type: ignore[arg-type]
