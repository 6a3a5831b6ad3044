"""What every index has to do: subclass it in a test module, and give it a fixture `make`.

class TestMine(IndexContract):
    @pytest.fixture
    def make(self):
        return lambda: MyIndex(IndexContract.DIMENSIONS)    # the same store at each call
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from outcrop.engines.indexing.filters import AllOf, AnyOf, Compare, Filter, matches
from outcrop.engines.indexing.index import Entry, Index

ROWS: Mapping[str, Mapping[str, Any]] = {
    "alien": {"year": 1979, "genres": ["horror", "space"], "title": "Alien", "rated": 8.5, "series": True},
    "solaris": {"year": 1972, "genres": ["space"], "title": "Solaris", "rated": 7.9, "series": False},
    "jaws": {"year": 1975, "genres": ["horror"], "title": "Jaws", "rated": 8, "series": True},
    "empty": {},
}
FILTERS: Mapping[str, Filter] = {
    "equals a number": Compare("equals", "year", 1979),
    "equals a string": Compare("equals", "title", "Jaws"),
    "equals a boolean": Compare("equals", "series", True),
    "a number isn't its text": Compare("equals", "year", "1979"),
    "one of a list equals": Compare("equals", "genres", "space"),
    "a quote": Compare("equals", "title", "O'Neill \" \\ %"),
    "not_equals": Compare("not_equals", "year", 1979),
    "greater_than": Compare("greater_than", "rated", 8),
    "greater_than_or_equals": Compare("greater_than_or_equals", "rated", 8),
    "less_than": Compare("less_than", "year", 1975),
    "less_than_or_equals": Compare("less_than_or_equals", "year", 1975),
    "in": Compare("in", "year", [1972, 1975, 3]),
    "in, of a list": Compare("in", "genres", ["horror", "musical"]),
    "not_in": Compare("not_in", "genres", ["horror"]),
    "starts_with": Compare("starts_with", "title", "So"),
    "string_contains": Compare("string_contains", "title", "a"),
    "list_contains": Compare("list_contains", "genres", "horror"),
    "exists": Compare("exists", "year", True),
    "doesn't exist": Compare("exists", "year", False),
    "all of": AllOf([Compare("equals", "genres", "horror"), Compare("less_than", "year", 1979)]),
    "any of": AnyOf([Compare("equals", "year", 1972), AllOf([Compare("equals", "title", "Jaws")])]),
}


class IndexContract:
    DIMENSIONS = 8

    @pytest.fixture
    def index(self, make: Callable[[], Index]) -> Iterator[Index]:
        made = make()
        made.open()
        yield made
        made.close()

    @staticmethod
    def entry(name: str, *numbers: float, text: str = "", document: str = "d", **metadata: Any) -> Entry:
        vector = np.zeros(IndexContract.DIMENSIONS, np.float32)
        vector[: len(numbers)] = numbers
        metadata.setdefault("mark", "ours")
        return Entry(name, document, text or name, metadata, vector / np.linalg.norm(vector))

    @staticmethod
    def question(*numbers: float) -> np.ndarray:
        return IndexContract.entry("question", *numbers).vector

    def test_the_nearest_come_first_with_their_cosine(self, index: Index) -> None:
        index.replace_document("d", [self.entry("far", 0, 1), self.entry("near", 1, 0.5), self.entry("exact", 1)])
        found = index.search_vector(self.question(1), 2)
        assert [hit.id for hit in found] == ["exact", "near"]
        assert [hit.score for hit in found] == pytest.approx([1.0, 0.894427], abs=1e-3)

    def test_a_hit_brings_back_the_whole_entry(self, index: Index) -> None:
        metadata = {"year": 1979, "genres": ["a", "b"], "rated": 8.5, "new": True, "_page": 3, "_box": [1.0, 2.5]}
        text = "Ünïcode “text” 漢字 \N{GRINNING FACE}\nsecond line"
        index.replace_document(
            "s3://bucket/key.pdf", [self.entry("a", 1, text=text, document="s3://bucket/key.pdf", **metadata)]
        )
        for hit in (index.search_vector(self.question(1), 1)[0], index.search_text("second", 1)[0]):
            assert (hit.id, hit.document, hit.text) == ("a", "s3://bucket/key.pdf", text)
            assert dict(hit.metadata) == {**metadata, "mark": "ours"}

    def test_words_find_their_texts_and_characters_are_no_operators(self, index: Index) -> None:
        index.replace_document(
            "d",
            [
                self.entry("one", 1, text="The glacier moves slowly down the valley"),
                self.entry("two", 1, text="Glaciers, glaciers and a moving glacier"),
                self.entry("three", 1, text="An unrelated sentence about bread"),
            ],
        )
        assert {hit.id for hit in index.search_text("moving glaciers", 5)} == {"one", "two"}
        scores = [hit.score for hit in index.search_text("moving glaciers", 5)]
        assert scores == sorted(scores, reverse=True)
        for strange in ('"', "a OR b) & !", "' --", "bread:*", "\0", "", "the of and"):
            index.search_text(strange, 5)
        assert [hit.id for hit in index.search_text('bread:* & ("', 5)] == ["three"]

    def test_a_document_is_replaced_as_a_whole(self, index: Index) -> None:
        index.replace_document("a", [self.entry(f"a{n}", 1, n, document="a", text=f"word{n}") for n in range(3)])
        index.replace_document("b", [self.entry("b0", 1, document="b")])
        index.replace_document("a", [self.entry("a1", 0, 1, document="a", text="changed")])
        assert index.count() == 2
        assert [entry.id for entry in index.entries("a")] == ["a1"]
        assert [hit.text for hit in index.search_vector(self.question(0, 1), 1)] == ["changed"]
        assert index.search_text("word0 word2", 5) == []
        index.replace_document("a", [])
        assert index.entries("a") == []
        assert index.count() == 1

    def test_documents_are_deleted(self, index: Index) -> None:
        for name in ("a", "b", "c"):
            index.replace_document(name, [self.entry(name, 1, text=f"about {name}{name}", document=name)])
        index.delete_documents(["a", "c", "unknown"])
        assert [hit.id for hit in index.search_vector(self.question(1), 9)] == ["b"]
        assert index.search_text("aa cc", 9) == []
        index.delete_documents([])
        assert index.count() == 1

    def test_entries_come_back_with_their_vectors(self, index: Index) -> None:
        put = [self.entry("a", 0.3, 0.2, 0.9), self.entry("b", -1, 0.5)]
        index.replace_document("d", put)
        for before, after in zip(put, index.entries("d"), strict=True):
            assert (after.id, after.text, dict(after.metadata)) == (before.id, before.text, dict(before.metadata))
            assert after.vector == pytest.approx(before.vector, abs=1e-5)
        vectors = index.vectors(["b", "unknown", "a", "b"])
        assert vectors.shape == (4, self.DIMENSIONS)
        assert vectors == pytest.approx(
            np.stack([put[1].vector, np.zeros(self.DIMENSIONS), put[0].vector, put[1].vector]), abs=1e-5
        )
        assert index.vectors([]).shape == (0, self.DIMENSIONS)

    @pytest.mark.parametrize("name", FILTERS)
    def test_filters(self, index: Index, name: str) -> None:
        where = FILTERS[name]
        index.replace_document("d", [self.entry(key, 1, text="film", **data) for key, data in ROWS.items()])
        expected = {key for key, data in ROWS.items() if matches(where, data)}
        assert {hit.id for hit in index.search_vector(self.question(1), 9, where)} == expected
        assert {hit.id for hit in index.search_text("film", 9, where)} == expected

    def test_a_filter_comes_before_the_limit(self, index: Index) -> None:
        index.replace_document("d", [self.entry(f"e{n}", 1, n / 100, text="same words", n=n) for n in range(60)])
        where = Compare("greater_than_or_equals", "n", 55)
        assert [hit.id for hit in index.search_vector(self.question(1), 3, where)] == ["e55", "e56", "e57"]
        assert len(index.search_text("words", 5, where)) == 5

    def test_what_was_written_is_there_after_opening_again(self, make: Callable[[], Index]) -> None:
        first = make()
        first.open()
        first.replace_document("d", [self.entry("a", 1, text="kept words", year=1979)])
        first.close()
        again = make()
        again.open()
        assert again.count() == 1
        assert [hit.id for hit in again.search_text("kept", 5, Compare("equals", "year", 1979))] == ["a"]
        again.close()

    def test_vectors_of_another_length_are_refused_and_change_nothing(self, index: Index) -> None:
        index.replace_document("d", [self.entry("kept", 1)])
        wrong = Entry("w", "d", "w", {}, np.ones(self.DIMENSIONS + 1, np.float32))
        broken = Entry("w", "d", "w", {}, np.full(self.DIMENSIONS, np.nan, np.float32))
        for bad in (wrong, broken):
            with pytest.raises(ValueError):
                index.replace_document("d", [self.entry("new", 1), bad])
        assert [entry.id for entry in index.entries("d")] == ["kept"]

    def test_the_recall_of_a_thousand(self, index: Index) -> None:
        numbers = np.random.default_rng(3)
        vectors = numbers.standard_normal((1000, self.DIMENSIONS)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        index.replace_document(
            "d", [Entry(f"e{n}", "d", "t", {"n": n, "mark": "ours"}, v) for n, v in enumerate(vectors)]
        )
        where = Compare("less_than", "n", 100)
        hits = total = 0
        for question in numbers.standard_normal((20, self.DIMENSIONS)).astype(np.float32):
            question /= np.linalg.norm(question)
            for condition, size in ((None, 1000), (where, 100)):
                best = {f"e{n}" for n in np.argsort(-(vectors[:size] @ question))[:10]}
                hits += len(best & {hit.id for hit in index.search_vector(question, 10, condition)})
                total += 10
        assert hits / total >= 0.98
