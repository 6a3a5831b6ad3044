"""Embedders and images on a tape; texts are tested with the families' bodies."""

import numpy as np
import pytest

from outcrop.engines.inference.engine import EngineError
from outcrop.engines.inference.images import Drawing
from outcrop.engines.inference.models import Models
from outcrop.settings import Settings

MAPPING = """
[embedding]
"cohere.*" = "numbers:"
[image]
"stability.*" = "numbers:"
[text]
"acme.*" = "replay:TAPE"
"""


class Numbers:
    name = "numbers"
    dimensions = 4

    async def open(self):
        pass

    async def aclose(self):
        pass

    async def embed(self, texts, purpose="document"):
        return np.array([[len(text), len(purpose), 0.1, 1 / 3] for text in texts], np.float32)

    def count_tokens(self, text):
        return len(text)

    def token_spans(self, text):
        return [(0, len(text))]

    async def draw(self, drawing):
        return [f"{drawing.prompt} {at}".encode() for at in range(drawing.count)]


@pytest.fixture
def recorded(tmp_path):
    """`Models` that record what `Numbers` says, then others that replay it."""
    tape = tmp_path / "tape.jsonl"
    file = tmp_path / "models.toml"
    file.write_text(MAPPING.replace("TAPE", str(tape)))

    def make(**settings):
        models = Models(Settings(data=tmp_path, **settings))
        for task in ("embedding", "image"):
            models.provide(task, "numbers", lambda argument, choice: Numbers())
        return models

    return make, tape


async def test_embeddings(recorded):
    make, tape = recorded
    embedder = await make(record=tape).embedder("cohere.embed-v4:0")
    vectors = await embedder.embed(["one", "three"], "query")
    await embedder.embed(["one"])
    models = make(replay=tape)
    replayed = await models.embedder("cohere.embed-v4:0")
    assert (replayed.name, replayed.dimensions) == ("numbers", 4)
    assert np.array_equal(await replayed.embed(["three", "one"], "query"), vectors[::-1])
    assert (await replayed.embed([])).shape == (0, 4)
    with pytest.raises(EngineError, match="no answer to this request"):
        await replayed.embed(["three"])
    assert isinstance(await models.embedder("cohere.embed-english-v3"), Numbers)


async def test_images(recorded):
    make, tape = recorded
    drawing = Drawing("a fox", count=2, seed=1, image=b"\xff")
    images = await (await make(record=tape).images("stability.x")).draw(drawing)
    models = make(replay=tape)
    replayed = await models.images("stability.x")
    assert await replayed.draw(drawing) == images == [b"a fox 0", b"a fox 1"]
    with pytest.raises(EngineError, match="no answer"):
        await replayed.draw(Drawing("a fox", count=2, seed=1, image=b"\xfe"))
    assert {served.task for served in models.served() if served.state == "ready"} == {"image"}


async def test_a_tape_may_be_mapped_to(recorded, ask, answer_of):
    make, tape = recorded
    tape.write_text("")
    with pytest.raises(EngineError, match="no answer"):
        await answer_of(await make().text("acme.one"), ask("Hi"))
