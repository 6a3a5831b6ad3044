"""What a record's fields hold: text, numbers, or nothing (None). Text that reads as a number counts as one."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

Value = str | float | int | None

_NUMBER = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?\s*", re.ASCII)
_DIGITS = re.compile(r"(\d+)", re.ASCII)


def number(value: Value) -> float | None:
    """The number that a value is or reads as."""
    if value is None or isinstance(value, int | float):
        return value
    return _number(value)


@lru_cache(maxsize=4096)
def _number(text: str) -> float | None:
    if len(text) > 40 or not _NUMBER.fullmatch(text):
        return None
    return float(text) if any(mark in text for mark in ".eE") else int(text)


def text(value: Value) -> str | None:
    """How a value is shown: `5`, `0.25`, `1.25E8`, or the text itself."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, float) and not value.is_integer():
        return repr(round(value, 10))
    return str(int(value)) if abs(value) < 1e15 else f"{value:.15G}"


def compare(left: Value, right: Value) -> int | None:
    """-1, 0 or 1: as numbers where both are, as text otherwise; None where one is missing."""
    if left is None or right is None:
        return None
    one, other = number(left), number(right)
    if one is not None and other is not None:
        return (one > other) - (one < other)
    first, second = text(left) or "", text(right) or ""
    return (first > second) - (first < second)


def truth(value: Value) -> bool:
    return value not in (None, 0, "", "0", "false")


def sort_key(value: Value) -> tuple[int, float, tuple[tuple[int, int, str], ...]]:
    """Missing values first, then text in natural order (`a2` before `a10`, `#` before `1x`, `@`), then numbers."""
    if value is None:
        return 0, 0.0, ()
    amount = number(value)
    if amount is not None:
        return 2, amount, ()
    return 1, 0.0, tuple(_chunk(piece) for piece in _DIGITS.split(text(value) or "") if piece)


def _chunk(piece: str) -> tuple[int, int, str]:
    """Digits rank by length, then value, and stand where the digits are among the characters."""
    return (ord("0"), len(piece), piece) if piece[0] in "0123456789" else (ord(piece[0]), 0, piece)


def timestamp(ms: float) -> str:
    """`2026-11-28 22:31:05.120`, in UTC."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    except (OverflowError, OSError, ValueError):
        return str(int(ms))


def milliseconds(value: Value) -> float | None:
    """The time that a value means: milliseconds since the epoch, or as `timestamp` writes it."""
    amount = number(value)
    if amount is not None or value is None:
        return amount
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000
