"""How each runtime is started, with what this machine has."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from outcrop.engines.functions.java import Javas
from outcrop.engines.functions.launch import BOOT, Interpreter, Launch, RuntimeMissing, ask
from outcrop.engines.functions.spec import FunctionSpec

PACKAGES = ("boto3", "awslambdaric")


MANAGERS = {
    "python": (
        ".pyenv/versions/{version}.*/bin/python{version}",
        ".local/share/uv/python/cpython-{version}.*/bin/python{version}",
        ".asdf/installs/python/{version}.*/bin/python{version}",
    ),
    "node": (
        ".nvm/versions/node/v{version}.*/bin/node",
        ".local/share/fnm/node-versions/v{version}.*/installation/bin/node",
        ".volta/tools/image/node/{version}.*/bin/node",
        ".asdf/installs/nodejs/{version}.*/bin/node",
    ),
}
"""Where version managers keep interpreters, below the user's home."""


class Runtimes:
    """Finds interpreters once and remembers them. `search_path` is a PATH to look in, `home` where version managers
    keep theirs; `nearest` lets a function run on the nearest Python or Node.js there is."""

    def __init__(self, cache: Path, *, search_path: str, home: Path | None = None, nearest: bool = True) -> None:
        self._cache = cache
        self._search_path = search_path
        self._home = home
        self._nearest = nearest
        self._found: dict[str, asyncio.Task[Interpreter | None]] = {}
        self._packages: asyncio.Task[Path] | None = None
        self._javas = Javas(cache, search_path=search_path, home=home, nearest=nearest)

    @staticmethod
    def supports(runtime: str) -> bool:
        """Whether functions of this runtime can run where its interpreter is installed."""
        return re.fullmatch(r"python3\.\d+|nodejs\d+\.x|java\d+(\.al2)?|provided(\.\w+)?", runtime) is not None

    async def launch(self, spec: FunctionSpec) -> Launch:
        """Raises RuntimeMissing."""
        if spec.runtime.startswith("python3."):
            return await self._python(spec)
        if spec.runtime.startswith("nodejs"):
            return await self._node(spec)
        if spec.runtime.startswith("java"):
            return await self._javas.launch(spec)
        if spec.runtime.startswith("provided"):
            return self._provided(spec)
        raise RuntimeMissing("Runtime.Unsupported", f"Functions of runtime {spec.runtime} can't run here.")

    # Python

    async def _python(self, spec: FunctionSpec) -> Launch:
        wanted = int(spec.runtime.removeprefix("python3."))
        interpreter = await self._interpreter(f"python3.{wanted}")
        if interpreter is None and self._nearest:
            for distance in range(1, 8):
                for minor in (wanted + distance, wanted - distance):
                    if minor >= 8 and interpreter is None:
                        interpreter = await self._interpreter(f"python3.{minor}")
        if interpreter is None:
            raise RuntimeMissing(
                "Runtime.Unavailable",
                f"This machine has no Python 3.{wanted}, which runtime {spec.runtime} names. Install it so that "
                f"python3.{wanted} is in PATH, or update the function to a runtime whose Python is installed.",
            )
        if self._packages is None:
            self._packages = asyncio.ensure_future(asyncio.to_thread(self._link_packages))
        packages = await asyncio.shield(self._packages)
        note = ""
        if interpreter.version != (3, wanted):
            note = f"{spec.runtime} isn't installed here: running on Python {_dotted(interpreter.version)}"
        command = (interpreter.path, "-S", "-s", str(BOOT / "python.py"), str(packages), *map(str, spec.layers))
        return Launch(interpreter.path, command, packages, note)

    def _link_packages(self) -> Path:
        """A folder with exactly the packages that AWS's Python runtimes come with, linked from where they are
        installed: functions find boto3, but not what else happens to be installed on this machine."""
        entries = {entry.name: entry for name in _with_requirements(PACKAGES) for entry in _installed(name)}
        digest = hashlib.sha256(repr(sorted(map(str, entries.values()))).encode()).hexdigest()[:16]
        folder = self._cache / "functions" / f"packages-{digest}"
        if not folder.exists():
            staging = folder.with_name(f"{folder.name}.{os.getpid()}")
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
            for name, entry in entries.items():
                (staging / name).symlink_to(entry)
            try:
                staging.rename(folder)
            except OSError:  # another process was faster
                shutil.rmtree(staging)
        return folder

    # Node.js and executables

    async def _node(self, spec: FunctionSpec) -> Launch:
        wanted = spec.runtime.removeprefix("nodejs").removesuffix(".x")
        node = await self._interpreter(f"node{wanted}") or await self._interpreter("node")
        if node is None or (node.version[0] != int(wanted) and not self._nearest):
            raise RuntimeMissing(
                "Runtime.Unavailable",
                f"This machine has no Node.js {wanted}, which runtime {spec.runtime} names. Install it so that `node` "
                f"(or `node{wanted}`) is in PATH, or with nvm, fnm, volta or asdf.",
            )
        note = ""
        if node.version[0] != int(wanted):
            note = f"{spec.runtime} isn't installed here: running on Node.js {_dotted(node.version)}"
        return Launch(node.path, (node.path, str(BOOT / "node.mjs")), note=note)

    def _provided(self, spec: FunctionSpec) -> Launch:
        for folder in (spec.code, *reversed(spec.layers)):
            bootstrap = folder / "bootstrap"
            if bootstrap.is_file() and os.access(bootstrap, os.X_OK):
                return Launch("/usr/bin/env", (str(bootstrap),))
        raise RuntimeMissing(
            "Runtime.InvalidEntrypoint", "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
        )

    # finding

    async def _interpreter(self, name: str) -> Interpreter | None:
        if name not in self._found:
            self._found[name] = asyncio.ensure_future(self._find(name))
        return await asyncio.shield(self._found[name])

    async def _find(self, name: str) -> Interpreter | None:
        running = Interpreter(os.path.realpath(sys.executable), sys.version_info[:2])
        if name == f"python{_dotted(running.version)}":
            return running
        for candidate in dict.fromkeys(self._candidates(name)):
            found = await ask(candidate)
            if found is not None and name in ("node", f"node{found.version[0]}", f"python{_dotted(found.version)}"):
                return found
        return None

    def _candidates(self, name: str) -> Iterator[str]:
        if self._home is not None and name != "node":
            family = "node" if name.startswith("node") else "python"
            version = name.removeprefix(family)
            for pattern in MANAGERS[family]:
                yield from map(str, sorted(self._home.glob(pattern.format(version=version)), reverse=True))
        if found := shutil.which(name, path=self._search_path):
            yield found


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _with_requirements(names: tuple[str, ...]) -> list[str]:
    """The named distributions and all that they require, of those that are installed."""
    from importlib.metadata import PackageNotFoundError, requires

    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            needs = requires(name) or []
        except PackageNotFoundError:
            continue
        found[name] = None
        waiting += [re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in needs if "extra ==" not in need]
    return list(found)


def _installed(name: str) -> Iterator[Path]:
    """The files and folders of a distribution that lie directly in site-packages."""
    from importlib.metadata import files

    for top in {file.parts[0]: file for file in files(name) or ()}.items():
        if top[0] not in ("..", "__pycache__"):
            yield Path(str(top[1].locate())).parents[len(top[1].parts) - 1] / top[0]
