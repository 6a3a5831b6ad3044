from __future__ import annotations

import asyncio

import pytest

from outcrop.engines.inference.engine import Finish, Generation, Message, Text, TextDelta
from outcrop.engines.inference.models import Models
from outcrop.engines.inference.openai import Endpoint, OpenAI
from outcrop.engines.inference.tokens import Tokens, by_rule
from outcrop.settings import Settings


def ask(text, **more):
    """A generation of one question."""
    return Generation("some.model", (Message("user", (Text(text),)),), **more)


async def answer_of(engine, generation):
    """(text, Finish) of a whole answer."""
    events = [event async for event in engine.generate(generation)]
    assert isinstance(events[-1], Finish)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), events[-1]


@pytest.fixture
async def openai():
    """Opens an engine over endpoints' URLs; closes it after the test."""
    engines = []

    async def tokens():
        return Tokens(by_rule, exact=False)

    async def make(*urls, **more):
        engine = OpenAI([Endpoint(url, f"model-{at}", "secret") for at, url in enumerate(urls)], tokens, **more)
        engines.append(engine)
        await engine.open()
        return engine

    yield make
    for engine in engines:
        await engine.aclose()


@pytest.fixture(name="ask")
def ask_fixture():
    return ask


@pytest.fixture(name="answer_of")
def answer_of_fixture():
    return answer_of


@pytest.fixture(scope="session")
def models():
    """The real engines, with the embedder's weights in the user's cache."""
    from outcrop.engines.embedding import weights
    from outcrop.engines.embedding.minilm import NAME

    settings = Settings.read()
    weights.pull(NAME, settings.cache, print)
    models = Models(Settings(cache=settings.cache))
    yield models
    asyncio.run(models.aclose())
