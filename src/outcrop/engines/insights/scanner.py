"""Reads a query's text piece by piece. A slash divides or begins a regular expression, so the parser says what it
expects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from outcrop.engines.linear_regex import InvalidExpression, compiled

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST = 10_000
"""Characters of a query."""

_BLANK = re.compile(r"(?:\s+|#[^\n]*)*")
_NAME = re.compile(r"[A-Za-z_@][\w@]*(?:\.[\w@]+)*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_SPAN = re.compile(
    r"(\d+)\s*(ms|msec|mo|min|m|s|sec|h|hr|d|w|q|y|milliseconds?|seconds?|minutes?|hours?|days?|weeks?)\b"
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_SYMBOLS = ("!=", "<=", ">=", "=~", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", "[", "]", ",", "|")


class InvalidQuery(ValueError):
    """The text isn't a query. `at` is the offset of the character that spoils it."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


class Scanner:
    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise InvalidQuery(f"a query has {LONGEST} characters at most", LONGEST)
        self.text = text
        self.at = 0
        self._skip()

    @property
    def done(self) -> bool:
        return self.at >= len(self.text)

    def fail(self, message: str | None = None) -> InvalidQuery:
        """What to raise here."""
        line = self.text.count("\n", 0, self.at) + 1
        position = self.at - (self.text.rfind("\n", 0, self.at) + 1) + 1
        where = f"at line {line} and position {position}"
        if message is not None:
            return InvalidQuery(f"{message} {where}", self.at)
        if self.done:
            return InvalidQuery(f"unexpected end of the query {where}", self.at)
        found = _NAME.match(self.text, self.at)
        return InvalidQuery(f"unexpected symbol found {found[0] if found else self.text[self.at]} {where}", self.at)

    def word(self, *words: str) -> str | None:
        """One of these keywords, in any case; None, and nothing read, if another thing comes next."""
        found = _NAME.match(self.text, self.at)
        if found and found[0].lower() in words:
            self._move(found.end())
            return found[0].lower()
        return None

    def expect_word(self, *words: str) -> str:
        found = self.word(*words)
        if found is None:
            raise self.fail()
        return found

    def symbol(self, *symbols: str) -> str | None:
        for symbol in _SYMBOLS:
            if symbol in symbols and self.text.startswith(symbol, self.at):
                self._move(self.at + len(symbol))
                return symbol
        return None

    def expect_symbol(self, symbol: str) -> None:
        if self.symbol(symbol) is None:
            raise self.fail()

    def take(self, exactly: str) -> bool:
        """Read over this text if it comes next."""
        if not self.text.startswith(exactly, self.at):
            return False
        self._move(self.at + len(exactly))
        return True

    def name(self) -> str | None:
        """A field's or function's name; `in backticks` it may hold anything."""
        if self.text.startswith("`", self.at):
            end = self.text.find("`", self.at + 1)
            if end <= self.at + 1:
                raise self.fail()
            found = self.text[self.at + 1 : end]
            self._move(end + 1)
            return found
        match = _NAME.match(self.text, self.at)
        if match is None:
            return None
        self._move(match.end())
        return match[0]

    def number(self) -> float | int | None:
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            return None
        self._move(match.end())
        return int(match[0]) if match[0].isdigit() else float(match[0])

    def span(self) -> tuple[int, str] | None:
        """`5m`: a count and a unit."""
        match = _SPAN.match(self.text, self.at)
        if match is None:
            return None
        self._move(match.end())
        return int(match[1]), match[2]

    def string(self) -> str | None:
        quote = self.text[self.at : self.at + 1]
        if quote not in ("'", '"'):
            return None
        pieces, at = [], self.at + 1
        while at < len(self.text) and self.text[at] != quote:
            if self.text[at] == "\\" and at + 1 < len(self.text):
                following = self.text[at + 1]
                known = following in ("\\", quote) or following in _ESCAPES
                pieces.append(_ESCAPES.get(following, following) if known else "\\" + following)
                at += 2
            else:
                pieces.append(self.text[at])
                at += 1
        if at >= len(self.text):
            raise self.fail("unclosed string")
        self._move(at + 1)
        return "".join(pieces)

    def regex(self) -> Any | None:
        """A compiled expression; it takes time in proportion to the text that it searches."""
        if not self.text.startswith("/", self.at):
            return None
        end, at, inside = -1, self.at + 1, False
        while at < len(self.text):
            character = self.text[at]
            if character == "\\":
                at += 1
            elif character in "[]":
                inside = character == "["
            elif character == "/" and not inside:
                end = at
                break
            at += 1
        if end < 0:
            raise self.fail("unclosed regular expression")
        found = compile_regex(self.text[self.at + 1 : end].replace("\\/", "/"), self)
        self._move(end + 1)
        return found

    def slice(self, start: int) -> str:
        """The text from `start` to here."""
        return self.text[start : self.at].strip()

    def _move(self, at: int) -> None:
        self.at = at
        self._skip()

    def _skip(self) -> None:
        match = _BLANK.match(self.text, self.at)
        assert match is not None
        self.at = match.end()


def compile_regex(source: str, scanner: Scanner) -> Any:
    try:
        return compiled(source)
    except InvalidExpression as error:
        raise scanner.fail(f"invalid regular expression: {error}") from None


def glob_regex(pattern: str, names: Sequence[str], scanner: Scanner) -> Any:
    """`user=*, method=*` with as many names as stars; each star takes as little as it can, the last one the rest."""
    pieces = pattern.split("*")
    if len(pieces) - 1 != len(names):
        raise scanner.fail(f"the pattern has {len(pieces) - 1} stars, but {len(names)} names")
    parts = [re.escape(pieces[0])]
    for number, piece in enumerate(pieces[1:], 1):
        last = number == len(pieces) - 1 and not piece
        parts.append("(.*)" if last else "(.*?)")
        parts.append(re.escape(piece))
    return compile_regex("(?s)" + "".join(parts), scanner)
