"""Reads a Velocity template: text, `$references` and `#directives`."""

from __future__ import annotations

import re
from typing import NoReturn

from outcrop.engines.templating.expressions import ExpressionReader
from outcrop.engines.templating.syntax import (
    Assign,
    Choose,
    Define,
    Evaluate,
    Expression,
    Leave,
    Loop,
    Macro,
    Node,
    TemplateError,
    Text,
    Use,
)

MAX_DEPTH = 60
_DIRECTIVE = re.compile(r"#(?:\{(?P<braced>[A-Za-z_][\w-]*)\}|(?P<plain>[A-Za-z_][\w-]*))")
_PLAIN = re.compile(r"[^$#\\]+")
_REST_OF_LINE = re.compile(r"[ \t]*(?:\r\n|\r|\n)")
_ESCAPED = re.compile(r"\\+(?=[$#])")
_NAME = re.compile(r"\s*\$!?\{?([A-Za-z_][\w-]*)\}?\s*")
_ENDS = ("end", "else", "elseif")


def parse(text: str, depth: int = 0) -> tuple[Node, ...]:
    """Raises TemplateError."""
    if depth > MAX_DEPTH:
        raise TemplateError(f"The template is nested more than {MAX_DEPTH} deep")
    return _Parser(text, depth).parse()


class _Parser:
    def __init__(self, text: str, depth: int) -> None:
        self._text = text
        self._at = 0
        self._depth = depth
        self._open = 0

    def parse(self) -> tuple[Node, ...]:
        nodes, end = self._block()
        if end:
            self._fail(f"#{end} without a beginning")
        return nodes

    def _block(self) -> tuple[tuple[Node, ...], str]:
        """Nodes up to `#end`, `#else` or `#elseif`, which is consumed, and which of them it was."""
        nodes: list[Node] = []
        while self._at < len(self._text):
            if plain := _PLAIN.match(self._text, self._at):
                nodes.append(Text(plain[0]))
                self._at = plain.end()
                continue
            match self._text[self._at]:
                case "$":
                    nodes.append(self._reference())
                case "#":
                    if end := self._end():
                        return tuple(nodes), end
                    nodes.append(self._hash())
                case _:
                    nodes.append(self._backslashes())
        return tuple(nodes), ""

    def _end(self) -> str:
        found = _DIRECTIVE.match(self._text, self._at)
        name = (found["braced"] or found["plain"]) if found else ""
        if found and name in _ENDS:
            self._at = found.end()
            if name != "elseif":
                self._eat_line()
            return name
        return ""

    def _backslashes(self) -> Text:
        """`\\$x` is the text `$x`."""
        found = _ESCAPED.match(self._text, self._at)
        if not found:
            self._at += 1
            return Text("\\")
        self._at = found.end()
        count = len(found[0])
        if count % 2 == 0:
            return Text("\\" * (count // 2))
        sign = self._text[self._at]
        self._at += 1
        return Text("\\" * (count // 2) + sign)

    def _reference(self) -> Node:
        reader = ExpressionReader(self._text, self._at, self._depth)
        reference = reader.reference()
        if reference is None:
            self._at += 1
            return Text("$")
        self._at = reader.at
        return reference

    def _hash(self) -> Node:
        if self._text.startswith("##", self._at):
            end = re.compile(r"\r\n|\r|\n|$").search(self._text, self._at)
            self._at = end.end() if end else len(self._text)
            return Text("")
        for opening, closing, keep in (("#*", "*#", False), ("#[[", "]]#", True)):
            if self._text.startswith(opening, self._at):
                stop = self._text.find(closing, self._at + len(opening))
                if stop < 0:
                    self._fail(f"{opening} is never closed by {closing}")
                content = self._text[self._at + len(opening) : stop]
                self._at = stop + len(closing)
                return Text(content if keep else "")
        found = _DIRECTIVE.match(self._text, self._at)
        if not found:
            self._at += 1
            return Text("#")
        return self._directive(found["braced"] or found["plain"], found)

    def _directive(self, name: str, found: re.Match[str]) -> Node:
        start, self._at = self._at, found.end()
        match name:
            case "set":
                return self._set()
            case "if":
                return self._if()
            case "foreach":
                return self._foreach()
            case "macro":
                return self._macro()
            case "define":
                (variable,) = self._names(1)
                return Define(variable, self._body("define"))
            case "evaluate":
                (text,) = self._arguments()
                return Evaluate(text)
            case "break" | "stop" | "return":
                self._eat_line()
                return Leave("stop" if name == "return" else name)
        if not self._text.startswith("(", self._at):
            return Text(found[0])
        try:
            arguments = self._arguments()
        except TemplateError:
            self._at = found.end()
            return Text(found[0])
        return Use(name, arguments, self._text[start : self._at])

    def _set(self) -> Assign:
        reader = self._opened()
        reader.space()
        target = reader.reference()
        if target is None:
            self._fail("#set takes ($name = value)")
        reader.expect("=")
        value = reader.expression()
        self._closed(reader)
        return Assign(target, value)

    def _if(self) -> Choose:
        branches: list[tuple[Expression | None, tuple[Node, ...]]] = []
        condition: Expression | None = self._condition()
        self._deeper()
        while True:
            nodes, end = self._block()
            branches.append((condition, nodes))
            if end == "end":
                self._open -= 1
                return Choose(tuple(branches))
            if not end or condition is None:
                self._fail("#if without an #end")
            condition = self._condition() if end == "elseif" else None

    def _condition(self) -> Expression:
        reader = self._opened()
        condition = reader.expression()
        self._closed(reader)
        return condition

    def _foreach(self) -> Loop:
        reader = self._opened()
        reader.space()
        variable = reader.reference()
        if variable is None or variable.steps:
            self._fail("#foreach takes ($name in list)")
        reader.word("in")
        items = reader.expression()
        self._closed(reader)
        return Loop(variable.name, items, self._body("foreach"))

    def _macro(self) -> Macro:
        found = re.compile(r"\s*\(\s*([A-Za-z_][\w-]*)([^)]*)\)").match(self._text, self._at)
        if not found:
            self._fail("#macro takes (name $parameter …)")
        self._at = found.end()
        self._eat_line()
        parameters = tuple(re.findall(r"\$!?\{?([A-Za-z_][\w-]*)", found[2]))
        return Macro(found[1], parameters, self._body("macro"))

    def _body(self, what: str) -> tuple[Node, ...]:
        self._deeper()
        nodes, end = self._block()
        if end != "end":
            self._fail(f"#{what} without an #end")
        self._open -= 1
        return nodes

    def _names(self, count: int) -> list[str]:
        found = re.compile(r"\s*\(([^)]*)\)").match(self._text, self._at)
        names = _NAME.findall(found[1]) if found else []
        if found is None or len(names) != count:
            self._fail("expected a name in parentheses")
        self._at = found.end()
        self._eat_line()
        return names

    def _arguments(self) -> tuple[Expression, ...]:
        reader = self._opened()
        arguments: list[Expression] = []
        while not reader.sees(")"):
            arguments.append(reader.expression())
            reader.take(",")
        self._closed(reader)
        return tuple(arguments)

    def _opened(self) -> ExpressionReader:
        reader = ExpressionReader(self._text, self._at, self._depth)
        reader.expect("(")
        return reader

    def _closed(self, reader: ExpressionReader) -> None:
        reader.expect(")")
        self._at = reader.at
        self._eat_line()

    def _eat_line(self) -> None:
        """A directive at the end of a line takes the line's end with it."""
        if found := _REST_OF_LINE.match(self._text, self._at):
            self._at = found.end()

    def _deeper(self) -> None:
        self._open += 1
        if self._open > MAX_DEPTH:
            self._fail(f"directives are nested more than {MAX_DEPTH} deep")

    def _fail(self, what: str) -> NoReturn:
        line = self._text.count("\n", 0, self._at) + 1
        raise TemplateError(f"Line {line} of the template: {what}")
