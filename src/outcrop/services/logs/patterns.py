"""Filter patterns: the language that finds log events.

```
ERROR "time out" -retry            all of these words, none of those       ?ERROR ?WARN   any of them
%5\\d\\d%                            a regular expression
{ $.level = "ERROR" && $.ms > 3 }  a line that is JSON
[ip, user, ..., status = 4*]       a line of words: "quoted" and [bracketed] ones count as one
```

`compile_pattern` answers an object whose `match(message)` gives None or what the pattern found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from outcrop.services.logs.regex import InvalidRegex, Regex

MAX_REGEXES = 2
_OPERATORS = ("!=", "<=", ">=", "=", "<", ">")


class InvalidPattern(ValueError):
    """The text isn't a filter pattern; the message is what AWS says."""


@dataclass(frozen=True, slots=True)
class Match:
    """A message that a pattern matched."""

    values: Mapping[str, str] = field(default_factory=dict)
    """What the pattern names: `{"$.level": "ERROR"}`, `{"$ip": "10.0.0.1"}`."""
    find: Callable[[str], str | None] = lambda selector: None
    """Any other value of the message: `find("$.latency")`, `find("$bytes")`; None if it isn't there."""


class Pattern(Protocol):
    def match(self, message: str) -> Match | None: ...


def compile_pattern(text: str) -> Pattern:
    """Read a filter pattern. Raises InvalidPattern."""
    text = text.strip()
    try:
        if text.startswith("{"):
            pattern: Pattern = _JsonParser(text).parse()
        elif text.startswith("["):
            pattern = _read_fields(text)
        else:
            pattern = _read_terms(text)
    except InvalidRegex as error:
        raise InvalidPattern(str(error)) from None
    except RecursionError:
        raise InvalidPattern("Invalid filter pattern: too many parentheses") from None
    return pattern


# Words


@dataclass(frozen=True, slots=True)
class Terms:
    required: tuple[str, ...]
    excluded: tuple[str, ...]
    optional: tuple[str, ...]
    regexes: tuple[Regex, ...]

    def match(self, message: str) -> Match | None:
        if not all(term in message for term in self.required):
            return None
        if any(term in message for term in self.excluded):
            return None
        if self.optional and not any(term in message for term in self.optional):
            return None
        return _PLAIN_MATCH if all(regex.search(message) for regex in self.regexes) else None


_PLAIN_MATCH = Match()
_TERM = re.compile(r'\s*(?P<sign>[?-]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]*)%|(?P<word>\w+))')


def _read_terms(text: str) -> Terms:
    required: list[str] = []
    excluded: list[str] = []
    optional: list[str] = []
    regexes: list[Regex] = []
    position = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if not found:
            rest = text[position:].lstrip()
            if not rest:
                break
            raise _bad_term(rest)
        position = found.end()
        if found["regex"] is not None:
            if found["sign"]:
                raise InvalidPattern("Invalid filter pattern: '?' and '-' don't go with regular expressions")
            regexes.append(Regex(found["regex"]))
            continue
        term = found["word"] if found["quoted"] is None else _unescape(found["quoted"])
        {"": required, "-": excluded, "?": optional}[found["sign"]].append(term)
    if required == [" "]:
        required = []  # the documentation's way to say "everything"
    if required or excluded or regexes:
        optional = []  # AWS ignores the ?terms then
    _check_regexes(len(regexes))
    return Terms(tuple(required), tuple(excluded), tuple(optional), tuple(regexes))


def _bad_term(rest: str) -> InvalidPattern:
    if rest[0] in '"%':
        return InvalidPattern("Invalid filter pattern: unclosed " + ("quotation mark" if rest[0] == '"' else "'%'"))
    bad = re.search(r"[^\w\s]+", rest)
    return InvalidPattern(f"Invalid character(s) in term '{bad[0] if bad else rest[0]}'")


def _check_regexes(count: int) -> None:
    if count > MAX_REGEXES:
        raise InvalidPattern(f"Invalid filter pattern: at most {MAX_REGEXES} regular expressions in one pattern")


def _unescape(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted) if "\\" in quoted else quoted


# Comparisons, which JSON and word patterns share


@dataclass(frozen=True, slots=True)
class Comparison:
    """One test of one value: `= 4*`, `>= 400`, `!= "x"`, `= %regex%`."""

    operator: str
    text: str
    number: float | None
    regex: Regex | None

    def holds(self, value: str | int | float) -> bool:
        if self.operator in ("=", "!="):
            return self._equals(value) is (self.operator == "=")
        number = _number(value) if isinstance(value, str) else value
        if number is None or self.number is None:
            return False
        match self.operator:
            case "<":
                return number < self.number
            case "<=":
                return number <= self.number
            case ">":
                return number > self.number
        return number >= self.number

    def _equals(self, value: str | int | float) -> bool:
        if self.regex:
            return self.regex.search(_text(value))
        if self.number is not None and (number := _number(value) if isinstance(value, str) else value) is not None:
            return number == self.number
        return _glob(self.text, _text(value))


def _comparison(operator: str, token: str) -> Comparison:
    """From an operator and the token behind it, quotes and percent signs included."""
    if token.startswith("%"):
        if operator not in ("=", "!="):
            raise InvalidPattern(f"Invalid filter pattern: '{operator}' doesn't take a regular expression")
        return Comparison(operator, "", None, Regex(token[1:-1]))
    quoted = token.startswith('"')
    text = _unescape(token[1:-1]) if quoted else token
    number = None if quoted else _number(text)
    if operator not in ("=", "!=") and number is None:
        raise InvalidPattern(f"Invalid filter pattern: '{operator}' compares with a number, not with '{text}'")
    return Comparison(operator, text, number, None)


def _number(text: str | int | float) -> float | None:
    if isinstance(text, str) and not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", text, re.ASCII):
        return None
    return float(text)


def _text(value: str | int | float) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _glob(pattern: str, text: str) -> bool:
    """Whether `pattern`, in which `*` stands for anything, is the whole of `text`."""
    first, *middle = pattern.split("*")
    if not middle:
        return first == text
    *middle, last = middle
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        position = text.find(part, position, end)
        if position < 0:
            return False
        position += len(part)
    return True


# JSON

_MISSING: Any = object()
Step = str | int | None
"""A key, an index, or None for `*`."""


@dataclass(frozen=True, slots=True)
class Selector:
    source: str
    steps: tuple[Step, ...]

    def values(self, document: Any) -> list[Any]:
        """What it points to; nothing where a key or index is missing."""
        found = [document]
        for step in self.steps:
            found = [value for parent in found for value in _children(parent, step)]
        return found


def _children(parent: Any, step: Step) -> Iterator[Any]:
    if step is None:
        yield from parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ()
    elif isinstance(parent, dict) and isinstance(step, str):
        if step in parent:
            yield parent[step]
    elif isinstance(parent, list) and isinstance(step, int) and step < len(parent):
        yield parent[step]


@dataclass(frozen=True, slots=True)
class Leaf:
    selector: Selector
    test: Callable[[Sequence[Any]], bool]

    def holds(self, document: Any) -> bool:
        return self.test(self.selector.values(document))


@dataclass(frozen=True, slots=True)
class Branch:
    joined_by: Callable[[Iterator[bool]], bool]
    parts: tuple[Leaf | Branch, ...]

    def holds(self, document: Any) -> bool:
        return self.joined_by(part.holds(document) for part in self.parts)


@dataclass(frozen=True, slots=True)
class JsonPattern:
    root: Leaf | Branch
    selectors: tuple[Selector, ...]

    def match(self, message: str) -> Match | None:
        if not message.lstrip().startswith(("{", "[")):
            return None
        try:
            document = json.loads(message)
        except (ValueError, RecursionError):
            return None
        if not self.root.holds(document):
            return None

        def find(source: str) -> str | None:
            try:
                return _scalar(read_selector(source).values(document))
            except InvalidPattern:
                return None

        values = {s.source: value for s in self.selectors if (value := _scalar(s.values(document))) is not None}
        return Match(values, find)


def _scalar(values: Sequence[Any]) -> str | None:
    return next((_text(value) for value in values if not isinstance(value, dict | list)), None)


_PLAIN_KEY = re.compile(r"[\w\-]+|\*")
_IN_BRACKETS = re.compile(r"""\[\s*(?:(?P<index>\d+)|(?P<any>\*)|'(?P<single>[^']*)'|"(?P<double>[^"]*)")\s*\]""")


def read_selector(source: str) -> Selector:
    """`$.a.b[0]["c d"].*`. Raises InvalidPattern."""
    selector, position = _selector_at(source, 0)
    if position != len(source):
        raise InvalidPattern(f"Invalid character(s) in term '{source[position]}'")
    return selector


def _selector_at(text: str, start: int) -> tuple[Selector, int]:
    steps: list[Step] = []
    position = start + 1
    while position < len(text):
        if text[position] == "." and text[position + 1 : position + 2] != "[":
            found = _PLAIN_KEY.match(text, position + 1)
            if not found:
                raise InvalidPattern(f"Invalid character(s) in term '{text[start : position + 2]}'")
            steps.append(None if found[0] == "*" else found[0])
        elif text[position] in ".[":
            found = _IN_BRACKETS.match(text, position + (text[position] == "."))
            if not found:
                raise InvalidPattern(f"Invalid character(s) in term '{text[start : position + 1]}'")
            if found["index"]:
                steps.append(int(found["index"][:9]))
            else:
                steps.append(None if found["any"] else found["single"] or found["double"] or "")
        else:
            break
        position = found.end()
    if not steps:
        raise InvalidPattern("Invalid character(s) in term '$'")
    if steps.count(None) > 1:
        raise InvalidPattern("Invalid filter pattern: at most one wildcard in a property selector")
    return Selector(text[start:position], tuple(steps)), position


_VALUE = re.compile(r'\s*("(?:[^"\\]|\\.)*"|%[^%]*%|[\w.+\-*]+)')
_KEYWORD = re.compile(r"\s*(IS\s+(?P<what>NULL|TRUE|FALSE)|NOT\s+EXISTS)\b", re.IGNORECASE)
_CONSTANTS = {"NULL": None, "TRUE": True, "FALSE": False}


class _JsonParser:
    """`{ a && (b || c) }`, by recursive descent."""

    def __init__(self, text: str) -> None:
        if not text.endswith("}"):
            raise InvalidPattern("Invalid filter pattern: unclosed '{'")
        self._text = text[1:-1]
        self._position = 0
        self._selectors: list[Selector] = []
        self._regexes = 0

    def parse(self) -> JsonPattern:
        root = self._either()
        if self._rest():
            raise InvalidPattern(f"Invalid character(s) in term '{self._rest()[0]}'")
        _check_regexes(self._regexes)
        return JsonPattern(root, tuple(dict.fromkeys(self._selectors)))

    def _rest(self) -> str:
        return self._text[self._position :].lstrip()

    def _accept(self, token: str) -> bool:
        rest = self._rest()
        if not rest.startswith(token):
            return False
        self._position = len(self._text) - len(rest) + len(token)
        return True

    def _either(self) -> Leaf | Branch:
        parts = [self._both()]
        while self._accept("||"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Branch(any, tuple(parts))

    def _both(self) -> Leaf | Branch:
        parts = [self._one()]
        while self._accept("&&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Branch(all, tuple(parts))

    def _one(self) -> Leaf | Branch:
        if self._accept("("):
            inner = self._either()
            if not self._accept(")"):
                raise InvalidPattern("Invalid filter pattern: unclosed '('")
            return inner
        rest = self._rest()
        if not rest.startswith("$"):
            raise InvalidPattern(f"Invalid character(s) in term '{rest[:1] or '}'}'")
        selector, self._position = _selector_at(self._text, len(self._text) - len(rest))
        self._selectors.append(selector)
        if found := _KEYWORD.match(self._text, self._position):
            self._position = found.end()
            if not found["what"]:
                return Leaf(selector, lambda values: not values)
            constant = _CONSTANTS[found["what"].upper()]
            return Leaf(selector, lambda values: any(value is constant for value in values))
        operator = next((operator for operator in _OPERATORS if self._accept(operator)), None)
        value = _VALUE.match(self._text, self._position) if operator else None
        if operator is None or value is None:
            raise InvalidPattern(f"Invalid character(s) in term '{self._rest()[:1] or '}'}'")
        self._position = value.end()
        self._regexes += value[1].startswith("%")
        comparison = _comparison(operator, value[1])
        return Leaf(selector, lambda values: any(comparison.holds(v) for v in values if _comparable(v)))


def _comparable(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool))


# Lines of words


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    conditions: tuple[tuple[Comparison, ...], ...]
    """Alternatives of comparisons that must all hold; empty: anything goes."""

    def accepts(self, word: str) -> bool:
        if not self.conditions:
            return True
        return any(all(comparison.holds(word) for comparison in together) for together in self.conditions)


@dataclass(frozen=True, slots=True)
class FieldsPattern:
    before: tuple[Field, ...]
    after: tuple[Field, ...]
    """Fields behind the `...`."""
    open: bool
    """Whether there is a `...`."""

    def match(self, message: str) -> Match | None:
        words = _words(message, None if self.open else len(self.before))
        named = len(self.before) + len(self.after)
        if len(words) < named or (not self.open and len(words) != named):
            return None
        chosen = [*words[: len(self.before)], *words[len(words) - len(self.after) :]]
        fields = (*self.before, *self.after)
        if not all(field.accepts(word) for field, word in zip(fields, chosen, strict=True)):
            return None
        values = {f"${field.name}": word for field, word in zip(fields, chosen, strict=True) if field.name}
        return Match(values, values.get)


_WORD = re.compile(r'\s*(?:"(?P<quoted>[^"]{0,8000})"(?=\s|$)|\[(?P<bracketed>[^\]]{0,1000})\](?=\s|$)|(?P<plain>\S+))')


def _words(message: str, most: int | None) -> list[str]:
    """The words of a line; at most `most`, the last of which is all the rest of the line."""
    words: list[str] = []
    message, position = message.strip(), 0
    while position < len(message):
        found = _WORD.match(message, position)
        if not found:
            break
        if most is not None and len(words) == most - 1 and found.end() < len(message):
            words.append(message[position:].lstrip())
            break
        words.append(next(group for group in found.groups() if group is not None))
        position = found.end()
    return words


_CONDITION = re.compile(
    r'\s*(?P<name>[\w.\-]+)?\s*(?P<operator>!=|<=|>=|=|<|>)\s*(?P<value>"(?:[^"\\]|\\.)*"|%[^%]*%|[^\s,&|\]"%]+)\s*'
)
_NAME = re.compile(r"\s*(?P<name>\.\.\.|[\w.\-]*)\s*")


def _read_fields(text: str) -> FieldsPattern:
    if not text.endswith("]"):
        raise InvalidPattern("Invalid filter pattern: unclosed '['")
    before: list[Field] = []
    after: list[Field] = []
    open_, regexes, position, end = False, 0, 1, len(text) - 1
    while position < end:
        name, conditions, position, found_regexes = _read_field(text, position, end)
        regexes += found_regexes
        if name == "..." and not conditions:
            if open_:
                raise InvalidPattern("Invalid filter pattern: at most one '...'")
            open_ = True
        else:
            (after if open_ else before).append(Field(name, conditions))
        if position < end and text[position] != ",":
            raise InvalidPattern(f"Invalid character(s) in term '{text[position]}'")
        position += 1
    _check_regexes(regexes)
    if not before and not after:
        return FieldsPattern((), (), True)
    return FieldsPattern(tuple(before), tuple(after), open_)


def _read_field(text: str, position: int, end: int) -> tuple[str, tuple[tuple[Comparison, ...], ...], int, int]:
    """The field at `position`: its name, its conditions, the position behind it, and how many regexes it has."""
    found = _CONDITION.match(text, position, end)
    if not found:
        plain = _NAME.match(text, position, end)
        assert plain is not None, "the expression also matches nothing"
        return plain["name"], (), plain.end(), 0
    name, regexes = found["name"] or "", 0
    alternatives: list[list[Comparison]] = [[]]
    while found:
        alternatives[-1].append(_comparison(found["operator"], found["value"]))
        regexes += found["value"].startswith("%")
        position = found.end()
        joint = text[position : position + 2]
        if joint not in ("&&", "||"):
            break
        if joint == "||":
            alternatives.append([])
        found = _CONDITION.match(text, position + 2, end)
        if not found:
            raise InvalidPattern(f"Invalid character(s) in term '{joint}'")
    return name, tuple(tuple(together) for together in alternatives), position, regexes
