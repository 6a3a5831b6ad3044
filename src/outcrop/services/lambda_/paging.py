"""Markers of lists."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from outcrop.services.contract import Request
from outcrop.services.lambda_.errors import InvalidParameterValueException

T = TypeVar("T")


def page(request: Request, items: Sequence[T], key: Callable[[T], str], limit: int = 50) -> tuple[list[T], str | None]:
    """At most `MaxItems` of the items behind the `Marker`, and the next marker: the last item's key, made opaque.
    An item that is gone meanwhile ends the list."""
    start = 0
    if marker := request.get("Marker"):
        try:
            last = base64.urlsafe_b64decode(marker).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            raise InvalidParameterValueException("The marker is none that this operation has answered.") from None
        start = next((number for number, item in enumerate(items, 1) if key(item) == last), len(items))
    shown = list(items[start : start + min(request.get("MaxItems") or limit, limit)])
    if start + len(shown) >= len(items):
        return shown, None
    return shown, base64.urlsafe_b64encode(key(shown[-1]).encode()).decode()
