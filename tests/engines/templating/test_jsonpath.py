import pytest

from outcrop.engines.templating import read_path

STORE = {
    "book": [{"title": "A", "price": 8, "tags": ["x"]}, {"title": "B", "price": 12}],
    "odd name": 1,
    "none": None,
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", STORE),
        ("$.book[0].title", "A"),
        ("$.book[-1].title", "B"),
        ("book[0].title", "A"),
        ("$['odd name']", 1),
        ('$["book"][1]["price"]', 12),
        ("$.book[*].title", ["A", "B"]),
        ("$..title", ["A", "B"]),
        ("$.book[0:1]", [STORE["book"][0]]),
        ("$.book[?(@.price < 10)].title", ["A"]),
        ("$.book[?(@.price < 10 || @.title == 'B')].title", ["A", "B"]),
        ("$.book[?(@.tags)].title", ["A"]),
        ("$.book.length()", 2),
        ("$.nothing.at.all", None),
        ("$.book[9]", None),
        ("$.none", None),
        ("$[", None),
        ("$.book[(@.length-1)]", None),
        ("$" + ".a" * 2_000, None),
    ],
)
def test_paths(path, expected):
    assert read_path(STORE, path) == expected
