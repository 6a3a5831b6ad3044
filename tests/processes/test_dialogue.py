import asyncio
import os
from pathlib import Path

import pytest

from outcrop.processes.dialogue import Dialogue
from outcrop.processes.errors import WorkerCrashed, WorkerKilled
from outcrop.processes.limits import Limits


@pytest.fixture
async def dialogue(monkeypatch):
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
    dialogue = await Dialogue.start("targets:chat", Limits())
    yield dialogue
    await dialogue.aclose()


async def test_messages_go_both_ways_at_any_time(dialogue):
    dialogue.send(b"one")
    dialogue.send(b"two")
    assert [await dialogue.receive() for _ in range(4)] == [b"one", b"ONE", b"two", b"TWO"]
    large = b"x" * 3_000_000
    dialogue.send(large)
    assert await dialogue.receive() == large


async def test_an_end_is_told_with_its_cause(dialogue):
    dialogue.send(b"exit")
    with pytest.raises(WorkerCrashed, match="exit status 3"):
        await dialogue.receive()
    with pytest.raises(WorkerCrashed):
        await dialogue.receive()


async def test_closing_ends_who_waits(dialogue):
    waiting = asyncio.create_task(dialogue.receive())
    await asyncio.sleep(0)
    await dialogue.aclose()
    with pytest.raises(WorkerKilled):
        await waiting
