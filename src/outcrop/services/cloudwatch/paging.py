"""Tokens of lists and results: how much is already known, made opaque."""

from __future__ import annotations

import base64
import binascii

from outcrop.services.cloudwatch.errors import InvalidNextToken


def write_offset(offset: int) -> str:
    return base64.urlsafe_b64encode(f"outcrop:{offset}".encode()).decode()


def read_offset(token: str | None) -> int:
    """0 for no token. Raises InvalidNextToken."""
    if not token:
        return 0
    try:
        name, _, digits = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if name == "outcrop" and digits.isdecimal() and len(digits) < 12:
            return int(digits)
    except (binascii.Error, ValueError):
        pass
    raise InvalidNextToken("The specified nextToken is invalid.")
