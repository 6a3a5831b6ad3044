import pytest

from outcrop.engines.inference.stops import StopScanner


def scan(stops, *pieces):
    scanner = StopScanner(stops)
    shown = [scanner.feed(piece) for piece in pieces]
    return shown, scanner.flush(), scanner.found


def test_feed_holds_back_only_what_could_begin_a_stop():
    assert scan(["END"], "abc E", "N", "x") == (["abc ", "", "ENx"], "", None)


def test_feed_ends_at_the_earliest_stop():
    assert scan(["two", "one"], "zero one two", "three") == (["zero ", ""], "", "one")


def test_flush_shows_what_was_held_back():
    assert scan(["END"], "the EN") == (["the "], "EN", None)


def test_feed_without_stops_passes_everything():
    assert scan([], "a", "b") == (["a", "b"], "", None)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_feed_is_the_same_however_the_text_is_cut(size):
    text = "aab aabaaab\n\nHuman: more"
    shown, rest, found = scan(["\n\nHuman:"], *(text[at : at + size] for at in range(0, len(text), size)))
    assert "".join(shown) + rest == "aab aabaaab"
    assert found == "\n\nHuman:"
