import asyncio

import pytest

from outcrop.engines.inference.engine import EngineDown, EngineLoading
from outcrop.engines.inference.mapping import Choice, Target
from outcrop.engines.inference.models import Models, Served
from outcrop.settings import Settings
from outcrop.testing.llm import Reply, ScriptedEndpoint


@pytest.mark.parametrize("entry", ["http://a:1/v1", "pattern=", "ftp//a#m", "http://#m", "x=http://a/v1#"])
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


class Slow:
    """An engine that is opened when it is let."""

    name = "slow"
    extractive = False

    def __init__(self, gate):
        self.gate = gate
        self.closed = False

    async def open(self):
        await self.gate.wait()

    async def aclose(self):
        self.closed = True


async def test_text_waits_for_an_engine_only_so_long(tmp_path, monkeypatch):
    monkeypatch.setattr("outcrop.engines.inference.models.STRICT_PATIENCE", 0.01)
    gate = asyncio.Event()
    engine = Slow(gate)
    models = Models(Settings(data=tmp_path, strict=True, llm=("acme.*=slow:weights",)))
    models.provide("text", "slow", lambda argument, choice: engine if argument == "weights" else None)
    assert [served.state for served in models.served()] == ["cold"]
    with pytest.raises(EngineLoading, match="still being loaded"):
        await models.text("acme.one")
    assert list(models.served()) == [Served("text", "slow:weights", "loading")]
    gate.set()
    await asyncio.sleep(0.02)
    assert await models.text("acme.two") is engine
    assert [served.state for served in models.served()] == ["ready"]
    await models.aclose()
    assert engine.closed


async def test_assigned_models_come_before_the_mapping(tmp_path):
    arn = "arn:of/a/custom-model"
    engine = Slow(asyncio.Event())
    engine.gate.set()
    models = Models(Settings(data=tmp_path, llm=("http://127.0.0.1:1/v1#x",)))
    models.provide("text", "slow", lambda argument, choice: engine)
    models.assign(lambda task, key: Choice((Target("slow"),)) if (task, key) == ("text", arn) else None)
    assert await models.text(arn) is engine
    assert (await models.text("amazon.nova-lite-v1:0")).name.startswith("openai:")
    await models.aclose()


async def test_a_kind_of_engine_that_does_not_exist_is_said(tmp_path):
    models = Models(Settings(data=tmp_path, llm=("acme.*=warp:x",)))
    with pytest.raises(EngineDown, match=r"no engine 'warp' for the task 'text'\. There are URL#MODEL, extractive"):
        await models.text("acme.one")
    (served,) = models.served()
    assert (served.state, served.target) == ("failed", "warp:x")
    assert "warp" in served.error


async def test_the_file_is_read_again_when_it_changes(tmp_path, caplog):
    models = Models(Settings(data=tmp_path))
    assert (await models.text("anthropic.claude-v2")).name == "extractive"
    file = tmp_path / "models.toml"
    file.write_text('[text]\n"anthropic.*" = "http://127.0.0.1:1/v1#x"\n')
    assert (await models.text("anthropic.claude-v2")).name == "openai:x@127.0.0.1:1"
    file.write_text("[text\n")
    assert (await models.text("anthropic.claude-v2")).name == "openai:x@127.0.0.1:1"
    assert "stays as it was" in caplog.text
    file.unlink()
    assert (await models.text("anthropic.claude-v2")).name == "extractive"
    await models.aclose()


async def test_a_mapped_embedder_serves_its_ids(tmp_path):
    file = tmp_path / "models.toml"
    file.write_text(
        '[embedding]\n"cohere.*" = { to = "http://127.0.0.1:9/v1#bge", query_prefix = "query: ", retries = 0 }\n'
    )
    own = Models(Settings(data=tmp_path))
    with pytest.raises(EngineDown, match="could not be reached"):
        await own.embedder("cohere.embed-english-v3")
    await own.aclose()


async def test_a_key_is_read_from_the_environment(tmp_path, monkeypatch, ask, answer_of):
    async with ScriptedEndpoint() as endpoint:
        file = tmp_path / "models.toml"
        file.write_text(f'[text]\n"*" = {{ to = "{endpoint.url}#x", api_key = "$MY_KEY" }}\n')
        models = Models(Settings(data=tmp_path, llm_api_key="other"))
        with pytest.raises(EngineDown, match=r"\$MY_KEY, which is not set"):
            await models.text("a")
        monkeypatch.setenv("MY_KEY", "from-the-environment")
        monkeypatch.setattr("outcrop.engines.inference.slots._SECONDS_UNTIL_RETRY", 0)
        await answer_of(await models.text("a"), ask("?"))
        await models.aclose()
    assert endpoint.headers[0]["authorization"] == "bearer from-the-environment"
