"""Pages of lists, whose tokens are positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.services.contract import Request

_PAGE = 100

Item = TypeVar("Item")


def page(items: list[Item], request: Request) -> tuple[list[Item], dict[str, str]]:
    """(the items that `nextToken` and `maxResults` ask for, the answer's `nextToken` if more follow). Raises
    ValidationException."""
    start = _position(request.get("nextToken"), len(items))
    end = start + request.get("maxResults", _PAGE)
    return items[start:end], {"nextToken": str(end)} if end < len(items) else {}


def _position(token: str | None, size: int) -> int:
    if token is None:
        return 0
    if not token.isascii() or not token.isdigit() or not 0 < int(token[:9]) < size:
        raise ValidationException("The provided pagination token is invalid.")
    return int(token)
