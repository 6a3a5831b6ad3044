"""How functions in Java are started: on a JDK of this machine, by `boot/Launcher.java`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from outcrop.engines.functions.launch import BOOT, Interpreter, Launch, RuntimeMissing, ask
from outcrop.engines.functions.spec import FunctionSpec

LAUNCHER = "Launcher"
"""The class that runs functions."""


class Javas:
    """As `Runtimes`, which it serves; `nearest` lets a function run on a newer Java than its runtime names."""

    def __init__(self, cache: Path, *, search_path: str, home: Path | None, nearest: bool) -> None:
        self._cache = cache
        self._search_path = search_path
        self._home = home
        self._nearest = nearest
        self._found: asyncio.Task[list[Interpreter]] | None = None
        self._launchers: dict[str, asyncio.Task[Path]] = {}

    async def launch(self, spec: FunctionSpec) -> Launch:
        wanted = int(spec.runtime.removeprefix("java").removesuffix(".al2"))
        if self._found is None:
            self._found = asyncio.ensure_future(self._find())
        javas = await asyncio.shield(self._found)
        suitable = [java for java in javas if java.version[0] == wanted or (self._nearest and java.version[0] > wanted)]
        if not suitable:
            raise RuntimeMissing(
                "Runtime.Unavailable",
                f"This machine has no JDK {wanted}{' or newer' if self._nearest else ''}, which runtime {spec.runtime} "
                "names. Install one, so that `java` is in PATH or below /usr/lib/jvm.",
            )
        java = min(suitable, key=lambda one: one.version)
        note = ""
        if java.version[0] != wanted:
            note = f"{spec.runtime} isn't installed here: running on Java {java.version[0]}"
        launcher = await self._launcher(java, javas)
        libraries = [f"{spec.code}/lib/*", *(f"{layer}/java/lib/*" for layer in reversed(spec.layers))]
        path = ":".join(map(str, (launcher, spec.code, *libraries)))
        heap = f"-Xmx{max(32, spec.memory_mb * 7 // 10)}m"
        command = (
            java.path,
            heap,
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-cp",
            path,
            LAUNCHER,
        )
        return Launch(java.path, command, launcher, note)

    async def _find(self) -> list[Interpreter]:
        candidates = [Path(folder) / "bin" / "java" for folder in Path("/usr/lib/jvm").glob("*")]
        if self._home is not None:
            candidates += self._home.glob(".sdkman/candidates/java/*/bin/java")
        if found := shutil.which("java", path=self._search_path):
            candidates.append(Path(found))
        places = dict.fromkeys(os.path.realpath(candidate) for candidate in candidates if candidate.exists())
        return [java for place in places if (java := await ask(place)) is not None]

    async def _launcher(self, java: Interpreter, javas: list[Interpreter]) -> Path:
        """The folder with the compiled runtime loop: compiled once, for the oldest Java that runs functions."""
        compilers = [one for each in (java, *javas) if (one := Path(each.path).with_name("javac")).exists()]
        if not compilers:
            raise RuntimeMissing(
                "Runtime.Unavailable",
                f"Functions in Java need a compiler once: {java.path} has no javac beside it. Install a JDK.",
            )
        compiler = str(compilers[0])
        if compiler not in self._launchers:
            self._launchers[compiler] = asyncio.ensure_future(self._compile(compiler))
        return await asyncio.shield(self._launchers[compiler])

    async def _compile(self, compiler: str) -> Path:
        source = BOOT / f"{LAUNCHER}.java"
        digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
        folder = self._cache / "functions" / f"java-{digest}"
        if folder.exists():
            return folder
        staging = folder.with_name(f"{folder.name}.{os.getpid()}")
        process = await asyncio.create_subprocess_exec(
            compiler,
            *("--release", "11", "-d", str(staging), str(source)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise RuntimeMissing("Runtime.Unavailable", f"{compiler} failed: {output.decode('utf-8', 'replace')[:500]}")
        with contextlib.suppress(OSError):  # another process was faster
            staging.rename(folder)
        return folder
