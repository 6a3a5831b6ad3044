"""How a function is started, and with which interpreter."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

BOOT = Path(__file__).parent / "boot"


class RuntimeMissing(Exception):
    """This machine can't run the function. `error_type` is what its invocations answer."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


@dataclass(frozen=True, slots=True)
class Launch:
    """How a function is started, in paths of this machine."""

    program: str
    """The interpreter; of functions that bring their own, any program of the system."""
    command: tuple[str, ...]
    packages: Path | None = None
    """A folder of links to what the runtime comes with."""
    note: str = ""
    """In what the runtime differs from the one asked for."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    path: str
    version: tuple[int, int]


async def ask(candidate: str) -> Interpreter | None:
    """What a command is that may be an interpreter, or a version manager's wrapper of one."""
    if os.path.basename(candidate).startswith("node"):
        script: tuple[str, ...] = ("-p", "process.versions.node + ' ' + process.execPath")
    elif os.path.basename(candidate) == "java":
        script = ("-XshowSettings:properties", "-version")
    else:
        script = ("-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)")
    with contextlib.suppress(OSError, ValueError, TimeoutError):
        process = await asyncio.create_subprocess_exec(
            candidate, *script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(10):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        if os.path.basename(candidate) == "java":
            told = re.search(r"java\.specification\.version = (?:1\.)?(\d+)", output.decode("utf-8", "replace"))
            return Interpreter(candidate, (int(told[1]), 0)) if told else None
        version, path = output.decode().strip().split("\n")[-1].split(" ", 1)
        major, minor = version.split(".")[:2]
        return Interpreter(os.path.realpath(path), (int(major), int(minor)))
    return None
