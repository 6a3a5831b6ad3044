"""Random values of a model's shapes that satisfy the model, patterns included."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from outcrop.wire.models.shapes import Member, Shape
from outcrop.wire.validation import _translate

try:
    from re import _parser as sre  # type: ignore[attr-defined]
except ImportError:
    import sre_parse as sre  # type: ignore[no-redef]

LETTERS = "abc xyzÄß€😀/+%&=?#'\"<>\\-_.~,;:@!*()"
SAFE = "abcdefghijklmnopqrstuvwxyz0123456789"


class Examples:
    """`depth` bounds nesting: below it only required members are filled."""

    def __init__(self, seed: str, depth: int = 5) -> None:
        self._random = random.Random(seed)
        self._depth = depth

    def structure(self, shape: Shape, level: int = 0, skip: frozenset[str] = frozenset()) -> dict[str, Any]:
        if shape.union or shape.eventstream:
            choice = [member for member in shape.members.values() if not member.shape.exception]
            plain = [member for member in choice if member.shape.kind not in ("structure", "list", "map")]
            chosen = self._random.choice(plain if plain and level >= self._depth else choice)
            return {chosen.name: self.member(chosen, level)}
        return {
            member.name: self.member(member, level)
            for member in shape.members.values()
            if member.name not in skip
            and (member.name in shape.required or (level < self._depth and self._random.random() < 0.8))
        }

    def member(self, member: Member, level: int) -> Any:
        shape = member.shape
        if shape.document:
            return {"a": [1, None, {"b": "ü"}], "c": True}
        if shape.kind == "structure":
            filled = self.structure(shape, level + 1)
            if filled or level or not shape.members:
                return filled
            first = next(iter(shape.members.values()))
            return {first.name: self.member(first, level + 1)}
        if shape.kind == "list":
            return [self.member(shape.element, level + 1) for _ in range(self._size(shape))]
        if shape.kind == "map":
            return {
                self.member(shape.key, level + 1): self.member(shape.value, level + 1) for _ in range(self._size(shape))
            }
        return self.scalar(member)

    def _size(self, shape: Shape) -> int:
        low = int(shape.minimum or 0)
        return max(low, min(int(shape.maximum or 2), self._random.randint(1, 2)))

    def scalar(self, member: Member) -> Any:
        shape, chance = member.shape, self._random
        if shape.kind == "boolean":
            return chance.random() < 0.5
        if shape.kind == "timestamp":
            return datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(200_000_000))
        if shape.kind == "blob":
            return chance.randbytes(max(int(shape.minimum or 0), 9))
        if shape.kind in ("integer", "float"):
            low = shape.minimum if shape.minimum is not None else 1
            high = shape.maximum if shape.maximum is not None else low + 50
            return chance.randint(int(low), int(high)) if shape.kind == "integer" else chance.uniform(low, high)
        return self.text(member)

    def text(self, member: Member) -> str:
        shape = member.shape
        if shape.name == "publicKeyFingerprintType":
            return ":".join(["ab"] * 16) + "x"
        if shape.enum:
            return self._random.choice(shape.enum)
        low, high = int(shape.minimum or 1), int(shape.maximum or 1 << 30)
        if shape.pattern:
            return matching(_translate(shape.pattern), low, high, self._random)
        size = max(low, min(high, 12))
        letters = (
            SAFE if member.location in ("header", "headers") or member.shape.name.startswith("Metadata") else LETTERS
        )
        return "".join(self._random.choice(letters) for _ in range(size)).strip().ljust(low, "x") or "x"


def matching(pattern: str, low: int, high: int, chance: random.Random) -> str:
    """A string that a pattern takes in whole, of a length between the bounds."""
    compiled = re.compile(pattern)
    for extra in (0, 1, 2, 5, 12, 20, 36, 64, 128, 256, 512):
        for _ in range(8):
            text = _grow(sre.parse(pattern), extra, chance)
            if low <= len(text) <= high and compiled.fullmatch(text):
                return text
    raise ValueError(f"no example of {pattern} with {low} to {high} characters")


def _grow(tree: Any, extra: int, chance: random.Random) -> str:
    pieces = []
    for operator, argument in tree:
        name = str(operator)
        if name == "LITERAL":
            pieces.append(chr(argument))
        elif name in ("NOT_LITERAL", "ANY"):
            pieces.append(chance.choice([c for c in "ab1-" if name == "ANY" or ord(c) != argument]))
        elif name == "IN":
            pieces.append(_one_of(argument, chance))
        elif name == "BRANCH":
            pieces.append(_grow(chance.choice(argument[1]), extra, chance))
        elif name == "SUBPATTERN":
            pieces.append(_grow(argument[-1], extra, chance))
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, inner = argument
            count = min(int(high), int(low) + chance.randint(0, 1 + extra) if extra else int(low))
            pieces += [_grow(inner, 0 if extra < 3 else extra // 3, chance) for _ in range(count)]
        elif name == "CATEGORY":
            pieces.append(_category(str(argument)))
        elif name not in ("AT", "ASSERT_NOT", "ASSERT"):
            raise ValueError(f"patterns with {name} aren't grown")
    return "".join(pieces)


def _one_of(options: Any, chance: random.Random) -> str:
    if str(options[0][0]) == "NEGATE":
        inside = re.compile("[" + "".join(_option(option) for option in options[1:]) + "]")
        return chance.choice([c for c in "ab1-Z_ é" if not inside.match(c)])
    name, argument = chance.choice(options)
    if str(name) == "RANGE":
        return chr(chance.randint(argument[0], min(argument[1], argument[0] + 25)))
    return chr(argument) if str(name) == "LITERAL" else _category(str(argument))


def _option(option: Any) -> str:
    name, argument = option
    if str(name) == "RANGE":
        return f"\\u{argument[0]:04x}-\\u{min(argument[1], 0xFFFF):04x}"
    return f"\\u{argument:04x}" if str(name) == "LITERAL" else CATEGORIES[str(argument)][0]


CATEGORIES: Mapping[str, tuple[str, str]] = {
    "CATEGORY_DIGIT": (r"\d", "7"),
    "CATEGORY_NOT_DIGIT": (r"\D", "q"),
    "CATEGORY_WORD": (r"\w", "w"),
    "CATEGORY_NOT_WORD": (r"\W", "-"),
    "CATEGORY_SPACE": (r"\s", " "),
    "CATEGORY_NOT_SPACE": (r"\S", "s"),
}


def _category(name: str) -> str:
    return CATEGORIES[name][1]
