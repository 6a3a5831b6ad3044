"""How well each unit answers a question, and whether any does."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from outcrop.engines.answering.answer import Passage
from outcrop.engines.answering.evidence import blemish, fit, form_weight, lacks_form
from outcrop.engines.answering.questions import Question, pairs
from outcrop.engines.answering.units import Unit
from outcrop.engines.indexing.terms import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Chosen on quality/questions.json; docs/decisions/0004-retrieval.md says what they reach.
_MEANING, _WORDS, _PASSAGE, _BLEMISH, _FOREIGN = 0.62, 0.28, 0.10, 0.35, 0.3
_CJK_MEANING, _CJK_WORDS = 0.15, 0.75
"""The built-in embedder knows no Chinese, Japanese or Korean: every text is near every other."""
_HEAD, _PAIRS = 0.12, 0.08
_FROM_HEADING, _FROM_NEIGHBOUR, _FROM_SECTION = 0.6, 0.4, 0.6
_ROW = 0.18
"""Of a table's row whose name is in the question."""
_ALONE = 0.5
"""Of a sentence's meaning without its heading, in the mean with its meaning under it."""
_LEAST_COSINE = 0.25

MOST_COMPARED = 160
"""Units whose meaning is compared with the question's; about two milliseconds each."""

_ACRONYM = re.compile(r"\(([A-Za-z]{2,8}?)s?\)")
_LOOK_BACK = 160
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


@dataclass(frozen=True, slots=True)
class Reading:
    """A unit as it is compared with the question."""

    unit: Unit
    said: Unit
    """With acronyms spelt out and with the listing that completes it."""
    own: frozenset[str]
    above: frozenset[str]
    """Terms of its heading."""
    shared: float
    """How many of the question's terms it has, those of the heading for half."""

    @property
    def alone(self) -> str:
        return self.said.text if self.unit.kind == "sentence" else self.in_context

    @property
    def in_context(self) -> str:
        return f"{self.said.heading}: {self.said.text}" if self.said.heading else self.said.text


def spell_out(question: Question, acronyms: Mapping[str, str]) -> str:
    """The question with the long forms of its acronyms: embedders don't know what `DPO` is."""
    text = question.text
    for short, long in acronyms.items():
        if long.lower() not in text.lower():
            text = re.sub(rf"\b{re.escape(short)}(?=s?\b)", long, text)
    return text


def read(question: Question, units: Sequence[Unit], acronyms: Mapping[str, str]) -> list[Reading]:
    """`acronyms` as `acronyms_in` finds them."""
    asked = set(question.terms)
    spelt = {short: long for short, long in acronyms.items() if asked & {*terms(short), *terms(long)}}
    readings = []
    for number, unit in enumerate(units):
        text = unit.text
        following = units[number + 1] if number + 1 < len(units) else unit
        if following.kind == "code" and following.passage == unit.passage and not unit.ends and unit.kind != "code":
            text = f"{text}\n{following.text}"
        own = set(terms(text))
        for short, long in spelt.items():
            if long.lower() not in text.lower():
                text = re.sub(rf"\b{re.escape(short)}(?=s?\b)", long, text)
            own |= set(terms(text))
            if set(terms(long)) <= own:
                own |= set(terms(short))
        said = replace(unit, text=text)
        above = frozenset(terms(unit.heading))
        shared = len(asked & own) + 0.5 * len((asked & above) - own)
        readings.append(Reading(unit, said, frozenset(own), above, shared))
    return readings


def shortlist(readings: Sequence[Reading]) -> list[Reading]:
    """What is worth embedding, in order: everything but headings, or the units that share most with the question."""
    quotable = [one for one in readings if one.unit.kind != "heading"]
    if len(quotable) <= MOST_COMPARED:
        return quotable
    best = sorted(range(len(quotable)), key=lambda at: (-quotable[at].shared, at))[:MOST_COMPARED]
    return [quotable[at] for at in sorted(best)]


def score(
    question: Question,
    passages: Sequence[Passage],
    readings: Sequence[Reading],
    vector: NDArray[np.float32],
    meaning: Mapping[str, NDArray[np.float32]],
) -> list[Candidate]:
    """The units whose texts have vectors in `meaning`, best first."""
    weights = _term_weights(question.terms, readings)
    sections = [frozenset(terms(passage.section)) for passage in passages]
    form = form_weight(question)
    by_meaning, by_words = (_CJK_MEANING, _CJK_WORDS) if question.language == "cjk" else (_MEANING, _WORDS)
    head, asked = frozenset(question.head), frozenset(question.terms)
    in_latin = not _CJK.search(question.text)
    candidates = []
    for number, reading in enumerate(readings):
        unit = reading.unit
        if unit.kind == "heading" or reading.alone not in meaning:
            continue
        beside = frozenset().union(*(readings[at].own for at in _beside(readings, number)))
        coverage = _coverage(weights, reading, beside, sections[unit.passage])
        row = meaning[reading.alone]
        cosine = max(0.0, _ALONE * float(row @ vector) + (1 - _ALONE) * float(meaning[reading.in_context] @ vector))
        suits = fit(question, reading.said, [term for term in weights if term in reading.own])
        value = (
            by_meaning * cosine
            + by_words * coverage
            + _PASSAGE * min(1.0, max(0.0, passages[unit.passage].score))
            + form * suits
            + _PAIRS * len(question.pairs & pairs(reading.said.text)) / (len(question.pairs) or 1)
            + _HEAD * bool(head and head <= reading.own)
            + _ROW * _is_asked_for(unit, asked)
            - _BLEMISH * max(blemish(unit), 0.5 * _is_header(readings, number))
            - _FOREIGN * (bool(_CJK.search(unit.text)) == in_latin)
        )
        candidates.append(Candidate(unit, cosine, coverage, value, suits, reading.own, row))
    return sorted(candidates, key=lambda one: (-one.score, one.unit.passage, one.unit.position))


def _is_asked_for(unit: Unit, asked: frozenset[str]) -> bool:
    name, _, rest = unit.text.partition(" | ")
    named = set(terms(name))
    return unit.kind == "row" and bool(rest) and bool(named) and named <= asked


def _coverage(weights: Mapping[str, float], reading: Reading, beside: frozenset[str], section: frozenset[str]) -> float:
    covered = 0.0
    for term, weight in weights.items():
        if term in reading.own:
            covered += weight
        elif term in reading.above:
            covered += weight if " | " in reading.unit.text else _FROM_HEADING * weight
        elif term in section:
            covered += _FROM_SECTION * weight
        elif term in beside:
            covered += _FROM_NEIGHBOUR * weight
    return covered / (sum(weights.values()) or 1.0)


def relevance(question: Question, candidates: Sequence[Candidate]) -> float:
    """0 to 1: whether the best unit is about what is asked at all; 0.3 and more usually is."""
    best = candidates[0]
    if best.cosine < _LEAST_COSINE:
        return 0.0
    if question.language == "cjk":
        value = _CJK_MEANING * best.cosine + (1 - _CJK_MEANING) * best.coverage - 0.23
    else:
        value = 0.6 * best.cosine + 0.4 * best.coverage - 0.23
    said = best.own | set(terms(best.unit.heading))
    if question.head and not all(
        term in said and not _only_in_name(term, best.unit, question) for term in question.head
    ):
        value -= 0.25
    if question.kind == "definition" and not any(set(subject) <= said for subject in question.subjects):
        value -= 0.06
    if question.kind == "definition" and not best.fit and best.cosine < 0.5:
        value -= 0.15
    near = [one for one in candidates[:5] if one.coverage >= 0.7 * best.coverage and one.cosine >= 0.7 * best.cosine]
    if lacks_form(question, [f"{one.unit.heading} {one.unit.text}" for one in near]):
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


def _beside(readings: Sequence[Reading], number: int) -> Iterable[int]:
    for at in (number - 1, number + 1):
        if 0 <= at < len(readings) and readings[at].unit.passage == readings[number].unit.passage:
            yield at


def _is_header(readings: Sequence[Reading], number: int) -> bool:
    """Whether a row is the first of its table."""
    unit = readings[number].unit
    before, after = (readings[at].unit if 0 <= at < len(readings) else None for at in (number - 1, number + 1))
    rows = [other and other.kind == "row" and other.passage == unit.passage for other in (before, after)]
    return unit.kind == "row" and not rows[0] and bool(rows[1])


def _term_weights(wanted: Sequence[str], readings: Sequence[Reading]) -> dict[str, float]:
    """How much each of the question's terms tells: the rarer among the units, the more."""
    counts = Counter(term for reading in readings for term in reading.own)
    return {term: math.log(1 + len(readings) / (1 + counts[term])) for term in wanted}


def acronyms_in(units: Sequence[Unit]) -> dict[str, str]:
    """`LLM`: `Large Language Model`, for every `Large Language Model (LLM)` in the units."""
    found: dict[str, str] = {}
    for unit in units:
        for match in _ACRONYM.finditer(unit.text):
            before = unit.text[max(0, match.start() - _LOOK_BACK) : match.start()]
            spoken = re.findall(r"[^\W_]+", before)[-len(match[1]) :]
            if [word[0].lower() for word in spoken] == list(match[1].lower()):
                found[match[1]] = " ".join(spoken)
    return found
