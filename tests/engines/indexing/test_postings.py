from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest

from outcrop.engines.indexing import postings as module
from outcrop.engines.indexing.postings import K1, B, Bag, Postings
from outcrop.engines.indexing.ranking import best_rows


def bag(terms: list[int]) -> Bag:
    counts = sorted(Counter(terms).items())
    return Bag(np.array([t for t, _ in counts], np.int32), np.array([c for _, c in counts], np.uint8), len(terms))


def by_hand(texts: dict[int, list[int]], wanted: list[list[int]]) -> dict[int, float]:
    """BM25 as its definition has it."""
    mean = sum(map(len, texts.values())) / len(texts)
    scores = dict.fromkeys(texts, 0.0)
    for numbers in wanted:
        often = {row: sum(text.count(number) for number in numbers) for row, text in texts.items()}
        having = sum(count > 0 for count in often.values())
        idf = max(math.log((len(texts) - having + 0.5) / (having + 0.5)), 1e-6)
        for row, count in often.items():
            scores[row] += idf * count * (K1 + 1) / (count + K1 * (1 - B + B * len(texts[row]) / mean))
    return scores


@pytest.fixture(params=[1 << 24, 300], ids=["one large segment", "many small segments"])
def largest(request, monkeypatch):
    monkeypatch.setattr(module, "_LARGEST", request.param)


@pytest.mark.usefixtures("largest")
def test_scores_are_bm25_through_appending_deleting_and_compacting():
    chance = random.Random(5)
    held = Postings()
    texts: dict[int, list[int]] = {}
    alive = np.zeros(0, np.bool_)

    def check() -> None:
        rows = np.flatnonzero(alive)
        for _ in range(4):
            wanted = [[number] for number in chance.sample(range(70_000, 70_040), 5)] + [[70_003, 70_004, 5]]
            scores = held.scores(wanted, None if alive.all() else alive)
            expected = by_hand(texts, wanted)
            assert scores[rows] == pytest.approx([expected[row] for row in rows.tolist()], rel=1e-5, abs=1e-6)

    for turn in range(12):
        fresh = [
            [70_000 + int(chance.triangular(0, 50, 3)) for _ in range(chance.randrange(0, 40))] + [5]
            for _ in range(chance.randrange(1, 30))
        ]
        held.extend([bag(text) for text in fresh])
        texts.update(enumerate(fresh, len(alive)))
        alive = np.append(alive, np.ones(len(fresh), np.bool_))
        for row in chance.sample(sorted(texts), len(texts) // 5):
            alive[row] = False
            del texts[row]
        check()
        if turn % 4 == 3:
            held.keep(alive)
            texts = dict(enumerate(texts[row] for row in sorted(texts)))
            alive = np.ones(len(texts), np.bool_)
            check()


def test_nothing_to_score():
    held = Postings()
    assert held.scores([[1]], None).tolist() == []
    held.extend([bag([])])
    assert held.scores([[1], []], None).tolist() == [0.0]
    assert held.scores([[1]], np.zeros(1, np.bool_)).tolist() == [0.0]


@pytest.mark.parametrize("size", [1, 31, 500, 5000])
@pytest.mark.parametrize("limit", [1, 7, 50, 6000])
def test_the_best_rows_are_those_of_a_full_sort(size, limit):
    numbers = np.random.default_rng(size + limit)
    for given in (numbers.standard_normal(size), np.round(numbers.random(size), 1), np.full(size, -np.inf)):
        scores = given.astype(np.float32)
        in_order = sorted(range(size), key=lambda row: (-scores[row], row))
        assert best_rows(scores, limit).tolist() == in_order[:limit]
