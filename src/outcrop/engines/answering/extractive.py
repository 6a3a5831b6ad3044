"""Answers made of the passages' own sentences. Nothing is written that isn't in them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from outcrop.engines.answering.answer import Answer, Part, Passage
from outcrop.engines.answering.questions import Question
from outcrop.engines.answering.scoring import (
    Candidate,
    Reading,
    acronyms_in,
    read,
    relevance,
    score,
    shortlist,
    spell_out,
)
from outcrop.engines.answering.units import NUMBERED, Unit, squeeze, units_of
from outcrop.engines.indexing.terms import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.embedding import Embedder

THRESHOLD = 0.3

MOST_PASSAGES = 12
LONGEST_ANSWER = 900
"""Characters, unless one list or listing alone is longer."""
LONGEST_LIST = 1600
MOST_SENTENCES = {"count": 2, "amount": 2, "date": 2, "person": 2, "place": 2, "definition": 4}
_SHORT = ("count", "amount", "date", "person", "place")
_CLEAR = (*_SHORT, "definition", "method")
_SENTENCES = 5
_TO_THIS_END = re.compile(
    r"(?:to|with|for|in|because of|by doing) (?:\w+ )?this\b(?! (?:lesson|course|chapter|section))", re.IGNORECASE
)
_MOST_ROWS = 8
_MOST_BEFORE = 3
"""Sentences that are fetched so that one can be understood."""
_LONGEST_QUESTION = 2000

_CLOSE, _CLOSE_TO_CLEAR = 0.86, 0.92
"""A further sentence must be this fraction as good as the best one; more where that one has the form asked for."""
_SAME = 0.86
"""Cosine above which two sentences say the same."""


class ExtractiveAnswerer:
    """Picks the sentences that answer a question, or refuses. Deterministic. `threshold` is the least relevance, 0 to
    1, of what is quoted: 0 answers everything, 1 nothing."""

    def __init__(self, embedder: Embedder, threshold: float = THRESHOLD) -> None:
        self._embedder = embedder
        self._threshold = threshold

    async def answer(self, question: str, passages: Sequence[Passage]) -> Answer | None:
        """The answer, or None if the passages don't hold one."""
        asked = Question(question.strip()[:_LONGEST_QUESTION])
        if not asked.terms:
            return None
        spoken, readings = await asyncio.to_thread(_read, asked, passages)
        texts = list(dict.fromkeys(text for one in shortlist(readings) for text in (one.alone, one.in_context)))
        if not texts:
            return None
        (vector,) = await self._embedder.embed([spoken], "query")
        rows = await self._embedder.embed(texts, "query")
        meaning = dict(zip(texts, rows, strict=True))
        return await asyncio.to_thread(self._compose, asked, passages, readings, vector, meaning)

    def _compose(
        self,
        question: Question,
        passages: Sequence[Passage],
        readings: Sequence[Reading],
        vector: NDArray[np.float32],
        meaning: Mapping[str, NDArray[np.float32]],
    ) -> Answer | None:
        candidates = score(question, passages, readings, vector, meaning)
        if relevance(question, candidates) < self._threshold:
            return None
        return _assemble(_choose(question, candidates, [reading.unit for reading in readings]), passages)


def _read(question: Question, passages: Sequence[Passage]) -> tuple[str, list[Reading]]:
    """The question and the passages' units, both as their meanings are compared."""
    units: list[Unit] = []
    for index, passage in enumerate(passages[:MOST_PASSAGES]):
        units.extend(units_of(index, passage.text, passage.section))
    acronyms = acronyms_in(units)
    return spell_out(question, acronyms), read(question, units, acronyms)


def _choose(question: Question, candidates: Sequence[Candidate], units: Sequence[Unit]) -> list[list[Unit]]:
    """Groups of units that stand together, the best one first."""
    by_passage: dict[int, list[Unit]] = {}
    for unit in units:
        by_passage.setdefault(unit.passage, []).append(unit)
    candidates = _understandable(candidates, by_passage)
    best = candidates[0]
    most = MOST_SENTENCES.get(question.kind, _SENTENCES)
    chosen: list[tuple[float, list[Unit]]] = []
    kept: list[Candidate] = []
    said: set[str] = set()
    size = count = 0
    for candidate in candidates:
        if candidate is not best and not _worth_adding(question, candidate, best, kept):
            continue
        if candidate.unit.text in said:
            continue
        group = _fullest(candidate.unit, by_passage, question.kind in _SHORT)
        fresh = [unit for unit in group if unit.text not in said]
        length = sum(len(unit.text) + 1 for unit in fresh)
        sentences = sum(unit.kind == "sentence" for unit in fresh) or 1
        if chosen and (size + length > LONGEST_ANSWER or count + sentences > most):
            continue
        chosen.append((candidate.score, fresh))
        said.update(unit.text for unit in fresh)
        kept.append(candidate)
        size, count = size + length, count + sentences
        if count >= most or size >= LONGEST_ANSWER:
            break
    return _in_order(chosen)


def _understandable(candidates: Sequence[Candidate], by_passage: Mapping[int, Sequence[Unit]]) -> Sequence[Candidate]:
    """Without those that speak of something which their passage doesn't show, unless nothing else is nearly as good."""
    clear = [one for one in candidates if not _unresolved(one.unit, by_passage[one.unit.passage])]
    if clear and clear[0].score >= _CLOSE * candidates[0].score:
        return clear
    return [candidates[0], *(one for one in clear if one is not candidates[0])]


def _unresolved(unit: Unit, line: Sequence[Unit]) -> bool:
    """Whether a unit points back and there is nothing before it that it could point to."""
    at = unit.position
    for _ in range(_MOST_BEFORE):
        if not line[at].points_back:
            return False
        if at == 0 or not _hangs(line[at], line[at - 1], short=False):
            return True
        at -= 1
    return line[at].points_back


def _worth_adding(question: Question, candidate: Candidate, best: Candidate, kept: Sequence[Candidate]) -> bool:
    close = _CLOSE_TO_CLEAR if best.fit >= 0.5 and question.kind in _CLEAR else _CLOSE
    if candidate.score < close * best.score or candidate.cosine < 0.7 * best.cosine:
        return False
    if candidate.coverage < 0.6 * best.coverage:
        return False
    own = set(terms(candidate.unit.text))
    for other in kept:
        shared = own & set(terms(other.unit.text))
        if float(candidate.vector @ other.vector) > _SAME or len(shared) > 0.8 * len(own):
            return False
    return True


def _fullest(unit: Unit, by_passage: Mapping[int, Sequence[Unit]], short: bool) -> list[Unit]:
    """The unit with what belongs to it, from the passage that has most of that: chunks cut lists and paragraphs."""
    groups = [_with_neighbours(unit, by_passage[unit.passage], short)]
    for passage, line in by_passage.items():
        if passage != unit.passage:
            groups.extend(_with_neighbours(twin, line, short) for twin in line if twin.text == unit.text)
    return max(groups, key=lambda group: sum(len(one.text) for one in group[:20]))


def _with_neighbours(unit: Unit, line: Sequence[Unit], short: bool) -> list[Unit]:
    """The unit with what it can't be understood without: the sentence before `It …`, the list after `as follows:`;
    for a short answer not the sentence before `To this end, …`."""
    first = last = unit.position
    following = line[last + 1] if last + 1 < len(line) else unit
    if unit.kind == "item" and not (unit.ends and len(unit.text.split()) > 7) and following.kind != "code":
        first, last = _whole_list(unit, line)
    while first > 0 and _hangs(line[first], line[first - 1], short) and unit.position - first < _MOST_BEFORE:
        first -= 1
    while last + 1 < len(line) and _goes_on(line[last], line[last + 1]):
        last += 1
        if line[last].kind == "item":
            last = _whole_list(line[last], line)[1]
        elif line[last].kind == "row":
            last = _table(line[last], line)[-1].position
    group = [one for one in line[first : last + 1] if one.kind != "heading"]
    if unit.kind == "row":
        header, *rows = _table(unit, line)
        if header is unit:
            group.extend(rows[:_MOST_ROWS])
        elif header not in group:
            group.insert(0, header)
    return group


def _hangs(unit: Unit, before: Unit, short: bool) -> bool:
    """Whether a unit needs the one before it."""
    if before.kind == "heading" or unit.kind == "row":
        return False
    if unit.kind == "code":
        return before.paragraph == unit.paragraph or before.introduces or not before.ends
    if unit.kind == "item":
        return before.introduces
    if before.is_signature:
        return True
    if before.kind == "row" or (before.kind == "item" and before.paragraph != unit.paragraph):
        return False
    if _TO_THIS_END.match(unit.text):
        return not short
    return unit.points_back or (unit.text[:1].islower() and not before.ends)


def _goes_on(unit: Unit, after: Unit) -> bool:
    """Whether a unit is cut short without the one after it."""
    if after.kind == "heading":
        return False
    if unit.introduces:
        return True
    if unit.kind == "code":
        return after.kind == "sentence" and (unit.is_signature or after.text[:1].islower())
    return unit.kind in ("sentence", "item") and not unit.ends and after.kind == "code"


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


def _table(unit: Unit, line: Sequence[Unit]) -> list[Unit]:
    """The rows around a row, the header first."""
    first = last = unit.position
    while first > 0 and line[first - 1].kind == "row":
        first -= 1
    while last + 1 < len(line) and line[last + 1].kind == "row" and last - unit.position < 20:
        last += 1
    return list(line[first : last + 1])


def _in_order(chosen: Sequence[tuple[float, list[Unit]]]) -> list[list[Unit]]:
    """Neighbours united; the group with the best unit first, the others by their best, each in the text's order."""
    groups: list[tuple[float, list[Unit]]] = []
    for good, fresh in chosen:
        for number, (better, group) in enumerate(groups):
            if group[0].passage == fresh[0].passage and _touch(group, fresh):
                merged = sorted(group + fresh, key=lambda unit: unit.position)
                groups[number] = (max(better, good), merged)
                break
        else:
            groups.append((good, fresh))
    return [group for _, group in groups]


def _touch(one: Sequence[Unit], other: Sequence[Unit]) -> bool:
    return other[0].position == one[-1].position + 1 or one[0].position == other[-1].position + 1


def _assemble(groups: Sequence[Sequence[Unit]], passages: Sequence[Passage]) -> Answer:
    """One text; a part for each run of units that the same passages hold."""
    squeezed = [squeeze(passage.text) for passage in passages]
    text = ""
    parts: list[Part] = []
    for group in groups:
        alone = sum(unit.kind == "item" for unit in group) == 1
        opening = True
        before: Unit | None = None
        for unit in group:
            holders = _holders(unit, squeezed)
            if before and _own_line(unit) and (same := tuple(at for at in parts[-1].passages if at in holders)):
                holders = same
            number = NUMBERED.match(unit.text) if alone and unit.kind == "item" else None
            gap = "" if not text else "\n" if opening or _own_line(unit) or (before and _own_line(before)) else " "
            if parts and not opening and parts[-1].passages == holders:
                start = parts.pop().start
            else:
                start = len(text) + len(gap)
            text += gap + (unit.text[number.end() :] if number else unit.text)
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
