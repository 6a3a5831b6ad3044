from __future__ import annotations

import pytest

from outcrop.engines.embedding.embedder import Reader
from outcrop.engines.embedding.minilm import MiniLM
from outcrop.engines.retrieval.reranker import WINDOW, WINDOWS, Reranker
from outcrop.settings import Settings

TEXTS = [
    "The roses in the garden bloom in June.",
    "A Lambda function can run for up to fifteen minutes.",
    "Functions are stopped when their timeout is over.",
    "",
]
QUESTION = "How long can a Lambda function run?"


@pytest.fixture(scope="module")
def minilm():
    return MiniLM(Settings.read().cache)


async def test_the_answer_comes_first_and_scores_spread(minilm):
    await minilm.open()
    reranker = Reranker(minilm)
    scores = await reranker.scores(QUESTION, TEXTS)
    assert max(scores) == scores[1] > 0.7
    assert scores[1] > scores[2] > scores[0]
    assert scores[0] < 0.1
    assert all(0 <= score <= 1 for score in scores)
    assert await reranker.scores(QUESTION, TEXTS) == scores
    assert await reranker.scores(QUESTION, []) == []
    assert await reranker.scores("?!", TEXTS[:1]) != []


async def test_an_answer_deep_in_a_long_text_is_found(minilm):
    await minilm.open()
    filler = "The roses in the garden bloom in June and fade in July. " * 60
    deep, shallow = await Reranker(minilm).scores(QUESTION, [filler + TEXTS[1], filler])
    assert deep > shallow + 0.2
    endless = "rose " * (WINDOW * WINDOWS)
    beyond, none = await Reranker(minilm).scores(QUESTION, [endless + TEXTS[1], endless])
    assert abs(beyond - none) < 0.1, "what is beyond the last window adds its words alone"


class Plain:
    """An embedder that shows no tokens."""

    def __init__(self, embedder):
        self.name, self.dimensions = embedder.name, embedder.dimensions
        self.embed, self.token_spans = embedder.embed, embedder.token_spans


async def test_an_embedder_without_tokens_reranks_too(minilm):
    await minilm.open()
    plain = Plain(minilm)
    assert not isinstance(plain, Reader)
    scores = await Reranker(plain).scores(QUESTION, TEXTS)
    assert max(scores) == scores[1]
