import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from outcrop.processes.errors import WorkerCrashed, WorkerError, WorkerKilled, WorkerTimeout, name_of
from outcrop.processes.limits import Limits
from outcrop.processes.pool import WorkerPool

HERE = Path(__file__).parent
Opener = Callable[..., AbstractAsyncContextManager[WorkerPool]]


@pytest.fixture
def pool_of(monkeypatch: pytest.MonkeyPatch) -> Opener:
    monkeypatch.setenv("PYTHONPATH", str(HERE))

    @asynccontextmanager
    async def opened(function: str, workers: int = 1, **limits: float) -> AsyncIterator[WorkerPool]:
        pool = WorkerPool(f"targets:{function}", Limits(**limits), workers)  # type: ignore[arg-type]
        await pool.open()
        try:
            yield pool
        finally:
            await pool.aclose()

    return opened


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:  # noqa: ASYNC110  (another process sets no event)
        await asyncio.sleep(0.02)
    return not alive(pid)


async def test_call_returns_the_bytes(pool_of: Opener) -> None:
    async with pool_of("echo") as pool:
        assert await pool.call(b"") == b""
        payload = bytes(range(256)) * 20_000
        assert await pool.call(payload) == payload


async def test_call_uses_a_worker_again_until_it_has_served_enough(pool_of: Opener) -> None:
    async with pool_of("who", requests=3) as pool:
        pids = [await pool.call(b"") for _ in range(6)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3]


async def test_call_runs_as_many_at_once_as_workers(pool_of: Opener) -> None:
    async with pool_of("who", workers=2) as pool:
        pids = await asyncio.gather(*(pool.call(b"") for _ in range(8)))
    assert len(set(pids)) == 2


async def test_call_gives_a_clean_environment(pool_of: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    async with pool_of("environment") as pool:
        names = (await pool.call(b"")).decode().split()
    assert "AWS_SECRET_ACCESS_KEY" not in names
    assert "PYTHONPATH" in names


async def test_call_that_takes_too_long_is_killed_with_its_progress(pool_of: Opener) -> None:
    async with pool_of("act", wall_seconds=1) as pool:
        with pytest.raises(WorkerTimeout, match=r"longer than 1 s \(doing sleep\)"):
            await pool.call(b"sleep")
        assert await pool.call(b"who")


async def test_call_that_uses_too_much_processor_is_killed(pool_of: Opener) -> None:
    async with pool_of("act", cpu_seconds=1) as pool:
        with pytest.raises(WorkerKilled, match="1 s of processor time") as caught:
            await pool.call(b"spin")
    assert caught.value.resource == "cpu"


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS enforces no limit on memory")
@pytest.mark.parametrize("order", ["eat", "starve"])
async def test_call_that_needs_too_much_memory_is_killed(pool_of: Opener, order: str) -> None:
    async with pool_of("act", memory_bytes=256 << 20) as pool:
        with pytest.raises(WorkerKilled, match="256 MiB of memory") as caught:
            await pool.call(order.encode())
        assert caught.value.resource == "memory"
        assert await pool.call(b"who")


async def test_call_that_crashes_names_the_signal(pool_of: Opener) -> None:
    async with pool_of("act") as pool:
        with pytest.raises(WorkerCrashed, match="signal SIGSEGV") as caught:
            await pool.call(b"crash")
        assert caught.value.progress == "doing crash"
        with pytest.raises(WorkerCrashed, match="exit status 7"):
            await pool.call(b"exit")
        assert await pool.call(b"who")


async def test_call_of_a_target_that_does_not_exist_says_so(pool_of: Opener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with pool_of("nothing") as pool:
        with pytest.raises(WorkerCrashed, match="exit status 1"):
            await pool.call(b"")
    assert "has no attribute 'nothing'" in caplog.text


async def test_call_that_raises_keeps_the_worker(pool_of: Opener) -> None:
    async with pool_of("act") as pool:
        before = await pool.call(b"who")
        with pytest.raises(WorkerError, match="no such thing") as caught:
            await pool.call(b"raise")
        assert caught.value.kind == "ValueError"
        assert await pool.call(b"who") == before


async def test_call_refuses_a_result_that_is_too_large(pool_of: Opener) -> None:
    async with pool_of("act", result_bytes=1 << 20) as pool:
        with pytest.raises(WorkerError, match=r"3,145,728 bytes") as caught:
            await pool.call(b"big")
    assert caught.value.kind == "ResultTooLarge"


async def test_call_replaces_a_worker_that_has_swollen(pool_of: Opener) -> None:
    async with pool_of("act", retire_bytes=64 << 20) as pool:
        before = await pool.call(b"who")
        assert await pool.call(b"swell") == str(80 << 20).encode()
        assert await pool.call(b"who") != before


async def test_call_cancelled_kills_its_worker(pool_of: Opener) -> None:
    async with pool_of("act") as pool:
        pid = int(await pool.call(b"who"))
        call = asyncio.create_task(pool.call(b"sleep"))
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await gone(pid)
        assert int(await pool.call(b"who")) != pid


async def test_call_survives_a_worker_that_died_while_idle(pool_of: Opener) -> None:
    async with pool_of("who") as pool:
        pid = int(await pool.call(b""))
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.1)
        assert int(await pool.call(b"")) != pid


async def test_idle_workers_leave(pool_of: Opener) -> None:
    async with pool_of("who", idle_seconds=0.1) as pool:
        pid = int(await pool.call(b""))
        assert alive(pid)
        assert await gone(pid)
        assert int(await pool.call(b"")) != pid


async def test_aclose_ends_workers_and_refuses_calls(pool_of: Opener) -> None:
    async with pool_of("who") as pool:
        pid = int(await pool.call(b""))
    assert not alive(pid)
    with pytest.raises(RuntimeError, match="closed"):
        await pool.call(b"")


async def test_what_workers_print_is_logged(pool_of: Opener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with pool_of("act") as pool:
        await pool.call(b"talk")
    assert "hello from the worker" in caplog.text
    assert "the end" in caplog.text
    assert len(caplog.text) < 10_000


async def test_workers_die_with_a_killed_parent() -> None:
    program = """
import asyncio, sys
from outcrop.processes.pool import WorkerPool
async def main():
    pool = WorkerPool("targets:act")
    print((await pool.call(b"who")).decode(), flush=True)
    await pool.call(b"spin")
asyncio.run(main())
"""
    parent = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(HERE)}, stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdout
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        await asyncio.sleep(0.1)
        parent.kill()
    assert await gone(pid)


def test_name_of() -> None:
    assert name_of(-9) == "signal SIGKILL"
    assert name_of(-99) == "signal 99"
    assert name_of(3) == "exit status 3"
