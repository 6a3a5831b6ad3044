"""Filters that a question implies: `lava in week 3` where documents have a week."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from outcrop.engines.indexing.filters import AllOf, Compare, Filter, Operator
from outcrop.engines.indexing.terms import STOP_WORDS, terms

Kind = Literal["string", "number", "boolean", "strings"]


@dataclass(frozen=True, slots=True)
class Attribute:
    key: str
    kind: Kind
    description: str = ""


_NUMBER = r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?"
_N = rf"(?:[^\W\d_]+\s+){{0,2}}({_NUMBER})"
_AT_LEAST = r"since|from|at least|no (?:less|fewer|earlier) than|not before"
_AT_MOST = r"until|till|up to|at most|no (?:more|later) than|not after"
_MORE = r"after|over|above|(?:more|greater|later|newer|higher) than|exceeding"
_LESS = r"before|under|below|(?:less|fewer|earlier|older|lower) than|prior to"
_COMPARISONS: Sequence[tuple[str, Sequence[Operator]]] = (
    (rf"\bbetween\s+{_N}\s+(?:and|to)\s+{_N}", ("greater_than_or_equals", "less_than_or_equals")),
    (rf"\bfrom\s+{_N}\s+(?:to|until|till|through)\s+{_N}", ("greater_than_or_equals", "less_than_or_equals")),
    (rf"(?:\b(?:{_AT_LEAST})\s+|>=\s*){_N}", ("greater_than_or_equals",)),
    (rf"(?:\b(?:{_AT_MOST})\s+|<=\s*){_N}", ("less_than_or_equals",)),
    (rf"\b({_NUMBER})\s+(?:or|and)\s+(?:later|newer|more|above|higher|up)\b", ("greater_than_or_equals",)),
    (rf"\b({_NUMBER})\s+(?:or|and)\s+(?:earlier|older|less|fewer|below|lower)\b", ("less_than_or_equals",)),
    (rf"(?:\b(?:{_MORE})\s+|>\s*){_N}", ("greater_than",)),
    (rf"(?:\b(?:{_LESS})\s+|<\s*){_N}", ("less_than",)),
)
_COMPARED = [(re.compile(pattern, re.IGNORECASE), operators) for pattern, operators in _COMPARISONS]
_PLAIN = re.compile(rf"(?<![\w.,-])({_NUMBER})(?![\w]|[.,]\d)")
_BESIDE = 3
"""Words between a number and the name of what it is the number of."""
_NEGATED = re.compile(
    r"\b(?:not|non|no|without|isn't|aren't|un\w*|except|excluding)\b[\s-]*(?:\w+\s+){0,2}$", re.IGNORECASE
)
_YEAR_NAMES = {"year", "date", "published", "released", "publish", "releas"}
_SHORTEST = 2
_VAGUE = frozenset(["a", "an", "all", "any", "false", "no", "none", "null", "true", "yes"])


def implied_filter(
    question: str, attributes: Sequence[Attribute], samples: Sequence[Mapping[str, Any]]
) -> Filter | None:
    """What the question says about the attributes, or None. `samples` is metadata of passages, which shows what values
    there are; values that none of them has aren't recognized. Deterministic; linear in the question's length."""
    question = question[:2000]
    parts = [part for attribute in attributes for part in _parts(question, attribute, samples, attributes)]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else AllOf(parts)


def _parts(
    question: str, attribute: Attribute, samples: Sequence[Mapping[str, Any]], all_: Sequence[Attribute]
) -> Iterator[Filter]:
    if attribute.kind == "number":
        yield from _numbers(question, attribute, all_)
    elif attribute.kind == "boolean":
        yield from _booleans(question, attribute)
    else:
        yield from _strings(question, attribute, list(_values(samples, attribute.key)))


def _values(samples: Sequence[Mapping[str, Any]], key: str) -> Iterable[str]:
    found: dict[str, None] = {}
    for metadata in samples:
        value = metadata.get(key)
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, str):
                found[one] = None
    return found


def _strings(question: str, attribute: Attribute, values: Sequence[str]) -> Iterator[Filter]:
    asked = terms(question)
    named = bool(_key_words(attribute) & set(asked))
    meant: dict[bool, list[str]] = {True: [], False: []}
    taken: set[int] = set()
    for value in sorted(values, key=lambda one: -len(terms(one))):
        spoken = terms(value)
        if not _tells(value, spoken) or not (named or _is_name(value)):
            continue
        for at in _places(asked, spoken):
            if not taken & set(range(at, at + len(spoken))):
                taken |= set(range(at, at + len(spoken)))
                meant[not _is_negated(question, value)].append(value)
                break
    wanted, unwanted = meant[True], meant[False]
    if wanted:
        yield _any_of(attribute, wanted)
    for value in unwanted:
        yield Compare(
            "not_equals" if attribute.kind == "string" else "not_in",
            attribute.key,
            value if attribute.kind == "string" else [value],
        )


def _any_of(attribute: Attribute, wanted: list[str]) -> Filter:
    if len(wanted) > 1:
        return Compare("in", attribute.key, wanted)
    return Compare("list_contains" if attribute.kind == "strings" else "equals", attribute.key, wanted[0])


def _tells(value: str, spoken: Sequence[str]) -> bool:
    """Whether the value is one that a question would name on purpose."""
    return (
        bool(spoken)
        and len(value.strip()) >= _SHORTEST
        and value.strip().lower() not in _VAGUE
        and any(word not in STOP_WORDS for word in spoken)
    )


def _is_name(value: str) -> bool:
    """Whether it stands for itself, wherever it is said: `Netflix`, `v2`; `water` may be what the question is about."""
    return any(char.isupper() or char.isdigit() for char in value)


def _places(asked: Sequence[str], spoken: Sequence[str]) -> Iterator[int]:
    for at in range(len(asked) - len(spoken) + 1):
        if list(asked[at : at + len(spoken)]) == list(spoken):
            yield at


def _is_negated(question: str, value: str) -> bool:
    at = question.lower().find(value.lower())
    return at >= 0 and bool(_NEGATED.search(question[:at]))


def _booleans(question: str, attribute: Attribute) -> Iterator[Filter]:
    name = [word for word in terms(_spaced(attribute.key)) if word not in STOP_WORDS and word not in ("is", "ha")]
    asked = [(match.start(), terms(match.group())) for match in re.finditer(r"[^\W_]+", question)]
    for at, (start, _) in enumerate(asked):
        here = [word for _, words in asked[at : at + len(name)] for word in words]
        if name and here == name:
            yield Compare("equals", attribute.key, not _NEGATED.search(question[:start]))
            return


def _numbers(question: str, attribute: Attribute, all_: Sequence[Attribute]) -> Iterator[Filter]:
    names = _names(attribute)
    alone = sum(one.kind == "number" for one in all_) == 1
    dated = bool(names & _YEAR_NAMES)
    for pattern, operators in _COMPARED:
        for match in pattern.finditer(question):
            if _is_about(question, match, names) or (dated and all(map(_is_year, match.groups()))):
                for operator, number in zip(operators, match.groups(), strict=True):
                    yield Compare(operator, attribute.key, _number(number))
                return
    for match in _PLAIN.finditer(question):
        if _is_about(question, match, names) or (dated and alone and _is_year(match[1])):
            yield Compare("equals", attribute.key, _number(match[1]))
            return


def _names(attribute: Attribute) -> set[str]:
    """The words of its key; of its description only the ones that come first, where the noun is."""
    described = [word for word in terms(attribute.description) if word not in STOP_WORDS][:4]
    return _key_words(attribute) | set(described)


def _key_words(attribute: Attribute) -> set[str]:
    return {word for word in terms(_spaced(attribute.key)) if word not in STOP_WORDS}


def _is_about(question: str, match: re.Match[str], names: set[str]) -> bool:
    """Whether one of the names stands near: `week 3`, `3 weeks`, `weeks after 3`."""
    before = terms(question[: match.start()])[-_BESIDE:]
    after = terms(question[match.end() :])[:1]
    return bool(names & {*before, *after, *terms(match.group())})


def _spaced(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\-.]+", " ", key)


def _is_year(number: str) -> bool:
    return bool(re.fullmatch(r"(?:1[5-9]|20|21)\d\d", number))


def _number(text: str) -> int | float:
    value = float(text.replace(",", ""))
    return int(value) if value.is_integer() else value
