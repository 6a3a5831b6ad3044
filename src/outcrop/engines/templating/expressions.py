"""Reads the expressions of a template: references, literals and operators."""

from __future__ import annotations

import re
from typing import NoReturn

from outcrop.engines.templating.syntax import (
    Call,
    Expression,
    Index,
    ListOf,
    Literal,
    MapOf,
    Not,
    Operation,
    Property,
    Quoted,
    Range,
    Reference,
    TemplateError,
)

MAX_DEPTH = 60
_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_MEMBER = re.compile(r"\.([A-Za-z_][\w-]*)")
_START = re.compile(r"\$(!?)(\{?)([A-Za-z_][\w-]*)")
_NUMBER = re.compile(r"-?\d+(?:\.(?!\.)\d+(?:[eE][+-]?\d+)?)?")
_OPERATORS = (
    (("||", "or"),),
    (("&&", "and"),),
    (("==", "eq"), ("!=", "ne")),
    (("<=", "le"), (">=", "ge"), ("<", "lt"), (">", "gt")),
    (("+", ""), ("-", "")),
    (("*", ""), ("/", ""), ("%", "")),
)
"""From the weakest to the strongest."""


class ExpressionReader:
    """Stands at a place in a text and moves on while it reads."""

    def __init__(self, text: str, at: int, depth: int) -> None:
        self._text = text
        self.at = at
        self._depth = depth
        self._nested = 0

    def space(self) -> None:
        found = _SPACE.match(self._text, self.at)
        self.at = found.end() if found else self.at

    def sees(self, sign: str) -> bool:
        self.space()
        return self._text.startswith(sign, self.at)

    def take(self, sign: str) -> bool:
        if not self.sees(sign):
            return False
        self.at += len(sign)
        return True

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            self._fail(f"expected '{sign}'")

    def word(self, word: str) -> None:
        if not self._take_word(word):
            self._fail(f"expected '{word}'")

    def expression(self) -> Expression:
        self._nested += 1
        if self._nested > MAX_DEPTH:
            self._fail(f"an expression is nested more than {MAX_DEPTH} deep")
        try:
            return self._binary(0)
        finally:
            self._nested -= 1

    def reference(self) -> Reference | None:
        """None if nothing that stands here is one."""
        start = self.at
        found = _START.match(self._text, self.at)
        if not found:
            return None
        self.at = found.end()
        steps = self._steps()
        if found[2] and not self.take("}"):
            self.at = start
            return None
        return Reference(found[3], tuple(steps), bool(found[1]), self._text[start : self.at])

    def _steps(self) -> list[Property | Call | Index]:
        steps: list[Property | Call | Index] = []
        while True:
            before = self.at
            if member := _MEMBER.match(self._text, self.at):
                self.at = member.end()
                if self._text.startswith("(", self.at):
                    self.at += 1
                    steps.append(Call(member[1], tuple(self._list(")"))))
                else:
                    steps.append(Property(member[1]))
            elif self._text.startswith("[", self.at):
                self.at += 1
                try:
                    steps.append(Index(self.expression()))
                    self.expect("]")
                except TemplateError:
                    self.at = before
                    del steps[-1:]
                    return steps
            else:
                return steps

    def _binary(self, level: int) -> Expression:
        if level == len(_OPERATORS):
            return self._unary()
        left = self._binary(level + 1)
        while operator := self._operator(level):
            left = Operation(operator, left, self._binary(level + 1))
        return left

    def _operator(self, level: int) -> str:
        for sign, word in _OPERATORS[level]:
            if self.take(sign) or (word and self._take_word(word)):
                return sign
        return ""

    def _take_word(self, word: str) -> bool:
        self.space()
        found = _NAME.match(self._text, self.at)
        if not found or found[0] != word:
            return False
        self.at = found.end()
        return True

    def _unary(self) -> Expression:
        self._nested += 1
        if self._nested > MAX_DEPTH:
            self._fail(f"an expression is nested more than {MAX_DEPTH} deep")
        try:
            if not self.sees("!=") and (self.take("!") or self._take_word("not")):
                return Not(self._unary())
            return self._primary()
        finally:
            self._nested -= 1

    def _primary(self) -> Expression:
        self.space()
        sign = self._text[self.at : self.at + 1]
        if sign == "$" and (reference := self.reference()):
            return reference
        if sign in ("'", '"'):
            return self._string(sign)
        if found := _NUMBER.match(self._text, self.at):
            self.at = found.end()
            return Literal(float(found[0]) if "." in found[0] else int(found[0][:40]))
        if self.take("("):
            inner = self.expression()
            self.expect(")")
            return inner
        if self.take("["):
            return self._list_or_range()
        if self.take("{"):
            return self._map()
        if sign == "-":
            self.at += 1
            return Operation("-", Literal(0), self._unary())
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self._take_word(word):
                return Literal(value)
        self._fail("expected a value")

    def _string(self, sign: str) -> Expression:
        text, at = "", self.at + 1
        while True:
            end = self._text.find(sign, at)
            if end < 0:
                self._fail(f"a string that begins with {sign} doesn't end")
            text += self._text[at:end]
            if self._text.startswith(sign * 2, end):
                text, at = text + sign, end + 2
                continue
            if sign == '"' and text.endswith("\\"):
                text, at = text[:-1] + sign, end + 1
                continue
            break
        self.at = end + 1
        if sign == "'" or not ("$" in text or "#" in text):
            return Literal(text)
        from outcrop.engines.templating.parser import parse

        return Quoted(parse(text, self._depth + 1))

    def _list(self, closing: str) -> list[Expression]:
        items: list[Expression] = []
        while not self.take(closing):
            if items:
                self.expect(",")
            items.append(self.expression())
        return items

    def _list_or_range(self) -> Expression:
        if self.take("]"):
            return ListOf(())
        first = self.expression()
        if self.take(".."):
            last = self.expression()
            self.expect("]")
            return Range(first, last)
        items = [first]
        while self.take(","):
            items.append(self.expression())
        self.expect("]")
        return ListOf(tuple(items))

    def _map(self) -> MapOf:
        items: list[tuple[Expression, Expression]] = []
        while not self.take("}"):
            if items:
                self.expect(",")
            key = self.expression()
            self.expect(":")
            items.append((key, self.expression()))
        return MapOf(tuple(items))

    def _fail(self, what: str) -> NoReturn:
        line = self._text.count("\n", 0, self.at) + 1
        near = self._text[self.at : self.at + 20].splitlines()
        raise TemplateError(f"Line {line} of the template: {what}, found '{near[0] if near else 'the end'}'")
