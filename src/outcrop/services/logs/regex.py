"""The regular expressions of filter patterns: alternatives of quantified single characters, no groups.

Matching takes time proportional to the text whatever the expression, because an automaton is walked instead of
backtracking: a pattern comes from outside and may be meant to hang whoever runs it.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable

ALLOWED = frozenset(string.ascii_letters + string.digits + ":_#=@/;,- " + "^$?[]{}|\\*+.")
MAX_STATES = 2_000
MAX_CACHED = 4_000

Test = Callable[[str], bool]
"""Whether one character is accepted."""


class InvalidRegex(ValueError):
    """The expression isn't one that a filter pattern may hold."""


class Regex:
    """`Regex(r"^ERR.* [45]\\d{2}").search("ERROR 404")`: whether it occurs anywhere in the text."""

    def __init__(self, source: str) -> None:
        for character in source:
            if character not in ALLOWED:
                raise InvalidRegex(f"Invalid character(s) in term '{character}'")
        if not source:
            raise InvalidRegex("Invalid filter pattern: empty regular expression")
        self._edges: list[list[tuple[Test, int]]] = []
        self._skips: list[list[int]] = []
        self._final: set[int] = set()
        self._final_at_end: set[int] = set()
        anchored: list[int] = []
        floating: list[int] = []
        for branch in _split_branches(source):
            start = self._state()
            (anchored if branch.startswith("^") else floating).append(start)
            self._add_branch(start, branch.removeprefix("^"))
        self._floating = self._closure(floating)
        self._start = self._closure(anchored) | self._floating
        self._cache: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def search(self, text: str) -> bool:
        state, final, cache = self._start, self._final, self._cache
        if not final.isdisjoint(state):
            return True
        for character in text:
            following = cache.get((state, character))
            state = self._step(state, character) if following is None else following
            if not final.isdisjoint(state):
                return True
        return not self._final_at_end.isdisjoint(state)

    def _step(self, state: frozenset[int], character: str) -> frozenset[int]:
        reached = [target for index in state for test, target in self._edges[index] if test(character)]
        following = self._closure(reached) | self._floating
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache[(state, character)] = following
        return following

    def _closure(self, states: Iterable[int]) -> frozenset[int]:
        seen, waiting = set(states), list(states)
        while waiting:
            for target in self._skips[waiting.pop()]:
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return frozenset(seen)

    def _state(self) -> int:
        if len(self._edges) >= MAX_STATES:
            raise InvalidRegex("Invalid filter pattern: the regular expression is too large")
        self._edges.append([])
        self._skips.append([])
        return len(self._edges) - 1

    def _add_branch(self, state: int, branch: str) -> None:
        final, position = self._final, 0
        while position < len(branch):
            if branch[position] == "$" and position == len(branch) - 1:
                final = self._final_at_end
                break
            test, position = _read_atom(branch, position)
            least, most, position = _read_quantifier(branch, position)
            state = self._repeat(state, test, least, most)
        final.add(state)

    def _repeat(self, state: int, test: Test, least: int, most: int | None) -> int:
        for _ in range(least):
            following = self._state()
            self._edges[state].append((test, following))
            state = following
        if most is None:
            loop = self._state()
            self._skips[state].append(loop)
            self._edges[loop].append((test, loop))
            return loop
        optional = []
        for _ in range(most - least):
            optional.append(state)
            following = self._state()
            self._edges[state].append((test, following))
            state = following
        for index in optional:
            self._skips[index].append(state)
        return state


def _split_branches(source: str) -> list[str]:
    branches, current, in_class, escaped = [], "", False, False
    for character in source:
        if escaped or character == "\\":
            escaped = not escaped
        elif character == "[":
            in_class = True
        elif character == "]":
            in_class = False
        elif character == "|" and not in_class:
            branches.append(current)
            current = ""
            continue
        current += character
    return [*branches, current]


def _read_atom(branch: str, position: int) -> tuple[Test, int]:
    character = branch[position]
    if character == "\\":
        return _read_escape(branch, position)
    if character == "[":
        return _read_class(branch, position + 1)
    if character == ".":
        return (lambda c: c != "\n"), position + 1
    if character in "^$?*+{}]":
        raise InvalidRegex(f"Invalid filter pattern: unexpected '{character}' in a regular expression")
    return (lambda c: c == character), position + 1


_CLASSES: dict[str, Test] = {
    "d": lambda c: c in string.digits,
    "s": lambda c: c in " \t\n\r\f\v",
    "w": lambda c: c == "_" or (c.isascii() and c.isalnum()),
    "D": lambda c: c not in string.digits,
    "S": lambda c: c not in " \t\n\r\f\v",
    "W": lambda c: not (c == "_" or (c.isascii() and c.isalnum())),
}


def _read_escape(branch: str, position: int) -> tuple[Test, int]:
    """The escape at `position` (its backslash) and the position behind it."""
    if position + 1 >= len(branch):
        raise InvalidRegex("Invalid filter pattern: a regular expression ends in '\\'")
    character = branch[position + 1]
    if character in _CLASSES:
        return _CLASSES[character], position + 2
    if character == "x":
        digits = branch[position + 2 : position + 4]
        if len(digits) != 2 or not set(digits) <= set(string.hexdigits):
            raise InvalidRegex("Invalid filter pattern: \\x takes two hexadecimal digits")
        code = chr(int(digits, 16))
        return (lambda c: c == code), position + 4
    if character.isalnum():
        raise InvalidRegex(f"Invalid filter pattern: unknown escape '\\{character}'")
    return (lambda c: c == character), position + 2


def _read_class(branch: str, position: int) -> tuple[Test, int]:
    """The class whose `[` stands before `position`, and the position behind its `]`."""
    negated = branch[position : position + 1] == "^"
    position += negated
    tests: list[Test] = []
    while position < len(branch) and branch[position] != "]":
        if branch[position] == "\\":
            test, position = _read_escape(branch, position)
        elif branch[position + 1 : position + 2] == "-" and branch[position + 2 : position + 3] not in ("", "]"):
            test, position = _between(branch[position], branch[position + 2]), position + 3
        else:
            test, position = _between(branch[position], branch[position]), position + 1
        tests.append(test)
    if position >= len(branch) or not tests:
        raise InvalidRegex("Invalid filter pattern: unclosed or empty '[' in a regular expression")
    return (lambda c: any(test(c) for test in tests) is not negated), position + 1


def _between(low: str, high: str) -> Test:
    if low > high:
        raise InvalidRegex(f"Invalid filter pattern: bad range '{low}-{high}' in a regular expression")
    return lambda c: low <= c <= high


def _read_quantifier(branch: str, position: int) -> tuple[int, int | None, int]:
    """Least and most repetitions (None: no end) of the atom before `position`, and the position behind."""
    match branch[position : position + 1]:
        case "*":
            return 0, None, position + 1
        case "+":
            return 1, None, position + 1
        case "?":
            return 0, 1, position + 1
        case "{":
            inside, closed, _ = branch[position + 1 :].partition("}")
            low, comma, high = (part.strip() for part in inside.partition(","))
            if not closed or not low.isdigit() or not (high.isdigit() or not high) or len(low + high) > 8:
                raise InvalidRegex(f"Invalid filter pattern: bad repetition '{{{inside}' in a regular expression")
            least = int(low)
            most = (int(high) if high else None) if comma else least
            if least > MAX_STATES or (most is not None and not least <= most <= MAX_STATES):
                raise InvalidRegex(f"Invalid filter pattern: bad repetition '{{{inside}}}' in a regular expression")
            return least, most, position + len(inside) + 2
    return 1, 1, position
