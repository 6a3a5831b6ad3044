import pytest

from outcrop.services.cloudwatch.statistics import MAX_VALUES, Summary, read_statistic, unpack_values


def summary(*values):
    result = Summary()
    for value in values:
        result.add(float(value), 1.0)
    return result


HUNDRED = summary(*range(1, 101))


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        ("SampleCount", 100),
        ("Average", 50.5),
        ("Sum", 5050),
        ("Minimum", 1),
        ("Maximum", 100),
        ("p0", 1),
        ("p50", 50),
        ("p99.9", 100),
        ("p100", 100),
        ("tm50", 25.5),
        ("tm100", 50.5),
        ("TM(10%:90%)", 50.5),
        ("TM(:10%)", 5.5),
        ("TM(10:20)", 15.5),
        ("tc50", 50),
        ("TC(10:20)", 10),
        ("ts10", 55),
        ("TS(98%:)", 199),
        ("wm99", 50.49),
        ("PR(:30)", 30),
        ("PR(10:30)", 20),
        ("PR(90:)", 10),
        ("IQM", 50.5),
    ],
)
def test_read_statistic(statistic, expected):
    assert read_statistic(statistic)(HUNDRED) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text", ["", "p101", "px", "median", "TM(:)", "TM(90%:10%)", "TM(1:50%)", "WM(1:2)", "PR(:5%)", "average"]
)
def test_read_statistic_refuses(text):
    assert read_statistic(text) is None


def test_values_unknown_after_a_statistic_set():
    mixed = summary(1, 2)
    mixed.add_set(10, 50, 1, 9)
    assert read_statistic("p50")(mixed) is None
    assert read_statistic("Average")(mixed) == pytest.approx(53 / 12)
    same = Summary()
    same.add_set(10, 50, 5, 5)
    assert read_statistic("p50")(same) == 5
    assert read_statistic("p50")(summary(-1, 3)) is None


def test_many_values_are_rounded_to_three_digits():
    many = summary(*(1000 + number / 7 for number in range(20_000)))
    assert len(many.values) <= MAX_VALUES * 2
    assert read_statistic("p50")(many) == pytest.approx(1000 + 10_000 / 7, rel=0.006)
    assert unpack_values(many.pack()) == many.values
