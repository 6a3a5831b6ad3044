"""JSONPath: `$.a.b[0]`, `$..name`, `$.list[*]`, `$['odd name']`, `$.list[1:3]`, `$.list[?(@.price < 10)]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from outcrop.engines.templating.methods import compare, same

MAX_LENGTH = 1_000
_STEP = re.compile(
    r"\.\.(?P<deep>[\w-]+|\*)|\.(?P<name>length\(\)|[^\s.\[\]'\"()]+)|\[\s*(?P<index>-?\d{1,9})\s*\]|\[\s*(?P<all>\*)\s*\]"
    r"|\[\s*(?P<start>-?\d{0,9})\s*:\s*(?P<end>-?\d{0,9})\s*\]|\[\s*'(?P<single>[^']*)'\s*\]"
    r"|\[\s*\"(?P<double>[^\"]*)\"\s*\]|\[\?\((?P<filter>[^\]]*)\)\]"
)
_FILTER = re.compile(
    r"\s*@(?P<path>[^\s=!<>]*)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>'[^']*'|\"[^\"]*\"|-?[\d.]+|true|false|null))?\s*"
)


def read_path(document: Any, path: str) -> Any:
    """What the path leads to: one value, or a list if it may lead to many; None if it leads nowhere."""
    steps = _steps(path)
    if steps is None:
        return None
    found = list(_walk([document], steps))
    if any(step["deep"] or step["all"] or step["start"] is not None or step["filter"] is not None for step in steps):
        return found
    return found[0] if found else None


def find_all(document: Any, path: str) -> list[Any]:
    steps = _steps(path)
    return [] if steps is None else list(_walk([document], steps))


def _steps(path: str) -> list[re.Match[str]] | None:
    path = path.strip()
    if len(path) > MAX_LENGTH:
        return None
    if path.startswith("$"):
        path = path[1:]
    elif path:
        path = f".{path}"
    steps, at = [], 0
    while at < len(path):
        step = _STEP.match(path, at)
        if not step:
            return None
        steps.append(step)
        at = step.end()
    return steps


def _walk(values: list[Any], steps: list[re.Match[str]]) -> list[Any]:
    for step in steps:
        values = [found for value in values for found in _follow(value, step)]
        if len(values) > 100_000:
            return []
    return values


def _follow(value: Any, step: re.Match[str]) -> Iterator[Any]:
    if step["deep"]:
        for inner in _descend(value):
            yield from _named(inner, step["deep"])
    elif step["index"] is not None:
        index = int(step["index"])
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]
    elif step["all"]:
        yield from _children(value)
    elif step["start"] is not None:
        if isinstance(value, list):
            yield from value[_number(step["start"]) : _number(step["end"])]
    elif step["filter"] is not None:
        yield from (item for item in _children(value) if _passes(item, step["filter"]))
    else:
        name = next(text for text in (step["name"], step["single"], step["double"]) if text is not None)
        yield from _named(value, name)


def _number(text: str) -> int | None:
    return int(text) if text.strip("-") else None


def _named(value: Any, name: str) -> Iterator[Any]:
    if name == "*":
        yield from _children(value)
    elif isinstance(value, dict) and name in value:
        yield value[name]
    elif name == "length()" and isinstance(value, list | dict | str):
        yield len(value)


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descend(value: Any) -> Iterator[Any]:
    yield value
    for child in _children(value):
        yield from _descend(child)


def _passes(item: Any, condition: str) -> bool:
    alternatives = condition.split("||")
    return any(all(_holds(item, part) for part in alternative.split("&&")) for alternative in alternatives)


def _holds(item: Any, condition: str) -> bool:
    found = _FILTER.fullmatch(condition)
    if not found:
        return False
    value = read_path(item, f"${found['path']}")
    if not found["operator"]:
        return value is not None
    expected = _literal(found["value"])
    if found["operator"] in ("==", "!="):
        return same(value, expected) == (found["operator"] == "==")
    return compare(found["operator"], value, expected)


def _literal(text: str) -> Any:
    if text[0] in "'\"":
        return text[1:-1]
    words = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text
