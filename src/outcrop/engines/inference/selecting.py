"""Selects from a text by embeddings: its central sentences, its key phrases, the label nearest to it."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from outcrop.engines.answering.answer import Passage
from outcrop.engines.chunking.sentences import split_sentences
from outcrop.engines.inference.reading import Section, sentences

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.embedding import Embedder

    Vectors = NDArray[np.float32]

_MOST_SENTENCES = 300
_MOST_PASSAGES = 160
_PASSAGE_WORDS = 90
_TOP_PASSAGES = 10
_MOST_CANDIDATES = 250
_DIVERSITY = 0.35
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
STOPWORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being below between both but by
    can could did do does doing down during each few for from further had has have having he her here hers him his how
    i if in into is it its itself just may me might more most must my no nor not of off on once one only or other our
    out over own per same she should so some such than that the their theirs them then there these they this those
    through to too two under until up upon us very was we were what when where which while who whom whose why will
    with within without would you your yours
    """.split()  # noqa: SIM905
)
_PRAISE = frozenset(
    """
    good great excellent wonderful amazing awesome fantastic perfect perfectly love loved loves like liked lovely best
    better nice happy glad pleased delighted satisfied enjoy enjoyed kind friendly helpful clean spotless fast quick
    easy comfortable beautiful delicious tasty recommend recommended superb brilliant outstanding impressive reliable
    smooth thank thanks fun charming affordable worth favourite favorite pleasant
    """.split()  # noqa: SIM905
)
_BLAME = frozenset(
    """
    bad terrible awful horrible worst worse poor hate hated dislike disliked disappointed disappointing disappointment
    angry annoyed annoying upset sad broken broke breaks fails failed failure slow dirty rude unhelpful unfriendly late
    never waste wasted refund useless defective faulty expensive overpriced uncomfortable ugly disgusting cold noisy
    problem problems crash crashes crashed unacceptable frustrating frustrated boring mess scam cheated
    """.split()  # noqa: SIM905
)
_NOT = frozenset(
    """
    not no never hardly isn't wasn't aren't weren't don't doesn't didn't can't cannot won't without
    """.split()  # noqa: SIM905
)
_LEANING = 0.25
"""What words of praise or blame weigh beside a cosine."""
_PROTOTYPES = {
    "positive": (
        "I love it.",
        "It is great, excellent, wonderful.",
        "I am very happy and satisfied, highly recommended.",
        "It works perfectly and the quality is very good.",
        "Friendly people, clean rooms, helpful service.",
    ),
    "negative": (
        "I hate it.",
        "It is terrible, awful, horrible.",
        "I am very disappointed and angry, do not buy it.",
        "It broke, it does not work and the quality is poor.",
        "Rude people, dirty rooms, slow service, a waste of money.",
    ),
    "neutral": (
        "It is okay, average, neither good nor bad.",
        "It is a plain statement of facts without any feeling.",
        "The meeting takes place on Tuesday.",
    ),
    "mixed": ("Some of it is good and some of it is bad.", "I like one part but dislike the other."),
    "spam": ("You won a prize! Claim your free reward now.", "Cheap offer, limited time, click this link."),
    "ham": ("Are we still meeting tomorrow?", "Here is the report that you asked for.", "Thanks, see you soon."),
}
"""What the labels that people use most mean, where the word alone says too little to an embedder."""


def words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def passages(sections: Sequence[Section]) -> list[Section]:
    """Sections cut between sentences into pieces of about 90 words, line breaks kept."""
    pieces: list[Section] = []
    for section in sections:
        begin, end, size = 0, 0, 0
        for start, stop in split_sentences(section.text):
            length = len(section.text[start:stop].split())
            if size and size + length > _PASSAGE_WORDS:
                pieces.append(Section(section.text[begin:end].strip(), section.name))
                size = 0
            if not size:
                begin = start
            end = stop
            size += length
        if size:
            pieces.append(Section(section.text[begin:end].strip(), section.name))
    return pieces


async def rank_passages(embedder: Embedder, question: str, sections: Sequence[Section]) -> list[Passage]:
    """The passages nearest to the question, best first. Of very many only those that share its words are compared."""
    pieces = await asyncio.to_thread(passages, sections)
    if len(pieces) > _MOST_PASSAGES:
        pieces = await asyncio.to_thread(_sharing_words, question, pieces, _MOST_PASSAGES)
    if not pieces:
        return []
    query = await embedder.embed([question], "query")
    vectors = await embedder.embed([piece.text for piece in pieces])
    scores = vectors @ query[0]
    best = sorted(range(len(pieces)), key=lambda index: -float(scores[index]))[:_TOP_PASSAGES]
    return [Passage(pieces[index].text, max(0.0, float(scores[index])), pieces[index].name) for index in best]


def _sharing_words(question: str, pieces: Sequence[Section], most: int) -> list[Section]:
    asked = set(words(question)) - STOPWORDS
    found = [asked.intersection(words(piece.text)) for piece in pieces]
    spread = Counter(word for shared in found for word in shared)
    weights = [sum(math.log(1 + len(pieces) / spread[word]) for word in shared) for shared in found]
    best = sorted(range(len(pieces)), key=lambda index: (-weights[index], index))[:most]
    return [pieces[index] for index in sorted(best)]


async def central_sentences(
    embedder: Embedder, sections: Sequence[Section], count: int | None, most_words: int | None
) -> list[str]:
    """The sentences that stand for the whole, in their order: each near to many others, none near to one chosen."""
    found = list(dict.fromkeys(s for section in sections for s in sentences(section.text)))
    usable = [sentence for sentence in found if _is_prose(sentence)] or found
    usable = _spread_out(usable, _MOST_SENTENCES)
    if not usable:
        return []
    vectors = await embedder.embed(usable)
    wanted = len(usable) if most_words else (count or max(1, min(5, round(len(usable) / 4))))
    chosen: list[int] = []
    length = 0
    for index in _by_centrality(vectors, min(wanted, len(usable))):
        size = len(usable[index].split())
        if most_words and chosen and length + size > most_words:
            continue
        chosen.append(index)
        length += size
        if most_words and length >= most_words * 0.9:
            break
    return [usable[index] for index in sorted(chosen)]


def _by_centrality(vectors: Vectors, count: int) -> Iterable[int]:
    import numpy as np

    likeness = np.clip(vectors @ vectors.T, 0.0, 1.0)
    size = len(vectors)
    early = np.linspace(0.08, 0.0, size)
    centrality = (likeness.sum(axis=1) - 1.0) / max(1, size - 1) + early
    nearest = np.zeros(size)
    left = np.ones(size, dtype=bool)
    for _ in range(count):
        score = np.where(left, centrality - _DIVERSITY * nearest, -np.inf)
        index = int(score.argmax())
        left[index] = False
        nearest = np.maximum(nearest, likeness[index])
        yield index


def _is_prose(sentence: str) -> bool:
    length = len(sentence.split())
    return 4 <= length <= 70 and sentence[-1:] in ".!?…\"'”)。！？"


def _spread_out(items: Sequence[str], most: int) -> list[str]:
    """At most so many items, taken evenly over the whole."""
    if len(items) <= most:
        return list(items)
    return [items[index * len(items) // most] for index in range(most)]


async def nearest_label(embedder: Embedder, text: str, labels: Sequence[str]) -> str:
    """The label whose meaning is nearest to the text."""
    said = [text, *(sentences(text) or [text])[:_MOST_SENTENCES]]
    meanings = [_meanings(label) for label in labels]
    vectors = await embedder.embed([*said, *(meaning for several in meanings for meaning in several)])
    own, position = vectors[: len(said)], len(said)
    scores = []
    for several in meanings:
        likeness = (own @ vectors[position : position + len(several)].T).mean(axis=0)
        position += len(several)
        best = sorted((float(value) for value in likeness), reverse=True)[:2]
        scores.append(sum(best) / len(best))
    leaning = _leaning(text)
    for at, label in enumerate(labels):
        scores[at] += _LEANING * {"positive": leaning, "negative": -leaning}.get(label.lower(), 0.0)
    return labels[scores.index(max(scores))]


def _leaning(text: str) -> float:
    """From -1, all blame, to 1, all praise; a negation turns the three words after it around."""
    praise = blame = 0
    said = words(text.replace("’", "'"))
    for at, word in enumerate(said):
        value = (word in _PRAISE) - (word in _BLAME)
        if value and any(before in _NOT for before in said[max(0, at - 3) : at]):
            value = -value
        praise += value > 0
        blame += value < 0
    return (praise - blame) / (praise + blame) if praise or blame else 0.0


def _meanings(label: str) -> tuple[str, ...]:
    plain = label.replace("_", " ").replace("-", " ").strip()
    known = _PROTOTYPES.get({"not spam": "ham"}.get(plain.lower(), plain.lower()))
    return known or (plain, f"This is about {plain}.")


async def key_phrases(embedder: Embedder, sections: Sequence[Section], count: int) -> list[str]:
    """Phrases of one to three words that are frequent and near to the whole text, none inside another."""
    text = " ".join(section.text for section in sections)
    counted = _candidates(text)
    for phrase in [phrase for phrase in counted if _runs_over(_as_written(phrase, text))]:
        del counted[phrase]
    if not counted:
        return []
    ordered = sorted(
        counted, key=lambda phrase: (-counted[phrase] * len(phrase.split()) ** 0.5, text.lower().find(phrase))
    )
    phrases = ordered[:_MOST_CANDIDATES]
    parts = _spread_out(sentences(text), _MOST_SENTENCES)
    whole = (await embedder.embed(parts)).mean(axis=0)
    near = (await embedder.embed(phrases)) @ whole
    score = {
        phrase: float(near[at]) * (1 + math.log(counted[phrase])) * (1 + 0.25 * phrase.count(" "))
        for at, phrase in enumerate(phrases)
    }
    chosen: list[str] = []
    for phrase in sorted(phrases, key=lambda phrase: -score[phrase]):
        bare = set(phrase.split())
        if any(bare <= set(other.split()) or set(other.split()) <= bare for other in chosen):
            continue
        chosen.append(phrase)
        if len(chosen) == count:
            break
    return [_as_written(phrase, text) for phrase in chosen]


def _candidates(text: str) -> Counter[str]:
    counted: Counter[str] = Counter()
    for sentence in sentences(text):
        for clause in re.split(r"[^\w\s'’-]+", sentence):
            run: list[str] = []
            for word in [*words(clause), "the"]:
                if word not in STOPWORDS and not word.isdigit() and len(word) > 1:
                    run.append(word)
                    continue
                counted.update(" ".join(run[at : at + size]) for size in (1, 2, 3) for at in range(len(run) - size + 1))
                run = []
    return counted


def _runs_over(phrase: str) -> bool:
    """Whether a name goes on into another word: `Knowledge Bases connect`."""
    first, *rest = (word[:1].isupper() for word in phrase.split())
    return first and rest[:1] == [True] and not rest[-1]


def _as_written(phrase: str, text: str) -> str:
    match = re.search(r"\b" + r"\s+".join(map(re.escape, phrase.split())) + r"\b", text, re.IGNORECASE)
    return re.sub(r"\s+", " ", match[0]) if match else phrase
