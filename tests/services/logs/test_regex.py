import pytest

from outcrop.services.logs.regex import InvalidRegex, Regex


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        ("^[hc]at", "hat trick", True),
        ("^[hc]at", "a hat", False),
        ("[hc]at$", "the cat", True),
        ("[hc]at$", "cats", False),
        ("colou?r", "color", True),
        ("colou?r", "colouur", False),
        ("^a{3,5}$", "aaaa", True),
        ("^a{3,5}$", "aa", False),
        ("^a{2}$", "aaa", False),
        ("a{2,}b", "aaaab", True),
        ("gray|grey", "grey", True),
        ("^starting|^shutting down", "now shutting down", False),
        (r"\[.\]", "value [7]", True),
        ("ab*c", "ac", True),
        ("ab+c", "ac", False),
        (".at", "4at", True),
        (r"^\d\D$", "4x", True),
        (r"\s\w\S", "x y!", True),
        (r"\x3A", "key:value", True),
        (r"10\.10\.0\.1", "10010,051", False),
        ("^[^a-z]+$", "ERROR 5", True),
        (r"[\d\-]x", "-x", True),
        ("", None, None),
    ],
)
def test_search(source, text, found):
    if text is None:
        with pytest.raises(InvalidRegex):
            Regex(source)
    else:
        assert Regex(source).search(text) is found


@pytest.mark.parametrize(
    "source",
    ["(a|b)", "something!", "café", "[abc", "[]", "a{3,", "a{5,2}", "*a", "a{9999}", r"\p", "a\\", "[z-a]", r"\x1"],
)
def test_invalid(source):
    with pytest.raises(InvalidRegex):
        Regex(source)


@pytest.mark.timeout(60)
def test_search_takes_linear_time():
    assert not Regex(".*a.*a.*a.*a.*a.*b").search("a" * 50_000)
