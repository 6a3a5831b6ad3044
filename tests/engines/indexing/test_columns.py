import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from outcrop.engines.indexing.columns import Column, passing
from outcrop.engines.indexing.filters import MISSING, AllOf, AnyOf, Compare, matches

VALUES = st.one_of(st.booleans(), st.integers(-2, 2), st.sampled_from(["", "a", "ab", "1"]), st.just(1.0))
STORED = st.one_of(VALUES, st.lists(st.sampled_from(["a", "ab"]), max_size=2))
COMPARISONS = st.one_of(
    st.builds(
        Compare,
        st.sampled_from(
            ["equals", "not_equals", "greater_than", "less_than_or_equals", "starts_with", "list_contains"]
        ),
        st.sampled_from(["x", "y"]),
        VALUES,
    ),
    st.builds(Compare, st.sampled_from(["in", "not_in"]), st.sampled_from(["x", "y"]), st.lists(VALUES, max_size=3)),
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda parts: st.one_of(
        st.builds(AllOf, st.lists(parts, max_size=3)), st.builds(AnyOf, st.lists(parts, max_size=3))
    ),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.sampled_from(["x", "y"]), STORED)), FILTERS)
def test_columns_agree_with_matches(rows, where):
    columns = {key: Column(row.get(key, MISSING) for row in rows) for key in ("x", "y")}
    assert passing(where, columns.__getitem__, len(rows)).tolist() == [matches(where, row) for row in rows]


def test_extend_and_keep():
    column = Column(["a", "b"])
    column.extend(itertools.repeat("c", 3000))
    column.keep(np.array([True, False] + [True] * 3000))
    column.extend(["b"])
    assert column.passing(Compare("equals", "k", "b")).tolist() == [False] * 3001 + [True]
    assert column.passing(Compare("equals", "k", "c")).sum() == 3000
