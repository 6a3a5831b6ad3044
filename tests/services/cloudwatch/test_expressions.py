import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.services.cloudwatch.expressions import BadExpression, Series, evaluate

GRID = range(0, 300, 60)
A = Series({0: 1.0, 60: 2.0, 180: 8.0}, GRID, "a")
B = Series({0: 10.0, 60: 0.0, 120: 5.0}, GRID, "b")

FUNCTIONS = (
    "METRICS()",
    "SUM",
    "AVG",
    "MAX",
    "FILL",
    "IF",
    "RATE",
    "DIFF",
    "REPEAT",
    "FIRST",
    "SLICE",
    "PERIOD",
    "LOG",
)


def compute(text):
    found = evaluate(text, {"a": [A], "b": [B], "both": [A, B]}, [A, B])
    return [dict(series.points) for series in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + 1", {0: 2, 60: 3, 180: 9}),
        ("100 * a / b", {0: 10}),
        ("-a ^ 2", {0: -1, 60: -4, 180: -64}),
        ("2 + 3 * a - (1 - a)", {0: 5, 60: 9, 180: 33}),
        ("a * SUM(a)", {0: 11, 60: 22, 180: 88}),
        ("SUM(METRICS())", {0: 11, 60: 2, 120: 5, 180: 8}),
        ("AVG([a, b])", {0: 5.5, 60: 1, 120: 5, 180: 8}),
        ("MAX(METRICS('b'))", {0: 10, 60: 0, 120: 5}),
        ("MIN([a, b])", {0: 1, 60: 0, 120: 5, 180: 8}),
        ("SUM(both)", {0: 11, 60: 2, 120: 5, 180: 8}),
        ("FILL(a, 0)", {0: 1, 60: 2, 120: 0, 180: 8, 240: 0}),
        ("FILL(a, REPEAT)", {0: 1, 60: 2, 120: 2, 180: 8, 240: 8}),
        ("FILL(a, LINEAR)", {0: 1, 60: 2, 120: 5, 180: 8, 240: 8}),
        ("FILL(a, b)", {0: 1, 60: 2, 120: 5, 180: 8}),
        ("RATE(a)", {60: 1 / 60, 180: 6 / 120}),
        ("DIFF(a)", {60: 1, 180: 6}),
        ("DIFF_TIME(a)", {60: 60, 180: 120}),
        ("RUNNING_SUM(a)", {0: 1, 60: 3, 180: 11}),
        ("IF(a > 1, a, 0)", {0: 0, 60: 2, 180: 8}),
        ("IF(a > 1 AND a < 5, a)", {60: 2}),
        ("a >= 2", {0: 0, 60: 1, 180: 1}),
        ("ABS(0 - a) + CEIL(a / 3) + FLOOR(a / 3)", {0: 2, 60: 3, 180: 13}),
        ("a / PERIOD(a)", {0: 1 / 60, 60: 2 / 60, 180: 8 / 60}),
        ("TIME_SERIES(MAX(a))", {0: 8, 60: 8, 120: 8, 180: 8, 240: 8}),
        ("FIRST(METRICS())", {0: 1, 60: 2, 180: 8}),
        ("a + METRIC_COUNT(METRICS())", {0: 3, 60: 4, 180: 10}),
        ("MAX(a, 2)", {0: 2, 60: 2, 180: 8}),
        ("LOG10(b)", {0: 1, 120: pytest.approx(0.69897)}),
        ("HOUR(a)", {0: 0, 60: 0, 180: 0}),
    ],
)
def test_evaluate(text, expected):
    (points,) = compute(text)
    assert points == pytest.approx(expected)


@pytest.mark.parametrize("text", ["FILL(m, 0)", "FILL(m, REPEAT)", "TIME_SERIES(1)"])
def test_evaluate_refuses_endless_time(text):
    endless = Series({0: 1.0}, range(0, 1 << 40))
    with pytest.raises(BadExpression, match="more than 100,800 periods"):
        evaluate(text, {"m": [endless]}, [endless])


def test_evaluate_several_series():
    assert compute("METRICS() * 2") == [{0: 2, 60: 4, 180: 16}, {0: 20, 60: 0, 120: 10}]
    assert compute("SLICE(METRICS(), 1)") == [dict(B.points)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a +", "Syntax error at 'the end'"),
        ("a b", "Syntax error at 'b'"),
        ("c", "isn't defined"),
        ("SUM(a)", "must yield a time series"),
        ("a + (1 / 0)", "Division by zero"),
        ("a ; b", "Syntax error at ';"),
        ("EVIL(a)", "EVIL is not supported"),
        ("SEARCH('x', 'Sum')", "Syntax error"),
        ("SELECT AVG(x) FROM y", "not supported here"),
        ("RATE(1)", "doesn't take these arguments"),
        ("FILL(a)", "doesn't take these arguments"),
        ("(" * 500, "nested too deeply"),
        ("-" * 5000 + "a", "nested too deeply"),
        ("both + both", "Two lists"),
        ("a + 9 ^ 9 ^ 9 ^ 9", "out of range"),
    ],
)
def test_evaluate_refuses(text, said):
    with pytest.raises(BadExpression, match=said.replace("(", r"\(")):
        compute(text)


PIECES = st.sampled_from([*"ab12+-*/^()[],<$", "both", "2.5", "1e9", "==", "AND", "OR", "'x'", *FUNCTIONS])


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=12).map(" ".join))
def test_any_text_is_an_expression_or_refused(text):
    try:
        compute(text)
    except BadExpression as error:
        assert str(error)
