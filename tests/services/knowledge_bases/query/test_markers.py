from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from outcrop.services.knowledge_bases.query.markers import Mark, MarkerReader, Words


def read(pieces, results=5):
    reader = MarkerReader(results)
    found = [one for piece in pieces for one in reader.feed(piece)]
    return found + list(reader.finish())


def joined(found):
    """With neighbouring words put together."""
    whole = []
    for one in found:
        if whole and isinstance(one, Words) and isinstance(whole[-1], Words):
            whole[-1] = Words(whole[-1].text + one.text)
        else:
            whole.append(one)
    return whole


def test_markers_end_parts_and_leave_the_text():
    assert joined(read(["Osmosis is diffusion [1]. It needs a membrane [2][3]. Done."])) == [
        Words("Osmosis is diffusion."),
        Mark((0,)),
        Words(" It needs a membrane."),
        Mark((1, 2)),
        Words(" Done."),
    ]


def test_forms_of_markers():
    assert joined(read(["A. [2] B [1, 3], C [1-3]."])) == [
        Words("A."),
        Mark((1,)),
        Words(" B"),
        Mark((0, 2)),
        Words(", C."),
        Mark((0, 1, 2)),
    ]


def test_markers_of_results_that_do_not_exist_cite_nothing():
    assert joined(read(["True [9]."], results=2)) == [Words("True."), Mark(())]


def test_words_are_given_out_at_once():
    reader = MarkerReader(3)
    assert list(reader.feed("Osmosis is ")) == [Words("Osmosis is")]
    assert list(reader.feed("diffusion")) == [Words(" diffusion")]
    assert list(reader.feed(" [1")) == []
    assert list(reader.feed("]. It")) == [Words("."), Mark((0,)), Words(" It")]
    assert list(reader.feed(" [sic]")) == [Words(" [sic]")]
    assert list(reader.finish()) == []


@given(st.lists(st.integers(1, 7), max_size=30))
def test_how_the_text_arrives_makes_no_difference(cuts):
    text = "Alpha beta [1]. Gamma [2] [3]! Delta [12]? Epsilon [x], zeta[4]. Eta [1, 2], [3]. End "
    pieces, position = [], 0
    for cut in cuts:
        pieces.append(text[position : position + cut])
        position += cut
    pieces.append(text[position:])
    assert joined(read(pieces)) == joined(read([text]))
