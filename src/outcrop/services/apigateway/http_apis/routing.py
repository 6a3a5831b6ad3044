"""Route keys and which route a request takes: the most specific one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

DEFAULT = "$default"
METHODS = ("ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
MAX_SEGMENTS = 100
_SEGMENT = re.compile(r"\{(?P<name>[\w.:-]+)(?P<greedy>\+?)\}")

T = TypeVar("T")


class BadRouteKey(ValueError):
    """The text isn't a route key; the message is what AWS says."""


@dataclass(frozen=True, slots=True)
class RouteKey:
    text: str
    method: str = ""
    """Empty for $default."""
    path: str = ""
    segments: tuple[str, ...] = ()


def read_route_key(text: str) -> RouteKey:
    """`$default` or `GET /pets/{id}`. Raises BadRouteKey."""
    if text == DEFAULT:
        return RouteKey(text)
    method, _, path = text.partition(" ")
    if method not in METHODS or not path.startswith("/") or " " in path:
        raise BadRouteKey(
            "The provided route key is not formatted properly for HTTP protocol. "
            'Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
        )
    segments = tuple(path[1:].split("/"))
    if len(segments) > MAX_SEGMENTS:
        raise BadRouteKey(f"The route path has more than {MAX_SEGMENTS} parts")
    names = set()
    for number, segment in enumerate(segments, 1):
        found = _SEGMENT.fullmatch(segment)
        if not found and ("{" in segment or "}" in segment):
            raise BadRouteKey(f"The route path contains an invalid path variable: {segment}")
        if found and found["greedy"] and number < len(segments):
            raise BadRouteKey("A greedy path variable must be at the end of the route path")
        if found and found["name"] in names:
            raise BadRouteKey(f"The route path names the path variable {found['name']} twice")
        if found:
            names.add(found["name"])
    return RouteKey(text, method, path, segments)


@dataclass(slots=True)
class Node(Generic[T]):
    """What can follow in a path."""

    here: dict[str, tuple[tuple[str, ...], T]] = field(default_factory=dict)
    """By method: the names of the path variables on the way, and the route."""
    fixed: dict[str, Node[T]] = field(default_factory=dict)
    variable: Node[T] | None = None
    greedy: dict[str, tuple[tuple[str, ...], T]] = field(default_factory=dict)


class Router(Generic[T]):
    """Finds what was added under the best route key."""

    def __init__(self) -> None:
        self._root: Node[T] = Node()
        self._default: T | None = None

    def add(self, key: RouteKey, target: T) -> None:
        if not key.method:
            self._default = target
            return
        node, names = self._root, []
        for segment in key.segments:
            found = _SEGMENT.fullmatch(segment)
            if found is None:
                node = node.fixed.setdefault(segment, Node())
                continue
            names.append(found["name"])
            if found["greedy"]:
                node.greedy[key.method] = (tuple(names), target)
                return
            node.variable = node.variable or Node()
            node = node.variable
        node.here[key.method] = (tuple(names), target)

    def find(self, method: str, segments: Sequence[str]) -> tuple[T, dict[str, str]] | None:
        """The target for a method and the decoded segments of a path, and the values of its path variables."""
        found = _find(self._root, method, segments, 0, ())
        if found is None:
            return (self._default, {}) if self._default is not None else None
        (names, target), values = found
        return target, dict(zip(names, values, strict=True))


def _find(
    node: Node[T], method: str, segments: Sequence[str], position: int, values: tuple[str, ...]
) -> tuple[tuple[tuple[str, ...], T], tuple[str, ...]] | None:
    if position == len(segments):
        chosen = node.here.get(method) or node.here.get("ANY")
        return (chosen, values) if chosen else None
    segment = segments[position]
    if segment in node.fixed and (found := _find(node.fixed[segment], method, segments, position + 1, values)):
        return found
    if (
        segment
        and node.variable
        and (found := _find(node.variable, method, segments, position + 1, (*values, segment)))
    ):
        return found
    rest = "/".join(segments[position:])
    chosen = node.greedy.get(method) or node.greedy.get("ANY")
    return (chosen, (*values, rest)) if chosen and rest else None
