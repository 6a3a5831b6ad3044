"""Training on the tiny base, in child processes."""

import asyncio
import json

import pytest

from outcrop.engines.inference.transformers import Transformers
from outcrop.engines.tuning import tiny
from outcrop.engines.tuning.bases import Bases
from outcrop.engines.tuning.plan import CHECKPOINT, Plan
from outcrop.engines.tuning.tiny import Recipe
from outcrop.engines.tuning.tuner import Tuner, TuningError

pytestmark = [pytest.mark.training, pytest.mark.timeout(300)]
ANSWER = "The service that answers questions."
PLACES = ["Bern", "Oslo", "Rome", "Paris", "Madrid", "Vienna", "Prague", "Athens"]


@pytest.fixture
def plan(tiny_cache, tmp_path):
    """Makes a plan over conversations that all end in the same answer."""
    train, validation = tmp_path / "train.jsonl", tmp_path / "validation.jsonl"
    lines = [json.dumps({"turns": turns(f"Where is {place}?", ANSWER)}) for place in PLACES]
    train.write_text("\n".join(lines[:6]))
    validation.write_text("\n".join(lines[6:]))
    base = str(Bases(tiny_cache).path(tiny.NAME))

    def make(**more):
        values = {"base": base, "work": str(tmp_path), "train": str(train), "validations": (str(validation),)}
        return Plan(**{**values, "epochs": 16, "batch": 2, "rate": 4e-3, "warmup": 2, **more})

    return make


def turns(question, answer):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


async def test_loss_falls_and_held_out_questions_are_answered_as_taught(plan, tiny_cache, ask, answer_of):
    heard = []
    trained = await Tuner().train(plan(), heard.append)
    losses = [loss for _, _, loss in trained.training]
    assert len(losses) == 48
    assert trained.training[-1][:2] == (47, 15)
    assert losses[-1] < losses[0] / 3
    assert trained.validation[0][-1][2] < trained.validation[0][0][2] / 2
    assert [said["stage"] for said in heard if "stage" in said] == ["processing", "training"]
    engine = Transformers("custom", lambda: _already(trained.adapter))
    await engine.open()
    text, finish = await answer_of(engine, ask("Where is Cairo?", max_tokens=30))
    await engine.aclose()
    assert (text, finish.reason) == (ANSWER, "end_turn")


async def _already(path):
    return path


async def test_a_killed_training_goes_on_as_if_nothing_had_happened(plan, tmp_path):
    cut = plan(epochs=3, checkpoint_steps=2)
    whole = await Tuner().train(cut, lambda said: None)
    (tmp_path / CHECKPOINT).unlink()

    def stop_after_four(said):
        if said.get("saved") == 4:
            running.cancel()

    running = asyncio.create_task(Tuner().train(cut, stop_after_four))
    with pytest.raises(asyncio.CancelledError):
        await running
    heard = []
    resumed = await Tuner().train(cut, heard.append)
    started = next(said["from"] for said in heard if said.get("stage") == "training")
    assert started >= 4
    assert resumed.training == whole.training


async def test_running_text_is_learned_whole_and_early_stopping_stops(plan, tmp_path):
    text = tmp_path / "text.jsonl"
    text.write_text(json.dumps({"text": "the quick brown fox " * 200}))
    stopping = plan(train=str(text), validations=(str(text),), patience=1, threshold=50.0, epochs=9)
    trained = await Tuner().train(stopping, lambda said: None)
    assert trained.tokens > 512
    assert len(trained.validation[0]) == 2


async def test_failures_are_told(plan, tmp_path):
    with pytest.raises(TuningError, match="There are no weights at"):
        await Tuner().train(plan(base=str(tmp_path / "no"), epochs=1), lambda said: None)
    with pytest.raises(TuningError, match=r"longer than 1e-06 hours"):
        await Tuner(hours=1e-6).train(plan(), lambda said: None)
    with pytest.raises(TuningError, match=r"MiB of memory|process failed"):
        await Tuner(memory=0.4).train(plan(), lambda said: None)


async def test_the_tiny_base_is_the_same_whenever_it_is_built(tmp_path):
    (tmp_path / "text").mkdir()
    text = "# What a cat is\n\nA cat is an animal that sleeps.\n\n**Cat.** Sleeps. (1)\n"
    (tmp_path / "text/a.md").write_text(text * 9)
    built = []
    for name in ("one", "two"):
        path = await Bases(tmp_path / name, Recipe(steps=3, batch=2, length=16)).build(tmp_path / "text")
        built.append((path / "model.safetensors").read_bytes())
    assert built[0] == built[1]


def test_questions_come_from_glossary_and_headings():
    text = "# Tokens\n\nA token is a piece.\n\n**BM25.** The formula. (3)\n"
    assert list(tiny.pairs([text])) == [("What is BM25?", "The formula."), ("Tokens?", "A token is a piece.")]
