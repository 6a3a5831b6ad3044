"""Threads whose work is not left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

Answer = TypeVar("Answer")


async def in_thread(function: Callable[..., Answer], *args: Any, cancel: Callable[[], None] = lambda: None) -> Answer:
    """`asyncio.to_thread`, but a cancelled caller waits for the thread: nothing goes on behind its back. `cancel` is
    called then, to hurry it."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *args))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        cancel()
        if not running.done():
            await asyncio.wait([running])
        if not running.cancelled():
            running.exception()
        raise
