"""The `outcrop` command."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from outcrop import __version__
from outcrop.settings import Settings

STARTED = time.perf_counter()

OWN = ("up", "status", "down", "reset")
COMMANDS = {
    "api": ("apis", "APIs of API Gateway"),
    "cost": ("cost", "what the work done here would have cost"),
    "eval": ("evaluation", "measure retrieval and answers"),
    "function": ("functions", "functions of a running stack"),
    "kb": ("kb", "knowledge bases"),
    "logs": ("logs", "what functions and services wrote"),
    "models": ("models", "model weights, and what serves which model id"),
}
"""Each with its module under `commands/` and what it is for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 on success, 1 on failure, 2 for a wrong command line."""
    given = sys.argv[1:] if arguments is None else arguments
    first = given[0] if given and given[0] in (*COMMANDS, *OWN) else None
    options = _parser(first).parse_args(given)
    try:
        settings = Settings.read(
            host=getattr(options, "host", None),
            port=getattr(options, "port", None),
            data=options.data.expanduser().absolute() if options.data else None,
            strict=getattr(options, "strict", None),
            llm=tuple(options.llm) if getattr(options, "llm", None) else None,
            models=getattr(options, "models", None),
            record=getattr(options, "record", None),
            replay=getattr(options, "replay", None),
            log_level=getattr(options, "log_level", None),
        )
        status: int = options.run(settings, options)
        return status
    except (OSError, ValueError, RuntimeError) as error:
        print(f"outcrop: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if type(error).__module__.startswith("botocore."):  # not imported here: most commands need no client
            print(f"outcrop: {error}", file=sys.stderr)
            return 1
        raise


def _parser(only: str | None = None) -> argparse.ArgumentParser:
    """All commands; with `only`, the actions of no other one: `outcrop up` shall not import what it never uses."""
    parser = argparse.ArgumentParser(prog="outcrop", description="The AWS generative-AI stack on your own machine.")
    parser.add_argument("--version", action="version", version=f"outcrop {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data", type=Path, metavar="DIR", help="directory of all state (OUTCROP_DATA)")

    up = commands.add_parser("up", parents=[shared], help="start the stack in the foreground")
    up.add_argument("--host", help="address to bind (default 127.0.0.1)")
    up.add_argument("--port", type=int, help="port (default 4566; 0 takes a free one)")
    up.add_argument("--strict", action="store_const", const=True, help="AWS's behaviour even where it hurts")
    up.add_argument(
        "--llm",
        action="append",
        metavar="[PATTERN=]URL#MODEL",
        help="OpenAI-compatible endpoint for text models, such as http://localhost:11434/v1#llama3.2; repeatable",
    )
    up.add_argument("--models", type=Path, metavar="FILE", help="what serves which model id (OUTCROP_MODELS)")
    up.add_argument("--record", type=Path, metavar="FILE", help="append what models answer to a file (OUTCROP_RECORD)")
    up.add_argument("--replay", type=Path, metavar="FILE", help="answer from a recorded file (OUTCROP_REPLAY)")
    up.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    up.set_defaults(run=_up)

    status = commands.add_parser("status", parents=[shared], help="say whether a stack runs, and where")
    status.set_defaults(run=_status)
    down = commands.add_parser("down", parents=[shared], help="stop the running stack")
    down.set_defaults(run=_down)
    reset = commands.add_parser("reset", parents=[shared], help="delete all state")
    reset.add_argument("--yes", action="store_true", help="don't ask")
    reset.set_defaults(run=_reset)

    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, parents=[shared], help=text)
        if only in (None, name):
            import_module(f"outcrop.commands.{module}").add(command, shared)
    return parser


def _up(settings: Settings, options: argparse.Namespace) -> int:
    import logging

    from outcrop.app import AlreadyRunning, serve

    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        _run_loop(serve(settings, STARTED))
    except AlreadyRunning as error:
        print(f"outcrop: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is closed; a late Ctrl-C shall not turn success into failure
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return 0


def _run_loop(main: object) -> None:
    import asyncio

    try:
        import uvloop
    except ImportError:
        asyncio.run(main)  # type: ignore[arg-type]
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)  # type: ignore[arg-type]


def _running(settings: Settings) -> dict[str, object] | None:
    from outcrop.app import is_held, read_state

    return read_state(settings.data) if is_held(settings.data) else None


def _status(settings: Settings, options: argparse.Namespace) -> int:
    state = _running(settings)
    if state is None:
        print(f"No stack runs on {settings.data}. Start one with: outcrop up")
        return 1
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"{state['url']}/_outcrop/health", timeout=5) as answer:
            health = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError) as error:
        print(f"Process {state['pid']} holds {settings.data}, but {state['url']} does not answer: {error}")
        return 1
    print(
        f"Outcrop {health['version']} runs at {state['url']} "
        f"(process {health['pid']}), up {health['uptime_seconds']:.0f} s"
    )
    print(f"  data      {health['data']}")
    used = [name for name, loaded in sorted(health["services"].items()) if loaded]
    print(f"  services  {', '.join(sorted(health['services']))}")
    print(f"  in use    {', '.join(used) or 'none yet: a service is loaded at its first request'}")
    return 0


def _down(settings: Settings, options: argparse.Namespace) -> int:
    state = _running(settings)
    if state is None:
        print("No stack runs.")
        return 0
    pid = int(str(state["pid"]))
    os.kill(pid, signal.SIGTERM)
    for _ in range(200):
        time.sleep(0.05)
        if not _running(settings):
            print(f"Stopped process {pid}.")
            return 0
    print(f"Process {pid} has not ended after 10 s; kill it with: kill -9 {pid}", file=sys.stderr)
    return 1


def _reset(settings: Settings, options: argparse.Namespace) -> int:
    if _running(settings):
        print("A stack runs on this data. Stop it first: outcrop down", file=sys.stderr)
        return 1
    if not settings.data.exists():
        print(f"Nothing to delete: {settings.data} does not exist.")
        return 0
    if not (settings.data / "lock").exists() and any(settings.data.iterdir()):
        print(f"{settings.data} does not look like Outcrop's data (it has no lock file): not deleted.", file=sys.stderr)
        return 1
    if not options.yes:
        answer = input(f"Delete everything under {settings.data}? [y/N] ") if sys.stdin.isatty() else ""
        if answer.strip().lower() not in ("y", "yes"):
            print("Nothing deleted. (Say --yes to skip the question.)")
            return 1
    shutil.rmtree(settings.data)
    print(f"Deleted {settings.data}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
