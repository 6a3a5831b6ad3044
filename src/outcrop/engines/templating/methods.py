"""What templates may ask of strings, lists, maps and numbers: the methods that Java's have, by Java's names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from outcrop.engines.templating.syntax import TemplateError

MAX_TEXT = 10 * 1024 * 1024


def text_of(value: Any) -> str:
    """As Java prints it: `{a=1, b=[x, y]}`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{text_of(key)}={text_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(text_of(item) for item in value) + "]"
    return "null" if value is None else str(value)


def is_true(value: Any) -> bool:
    """Everything but false and nothing."""
    return value is not None and value is not False


def same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, str) != isinstance(right, str) and left is not None and right is not None:
        return text_of(left) == text_of(right)
    return bool(left == right)


def compare(operator: str, left: Any, right: Any) -> bool:
    if isinstance(left, str) != isinstance(right, str) or left is None or right is None:
        return False
    try:
        match operator:
            case "<":
                return bool(left < right)
            case ">":
                return bool(left > right)
            case "<=":
                return bool(left <= right)
        return bool(left >= right)
    except TypeError:
        return False


def call_method(value: Any, name: str, arguments: Sequence[Any]) -> Any:
    """None for a method that there isn't. Raises TemplateError for arguments that it doesn't take."""
    function = _OF_ALL.get(name)
    for kind, functions in _METHODS:
        if isinstance(value, kind) and name in functions and not (kind is int and isinstance(value, bool)):
            function = functions[name]
            break
    if function is None:
        return None
    try:
        return function(value, *arguments)
    except (TypeError, ValueError, LookupError, AttributeError, re.error) as error:
        raise TemplateError(f"{name}(…) fails: {error}") from None


def _limited(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise TemplateError(f"A string has more than {MAX_TEXT} characters")
    return text


def _replace_all(text: str, pattern: str, replacement: str) -> str:
    """Java's replacement names groups `$1`."""
    replacement = re.sub(r"\\(?!\d)", r"\\\\", replacement)
    return _limited(re.sub(_pattern(pattern), re.sub(r"\$(\d)", r"\\\1", replacement), text))


def _pattern(pattern: str) -> str:
    """Nested repetitions could run for ages; templates need none."""
    if len(pattern) > 200 or re.search(r"[+*}]\)?[+*{]|\([^)]*[+*][^)]*\)[+*{]", pattern):
        raise TemplateError(f"The regular expression {pattern[:50]!r} is too complicated")
    return pattern


def _split(text: str, pattern: str, limit: int = 0) -> list[str]:
    parts = re.split(_pattern(pattern), text, maxsplit=max(limit - 1, 0))
    while not limit and len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    if not 0 <= start <= end <= len(text):
        raise IndexError(f"String index out of range: {start}, {end}")
    return text[start:end]


_STRING: Mapping[str, Callable[..., Any]] = {
    "charAt": lambda s, i: s[i],
    "concat": lambda s, other: _limited(s + text_of(other)),
    "contains": lambda s, other: text_of(other) in s,
    "endsWith": lambda s, other: s.endswith(text_of(other)),
    "equalsIgnoreCase": lambda s, other: isinstance(other, str) and s.lower() == other.lower(),
    "indexOf": lambda s, other, start=0: s.find(text_of(other), start),
    "isBlank": lambda s: not s.strip(),
    "isEmpty": lambda s: not s,
    "lastIndexOf": lambda s, other: s.rfind(text_of(other)),
    "length": lambda s: len(s),
    "matches": lambda s, pattern: re.fullmatch(_pattern(pattern), s) is not None,
    "replace": lambda s, old, new: _limited(s.replace(text_of(old), text_of(new))),
    "replaceAll": _replace_all,
    "replaceFirst": lambda s, pattern, new: re.sub(_pattern(pattern), re.sub(r"\$(\d)", r"\\\1", new), s, count=1),
    "split": _split,
    "startsWith": lambda s, other: s.startswith(text_of(other)),
    "substring": _substring,
    "toLowerCase": lambda s: s.lower(),
    "toUpperCase": lambda s: s.upper(),
    "trim": lambda s: s.strip(),
}


def _add(items: list[Any], *given: Any) -> bool:
    if len(given) == 2:
        items.insert(given[0], given[1])
    else:
        (item,) = given
        items.append(item)
    if len(items) > 100_000:
        raise TemplateError("A list has more than 100000 items")
    return True


def _add_all(items: list[Any], more: Any) -> bool:
    for item in list(more):
        _add(items, item)
    return True


def _remove_item(items: list[Any], what: Any) -> Any:
    if isinstance(what, int) and not isinstance(what, bool):
        return items.pop(what)
    if what in items:
        items.remove(what)
        return True
    return False


def _set_item(items: list[Any], index: int, value: Any) -> Any:
    before, items[index] = items[index], value
    return before


_LIST: Mapping[str, Callable[..., Any]] = {
    "add": _add,
    "addAll": _add_all,
    "clear": lambda items: items.clear(),
    "contains": lambda items, item: item in items,
    "containsAll": lambda items, others: all(item in items for item in others),
    "get": lambda items, index: items[index],
    "indexOf": lambda items, item: items.index(item) if item in items else -1,
    "isEmpty": lambda items: not items,
    "join": lambda items, sign: _limited(text_of(sign).join(text_of(item) for item in items)),
    "length": lambda items: len(items),
    "remove": _remove_item,
    "set": _set_item,
    "size": lambda items: len(items),
    "subList": lambda items, start, end: items[start:end],
    "toArray": lambda items: list(items),
}


def _put(items: dict[str, Any], key: Any, value: Any) -> Any:
    key = text_of(key)
    before = items.get(key)
    items[key] = value
    if len(items) > 100_000:
        raise TemplateError("A map has more than 100000 entries")
    return before


def _entries(items: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in items.items()]


_MAP: Mapping[str, Callable[..., Any]] = {
    "clear": lambda items: items.clear(),
    "containsKey": lambda items, key: text_of(key) in items,
    "containsValue": lambda items, value: value in items.values(),
    "entrySet": _entries,
    "get": lambda items, key: items.get(text_of(key)),
    "getKey": lambda items: items.get("key"),
    "getOrDefault": lambda items, key, value: items.get(text_of(key), value),
    "getValue": lambda items: items.get("value"),
    "isEmpty": lambda items: not items,
    "keySet": lambda items: list(items),
    "put": _put,
    "putAll": lambda items, more: [_put(items, key, value) for key, value in more.items()] and None,
    "remove": lambda items, key: items.pop(text_of(key), None),
    "size": lambda items: len(items),
    "values": lambda items: list(items.values()),
}
_NUMBER: Mapping[str, Callable[..., Any]] = {
    "compareTo": lambda x, y: (x > y) - (x < y),
    "doubleValue": float,
    "intValue": int,
    "longValue": int,
    "parseDouble": lambda _, text: float(text),
    "parseInt": lambda _, text: int(str(text)[:40]),
    "parseLong": lambda _, text: int(str(text)[:40]),
    "valueOf": lambda _, text: int(str(text)[:40]),
}
_OF_ALL: Mapping[str, Callable[..., Any]] = {
    "equals": same,
    "toString": text_of,
}
_METHODS: tuple[tuple[type | tuple[type, ...], Mapping[str, Callable[..., Any]]], ...] = (
    (str, _STRING),
    (list, _LIST),
    (dict, _MAP),
    ((int, float), _NUMBER),
)
