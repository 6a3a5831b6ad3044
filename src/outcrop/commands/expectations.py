"""What a function is expected to answer to an event, and where an answer differs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outcrop.engines.linear_regex import InvalidExpression, compiled

_REGEX = re.compile(r"\{\{regex:(.*)\}\}", re.DOTALL)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d.*")
_EPOCHS = (1e8, 1e14)
"""From 1973 in seconds to the year 5138 in milliseconds."""
_SHOWN = 200
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Expectation:
    """`output` may hold matchers: strings such as `{{uuid}}` in the place of what varies."""

    output: Any
    exact: bool = False
    """Whether members that aren't expected are a difference."""
    error: bool = False
    """Whether the function shall fail, and `output` is its error."""

    @staticmethod
    def of(output: Any, exact: bool) -> Expectation:
        """Raises ValueError for a matcher that makes no sense. An object with `errorType` expects an error."""
        _check(output)
        return Expectation(output, exact, isinstance(output, dict) and "errorType" in output)

    @staticmethod
    def read(stored: Any) -> Expectation | None:
        """From what `stored()` made; None if it isn't that."""
        if not isinstance(stored, dict) or "output" not in stored:
            return None
        return Expectation(stored["output"], stored.get("comparison") == "exact", bool(stored.get("error")))

    def stored(self) -> dict[str, Any]:
        found = {"output": self.output, "comparison": "exact" if self.exact else "subset"}
        return {**found, "error": True} if self.error else found

    def differences(self, answer: Any, failed: bool) -> list[str]:
        """A line each; none where the answer is as expected."""
        if failed != self.error:
            return [
                f"the function failed: {_show(answer)}"
                if failed
                else f"the function answered, but {_show(self.output)} was expected to be its error: {_show(answer)}"
            ]
        return list(_differences("", self.output, answer, self.exact))


def recorded(answer: Any, *, exact: bool, failed: bool) -> Expectation:
    """An answer as the expectation of the next; ids and times in it become matchers, a proxy's JSON `body` an object.
    An error's stack is left out: its lines move."""
    if isinstance(answer, dict):
        answer = {name: value for name, value in answer.items() if not failed or name != "stackTrace"}
        body = _parsed(answer.get("body"))
        if isinstance(body, dict | list):
            answer["body"] = body
    return Expectation(_varying(answer), exact and not failed, failed)


def _varying(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _varying(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_varying(child) for child in value]
    if isinstance(value, str) and _is_uuid(value):
        return "{{uuid}}"
    return "{{time}}" if isinstance(value, str) and _is_time(value) else value


def _check(output: Any) -> None:
    children = output.values() if isinstance(output, dict) else output if isinstance(output, list) else ()
    for child in children:
        _check(child)
    if isinstance(output, str) and (found := _REGEX.fullmatch(output)):
        _compiled(found[1])


def _differences(path: str, expected: Any, actual: Any, exact: bool) -> Iterator[str]:
    if path == "body" and isinstance(expected, dict | list) and isinstance(actual, str):
        actual = _parsed(actual, actual)
    if isinstance(expected, dict) and isinstance(actual, dict):
        yield from _members(path, expected, actual, exact)
    elif isinstance(expected, list) and isinstance(actual, list):
        for at in range(max(len(expected), len(actual))):
            wanted, found = (one[at] if at < len(one) else _ABSENT for one in (expected, actual))
            yield from _child(f"{path}[{at}]", wanted, found, exact)
    elif not _matches(expected, actual):
        yield f"{path or 'the answer'}: expected {_show(expected)}, got {_show(actual)}"


def _members(path: str, expected: Mapping[str, Any], actual: Mapping[str, Any], exact: bool) -> Iterator[str]:
    for name in [*expected, *(name for name in actual if exact and name not in expected)]:
        below = f"{path}.{name}" if path else name
        yield from _child(below, expected.get(name, _ABSENT), actual.get(name, _ABSENT), exact)


def _child(path: str, expected: Any, actual: Any, exact: bool) -> Iterator[str]:
    if actual is _ABSENT:
        yield f"{path}: missing, expected {_show(expected)}"
    elif expected is _ABSENT:
        yield f"{path}: not expected, got {_show(actual)}"
    else:
        yield from _differences(path, expected, actual, exact)


def _matches(expected: Any, actual: Any) -> bool:
    is_number = isinstance(actual, int | float) and not isinstance(actual, bool)
    match expected:
        case "{{any}}":
            return True
        case "{{string}}":
            return isinstance(actual, str)
        case "{{number}}":
            return is_number
        case "{{uuid}}":
            return isinstance(actual, str) and _is_uuid(actual)
        case "{{time}}":
            return (is_number and _EPOCHS[0] <= actual < _EPOCHS[1]) or (isinstance(actual, str) and _is_time(actual))
        case str() if found := _REGEX.fullmatch(expected):
            return isinstance(actual, str) and _compiled(found[1]).fullmatch(actual) is not None
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    return bool(expected == actual)


def _compiled(pattern: str) -> Any:
    try:
        return compiled(pattern, dot_matches_newline=True)
    except InvalidExpression as error:
        raise ValueError(f"{{{{regex:{pattern}}}}} is no regular expression: {error}") from None


def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def _is_time(text: str) -> bool:
    if not _ISO_8601.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _parsed(text: Any, otherwise: Any = None) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return otherwise


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"
