from __future__ import annotations

import asyncio
import threading

import pytest

from outcrop.engines.preparing.threads import in_thread
from outcrop.jobs import Stopped
from outcrop.services.knowledge_bases.ingestion.spreading import Turns, spread


async def numbers(count):
    for number in range(count):
        yield number


async def test_every_item_is_worked_on_by_at_most_so_many():
    done, running, most = [], 0, 0

    async def work(number):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        done.append(number)

    await spread(numbers(50), work, 3, asyncio.Event())
    assert sorted(done) == list(range(50))
    assert most == 3


async def test_stop_ends_work_that_hangs():
    stop = asyncio.Event()

    async def work(number):
        stop.set()
        await asyncio.Event().wait()

    with pytest.raises(Stopped):
        await spread(numbers(5), work, 2, stop)


async def test_the_first_failure_ends_all():
    async def work(number):
        if number == 3:
            raise KeyError("three")
        await asyncio.sleep(0)

    with pytest.raises(KeyError, match="three"):
        await spread(numbers(100), work, 2, asyncio.Event())


async def test_a_failing_source_ends_all():
    async def broken():
        yield 1
        raise OSError("gone")

    async def work(number):
        await asyncio.Event().wait()

    with pytest.raises(OSError, match="gone"):
        await spread(broken(), work, 2, asyncio.Event())


async def test_a_cancelled_caller_waits_for_its_thread():
    began, go, ended = threading.Event(), threading.Event(), threading.Event()

    def slow():
        began.set()
        go.wait(5)
        ended.set()

    task = asyncio.create_task(in_thread(slow, cancel=go.set))
    await asyncio.to_thread(began.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_turns_are_taken_in_order_and_leave_nothing():
    turns, order = Turns(), []

    async def take(key, number):
        async with turns(key):
            order.append((key, number))
            await asyncio.sleep(0)

    await asyncio.gather(*[take(key, number) for number in range(3) for key in "ab"])
    assert [number for key, number in order if key == "a"] == [0, 1, 2]
    assert turns._locks == {}
