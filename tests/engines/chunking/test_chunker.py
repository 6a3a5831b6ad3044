import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.engines.chunking import chunk
from outcrop.engines.chunking.chunk import Chunk, Strategy
from outcrop.engines.chunking.semantic import TooLong
from outcrop.engines.parsing.document import Block, BlockKind, Page, ParsedDocument

_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")


def token_spans(text: str) -> list[tuple[int, int]]:
    """Words cut into pieces of six letters, and marks."""
    return [match.span() for match in _TOKEN.finditer(text)]


def document(*pages: list[Block]) -> ParsedDocument:
    return ParsedDocument(tuple(Page(number, tuple(blocks)) for number, blocks in enumerate(pages, 1)))


def prose(sentences: int, first: int = 0) -> Block:
    return Block("text", " ".join(f"This is number {index} of them." for index in range(first, first + sentences)))


def texts(chunks: list[Chunk]) -> list[str]:
    return [each.text for each in chunks]


def test_default_keeps_a_short_document_whole() -> None:
    (only,) = chunk(document([prose(5)]), Strategy(), token_spans)
    assert only == Chunk(0, prose(5).text, 1, tokens=35)


def test_default_cuts_between_sentences_and_overlaps_by_whole_ones() -> None:
    chunks = chunk(document([prose(30)]), Strategy("default", 70, 20), token_spans)
    assert all(each.text.startswith("This is") and each.text.endswith("of them.") for each in chunks)
    assert chunks[0].text.endswith("number 9 of them.")
    assert chunks[1].text.startswith("This is number 8 of them. This is number 9 of them. This is number 10")
    assert [each.ordinal for each in chunks] == list(range(len(chunks)))


def test_default_cuts_a_sentence_that_is_too_long_between_words() -> None:
    chunks = chunk(document([Block("text", "word " * 100 + "end.")]), Strategy("default", 30, 20), token_spans)
    assert all(set(each.text.split()) <= {"word", "end."} for each in chunks)
    assert max(each.tokens for each in chunks) <= 30


def test_fixed_comes_near_the_size() -> None:
    block = Block("text", ("Some long sentence goes on and on " * 12).strip() + ". Short one. " + "tail word " * 60)
    chunks = chunk(document([block]), Strategy("fixed", 50, 20), token_spans)
    assert all(35 <= each.tokens <= 50 for each in chunks[:-1])


@pytest.mark.parametrize("percent", [1, 20, 50, 99])
def test_fixed_overlaps_by_the_percentage(percent: int) -> None:
    words = [f"w{index}" for index in range(1000)]
    chunks = chunk(document([Block("text", " ".join(words))]), Strategy("fixed", 100, percent), token_spans)
    for before, after in pairwise(chunks):
        shared = set(before.text.split()) & set(after.text.split())
        assert len(shared) == pytest.approx(percent, abs=2)


def test_none_is_one_chunk_without_a_page() -> None:
    (only,) = chunk(document([prose(60)], [prose(60, 60)]), Strategy("none"), token_spans)
    assert (only.page, only.box, only.tokens) == (None, None, 840)
    assert only.text == prose(60).text + "\n\n" + prose(60, 60).text


def test_chunks_of_an_empty_document() -> None:
    for kind in ("default", "fixed", "none", "hierarchical", "semantic"):
        assert chunk(document([], [Block("text", " \n ")]), Strategy(kind), token_spans, topics) == []  # type: ignore[arg-type]


def test_chunks_never_cross_a_page() -> None:
    chunks = chunk(document([prose(3)], [prose(3, 3)]), Strategy(), token_spans)
    assert [(each.page, each.text) for each in chunks] == [(1, prose(3).text), (2, prose(3, 3).text)]


def test_a_heading_stays_with_the_text_that_follows() -> None:
    blocks = [prose(9), Block("heading", "Next", level=1), prose(9, 9)]
    chunks = chunk(document(blocks), Strategy("default", 70, 0), token_spans)
    assert [each.text.startswith("Next\nThis is number 9") for each in chunks] == [False, True]
    crowded = chunk(
        document([prose(2), Block("heading", "Next", level=1), prose(9, 9)]), Strategy("default", 70, 0), token_spans
    )
    assert all(not each.text.endswith("Next") for each in crowded)


def test_sections_are_paths_of_headings_across_pages() -> None:
    first = [Block("heading", "One", level=1), Block("heading", "Sub", level=2), prose(2)]
    second = [prose(2), Block("heading", "Other", level=2), prose(20)]
    chunks = chunk(document(first, second), Strategy("default", 40, 0), token_spans)
    assert [each.section for each in chunks][:3] == ["One › Sub", "One › Sub", "One › Other"]


def test_a_table_repeats_its_header_and_is_cut_between_rows() -> None:
    rows = [f"item {index} | {index} USD" for index in range(40)]
    block = Block("table", "\n".join(["Name | Price", *rows]))
    chunks = chunk(document([block]), Strategy("default", 40, 20), token_spans)
    assert all(each.text.startswith("Name | Price\nitem") for each in chunks)
    assert [line for each in chunks for line in each.text.split("\n")[1:]] == rows
    assert max(each.tokens for each in chunks) <= 40


def test_code_keeps_its_indentation() -> None:
    code = "\n".join(f"for x{index} in y:\n    print(x{index})" for index in range(20))
    chunks = chunk(document([Block("code", code)]), Strategy("default", 40, 0), token_spans)
    assert "\n".join(texts(chunks)) == code


def test_boxes_are_the_union_of_their_blocks() -> None:
    blocks = [Block("text", "One.", (10, 700, 100, 720)), Block("text", "Two.", (5, 600, 90, 620))]
    (only,) = chunk(document(blocks), Strategy(), token_spans)
    assert only.box == (5, 600, 100, 720)
    assert only.boxes == (blocks[0].box, blocks[1].box)


def test_boxes_of_a_block_that_is_cut_are_its_shares() -> None:
    block = Block("text", prose(10).text, (10, 100, 200, 200))
    chunks = chunk(document([block]), Strategy("default", 35, 0), token_spans)
    assert len(chunks) == 2
    (first,), (second,) = chunks[0].boxes, chunks[1].boxes
    assert (first[3], second[1]) == (200, 100)
    assert first[1] == pytest.approx(150, abs=3)
    assert second[3] == pytest.approx(first[1], abs=2)
    assert [each.box for each in chunks] == [first, second]


def test_attributes_of_the_page_are_kept() -> None:
    parsed = ParsedDocument((Page(None, (prose(1),), (("unit", "3"),)),))
    assert [each.attributes for each in chunk(parsed, Strategy(), token_spans)] == [(("unit", "3"),)]


@pytest.mark.parametrize("strategy", [Strategy("fixed", 0, 20), Strategy("default", 10, 100), Strategy("other")])  # type: ignore[arg-type]
def test_chunk_refuses_a_strategy_out_of_range(strategy: Strategy) -> None:
    with pytest.raises(ValueError):
        chunk(document([prose(1)]), strategy, token_spans)


@pytest.mark.parametrize("kind", ["default", "none", "fixed", "hierarchical"])
def test_no_chunk_is_made_of_two_records(kind: str) -> None:
    pages = tuple(Page(None, (prose(1, at),), (("row", str(at)),)) for at in range(3))
    chunks = chunk(ParsedDocument(pages, records=True), Strategy(kind), token_spans)  # type: ignore[arg-type]
    assert [(each.text, each.attributes) for each in chunks] == [
        (prose(1, at).text, (("row", str(at)),)) for at in range(3)
    ]


def test_hierarchical_cuts_parents_into_children_and_overlaps_within_each_layer() -> None:
    words = [f"w{index}" for index in range(1000)]
    strategy = Strategy("hierarchical", 50, parent_tokens=200, overlap_tokens=20)
    chunks = chunk(document([Block("text", " ".join(words))]), strategy, token_spans)
    assert [each.ordinal for each in chunks] == list(range(len(chunks)))
    parents = {each.parent.ordinal: each.parent for each in chunks if each.parent}
    assert list(parents) == list(range(len(parents)))
    for layer, size in ((list(parents.values()), 200), (chunks, 50)):
        for before, after in pairwise(layer):
            if size == 200 or before.parent == after.parent:
                assert before.text.split()[-20:] == after.text.split()[:20]
            assert before.tokens <= size
    for parent in parents.values():
        children = [each for each in chunks if each.parent == parent]
        assert len(children) >= 3
        assert all(each.text in parent.text for each in children)
        assert list(dict.fromkeys(word for each in children for word in each.text.split())) == parent.text.split()


def test_hierarchical_children_repeat_their_tables_header() -> None:
    rows = [f"item {index} | {index} USD" for index in range(60)]
    block = Block("table", "\n".join(["Name | Price", *rows]))
    strategy = Strategy("hierarchical", 40, parent_tokens=100, overlap_tokens=10)
    chunks = chunk(document([block]), strategy, token_spans)
    assert len({each.parent.ordinal for each in chunks if each.parent}) > 2
    assert all(each.text.startswith("Name | Price\nitem") for each in chunks)
    assert all(each.parent and each.parent.text.startswith("Name | Price\nitem") for each in chunks)


def topics(sentences: Sequence[str]) -> np.ndarray:
    """Vectors that are alike where the sentences share words."""
    vectors = np.zeros((len(sentences), 64), np.float32)
    for row, sentence in enumerate(sentences):
        for word in re.findall(r"[a-z]+", sentence.lower()):
            vectors[row, sum(map(ord, word)) % 64] += 1
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


CATS = "Cats sleep all day long. Cats sleep near warm stoves. Cats sleep on soft pillows."
ROCKS = "Granite is igneous rock. Basalt is igneous rock too. Rhyolite is igneous rock again."


def test_semantic_cuts_where_the_meaning_changes() -> None:
    strategy = Strategy("semantic", 300, breakpoint_percentile=90)
    parsed = document([Block("text", f"{CATS} {ROCKS}")])
    assert texts(chunk(parsed, strategy, token_spans, topics)) == [CATS, ROCKS]
    small = Strategy("semantic", 12, breakpoint_percentile=90)
    assert max(each.tokens for each in chunk(parsed, small, token_spans, topics)) <= 12


@pytest.mark.parametrize(("percentile", "cuts"), [(90, 10), (95, 5), (50, 50), (99, 1)])
def test_semantic_cuts_the_least_alike_pairs(percentile: int, cuts: int) -> None:
    generator = np.random.default_rng(1)

    def embed(sentences: Sequence[str]) -> np.ndarray:
        vectors = generator.normal(size=(len(sentences), 16)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    strategy = Strategy("semantic", 8192, breakpoint_percentile=percentile)
    assert len(chunk(document([prose(101)]), strategy, token_spans, embed)) == cuts + 1


def test_semantic_compares_each_sentence_with_its_neighbours() -> None:
    seen: list[str] = []

    def embed(sentences: Sequence[str]) -> np.ndarray:
        seen.extend(sentences)
        return topics(sentences)

    chunk(
        document([Block("text", "One cat. Two dogs. Three rats.")]),
        Strategy("semantic", buffer_size=1),
        token_spans,
        embed,
    )
    assert seen == ["One cat. Two dogs.", "One cat. Two dogs. Three rats.", "Two dogs. Three rats."]


def test_semantic_keeps_headings_with_their_text_and_tables_whole() -> None:
    table = Block("table", "Name | Price\nGranite | 3\nCats | 9")
    blocks = [Block("text", CATS), Block("heading", "Rocks", level=1), Block("text", ROCKS), table]
    for percentile in (50, 75, 99):
        found = texts(
            chunk(document(blocks), Strategy("semantic", 8192, 0, 1500, 60, 0, percentile), token_spans, topics)
        )
        assert any("Rocks\nGranite is" in text for text in found)
        assert any(table.text in text for text in found)


def test_semantic_refuses_a_million_characters_and_a_missing_embedder() -> None:
    with pytest.raises(TooLong, match="1000000"):
        chunk(document([Block("text", "word " * 200_001)]), Strategy("semantic"), token_spans, topics)
    with pytest.raises(ValueError, match="embed"):
        chunk(document([prose(1)]), Strategy("semantic"), token_spans)


_marks = st.sampled_from([" ", " ", " ", ". ", ", ", "\n", "\n\n", " | ", "! ", "。", "\n    ", ".) "])
_blocks = st.tuples(
    st.sampled_from(["heading", "text", "list", "table", "code"]), st.lists(_marks, max_size=60), st.integers(1, 4)
)


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    """Of words that occur once each, so that a lost one is missed."""
    number = 0
    pages = []
    for page in draw(st.lists(st.lists(_blocks, max_size=6), max_size=4)):
        blocks = []
        for kind, marks, level in page:
            text = "".join(f"w{number + index}{mark}" for index, mark in enumerate(marks))
            number += len(marks)
            blocks.append(Block(kind, text, level=level))
        pages.append(blocks)
    return document(*pages)


@settings(max_examples=300, deadline=None)
@given(
    documents(),
    st.builds(
        Strategy,
        st.sampled_from(["default", "fixed", "hierarchical", "semantic"]),
        st.integers(2, 80),
        st.integers(1, 99),
        st.integers(80, 200),
        st.integers(0, 60),
        st.integers(0, 1),
        st.integers(50, 99),
    ),
)
def test_chunks_cover_the_text_within_their_limits(parsed: ParsedDocument, strategy: Strategy) -> None:
    chunks = chunk(parsed, strategy, token_spans, topics)
    assert chunks == chunk(parsed, strategy, token_spans, topics)
    assert [each.ordinal for each in chunks] == list(range(len(chunks)))
    for page in parsed.pages:
        source = re.findall(r"w[0-9]+", " ".join(block.text for block in page.blocks))
        mine = [re.findall(r"w[0-9]+", each.text) for each in chunks if each.page == page.number]
        assert list(dict.fromkeys(word for words in mine for word in words)) == source
    for each in chunks:
        assert each.text == each.text.rstrip() != ""
        assert len(token_spans(each.text)) == each.tokens <= strategy.max_tokens


@settings(max_examples=100, deadline=None)
@given(documents(), st.integers(2, 30), st.integers(30, 90), st.integers(0, 20))
def test_hierarchical_children_lie_in_their_parents(
    parsed: ParsedDocument, child_tokens: int, parent_tokens: int, overlap: int
) -> None:
    strategy = Strategy("hierarchical", child_tokens, parent_tokens=parent_tokens, overlap_tokens=overlap)
    tables = [block.text for page in parsed.pages for block in page.blocks if block.kind == "table"]
    headers = {word for text in tables for word in re.findall(r"w[0-9]+", text.split("\n")[0])}
    for each in chunk(parsed, strategy, token_spans):
        assert each.parent is not None
        assert set(re.findall(r"w[0-9]+", each.text)) - headers <= set(re.findall(r"w[0-9]+", each.parent.text))
        assert each.parent.tokens <= parent_tokens


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400), st.sampled_from(["heading", "text", "list", "table", "code"]), st.integers(1, 9))
def test_chunks_of_any_text(text: str, kind: BlockKind, max_tokens: int) -> None:
    chunks = chunk(document([Block(kind, text)]), Strategy("fixed", max_tokens, 50), token_spans)
    assert set("".join(text.split())) <= set("".join(texts(chunks)))
    assert all(len(token_spans(each.text)) <= max_tokens for each in chunks)


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "." * 100_000, "word. " * 150_000, "x | y\n" * 100_000], ids=lambda text: text[:6]
)
@pytest.mark.parametrize("kind", ["text", "table"])
@pytest.mark.timeout(60)
def test_chunk_takes_linear_time(text: str, kind: str) -> None:
    assert chunk(document([Block(kind, text)]), Strategy(), token_spans)  # type: ignore[arg-type]
