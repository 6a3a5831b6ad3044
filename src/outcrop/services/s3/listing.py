"""Pages of a listing, with everything between a prefix and a delimiter rolled into one common prefix.

The rows of a common prefix are skipped by seeking behind it, so a page costs what it shows, not what lies under it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from outcrop.services.s3.store import Seek

_INFINITY = float("inf")
_PEEK = 50
"""Rows read at once where a delimiter may make us skip."""


class Listed(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def rank(self) -> float: ...


T = TypeVar("T", bound=Listed)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: list[T]
    prefixes: list[str]
    truncated: bool
    last: str
    """The last key or common prefix shown."""
    last_item: T | None
    """The last item, if it stands last."""


def page(
    fetch: Callable[[Seek, str | None, int], Sequence[T]], prefix: str, delimiter: str, after: Seek | None, limit: int
) -> Page[T]:
    """`fetch(seek, below, count)` reads rows in order behind `seek` and below the key `below`. `after` is where the
    page before ended: the common prefix or key (and rank) that it showed last."""
    seek, below = Seek(prefix, -_INFINITY), successor(prefix)
    if after is not None and after.key >= prefix:
        seek = after
        if delimiter and _common_prefix(after.key, prefix, delimiter) == after.key:
            behind = successor(after.key)
            seek = Seek(behind, -_INFINITY) if behind is not None else Seek(after.key, _INFINITY)
    items: list[T] = []
    prefixes: list[str] = []
    last, last_item = "", None
    if limit <= 0:
        return Page(items, prefixes, False, last, last_item)
    while True:
        wanted = limit + 1 - len(items) - len(prefixes)
        count = min(wanted, _PEEK) if delimiter else wanted
        rows = fetch(seek, below, count)
        skipping: str | None = None
        for row in rows:
            if skipping is not None and row.key.startswith(skipping):
                continue
            common = _common_prefix(row.key, prefix, delimiter)
            if len(items) + len(prefixes) >= limit:
                return Page(items, prefixes, True, last, last_item)
            if common is not None:
                prefixes.append(common)
                last, last_item, skipping = common, None, common
            else:
                items.append(row)
                last, last_item, skipping = row.key, row, None
        if len(rows) < count:
            return Page(items, prefixes, False, last, last_item)
        if skipping is None:
            seek = Seek(rows[-1].key, rows[-1].rank)
        else:
            behind = successor(skipping)
            if behind is None:
                return Page(items, prefixes, False, last, last_item)
            seek = Seek(behind, -_INFINITY)


def successor(prefix: str) -> str | None:
    """The smallest string above all that begin with `prefix`; None if there is none."""
    while prefix:
        code = ord(prefix[-1])
        if code < 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if code == 0xD7FF else code + 1)
        prefix = prefix[:-1]
    return None


def _common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    found = key.find(delimiter, len(prefix))
    return None if found < 0 else key[: found + len(delimiter)]
