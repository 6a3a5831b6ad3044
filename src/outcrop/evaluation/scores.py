"""What one question's outcome is worth, and what all of them come to."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from outcrop.evaluation.questions import Question

MEASURES = {
    "hit": "questions with a right page (or document) among the results",
    "page@1": "… as the first result",
    "page@5": "… among the first five",
    "mrr": "mean of 1 ÷ the rank of the first right result",
    "ndcg": "normalized discounted cumulative gain over the results; each right page counts once",
    "overlap": "the expected answer's words that the answer has",
    "exact": "answers that hold the expected one word by word",
    "citations": "citations of answers that point to a right page (or document)",
    "refused": "unanswerable questions that are refused",
    "wrongly_refused": "answerable questions that are refused",
    "retrieve_p50": "median seconds of Retrieve",
    "retrieve_p95": "95th percentile of it",
    "answer_p50": "median seconds of RetrieveAndGenerate",
    "answer_p95": "95th percentile of it",
    "errors": "questions that ended in an error",
}
"""Names of measures and what they say; fractions unless said otherwise."""

_REFUSAL = re.compile(
    r"(?:sorry, )?(?:but )?i(?:'m| am)? (?:am )?(?:unable|not able|can(?:no|')t|could(?: no|n')t)\b"
    r"|i (?:don't|do not) know|no (?:relevant )?information|the (?:search results|provided \w+) (?:do|does) not",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a result or a citation comes from."""

    document: str
    page: int | None
    text: str
    score: float | None = None


@dataclass(slots=True)
class Outcome:
    """What one configuration made of one question."""

    question: Question
    results: Sequence[Place] = ()
    retrieve_seconds: float | None = None
    answer: str | None = None
    """None where no answer was asked for."""
    cited: Sequence[Place] = ()
    answer_seconds: float | None = None
    error: str = ""
    marks: dict[str, float] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        return self.answer is not None and not self.cited and bool(_REFUSAL.search(self.answer[:300]))


def judge(outcome: Outcome) -> dict[str, float]:
    """The measures that this question bears on, 0 to 1 (seconds for times)."""
    marks: dict[str, float] = {"errors": float(bool(outcome.error))}
    question = outcome.question
    if question.judges_retrieval and outcome.retrieve_seconds is not None:
        marks |= _ranking(question, outcome.results)
    if outcome.retrieve_seconds is not None:
        marks["retrieve"] = outcome.retrieve_seconds
    if outcome.answer is not None and outcome.answer_seconds is not None:
        marks["answer"] = outcome.answer_seconds
        marks["refused" if question.unanswerable else "wrongly_refused"] = float(outcome.refused)
        if question.answer:
            marks["overlap"] = overlap(question.answer, outcome.answer)
            marks["exact"] = float(_squeezed(question.answer) in _squeezed(outcome.answer))
        if question.judges_retrieval and outcome.cited:
            marks["citations"] = sum(is_right(question, one) for one in outcome.cited) / len(outcome.cited)
    return marks


def summarize(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Means over the questions that each measure bears on; measures that none bears on are left out."""
    values: dict[str, list[float]] = {}
    for outcome in outcomes:
        for name, value in outcome.marks.items():
            values.setdefault(name, []).append(value)
    summary = {}
    for name in MEASURES:
        timed, _, percentile = name.partition("_p")
        if percentile.isdecimal() and timed in values:
            summary[name] = _percentile(values[timed], int(percentile))
        elif name == "errors":
            summary[name] = sum(values.get(name, ()))
        elif name in values:
            summary[name] = sum(values[name]) / len(values[name])
    return summary


def is_right(question: Question, place: Place) -> bool:
    return _target(question, place) is not None


def overlap(expected: str, answer: str) -> float:
    """The share of the expected answer's words that the answer has."""
    wanted, said = _words(expected), set(_words(answer))
    if not wanted:
        return float(_squeezed(expected) in _squeezed(answer))
    return sum(word in said for word in wanted) / len(wanted)


def _target(question: Question, place: Place) -> tuple[str, int | None] | None:
    for document in question.documents:
        if place.document == document or place.document.endswith(f"/{document}"):
            if not question.pages:
                return document, None
            if place.page in question.pages:
                return document, place.page
    return None


def _ranking(question: Question, results: Sequence[Place]) -> dict[str, float]:
    targets = [_target(question, one) for one in results]
    rank = next((at for at, target in enumerate(targets, 1) if target), 0)
    gain, seen = 0.0, set()
    for at, target in enumerate(targets, 1):
        if target and target not in seen:
            seen.add(target)
            gain += 1 / math.log2(at + 1)
    expected = len(question.documents) * (len(question.pages) or 1)
    ideal = sum(1 / math.log2(at + 1) for at in range(1, min(expected, len(results)) + 1))
    return {
        "hit": float(rank > 0),
        "page@1": float(rank == 1),
        "page@5": float(0 < rank <= 5),
        "mrr": 1 / rank if rank else 0.0,
        "ndcg": min(1.0, gain / ideal) if ideal else 0.0,
    }


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:[.,]\d+)*", unicodedata.normalize("NFKC", text).casefold())


def _squeezed(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]
