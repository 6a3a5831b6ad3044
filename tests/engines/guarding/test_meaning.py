"""Topics and grounding, with the real embedder."""

import pytest

from outcrop.engines.embedding import weights
from outcrop.engines.embedding.minilm import NAME
from outcrop.engines.guarding.grounding import grounding, relevance
from outcrop.engines.guarding.topics import Topic, Topics
from outcrop.engines.inference.models import Models
from outcrop.settings import Settings

INVESTMENT = Topic(
    "Investment advice",
    "Advice about the management or allocation of funds or assets with the goal of generating returns.",
    ("Is investing in stocks better than bonds?", "Should I buy gold?"),
)
SOURCE = (
    "London is the capital of the United Kingdom. Tokyo is the capital of Japan. The school was founded in 1912 by "
    "Ada Byron and has 340 pupils. Lunch is served from noon to two in the main hall."
)


@pytest.fixture
async def embedder():
    settings = Settings.read()
    weights.pull(NAME, settings.cache, print)
    models = Models(settings)
    yield await models.embedder("amazon.titan-embed-text-v2:0")
    await models.aclose()


@pytest.mark.parametrize(
    ("text", "is_about"),
    [
        ("Should I put my savings into index funds?", True),
        ("Hello there. I have a question. What stocks would make me rich?", True),
        ("Where should I allocate my 401k for the best return?", True),
        ("How do I open a bank account?", False),
        ("What does investment in training cost?", False),
        ("What is a bond order in chemistry?", False),
        ("What is the weather in Oslo?", False),
        ("", False),
    ],
)
async def test_topics(embedder, text, is_about):
    assert bool(await Topics([INVESTMENT]).find(embedder, text)) is is_about


@pytest.mark.parametrize(
    ("answer", "is_grounded"),
    [
        ("The capital of Japan is Tokyo.", True),
        ("Ada Byron founded the school in 1912.", True),
        ("The school has 340 students.", True),
        ("The capital of Japan is London.", False),
        ("Ada Byron founded the school in 1915.", False),
        ("The capital of Japan is Tokyo. The school has a swimming pool.", False),
        ("Bananas are yellow fruits.", False),
    ],
)
async def test_grounding(embedder, answer, is_grounded):
    assert (await grounding(embedder, answer, SOURCE) >= 0.7) is is_grounded


async def test_relevance(embedder):
    assert await relevance(embedder, "The capital of Japan is Tokyo.", "What is the capital of Japan?") >= 0.8
    assert await relevance(embedder, "Bananas are yellow fruits.", "What is the capital of Japan?") <= 0.2
