"""`outcrop function events` and `outcrop function test`: test events of a function, and what it answers to them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.commands import stack
from outcrop.commands.expectations import Expectation, recorded
from outcrop.commands.stored_events import Events, PrivateEvents, SharedEvents, StoredEvent

if TYPE_CHECKING:
    from outcrop.settings import Settings

LONGEST_SECONDS = 930
"""A function may run for 15 minutes."""


def add_test(test: argparse.ArgumentParser) -> None:
    test.add_argument("name", metavar="NAME")
    test.add_argument("--event", metavar="EVENT", help="run this one only")
    test.set_defaults(run=_test)


def add_events(events: argparse.ArgumentParser) -> None:
    events.add_argument("name", metavar="NAME", nargs="?", help="the function")
    what = events.add_mutually_exclusive_group()
    what.add_argument("--add", metavar="EVENT", help="store an event, or another in its place")
    what.add_argument("--remove", metavar="EVENT", help="delete an event")
    what.add_argument("--record", metavar="EVENT", help="run an event and expect its answer from now on")
    source = events.add_mutually_exclusive_group()
    source.add_argument("--from", dest="source", metavar="FILE", help="with --add: the event, JSON; - is the input")
    source.add_argument("--template", choices=templates(), metavar="TEMPLATE", help="print, or --add, an event of AWS")
    events.add_argument("--expect", metavar="FILE", help="with --add: the answer that is expected, JSON")
    events.add_argument("--exact", action="store_true", help="expect nothing beside what is expected")
    events.add_argument("--private", action="store_true", help="with --add: keep it out of what AWS's tools see")
    events.set_defaults(run=_events)


def templates() -> Sequence[str]:
    """Names of the event templates."""
    folder = files("outcrop.commands") / "event_templates"
    return sorted(path.name.removesuffix(".json") for path in folder.iterdir() if path.name.endswith(".json"))


def template(name: str) -> str:
    """The JSON text of one."""
    return (files("outcrop.commands") / "event_templates" / f"{name}.json").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Run:
    answer: Any
    failed: bool
    seconds: float


class TestedFunction:
    """A function with its events."""

    __test__ = False  # pytest takes every Test… for a test

    def __init__(self, settings: Settings, name: str) -> None:
        self._lambda = stack.client(settings, "lambda", read_timeout=LONGEST_SECONDS)
        self._target = name
        self.name: str = self._lambda.get_function_configuration(FunctionName=name)["FunctionName"]
        self.shared: Events = SharedEvents(stack.client(settings, "schemas"), self.name)
        self.private: Events = PrivateEvents(settings.data, self.name)

    def events(self) -> dict[str, tuple[Events, StoredEvent]]:
        """By name, with where each is kept."""
        return {name: (place, event) for place in (self.shared, self.private) for name, event in place.load().items()}

    def event(self, name: str) -> tuple[Events, StoredEvent]:
        """Raises RuntimeError."""
        events = self.events()
        if name not in events:
            have = f"it has {', '.join(events)}" if events else "it has none"
            raise RuntimeError(f"{self.name} has no event {name}: {have}")
        return events[name]

    def run(self, event: StoredEvent) -> Run:
        started = time.perf_counter()
        answer = self._lambda.invoke(FunctionName=self._target, Payload=json.dumps(event.value))
        payload = answer["Payload"].read()
        seconds = time.perf_counter() - started
        try:
            value = json.loads(payload) if payload else None
        except ValueError:
            value = payload.decode(errors="replace")
        return Run(value, "FunctionError" in answer, seconds)


def _test(settings: Settings, options: argparse.Namespace) -> int:
    function = TestedFunction(settings, options.name)
    events = {options.event: function.event(options.event)} if options.event else function.events()
    if not events:
        raise RuntimeError(
            f"{function.name} has no events. Store one with: "
            f"outcrop function events {function.name} --add hello --template hello-world"
        )
    width, wrong = max(map(len, events)), 0
    for name, (_, event) in events.items():
        run = function.run(event)
        expectation = event.expectation
        if expectation:
            differences = expectation.differences(run.answer, run.failed)
        else:
            differences = Expectation("{{any}}").differences(run.answer, True) if run.failed else []
        wrong += bool(differences)
        note = "" if expectation or differences else "  (nothing is expected of it)"
        print(f"{'✗' if differences else '✓'} {name:<{width}}  {run.seconds * 1000:8,.1f} ms{note}")
        for line in differences:
            print(f"    {line}")
    print(f"{len(events) - wrong} of {len(events)} as expected")
    return 1 if wrong else 0


def _events(settings: Settings, options: argparse.Namespace) -> int:
    if options.template and not options.add:
        print(template(options.template), end="")
        return 0
    if not options.name:
        raise ValueError("say whose events: outcrop function events NAME")
    if not options.add and (options.source or options.expect or options.private):
        raise ValueError("--from, --expect and --private go with --add EVENT")
    if options.add:
        event = _given(options)  # before anything is asked of the stack
        return _add(TestedFunction(settings, options.name), options, event)
    function = TestedFunction(settings, options.name)
    if options.remove:
        function.event(options.remove)[0].remove(options.remove)
        print(f"removed {options.remove}")
        return 0
    return _record(function, options) if options.record else _list(function)


def _given(options: argparse.Namespace) -> StoredEvent:
    if options.template:
        value = json.loads(template(options.template))
    elif options.source:
        value = _read(options.source)
    else:
        raise ValueError("--add takes the event --from FILE (- is the input), or a --template")
    return StoredEvent(value, Expectation.of(_read(options.expect), options.exact) if options.expect else None)


def _read(name: str) -> Any:
    text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{'the input' if name == '-' else name} is not JSON: {error}") from None


def _add(function: TestedFunction, options: argparse.Namespace, event: StoredEvent) -> int:
    place = function.private if options.private else function.shared
    known = function.events().get(options.add)
    place.put(options.add, event)
    if known and known[0] is not place:
        known[0].remove(options.add)
    print(f"{'replaced' if known else 'added'} {options.add} ({place.kind})")
    return 0


def _record(function: TestedFunction, options: argparse.Namespace) -> int:
    place, event = function.event(options.record)
    run = function.run(event)
    expectation = recorded(run.answer, exact=options.exact, failed=run.failed)
    place.put(options.record, replace(event, expectation=expectation))
    print(f"{options.record} expects from now on {'the error' if run.failed else 'the answer'}")
    print(json.dumps(expectation.output, indent=2, ensure_ascii=False))
    return 0


def _list(function: TestedFunction) -> int:
    events = function.events()
    if not events:
        print(f"{function.name} has no events yet")
    for name, (place, event) in events.items():
        expectation = event.expectation
        kept = "nothing expected"
        if expectation:
            kept = f"expects {'an error' if expectation.error else 'an answer'}"
            kept += " exactly" if expectation.exact else ""
        print(f"{name:<30}  {place.kind:<7}  {kept}")
    return 0
