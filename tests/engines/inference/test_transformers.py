"""The engine over the tiny base, in its child process."""

import asyncio

import pytest

from outcrop.engines.inference.engine import EngineDown, EngineError, EngineUnsupported, Finish, Image, TextDelta, Tool
from outcrop.engines.inference.models import Models
from outcrop.engines.inference.transformers import Transformers
from outcrop.engines.tuning.bases import Bases
from outcrop.settings import Settings

pytestmark = [pytest.mark.training, pytest.mark.timeout(300)]
QUESTIONS = ["What is a Chunk?", "What is an Alias?", "Name three services of AWS, please.", "What is BM25?"]


@pytest.fixture(scope="module")
def loop_engine(tiny_cache):
    """An opened engine and its event loop: opening takes seconds, so once for all tests."""
    with asyncio.Runner() as runner:
        engine = Transformers("tiny-course", lambda: Bases(tiny_cache).find("tiny-course"))
        runner.run(engine.open())
        yield runner, engine
        runner.run(engine.aclose())


@pytest.fixture
def run(loop_engine):
    return loop_engine[0].run


@pytest.fixture
def engine(loop_engine):
    return loop_engine[1]


def test_answers_and_counts(run, engine, ask, answer_of):
    generation = ask("What is a Chunk?", max_tokens=7)
    text, finish = run(answer_of(engine, generation))
    assert text
    assert finish == Finish("max_tokens", run(engine.count(generation)), 7)
    assert engine.name == "transformers:tiny-course"


def test_answers_in_a_batch_are_those_of_one_alone(run, engine, ask, answer_of):
    generations = [ask(question, max_tokens=12 + at) for at, question in enumerate(QUESTIONS)]

    async def together():
        return await asyncio.gather(*[answer_of(engine, generation) for generation in generations])

    assert run(together()) == [run(answer_of(engine, generation)) for generation in generations]


def test_seeds_repeat_and_temperature_varies(run, engine, ask, answer_of):
    def drawn(seed):
        more = {"temperature": 1.0, "top_p": 0.9, "top_k": 50, "max_tokens": 12, "extra": {"seed": seed}}
        return run(answer_of(engine, ask("What is a Chunk?", **more)))[0]

    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(4)}) > 1


def test_stop_sequences_end_an_answer(run, engine, ask, answer_of):
    whole, _ = run(answer_of(engine, ask("What is a Chunk?", max_tokens=20)))
    stop = whole[3:6]
    text, finish = run(answer_of(engine, ask("What is a Chunk?", max_tokens=20, stop=(stop,))))
    assert (text, finish.reason, finish.stop_sequence) == (whole[: whole.index(stop)], "stop_sequence", stop)


def test_an_asker_who_leaves_frees_his_place(run, engine, ask, answer_of):
    async def leave():
        events = engine.generate(ask("What is a Chunk?", max_tokens=400, temperature=1.0))
        assert isinstance(await anext(events), TextDelta)
        await events.aclose()
        return engine._hosts[0].busy

    assert run(leave()) == 0
    assert run(answer_of(engine, ask("Hi", max_tokens=3)))[1].output_tokens <= 3


def test_what_it_cannot_do_is_refused(run, engine, ask, answer_of):
    with pytest.raises(EngineError, match="too long for the context window of 512") as raised:
        run(answer_of(engine, ask("word " * 2000)))
    assert raised.value.status == 400
    tool = Tool("weather", "The weather.", {})
    with pytest.raises(EngineUnsupported, match="calls no tools"):
        run(answer_of(engine, ask("Hi", tools=(tool,), tool_choice="auto")))
    generation = ask("Hi")
    message = type(generation.messages[0])("user", (Image("png", b""),))
    with pytest.raises(EngineUnsupported, match="no images"):
        run(engine.count(type(generation)("m", (message,))))


def test_a_dead_process_is_replaced(run, engine, ask, answer_of):
    async def kill():
        engine._hosts[0]._dialogue._worker.kill()
        with pytest.raises(EngineError, match="process failed"):
            await answer_of(engine, ask("Hi", max_tokens=400, temperature=1.0))
        return await answer_of(engine, ask("Hi", max_tokens=3))

    assert run(kill())[1].output_tokens <= 3


async def test_models_map_to_it(tiny_cache, ask, answer_of):
    models = Models(Settings(cache=tiny_cache, llm=("amazon.titan*=transformers:tiny-course",)))
    engine = await models.text("amazon.titan-text-express-v1")
    assert (await answer_of(engine, ask("Hi", max_tokens=3)))[1].output_tokens <= 3
    await models.aclose()


async def test_weights_that_are_missing_are_told(tmp_path):
    engine = Transformers("x", lambda: Bases(tmp_path).find(str(tmp_path / "nothing")))
    with pytest.raises(EngineDown, match=r"There are no weights at .*nothing"):
        await engine.open()


@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "mistral", "gpt2", "gemma2"])
def test_weights_of_every_architecture_answer_and_batch(tiny_cache, tmp_path, ask, answer_of, kind):
    """Random weights of the shape; what they say is noise, but the same noise alone and in a batch."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_cache / "models/tiny-course-1")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    more = {} if kind == "gpt2" else {**sizes, "num_key_value_heads": 1, "head_dim": 16}
    if kind == "gpt2":
        more = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256}
    if kind == "mistral":
        more["sliding_window"] = 8
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), eos_token_id=None, bos_token_id=None, **more)
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)

    async def talk():
        engine = Transformers(kind, lambda: Bases(tiny_cache).find(str(tmp_path)))
        await engine.open()
        generations = [ask(question, max_tokens=10 + at) for at, question in enumerate(QUESTIONS)]
        together = await asyncio.gather(*[answer_of(engine, generation) for generation in generations])
        alone = [await answer_of(engine, generation) for generation in generations]
        await engine.aclose()
        return together, alone

    together, alone = asyncio.run(talk())
    assert together == alone
