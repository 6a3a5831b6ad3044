"""How well each unit answers a question, and whether any does."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outcrop.engines.answering.answer import Passage
from outcrop.engines.answering.evidence import blemish, fit, lacks_form
from outcrop.engines.answering.questions import Question
from outcrop.engines.answering.units import Unit
from outcrop.engines.indexing.terms import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Chosen on quality/questions.json; docs/decisions/0004-retrieval.md says what they reach.
_MEANING, _WORDS, _PASSAGE, _FORM, _BLEMISH, _FOREIGN = 0.62, 0.28, 0.10, 0.16, 0.35, 0.3
_FROM_HEADING, _FROM_NEIGHBOUR = 0.6, 0.3
_LEAST_COSINE = 0.25

_ACRONYM = re.compile(r"((?:[^\W_]+[\s-]+){1,8})\(([A-Za-z]{2,8}?)s?\)")
_CJK = re.compile(r"[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(slots=True)
class Candidate:
    unit: Unit
    cosine: float
    """Of question and unit, 0 to 1."""
    coverage: float
    """The share of the question's terms that the unit or what stands above and beside it has, by their weight."""
    score: float
    fit: float
    own: frozenset[str]
    """The unit's terms, acronyms spelt out."""
    vector: NDArray[np.float32]


def in_context(unit: Unit) -> str:
    return f"{unit.heading}: {unit.text}" if unit.heading else unit.text


def score(
    question: Question,
    passages: Sequence[Passage],
    units: Sequence[Unit],
    vector: NDArray[np.float32],
    meaning: Mapping[str, NDArray[np.float32]],
) -> list[Candidate]:
    """All units but headings, best first. `meaning` has the vectors of their texts, alone and in context."""
    spelt = _acronyms(units)
    own = [_spell_out(set(terms(unit.text)), spelt) for unit in units]
    weights = _term_weights(question.terms, own)
    total = sum(weights.values()) or 1.0
    foreign = not _CJK.search(question.text)
    candidates = []
    for number, unit in enumerate(units):
        if unit.kind == "heading":
            continue
        here = own[number]
        above = _spell_out(set(terms(unit.heading)), spelt)
        beside = set().union(*(own[at] for at in _beside(units, number)))
        coverage = 0.0
        for term, weight in weights.items():
            share = 1.0 if term in here else _FROM_HEADING if term in above else _FROM_NEIGHBOUR * (term in beside)
            coverage += share * weight / total
        cosine = float(meaning[unit.text] @ vector) / 2 + float(meaning[in_context(unit)] @ vector) / 2
        cosine = max(0.0, cosine)
        suits = fit(question, unit, [term for term in weights if term in here])
        value = (
            _MEANING * cosine
            + _WORDS * coverage
            + _PASSAGE * min(1.0, max(0.0, passages[unit.passage].score))
            + _FORM * suits
            - _BLEMISH * blemish(unit)
            - _FOREIGN * (bool(_CJK.search(unit.text)) == foreign)
        )
        candidates.append(Candidate(unit, cosine, coverage, value, suits, frozenset(here), meaning[unit.text]))
    return sorted(candidates, key=lambda one: (-one.score, one.unit.passage, one.unit.position))


def relevance(question: Question, candidates: Sequence[Candidate]) -> float:
    """0 to 1: whether the best unit is about what is asked at all; 0.3 and more usually is."""
    best = candidates[0]
    if best.cosine < _LEAST_COSINE:
        return 0.0
    value = 0.6 * best.cosine + 0.4 * best.coverage - 0.23
    said = best.own | set(terms(best.unit.heading))
    if question.head and not all(
        term in said and not _only_in_name(term, best.unit, question) for term in question.head
    ):
        value -= 0.25
    if question.kind == "definition" and not any(set(subject) <= said for subject in question.subjects):
        value -= 0.06
    if lacks_form(question, [in_context(one.unit) for one in candidates[:5]]):
        value -= 0.15
    return min(1.0, max(0.0, value))


def _only_in_name(term: str, unit: Unit, question: Question) -> bool:
    """Whether a common noun of the question is in the unit only as part of a name: `capital` in `Australian Capital
    Territory`."""
    if term not in terms(" ".join(re.findall(r"\b[a-z]\w*", question.text))):
        return False
    spoken = re.findall(r"[\w’'-]+", unit.text)
    places = [at for at, word in enumerate(spoken) if term in terms(word)]
    return bool(places) and all(
        at > 0
        and spoken[at][0].isupper()
        and any(
            0 <= beside < len(spoken)
            and spoken[beside][0].isupper()
            and not set(terms(spoken[beside])) & set(question.terms)
            for beside in (at - 1, at + 1)
        )
        for at in places
    )


def _beside(units: Sequence[Unit], number: int) -> Iterable[int]:
    for at in (number - 1, number + 1):
        if 0 <= at < len(units) and units[at].passage == units[number].passage:
            yield at


def _term_weights(wanted: Sequence[str], own: Sequence[set[str]]) -> dict[str, float]:
    """How much each of the question's terms tells: the rarer among the units, the more."""
    counts = Counter(term for found in own for term in found)
    return {term: math.log(1 + len(own) / (1 + counts[term])) for term in wanted}


def _acronyms(units: Sequence[Unit]) -> dict[str, frozenset[str]]:
    """`llm`: {`larg`, `languag`, `model`}, for every `Large Language Model (LLM)` in the units."""
    found: dict[str, frozenset[str]] = {}
    for unit in units:
        for match in _ACRONYM.finditer(unit.text):
            short = match[2].lower()
            spoken = re.split(r"[\s-]+", match[1].strip())[-len(short) :]
            if [word[0].lower() for word in spoken] == list(short):
                found["".join(terms(match[2]))] = frozenset(terms(" ".join(spoken)))
    return found


def _spell_out(own: set[str], spelt: Mapping[str, frozenset[str]]) -> set[str]:
    for short, long in spelt.items():
        if short in own:
            own |= long
        elif long <= own:
            own.add(short)
    return own
