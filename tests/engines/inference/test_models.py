import pytest

from outcrop.engines.inference.engine import EngineDown
from outcrop.engines.inference.models import Models, read_routes
from outcrop.settings import Settings
from outcrop.testing.llm import Reply, ScriptedEndpoint


def test_read_routes_puts_patterns_before_the_rest():
    routes = read_routes(
        ["http://a:1/v1#one", "anthropic.*=http://b:2/v1/#two", "http://c:3/v1#three", "anthropic.*=https://d/v1#four"]
    )
    assert [(route.pattern, route.targets) for route in routes] == [
        ("anthropic.*", (("http://b:2/v1", "two"), ("https://d/v1", "four"))),
        ("*", (("http://a:1/v1", "one"), ("http://c:3/v1", "three"))),
    ]


@pytest.mark.parametrize("entry", ["http://a:1/v1", "a:1/v1#m", "pattern=", "ftp://a#m", "http://#m", "x=http://a/v1#"])
def test_models_refuse_an_entry_that_makes_no_sense(entry):
    with pytest.raises(ValueError, match="expected URL#MODEL or PATTERN=URL#MODEL"):
        Models(Settings(llm=(entry,)))


def test_models_refuse_an_unknown_precision():
    with pytest.raises(ValueError, match="expected int8 or fp32"):
        Models(Settings(embedding_precision="int4"))


async def test_text_is_served_by_pattern(ask, answer_of):
    async with ScriptedEndpoint(Reply(["A"])) as a, ScriptedEndpoint(Reply(["B"])) as b:
        models = Models(Settings(llm=(f"anthropic.*=={a.url}#x".replace("==", "="), f"{b.url}#y")))
        claude, nova = await models.text("anthropic.claude-v2"), await models.text("amazon.nova-lite-v1:0")
        assert await models.text("anthropic.claude-3") is claude
        assert (await answer_of(claude, ask("?")))[0] == "A"
        assert (await answer_of(nova, ask("?")))[0] == "B"
        assert models.maps("anthropic.new-one")
        assert not models.maps("amazon.new-one")
        await models.aclose()
    assert [request["model"] for request in a.requests + b.requests] == ["x", "y"]


async def test_text_falls_back_to_the_extractive_engine():
    models = Models(Settings(llm=("anthropic.*=http://127.0.0.1:1/v1#x",)))
    engine = await models.text("amazon.nova-lite-v1:0")
    assert engine.name == "extractive"
    assert engine.extractive
    await models.aclose()


async def test_embedder_is_one_for_all_ids(models):
    first = await models.embedder("amazon.titan-embed-text-v2:0")
    assert await models.embedder("cohere.embed-english-v3") is first
    assert first.dimensions == 384


async def test_embedder_without_weights_says_what_to_do(tmp_path, monkeypatch):
    from outcrop.engines.embedding import minilm, weights

    async def fail(self):
        raise weights.WeightsError("no weights; run `outcrop models pull all-MiniLM-L6-v2`")

    monkeypatch.setattr(minilm.MiniLM, "open", fail)
    models = Models(Settings(cache=tmp_path))
    for _ in range(2):
        with pytest.raises(EngineDown, match="outcrop models pull"):
            await models.embedder("amazon.titan-embed-text-v2:0")
    assert not (await models.tokens()).exact
