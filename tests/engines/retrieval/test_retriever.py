import pytest

from outcrop.engines.indexing.embedded import EmbeddedIndex
from outcrop.engines.indexing.filters import Compare
from outcrop.engines.indexing.index import Entry
from outcrop.engines.retrieval import Retriever

TEXTS = {
    "osmosis": "Osmosis is the movement of water through a membrane, from where little is dissolved to where much is.",
    "light": "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen in the leaves of plants.",
    "heart": "The heart pumps blood through the body; its left half serves the body, its right half the lungs.",
    "rock": "Granite cools slowly below the surface, so that its crystals grow large enough to be seen.",
}


@pytest.fixture
async def retriever(tmp_path, hashing):
    index = EmbeddedIndex(tmp_path / "index.db", hashing.dimensions)
    index.open()
    vectors = await hashing.embed(list(TEXTS.values()))
    for (name, text), vector in zip(TEXTS.items(), vectors, strict=True):
        index.replace_document(name, [Entry(name, name, text, {"kind": name[0]}, vector)])
    yield Retriever(index, hashing)
    index.close()


@pytest.fixture
async def add(retriever, hashing):
    async def add(name, text):
        (vector,) = await hashing.embed([text])
        retriever._index.replace_document(name, [Entry(name, name, text, {}, vector)])

    return add


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "text"])
async def test_search(retriever, mode):
    found = await retriever.search("How does water move through a membrane?", 2, mode)
    assert found[0].id == found[0].document == "osmosis"
    assert found[0].text == TEXTS["osmosis"]
    assert found[0].metadata == {"kind": "o"}
    assert all(0 <= one.score <= 1 for one in found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


async def test_scores_of_each_mode(retriever):
    question = "Which rock cools slowly?"
    (semantic, *_) = await retriever.search(question, 4, "semantic")
    assert (semantic.id, semantic.text_score) == ("rock", None)
    assert semantic.score == semantic.vector_score
    (text,) = await retriever.search(question, 4, "text")
    assert (text.id, text.vector_score) == ("rock", None)
    assert text.score == text.text_score
    (both, *others) = await retriever.search(question, 4, "hybrid")
    assert both.score == pytest.approx((semantic.score + text.score) / 2)
    assert [one.text_score for one in others] == [None] * 3


async def test_text_only_hits_get_their_cosine(retriever, hashing, monkeypatch):
    monkeypatch.setattr("outcrop.engines.retrieval.retriever._DEPTH", 1)
    question = "membrane membrane granite"
    for one in await retriever.search(question, 1, "hybrid"):
        vectors = await hashing.embed([question, one.text])
        assert one.vector_score == pytest.approx(float(vectors[0] @ vectors[1]))


async def test_filters(retriever):
    found = await retriever.search("water", 5, where=Compare("equals", "kind", "h"))
    assert [one.id for one in found] == ["heart"]


async def test_copies_give_way_to_other_passages(retriever, add):
    for name in ("copy", "copy of copy"):
        await add(name, TEXTS["osmosis"] + " (copied)")
    found = await retriever.search("movement of water through a membrane", 3)
    assert found[0].text.startswith("Osmosis")
    assert not any(one.text.startswith("Osmosis") for one in found[1:])
    everything = await retriever.search("movement of water through a membrane", 6)
    assert len(everything) == 6
    assert [one.score for one in everything] == sorted((one.score for one in everything), reverse=True)


@pytest.mark.parametrize("question", ["", "  ", "\0", "?", '"' * 10_000, "\ud800", "x" * 100_000])
async def test_odd_questions(retriever, question):
    for mode in ("hybrid", "semantic", "text"):
        found = await retriever.search(question, 3, mode)
        assert all(0 <= one.score <= 1 for one in found)
    assert await retriever.search("water", 0) == []


async def test_empty_index(tmp_path, hashing):
    index = EmbeddedIndex(tmp_path / "index.db", hashing.dimensions)
    index.open()
    for mode in ("hybrid", "semantic", "text"):
        assert await Retriever(index, hashing).search("water", 3, mode) == []
    index.close()
