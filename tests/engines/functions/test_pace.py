import asyncio

from outcrop.engines.functions.pace import Pace


async def test_few_run_at_once():
    pace, running, most = Pace(2, 60.0), 0, 0

    async def work():
        nonlocal running, most
        async with pace.turn():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert most == 2


async def test_what_takes_long_lets_the_next_begin():
    pace, begun = Pace(1, 0.02), asyncio.Event()

    async def first():
        async with pace.turn():
            await begun.wait()

    async def second():
        async with pace.turn():
            begun.set()

    await asyncio.wait_for(asyncio.gather(first(), second()), 5)
