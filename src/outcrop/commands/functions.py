"""`outcrop function`: functions of a running stack."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.commands import function_stats, function_tests, stack

if TYPE_CHECKING:
    from outcrop.settings import Settings

LEFT_OUT = {"__pycache__", "node_modules/.cache", ".git", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
POLL_SECONDS = 0.3
EPOCH = (1980, 1, 1, 0, 0, 0)
PYTHON_HANDLER = re.compile(r"^(?:async )?def (handler|lambda_handler)\(", re.MULTILINE)
MODULES = ("app", "lambda_function", "main", "handler", "index")


def add(function: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    """Add the actions to the command's parser."""
    actions = function.add_subparsers(dest="action", required=True, metavar="action")
    dev = actions.add_parser("dev", parents=[shared], help="run a folder as a function, and reload it when it changes")
    dev.add_argument("folder", type=Path, metavar="DIR")
    dev.add_argument("--name", help="the function's name (default: the folder's)")
    dev.add_argument("--handler", help="such as app.handler (default: found in the folder)")
    dev.add_argument("--runtime", help="such as python3.12 or nodejs20.x (default: found in the folder)")
    dev.add_argument("--role", help="ARN of the role that it runs as")
    dev.add_argument("--timeout", type=int, default=30, metavar="SECONDS")
    dev.add_argument("--memory", type=int, default=256, metavar="MB")
    dev.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a variable; repeatable")
    dev.add_argument("--once", action="store_true", help="upload once and end")
    dev.set_defaults(run=_dev)
    stats = actions.add_parser("stats", parents=[shared], help="how often a function ran, how long, with what memory")
    function_stats.add(stats)
    events = actions.add_parser("events", parents=[shared], help="test events of a function, with expected answers")
    function_tests.add_events(events)
    test = actions.add_parser("test", parents=[shared], help="run a function's test events and compare its answers")
    function_tests.add_test(test)


def _dev(settings: Settings, options: argparse.Namespace) -> int:
    folder = DevFolder(options.folder, options.name, options.handler, options.runtime)
    variables = dict(pair.split("=", 1) for pair in options.env if "=" in pair)
    if len(variables) < len(options.env):
        raise ValueError("--env takes NAME=VALUE")
    function = DevFunction(
        stack.client(settings, "lambda"),
        folder,
        {
            "Role": options.role or f"arn:aws:iam::{settings.account}:role/{folder.name}",
            "Timeout": options.timeout,
            "MemorySize": options.memory,
            "Environment": {"Variables": variables},
        },
    )
    try:
        while True:
            function.sync(print)
            if options.once:
                return 0 if function.is_live else 1
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        print(f"\n{folder.name} stays. Delete it with: aws lambda delete-function --function-name {folder.name}")
        return 0


class DevFolder:
    """A folder with a function's code. What isn't given is found in it; raises ValueError where it can't be."""

    def __init__(
        self, path: Path, name: str | None = None, handler: str | None = None, runtime: str | None = None
    ) -> None:
        if not path.is_dir():
            raise ValueError(f"{path} is no folder")
        self.path = path.resolve()
        self.name = name or re.sub(r"[^\w-]", "-", self.path.name)
        found_runtime, found_handler = self._find()
        self.runtime = runtime or found_runtime
        self.handler = handler or found_handler
        if not self.runtime or not self.handler:
            raise ValueError(
                f"{path} has no app.py, index.mjs or bootstrap with a handler: say --handler (such as app.handler) and "
                "--runtime (such as python3.12)"
            )

    def _find(self) -> tuple[str, str]:
        if os.access(self.path / "bootstrap", os.X_OK):
            return "provided.al2023", "bootstrap"
        for module in MODULES:
            source = self.path / f"{module}.py"
            if source.is_file() and (match := PYTHON_HANDLER.search(source.read_text(errors="replace"))):
                return f"python3.{sys.version_info.minor}", f"{module}.{match[1]}"
        for module in MODULES:
            if any((self.path / f"{module}{end}").is_file() for end in (".mjs", ".cjs", ".js")):
                return "nodejs22.x", f"{module}.handler"
        return "", ""

    def files(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self.path):
            folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
            for name in sorted(names):
                if not name.endswith((".pyc", ".swp", "~")):
                    yield Path(folder) / name

    def state(self) -> dict[str, tuple[int, int]]:
        """Time and size of each file: equal as long as nothing has changed."""
        found = {}
        for path in self.files():
            try:
                status = path.stat()
            except OSError:  # it went away meanwhile
                continue
            found[str(path.relative_to(self.path))] = (status.st_mtime_ns, status.st_size)
        return found

    def archive(self) -> bytes:
        """The same bytes for the same files."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for path in self.files():
                entry = zipfile.ZipInfo(str(path.relative_to(self.path)), EPOCH)
                entry.external_attr = path.stat().st_mode << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())
        return buffer.getvalue()


class DevFunction:
    """A function that follows a folder. `settings` are members of CreateFunction."""

    def __init__(self, client: Any, folder: DevFolder, settings: dict[str, Any]) -> None:
        self._client = client
        self._folder = folder
        self._settings = {"Runtime": folder.runtime, "Handler": folder.handler, **settings}
        self._state: dict[str, tuple[int, int]] | None = None
        self.is_live = False
        """Whether what was uploaded last was taken."""

    def sync(self, say: Any) -> bool:
        """Upload if anything has changed since the last time; whether it had."""
        state = self._folder.state()
        if state == self._state:
            return False
        before, self._state = self._state, state
        started = time.perf_counter()
        try:
            self._upload(first=before is None)
        except Exception as error:  # whatever it was: the next change may mend it
            self.is_live = False
            say(f"not loaded: {error}")
            return True
        self.is_live = True
        seconds = time.perf_counter() - started
        if before is None:
            name, settings = self._folder.name, self._settings
            say(f"{name} is live: {settings['Runtime']}, {settings['Handler']}, {len(state)} files ({seconds:.2f} s)")
            say(f"  aws lambda invoke --function-name {name} --payload e30= /dev/stdout")
        else:
            changed = sorted(name for name in before.keys() | state.keys() if before.get(name) != state.get(name))
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            say(f"{time.strftime('%H:%M:%S')} reloaded: {', '.join(changed[:3])}{more} ({seconds:.2f} s)")
        return True

    def _upload(self, *, first: bool) -> None:
        name, archive = self._folder.name, self._folder.archive()
        if first:
            try:
                self._client.create_function(FunctionName=name, Code={"ZipFile": archive}, **self._settings)
                self._client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
                return
            except self._client.exceptions.ResourceConflictException:
                self._client.update_function_configuration(FunctionName=name, **self._settings)
        self._client.update_function_code(FunctionName=name, ZipFile=archive)
