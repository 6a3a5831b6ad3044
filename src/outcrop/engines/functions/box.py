"""Where a function finds things. In a box (bubblewrap, where it works) that is as on AWS: code at /var/task, layers
merged in /opt, a /tmp of its own, nothing else of the machine but its programs and libraries, read-only. Elsewhere it
is where things lie."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from outcrop.engines.functions.launch import RuntimeMissing
from outcrop.engines.functions.spec import FunctionSpec

log = logging.getLogger(__name__)

Wanted = Literal["auto", "bubblewrap", "none"]

TASK, OPT, LANG, RUNTIME = "/var/task", "/opt", "/var/lang", "/var/runtime"
USER, GROUP = "993", "990"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
CONFIGURATION = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "gai.conf",
    "group",
    "host.conf",
    "hosts",
    "java-*",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "pki",
    "protocols",
    "resolv.conf",
    "services",
    "ssl",
    "timezone",
)
"""What of /etc a function may read: enough to resolve names and to check certificates."""
TRIAL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class View:
    """How one environment sees the machine."""

    boxed: bool = False
    enter: tuple[str, ...] = ()
    """The beginning of its command."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Paths of this machine to those that the function sees; what lies below them follows."""

    def __call__(self, path: Path | str) -> str:
        """The path under which the function sees `path`."""
        real = str(path)
        for outside, inside in self.names.items():
            if real == outside or real.startswith(f"{outside}/"):
                return inside + real[len(outside) :]
        return real


class Boxes:
    """`directory` holds merged layers for as long as this process lives; `search_path` is a PATH to find `bwrap` in."""

    def __init__(self, directory: Path, *, search_path: str, wanted: Wanted = "auto") -> None:
        self._directory = directory
        self._search_path = search_path
        self._wanted = wanted
        self._trials: dict[str, asyncio.Task[tuple[str, ...]]] = {}

    async def view(
        self, spec: FunctionSpec, temporary: Path, boot: Path, program: str, packages: Path | None = None
    ) -> View:
        """`program` is the interpreter; `packages` a folder of links to what the runtime comes with. Raises
        RuntimeMissing."""
        basis = await self._basis(program)
        if not basis:
            return View()
        binds = [(spec.code, TASK), (boot, f"{RUNTIME}/boot")]
        names = {str(spec.code): TASK, str(boot): f"{RUNTIME}/boot", str(temporary): "/tmp"}
        if prefix := _prefix(program):
            names[prefix] = LANG
        if packages is not None:
            binds += [(entry.resolve(), f"{RUNTIME}/{entry.name}") for entry in packages.iterdir()]
            names[str(packages)] = RUNTIME
        if spec.layers:
            binds.append((await self._merged(spec.layers), OPT))
            names |= {str(layer): OPT for layer in spec.layers}
        enter = [*basis]
        for outside, inside in binds:
            enter += ("--ro-bind", str(outside), inside)
        enter += ("--bind", str(temporary), "/tmp", "--chdir", TASK, "--")
        return View(True, tuple(enter), names)

    async def _basis(self, program: str) -> tuple[str, ...]:
        """The command that makes a box in which `program` runs; empty if there is none."""
        if self._wanted == "none":
            return ()
        if program not in self._trials:
            self._trials[program] = asyncio.ensure_future(self._try(program))
        basis = await asyncio.shield(self._trials[program])
        if not basis and self._wanted == "bubblewrap":
            raise RuntimeMissing(
                "Runtime.Unavailable",
                f"{program} can't run in a sandbox of bubblewrap on this machine. Install bubblewrap and allow user "
                "namespaces, or let functions run as plain processes (OUTCROP_FUNCTION_SANDBOX=auto).",
            )
        return basis

    async def _try(self, program: str) -> tuple[str, ...]:
        command = shutil.which("bwrap", path=self._search_path)
        if command is None:
            log.info("functions run as plain processes: bubblewrap isn't installed")
            return ()
        why = ""
        for user in (("--unshare-user", "--uid", USER, "--gid", GROUP), ()):
            basis = (command, *user, *_basis(program))
            process = await asyncio.create_subprocess_exec(
                *basis,
                "--",
                _inside(program),
                "-version" if os.path.basename(program) == "java" else "--version",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TRIAL_SECONDS):
                    _, errors = await process.communicate()
                if process.returncode == 0:
                    return basis
                why = errors.decode("utf-8", "replace").strip()[:300]
            if process.returncode is None:
                process.kill()
                await process.wait()
        log.info("functions of %s run as plain processes: bubblewrap can't hold it here: %s", program, why)
        return ()

    async def _merged(self, layers: Sequence[Path]) -> Path:
        """One folder with all layers, later ones over earlier ones."""
        if len(layers) == 1:
            return layers[0]
        digest = hashlib.sha256("\0".join(map(str, layers)).encode()).hexdigest()[:24]
        folder = self._directory / f"opt-{digest}"
        if not folder.exists():
            await asyncio.to_thread(_merge, layers, folder)
        return folder


def _basis(program: str) -> Iterator[str]:
    yield from ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", "lambda", "--die-with-parent")
    yield from ("--proc", "/proc", "--dev", "/dev")
    for folder in SYSTEM:
        if os.path.islink(folder):
            yield from ("--symlink", os.readlink(folder), folder)
        elif os.path.isdir(folder):
            yield from ("--ro-bind", folder, folder)
    for pattern in CONFIGURATION:
        for path in Path("/etc").glob(pattern):
            yield from ("--ro-bind-try", os.path.realpath(path), str(path))
    if prefix := _prefix(program):
        yield from ("--ro-bind", prefix, LANG)


def _prefix(program: str) -> str:
    """The folder of an interpreter that isn't part of the system."""
    prefix = os.path.dirname(os.path.dirname(program))
    return "" if f"{prefix}/".startswith(("/usr/", "/bin/", "/lib")) or prefix in ("", "/") else prefix


def _inside(program: str) -> str:
    prefix = _prefix(program)
    return LANG + program[len(prefix) :] if prefix else program


def _merge(layers: Sequence[Path], folder: Path) -> None:
    staging = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")
    staging.mkdir(parents=True)
    try:
        for layer in layers:
            _lay(layer, staging)
        staging.rename(folder)
    except OSError:
        if not folder.exists():  # else another call was faster
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _lay(layer: Path, target: Path) -> None:
    """Put a layer's files over what is there. Hard links: a layer is never written to."""
    for entry in os.scandir(layer):
        place = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            if place.is_symlink() or place.is_file():
                place.unlink()
            place.mkdir(exist_ok=True)
            _lay(Path(entry.path), place)
            continue
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        if entry.is_symlink():
            place.symlink_to(os.readlink(entry.path))
        else:
            try:
                os.link(entry.path, place)
            except OSError:
                shutil.copy2(entry.path, place)
