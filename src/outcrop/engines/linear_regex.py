"""Regular expressions that come from outside, matched in time linear in the text: RE2's, without look-around and
back-references."""

from __future__ import annotations

from typing import Any


class InvalidExpression(ValueError):
    """It isn't one that RE2 takes; the text says why."""


def compiled(source: str, *, dot_matches_newline: bool = False) -> Any:
    """Raises InvalidExpression."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.dot_nl = dot_matches_newline
    try:
        return re2.compile(source, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise InvalidExpression(
            reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        ) from None
