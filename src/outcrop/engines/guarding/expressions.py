"""Regular expressions that come from outside, matched in time linear in the text: RE2's, without look-around and
back-references."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from outcrop.engines.guarding.match import Match


class InvalidExpression(ValueError):
    """It isn't one that RE2 takes; the text says why."""


class Expression:
    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self._compiled = compiled(source)

    def find(self, text: str) -> Iterator[Match]:
        for found in self._compiled.finditer(text):
            if found.group():
                yield Match(found.start(), found.end(), found.group(), self.name)


def compiled(source: str) -> Any:
    """Raises InvalidExpression."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(source, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise InvalidExpression(
            reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        ) from None
