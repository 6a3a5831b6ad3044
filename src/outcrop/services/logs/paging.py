"""Tokens of lists: the name behind which the next page starts, made opaque."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from outcrop.services.logs.errors import InvalidParameterException

T = TypeVar("T")


def page(items: Sequence[T], key: Callable[[T], str], token: str | None, limit: int) -> tuple[list[T], str | None]:
    """Items behind the token, at most `limit`, and the next token; `items` are in order of `key`, ascending or not."""
    start = 0
    if token is not None:
        last = decode(token)
        start = next((number for number, item in enumerate(items, 1) if key(item) == last), None) or _after(
            items, key, last
        )
    shown = list(items[start : start + limit])
    return shown, encode(key(shown[-1])) if start + limit < len(items) else None


def encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode(token: str) -> str:
    """Raises InvalidParameterException for what isn't a token."""
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidParameterException("The specified nextToken is invalid.") from None


def _after(items: Sequence[T], key: Callable[[T], str], last: str) -> int:
    """Where to go on if the item that a token names is gone: the first with a greater key."""
    return next((number for number, item in enumerate(items) if key(item) > last), len(items))
