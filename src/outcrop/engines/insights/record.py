"""One log record: what came with it, and what its text tells when asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from outcrop.engines.insights.values import Value, timestamp

MAX_FIELDS = 200
"""Fields that are discovered in a JSON text."""
MAX_DEPTH = 50
"""Levels of it that are looked into."""

_REQUEST = re.compile(r"(START|END|REPORT) RequestId: ([\w-]+)", re.ASCII)
_MEASURES = {
    "@duration": re.compile(r"\tDuration: ([\d.]+) ms"),
    "@billedDuration": re.compile(r"\tBilled Duration: ([\d.]+) ms"),
    "@initDuration": re.compile(r"\tInit Duration: ([\d.]+) ms"),
    "@memorySize": re.compile(r"\tMemory Size: (\d+) MB"),
    "@maxMemoryUsed": re.compile(r"\tMax Memory Used: (\d+) MB"),
}
_TRACE = {"@xrayTraceId": re.compile(r"XRAY TraceId: (\S+)"), "@xraySegmentId": re.compile(r"SegmentId: (\S+)")}
_TAGGED = re.compile(r"\t([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\t")


class Record:
    """`fields` came with the record (`@timestamp` in milliseconds, `@message`, …); the text's own are discovered at
    the first question for one: the members of JSON (`user.id`, `items.0`), and what a function's runtime reports."""

    __slots__ = ("_discovered", "fields")

    def __init__(self, fields: Mapping[str, Value]) -> None:
        self.fields: dict[str, Value] = dict(fields)
        self._discovered = False

    def get(self, name: str) -> Value:
        if name in self.fields:
            return self.fields[name]
        if not self._discovered:
            self._discovered = True
            for found, value in discover(str(self.fields.get("@message") or "")):
                self.fields.setdefault(found, value)
            return self.fields.get(name)
        return None

    def names(self) -> list[str]:
        """Every field that it has."""
        self.get("")
        return [name for name, value in self.fields.items() if value is not None]

    def set(self, name: str, value: Value) -> None:
        self.fields[name] = value

    def seal(self) -> None:
        """It has no text to discover anything in."""
        self._discovered = True

    def shown(self, name: str) -> Value:
        """The value as a result shows it: times are written out."""
        value = self.get(name)
        if name in ("@timestamp", "@ingestionTime") and isinstance(value, int | float):
            return timestamp(value)
        return value


def discover(message: str) -> Iterator[tuple[str, Value]]:
    """The fields that a text tells."""
    start = message.find("{")
    if start >= 0 and message.rstrip().endswith("}"):
        try:
            parsed = json.loads(message[start:])
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, dict):
            for number, pair in enumerate(_flatten(parsed, "")):
                if number >= MAX_FIELDS:
                    break
                yield pair
    yield from _report(message)


def _flatten(value: Any, name: str, depth: int = 0) -> Iterator[tuple[str, Value]]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _flatten(inner, f"{name}.{number}", depth + 1)
    elif isinstance(value, bool):
        yield name, int(value)
    elif value is not None:
        yield name, value


def _report(message: str) -> Iterator[tuple[str, Value]]:
    found = _REQUEST.match(message)
    if found is None:
        if tagged := _TAGGED.search(message[:200]):
            yield "@requestId", tagged[1]
        return
    yield "@type", found[1]
    yield "@requestId", found[2]
    if found[1] == "REPORT":
        for name, pattern in _MEASURES.items():
            if measured := pattern.search(message):
                amount = float(measured[1])
                yield name, amount * 1_000_000 if name in ("@memorySize", "@maxMemoryUsed") else amount
        for name, pattern in _TRACE.items():
            if traced := pattern.search(message):
                yield name, traced[1]
