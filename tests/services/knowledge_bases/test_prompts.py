from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.services.knowledge_bases.errors import ValidationException
from outcrop.services.knowledge_bases.prompts import CitationReader, Segment, render


def read(pieces: list[str], results: int = 5) -> list[Segment]:
    reader = CitationReader(results)
    segments = [segment for piece in pieces for segment in reader.feed(piece)]
    return segments + list(reader.finish())


def test_markers_end_segments_and_leave_the_text():
    assert read(["Osmosis is diffusion [1]. It needs a membrane [2][3]. Done."]) == [
        Segment("Osmosis is diffusion.", (0,)),
        Segment(" It needs a membrane.", (1, 2)),
        Segment(" Done.", ()),
    ]


def test_a_marker_after_the_full_stop_counts_too():
    assert read(["Osmosis is diffusion. [2] More."]) == [
        Segment("Osmosis is diffusion.", (1,)),
        Segment(" More.", ()),
    ]


def test_markers_of_results_that_do_not_exist_cite_nothing():
    assert read(["True [9]."], results=2) == [Segment("True.", ())]


@given(st.lists(st.integers(1, 7), max_size=30))
def test_how_the_text_arrives_makes_no_difference(cuts: list[int]):
    text = "Alpha beta [1]. Gamma [2] [3]! Delta [12]? Epsilon, zeta[4]. End"
    pieces, position = [], 0
    for cut in cuts:
        pieces.append(text[position : position + cut])
        position += cut
    pieces.append(text[position:])
    whole = read([text])
    assert "".join(s.text for s in read(pieces)) == "".join(s.text for s in whole)
    assert [s.results for s in read(pieces)] == [s.results for s in whole]


def test_render_fills_the_placeholders_once():
    prompt = render("R: $search_results$ Q: $query$ X: $unknown$", "why $search_results$?", ["one $query$", "two"])
    assert prompt == "R: [1] one $query$\n\n[2] two Q: why $search_results$? X: $unknown$"


def test_render_refuses_a_template_without_results():
    with pytest.raises(ValidationException, match=r"\$search_results\$"):
        render("Answer: $query$", "why?", [])
