import random

from outcrop.engines.insights.values import sort_key


def test_text_sorts_naturally_and_in_front_of_numbers():
    ordered = [
        None,
        "",
        "!x",
        "*%04",
        "0#",
        "7A",
        "110A",
        "0007A",
        "2345_",
        "@",
        "@_",
        "B",
        "B2",
        "B10",
        "b1",
        0,
        "1.5",
        2,
    ]
    shuffled = random.Random(3).sample(ordered, len(ordered))
    assert sorted(shuffled, key=sort_key) == ordered


def test_long_digits_sort_by_their_value():
    assert sort_key("x" + "9" * 400) < sort_key("x1" + "0" * 400)
