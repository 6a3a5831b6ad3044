"""Answers made of the passages' own sentences. Nothing is written that isn't in them."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outcrop.engines.answering.answer import Answer, Part, Passage
from outcrop.engines.answering.evidence import blemish, fit, lacks_form
from outcrop.engines.answering.questions import Question, language
from outcrop.engines.answering.units import Unit, squeeze, units_of
from outcrop.engines.indexing.terms import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.embedding import Embedder

THRESHOLD = 0.3

MOST_PASSAGES = 12
MOST_UNITS = 220
LONGEST_ANSWER = 900
"""Characters, unless one list or listing alone is longer."""
LONGEST_LIST = 1600
MOST_SENTENCES = {"count": 2, "amount": 2, "date": 2, "person": 2, "place": 2, "definition": 4}
_SENTENCES = 5

_WEIGHTS = {"meaning": 0.62, "words": 0.28, "passage": 0.10, "form": 0.16, "blemish": 0.35}
_CLOSE = 0.80
"""A further sentence must be this fraction as good as the best one."""
_SAME = 0.86
"""Cosine above which two sentences say the same."""

_DANGLING = re.compile(
    r"(?:it|its|they|their|them|he|she|his|her|such|however|moreover|furthermore|therefore|thus|hence|also|instead"
    r"|in addition|additionally|otherwise|similarly|likewise|consequently|as a result|for (?:example|instance)|but|and"
    r"|or|so|yet|then|both|another|the (?:former|latter)|in particular|nevertheless|nonetheless|in contrast|there(?:by)?"
    r"|on the (?:other hand|contrary)|e\.g\.|i\.e\.|(?:this|these|that|those)(?=\s+(?:is|are|was|were|can|could|may|might"
    r"|will|would|has|have|had|means?|allows?|makes?|helps?|enables?|ensures?|leads?|results?|includes?|requires?"
    r"|reduces?|gives?|shows?|produces?|in|also|generalizes?)\b))\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Candidate:
    unit: Unit
    cosine: float
    coverage: float
    score: float
    vector: NDArray[np.float32]


class ExtractiveAnswerer:
    """Picks the sentences that answer a question, or refuses. Deterministic. `threshold` is the least relevance, 0 to
    1, of what is quoted: 0 answers everything, 1 nothing."""

    def __init__(self, embedder: Embedder, threshold: float = THRESHOLD) -> None:
        self._embedder = embedder
        self._threshold = threshold

    async def answer(self, question: str, passages: Sequence[Passage]) -> Answer | None:
        """The answer, or None if the passages don't hold one."""
        asked = Question(question.strip()[:2000])
        if not asked.terms:
            return None
        units = await asyncio.to_thread(_collect, passages)
        quotable = [unit for unit in units if unit.kind != "heading"]
        if not quotable:
            return None
        vectors = await self._embedder.embed([asked.text], "query")
        spoken = await self._embedder.embed([_in_context(unit, units) for unit in quotable], "query")
        return await asyncio.to_thread(self._compose, asked, passages, units, quotable, vectors[0], spoken)

    def _compose(
        self,
        question: Question,
        passages: Sequence[Passage],
        units: Sequence[Unit],
        quotable: Sequence[Unit],
        vector: NDArray[np.float32],
        spoken: NDArray[np.float32],
    ) -> Answer | None:
        candidates = _score(question, passages, units, quotable, vector, spoken)
        relevance = _relevance(question, passages, candidates)
        if relevance < self._threshold:
            return None
        groups = _choose(question, candidates, units)
        return _assemble(groups, passages) if groups else None


def _collect(passages: Sequence[Passage]) -> list[Unit]:
    """The units of the best passages, each sentence once although passages overlap."""
    ranked = sorted(range(len(passages)), key=lambda at: -passages[at].score)[:MOST_PASSAGES]
    found: list[Unit] = []
    for index in ranked:
        if len(found) >= MOST_UNITS:
            break
        found.extend(units_of(index, passages[index].text)[: MOST_UNITS - len(found)])
    return found


def _in_context(unit: Unit, units: Sequence[Unit]) -> str:
    return f"{unit.heading}: {unit.text}" if unit.heading else unit.text


def _score(
    question: Question,
    passages: Sequence[Passage],
    units: Sequence[Unit],
    quotable: Sequence[Unit],
    vector: NDArray[np.float32],
    spoken: NDArray[np.float32],
) -> list[_Candidate]:
    weights = _term_weights(question.terms, units)
    total = sum(weights.values()) or 1.0
    candidates = []
    for unit, row in zip(quotable, spoken, strict=True):
        own = set(terms(unit.text))
        above = set(terms(unit.heading)) - own
        found = [term for term in weights if term in own]
        coverage = sum(weights[term] for term in found)
        coverage += 0.6 * sum(weights[term] for term in weights if term in above)
        coverage /= total
        cosine = max(0.0, float(row @ vector))
        score = (
            _WEIGHTS["meaning"] * cosine
            + _WEIGHTS["words"] * coverage
            + _WEIGHTS["passage"] * min(1.0, max(0.0, passages[unit.passage].score))
            + _WEIGHTS["form"] * fit(question, unit, found)
            - _WEIGHTS["blemish"] * blemish(unit)
        )
        candidates.append(_Candidate(unit, cosine, coverage, score, row))
    return sorted(candidates, key=lambda one: (-one.score, one.unit.passage, one.unit.position))


def _term_weights(wanted: Sequence[str], units: Sequence[Unit]) -> dict[str, float]:
    """How much each of the question's terms tells: the rarer among the units, the more."""
    counts = Counter(term for unit in units for term in set(terms(unit.text)))
    return {term: math.log(1 + len(units) / (1 + counts[term])) for term in wanted}


def _relevance(question: Question, passages: Sequence[Passage], candidates: Sequence[_Candidate]) -> float:
    best = candidates[0]
    return best.cosine


def _choose(question: Question, candidates: Sequence[_Candidate], units: Sequence[Unit]) -> list[list[Unit]]:
    """Groups of units that stand together, the best one first."""
    by_passage: dict[int, list[Unit]] = {}
    for unit in units:
        by_passage.setdefault(unit.passage, []).append(unit)
    best = candidates[0]
    most = MOST_SENTENCES.get(question.kind, _SENTENCES)
    chosen: list[tuple[float, list[Unit]]] = []
    kept: list[_Candidate] = []
    taken: set[tuple[int, int]] = set()
    size = count = 0
    for candidate in candidates:
        if candidate is not best and not _worth_adding(candidate, best, kept):
            continue
        if (candidate.unit.passage, candidate.unit.position) in taken:
            continue
        group = _with_neighbours(candidate.unit, by_passage[candidate.unit.passage])
        fresh = [unit for unit in group if (unit.passage, unit.position) not in taken]
        length = sum(len(unit.text) + 1 for unit in fresh)
        sentences = sum(unit.kind == "sentence" for unit in fresh) or 1
        if chosen and (size + length > LONGEST_ANSWER or count + sentences > most):
            continue
        chosen.append((candidate.score, fresh))
        taken.update((unit.passage, unit.position) for unit in fresh)
        kept.append(candidate)
        size, count = size + length, count + sentences
        if count >= most or size >= LONGEST_ANSWER:
            break
    return _in_order(chosen)


def _worth_adding(candidate: _Candidate, best: _Candidate, kept: Sequence[_Candidate]) -> bool:
    if candidate.score < _CLOSE * best.score or candidate.cosine < 0.7 * best.cosine:
        return False
    own = set(terms(candidate.unit.text))
    for other in kept:
        shared = own & set(terms(other.unit.text))
        if float(candidate.vector @ other.vector) > _SAME or len(shared) > 0.8 * len(own):
            return False
    return True


def _with_neighbours(unit: Unit, line: Sequence[Unit]) -> list[Unit]:
    """The unit with what it can't be understood without: the sentence before `It …`, the list after `as follows:`."""
    first = last = unit.position
    if unit.kind == "row":
        first, last = _whole_table(unit, line)
    elif unit.kind == "item" and not (unit.ends and len(unit.text.split()) > 7):
        first, last = _whole_list(unit, line)
    while first > 0 and _hangs(line[first], line[first - 1]) and unit.position - first < 3:
        first -= 1
    while last + 1 < len(line) and _goes_on(line[last], line[last + 1]):
        last += 1
        if line[last].kind == "item":
            last = _whole_list(line[last], line)[1]
    return [one for one in line[first : last + 1] if one.kind != "heading"]


def _hangs(unit: Unit, before: Unit) -> bool:
    """Whether a unit needs the one before it."""
    if before.kind == "heading" or unit.kind == "row":
        return False
    if unit.kind == "code":
        return before.paragraph == unit.paragraph or before.introduces or not before.ends
    if unit.kind == "item":
        return before.introduces
    if before.kind in ("row", "item"):
        return False
    return bool(_DANGLING.match(unit.text)) or (unit.text[:1].islower() and not before.ends)


def _goes_on(unit: Unit, after: Unit) -> bool:
    """Whether a unit is cut short without the one after it."""
    if after.kind == "heading":
        return False
    if unit.introduces:
        return True
    if unit.kind == "code":
        return after.kind == "code" and after.paragraph == unit.paragraph
    return unit.kind == "sentence" and not unit.ends and after.kind == "code"


def _whole_list(unit: Unit, line: Sequence[Unit]) -> tuple[int, int]:
    """From the sentence that introduces a list to its last item, as far as they fit into an answer."""
    first = last = unit.position
    size = len(unit.text)
    while last + 1 < len(line) and line[last + 1].kind == "item" and size < LONGEST_LIST:
        last += 1
        size += len(line[last].text)
    while first > 0 and line[first - 1].kind == "item" and size < LONGEST_LIST:
        first -= 1
        size += len(line[first].text)
    return first, last


def _whole_table(unit: Unit, line: Sequence[Unit]) -> tuple[int, int]:
    return unit.position, unit.position


def _in_order(chosen: Sequence[tuple[float, list[Unit]]]) -> list[list[Unit]]:
    """Neighbours united; the group with the best unit first, the others by their best, each in the text's order."""
    groups: list[tuple[float, list[Unit]]] = []
    for score, fresh in chosen:
        for number, (better, group) in enumerate(groups):
            if group[0].passage == fresh[0].passage and _touch(group, fresh):
                merged = sorted(group + fresh, key=lambda unit: unit.position)
                groups[number] = (max(better, score), merged)
                break
        else:
            groups.append((score, fresh))
    return [group for _, group in groups]


def _touch(one: Sequence[Unit], other: Sequence[Unit]) -> bool:
    return other[0].position == one[-1].position + 1 or one[0].position == other[-1].position + 1


def _assemble(groups: Sequence[Sequence[Unit]], passages: Sequence[Passage]) -> Answer:
    """One text; a part for each run of units that the same passages hold."""
    squeezed = [squeeze(passage.text) for passage in passages]
    text = ""
    parts: list[Part] = []
    for group in groups:
        opening = True
        before: Unit | None = None
        for unit in group:
            holders = _holders(unit, squeezed)
            gap = "" if not text else "\n" if opening or _own_line(unit) or (before and _own_line(before)) else " "
            if parts and not opening and parts[-1].passages == holders:
                start = parts.pop().start
            else:
                start = len(text) + len(gap)
            text += gap + unit.text
            parts.append(Part(start, len(text), holders))
            opening, before = False, unit
    return Answer(text, tuple(parts))


def _own_line(unit: Unit) -> bool:
    return unit.kind in ("item", "row", "code")


def _holders(unit: Unit, squeezed: Sequence[str]) -> tuple[int, ...]:
    """The passages that hold this unit's text, its own first."""
    wanted = squeeze(unit.text)
    others = (at for at, text in enumerate(squeezed) if at != unit.passage and wanted in text)
    return (unit.passage, *others)


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
