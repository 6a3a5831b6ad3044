import asyncio
import threading
import time

import pytest

from outcrop.engines.embedding.pool import Pool


@pytest.fixture
def pool():
    pool = Pool(1, "test")
    yield pool
    pool.close()


async def test_map_keeps_the_order(pool):
    assert await pool.map(lambda number: number * 2, range(100)) == list(range(0, 200, 2))
    assert await pool.map(str, []) == []


async def test_map_uses_all_threads():
    pool = Pool(3, "test")
    meeting = threading.Barrier(3, timeout=5)
    try:
        await pool.map(lambda _: meeting.wait(), range(3))
    finally:
        pool.close()


async def test_urgent_calls_go_first_and_others_take_turns(pool):
    done = []
    gate = threading.Event()

    def work(item):
        gate.wait(5)
        done.append(item)

    calls = [asyncio.create_task(pool.map(work, ["a1", "a2", "a3"])), asyncio.create_task(pool.map(work, ["b1", "b2"]))]
    await asyncio.sleep(0.05)
    calls.append(asyncio.create_task(pool.map(work, ["urgent"], urgent=True)))
    await asyncio.sleep(0.05)
    gate.set()
    await asyncio.gather(*calls)
    assert done == ["a1", "urgent", "b1", "a2", "b2", "a3"]


async def test_map_raises_what_a_piece_raises(pool):
    with pytest.raises(ZeroDivisionError):
        await pool.map(lambda number: 1 / number, [1, 0, 2])
    assert await pool.map(abs, [-1]) == [1]


async def test_cancelling_drops_what_is_left(pool):
    done = []

    def work(item):
        time.sleep(0.01)
        done.append(item)

    call = asyncio.create_task(pool.map(work, range(1000)))
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await pool.map(abs, [-1]) == [1]
    assert len(done) < 100


async def test_close_fails_what_waits():
    pool = Pool(1, "test")
    call = asyncio.create_task(pool.map(lambda _: time.sleep(0.01), range(1000)))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(pool.close)
    with pytest.raises(RuntimeError, match="closed"):
        await call
    with pytest.raises(RuntimeError, match="closed"):
        await pool.map(abs, [1])
