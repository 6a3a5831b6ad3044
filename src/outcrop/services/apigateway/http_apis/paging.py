"""Pages of lists: `MaxResults` and `NextToken` are strings."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from outcrop.services.apigateway.http_apis.errors import BadRequestException
from outcrop.services.contract import Request, Result

DEFAULT = 100
MOST = 500

T = TypeVar("T")


def page(request: Request, items: Sequence[T], describe: Callable[[T], Result]) -> Result:
    limit = request.get("MaxResults", str(DEFAULT))
    if not limit.isdecimal() or len(limit) > 6 or not 1 <= int(limit) <= MOST:
        raise BadRequestException(f"Invalid value for maxResults: '{limit}' is not a number from 1 to {MOST}")
    start = _read(request["NextToken"]) if request.get("NextToken") else 0
    end = start + int(limit)
    result: dict[str, Any] = {"Items": [describe(item) for item in items[start:end]]}
    if end < len(items):
        result["NextToken"] = base64.urlsafe_b64encode(f"after:{end}".encode()).decode()
    return result


def _read(token: str) -> int:
    try:
        name, _, digits = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if name == "after" and digits.isdecimal() and len(digits) < 10:
            return int(digits)
    except (binascii.Error, ValueError):
        pass
    raise BadRequestException("Invalid value for nextToken")
