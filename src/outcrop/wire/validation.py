"""Checks an input against the model and words what it finds as AWS does.

Order within a value: null, union, enum, length or range, pattern. Lists and maps of plain values report all of an
element's constraints at the list itself, as AWS does: `Member must satisfy constraint: [...]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from functools import lru_cache
from typing import Any

from outcrop.services.hooks import Violation
from outcrop.wire.models.shapes import Member, Shape

_MAX_VIOLATIONS = 10
_SHOWN = 1000
_REDACTED = "***Sensitive Data Redacted***"
_NULL = "Member must not be null"


def violations(shape: Shape, value: Mapping[str, Any], lax: Container[str] = ()) -> list[Violation]:
    """All ways (ten at most) in which an operation's input breaks its model, except at the paths in `lax`. Streaming
    bodies aren't looked at."""
    found: list[Violation] = []
    _check_members(shape, value, "", found)
    return [violation for violation in found if violation.path not in lax][:_MAX_VIOLATIONS]


def unknown_members(shape: Shape | None, value: Mapping[str, Any]) -> list[str]:
    """Top-level members that the model doesn't have: other services' typing errors."""
    return [name for name in value if shape is None or name not in shape.members]


def _check_members(shape: Shape, value: Mapping[str, Any], path: str, found: list[Violation]) -> None:
    for name in shape.required:
        if value.get(name) is None and name in shape.members:
            found.append(Violation(path + _camel(name), None, _NULL))
    if shape.union and sum(item is not None for item in value.values()) != 1:
        found.append(Violation(path.removesuffix(".") or "input", _shown(value), _one_of(shape, value)))
    for name, item in value.items():
        member = shape.members.get(name)
        if member is not None and item is not None:
            if len(found) >= _MAX_VIOLATIONS:
                return
            checker = _CHECKERS.get(member.shape.kind)
            if checker is not None:
                checker(member, item, path + _camel(name), found)


def _one_of(shape: Shape, value: Mapping[str, Any]) -> str:
    choice = ", ".join(shape.members)
    given = sum(item is not None for item in value.values())
    return f"Exactly one of the members [{choice}] must be set, but {given} are"


def _check_structure(member: Member, value: Any, path: str, found: list[Violation]) -> None:
    if not member.shape.document and not member.shape.eventstream:
        _check_members(member.shape, value, f"{path}.", found)


def _check_list(member: Member, value: Any, path: str, found: list[Violation]) -> None:
    shape = member.shape
    _check_length(shape, value, path, found)
    element = shape.element
    plain = element.shape.kind not in ("structure", "list", "map")
    checker = _CHECKERS.get(element.shape.kind)
    for index, item in enumerate(value, 1):
        if len(found) >= _MAX_VIOLATIONS:
            return
        if item is None:
            found.append(Violation(f"{path}.{index}.member", None, _NULL))
        elif checker is not None and plain:
            broken: list[Violation] = []
            checker(element, item, path, broken)
            if broken:
                words = ", ".join(_constraints(element.shape))
                found.append(Violation(path, _shown(value), f"Member must satisfy constraint: [{words}]"))
                return
        elif checker is not None:
            checker(element, item, f"{path}.{index}.member", found)


def _check_map(member: Member, value: Any, path: str, found: list[Violation]) -> None:
    shape = member.shape
    _check_length(shape, value, path, found)
    for name, part in (("keys", shape.key), ("value", shape.value)):
        checker = _CHECKERS.get(part.shape.kind)
        if checker is None:
            continue
        for key, item in value.items():
            if len(found) >= _MAX_VIOLATIONS:
                return
            if part.shape.kind in ("structure", "list", "map"):
                checker(part, item, f"{path}.{key}.member", found)
                continue
            broken: list[Violation] = []
            checker(part, key if name == "keys" else item, path, broken)
            if broken:
                words = ", ".join(_constraints(part.shape))
                found.append(Violation(path, _shown(value), f"Map {name} must satisfy constraint: [{words}]"))
                break


def _check_string(member: Member, value: Any, path: str, found: list[Violation]) -> None:
    shape = member.shape
    if not isinstance(value, str):
        return
    if shape.enum:
        if value not in shape.enum:
            found.append(Violation(path, _text(shape, value), _enum(shape)))
        return
    _check_length(shape, value, path, found)
    if shape.pattern and not _matches(shape.pattern, value):
        found.append(Violation(path, _text(shape, value), _pattern(shape)))


def _check_blob(member: Member, value: Any, path: str, found: list[Violation]) -> None:
    if isinstance(value, bytes) and not member.streaming:
        _check_length(member.shape, value, path, found)


def _check_number(member: Member, value: Any, path: str, found: list[Violation]) -> None:
    shape = member.shape
    if shape.maximum is not None and value > shape.maximum:
        found.append(Violation(path, value, _at_most("value", shape.maximum)))
    if shape.minimum is not None and value < shape.minimum:
        found.append(Violation(path, value, _at_least("value", shape.minimum)))
    bits = _BITS.get(shape.type)
    if bits is not None and not -(1 << bits) <= value < 1 << bits:
        found.append(Violation(path, value, _at_most("value", (1 << bits) - 1)))


_BITS = {"byte": 7, "short": 15, "integer": 31, "long": 63}

_CHECKERS: Mapping[str, Callable[[Member, Any, str, list[Violation]], None]] = {
    "structure": _check_structure,
    "list": _check_list,
    "map": _check_map,
    "string": _check_string,
    "blob": _check_blob,
    "integer": _check_number,
    "float": _check_number,
}


def _check_length(shape: Shape, value: Any, path: str, found: list[Violation]) -> None:
    size = len(value)
    if shape.maximum is not None and size > shape.maximum:
        found.append(Violation(path, _text(shape, value), _at_most("length", shape.maximum)))
    if shape.minimum is not None and size < shape.minimum:
        found.append(Violation(path, _text(shape, value), _at_least("length", shape.minimum)))


def _constraints(shape: Shape) -> list[str]:
    """All that a plain value must satisfy, in AWS's order."""
    if shape.enum:
        return [_enum(shape)]
    what = "value" if shape.kind in ("integer", "float") else "length"
    words = []
    if shape.maximum is not None:
        words.append(_at_most(what, shape.maximum))
    if shape.minimum is not None:
        words.append(_at_least(what, shape.minimum))
    if shape.pattern:
        words.append(_pattern(shape))
    return words


def _at_most(what: str, limit: float) -> str:
    return f"Member must have {what} less than or equal to {limit}"


def _at_least(what: str, limit: float) -> str:
    return f"Member must have {what} greater than or equal to {limit}"


def _enum(shape: Shape) -> str:
    return f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"


def _pattern(shape: Shape) -> str:
    return f"Member must satisfy regular expression pattern: {shape.pattern}"


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def _text(shape: Shape, value: Any) -> Any:
    return _REDACTED if shape.sensitive else _shown(value)


def _shown(value: Any) -> str:
    """As Java prints it, cut where it is long: `[a, b]`, `{k=v}`."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bytes | bytearray):
        text = f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    elif isinstance(value, list | tuple):
        text = f"[{', '.join(_shown(item) for item in value[:50])}]"
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key}={_shown(item)}" for key, item in list(value.items())[:50]) + "}"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _matches(pattern: str, value: str) -> bool:
    """Whether the value satisfies a model's pattern. What Python can't compile, or could take long over, passes."""
    compiled = _compile(pattern)
    return compiled is None or len(value) > compiled[1] or compiled[0].fullmatch(value) is not None


_PAIRS = r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"
"""All characters beyond the first plane: Java's surrogates, and Python's way."""
_BACKTRACKING = re.compile(r"\((?:[^()\\]|\\.)*[*+}](?:[^()\\]|\\.)*\)[*+{]|\.[*+].*\.[*+]")
"""A repeated group that itself repeats something, or two wildcards: time may grow fast with the value's length."""
_LONG, _SHORT = 4096, 256
"""The lengths up to which values are matched against patterns without and with backtracking."""

_CLASSES = {
    "L": r"\w",
    "M": r"\u0300-\u036f\u0900-\u0903\u093a-\u094f\u1ab0-\u1aff\u20d0-\u20ff\ufe20-\ufe2f",
    "N": r"\d\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u2189\u2460-\u249b",
    "P": r"!-#%-*,-/:;?@\[-\]_{}\u00a1\u00a7\u00ab\u00b6\u00b7\u00bb\u00bf\u2010-\u205e\u3001-\u303f\uff01-\uff0f",
    "S": r"$+<=>\^`|~\u00a2-\u00a9\u00ac\u00ae-\u00b1\u00b4\u00b8\u00d7\u00f7\u20a0-\u20cf\u2100-\u2bff",
    "Z": r"\x20\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
    "Zs": r"\x20\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000",
    "C": r"\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2060-\u206f\ue000-\uf8ff",
}
"""Java's Unicode classes as ranges, close enough for names and tags."""
_CLASS = re.compile(r"\\(p|P)\{(\w+)\}|\[[^\]]*\]")

_DASHES = re.compile(r"\(-\*(\[[^\]]*\\-[^\]]*\])\)(?:\*|\{\d+,\d+\})")
"""`(-*[a-z\\-])*`: the class has the dash too, so that a run of dashes can be read in exponentially many ways."""


@lru_cache(maxsize=2048)
def _compile(pattern: str) -> tuple[re.Pattern[str], int] | None:
    """The pattern, and the length of values up to which it is quick; None if Python doesn't understand it."""
    try:
        return re.compile(_translate(pattern)), _SHORT if _BACKTRACKING.search(pattern) else _LONG
    except (re.error, OverflowError, RecursionError, KeyError):
        return None


def _translate(pattern: str) -> str:
    """From Java's dialect to Python's."""

    def outside(match: re.Match[str]) -> str:
        if match[2] is None:
            return re.sub(r"\\p\{(\w+)\}", lambda inner: _CLASSES[inner[1]], match[0]).replace(r"\w-_", r"\w\-_")
        return f"[{'^' if match[1] == 'P' else ''}{_CLASSES[match[2]]}]"

    return _DASHES.sub(r"\1*", _CLASS.sub(outside, pattern)).replace(*_PAIRS)
