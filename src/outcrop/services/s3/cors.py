"""Which pages of other origins may call a bucket, and the headers that tell their browsers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Rules = Sequence[Mapping[str, Any]]
Headers = list[tuple[str, str]]

METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def matching(rules: Rules, origin: str, method: str, asked: Sequence[str] = ()) -> Mapping[str, Any] | None:
    """The first rule that allows a method, from an origin, with these request headers."""
    for rule in rules:
        if (
            method in rule["AllowedMethods"]
            and any(_like(pattern, origin) for pattern in rule["AllowedOrigins"])
            and all(
                any(_like(pattern.lower(), name.lower()) for pattern in rule.get("AllowedHeaders") or ())
                for name in asked
            )
        ):
            return rule
    return None


def headers(rule: Mapping[str, Any], origin: str, asked: Sequence[str] = ()) -> Headers:
    everyone = "*" in rule["AllowedOrigins"]
    result = [
        ("Access-Control-Allow-Origin", "*" if everyone else origin),
        ("Access-Control-Allow-Methods", ", ".join(rule["AllowedMethods"])),
    ]
    if asked:
        result.append(("Access-Control-Allow-Headers", ", ".join(name.lower() for name in asked)))
    if rule.get("ExposeHeaders"):
        result.append(("Access-Control-Expose-Headers", ", ".join(rule["ExposeHeaders"])))
    if rule.get("MaxAgeSeconds") is not None:
        result.append(("Access-Control-Max-Age", str(rule["MaxAgeSeconds"])))
    if not everyone:
        result.append(("Access-Control-Allow-Credentials", "true"))
    return [*result, ("Vary", _VARY)]


def asked_headers(text: str | None) -> list[str]:
    """The names in `Access-Control-Request-Headers`."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(re.escape(piece) for piece in pattern.split("*")), text) is not None
