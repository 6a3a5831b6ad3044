"""Lists in pages: Marker and MaxItems in, IsTruncated and Marker out."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from outcrop.services.contract import Request
from outcrop.services.iam.errors import ValidationError

Item = TypeVar("Item")

DEFAULT = 100


def page(request: Request, items: Sequence[Item], key: Callable[[Item], str]) -> tuple[list[Item], dict[str, Any]]:
    """The page that the request asks for, and the members that say what follows.

    `items` are in a stable order with unique keys. A marker names the last item of its page; if that is gone, the
    page starts at the item that follows by key, so nothing is left out of a sorted list."""
    start = 0
    if marker := request.get("Marker"):
        last = _read(marker)
        keys = [key(item) for item in items]
        start = keys.index(last) + 1 if last in keys else sum(1 for each in keys if each <= last)
    found = list(items[start : start + request.get("MaxItems", DEFAULT)])
    if start + len(found) < len(items) and found:
        return found, {"IsTruncated": True, "Marker": base64.urlsafe_b64encode(key(found[-1]).encode()).decode()}
    return found, {"IsTruncated": False}


def _read(marker: str) -> str:
    try:
        return base64.urlsafe_b64decode(marker.encode("ascii")).decode()
    except ValueError:
        raise ValidationError("Invalid Marker.") from None
