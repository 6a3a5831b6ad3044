import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from outcrop.engines.indexing import terms
from outcrop.engines.indexing.embedded import EmbeddedIndex
from outcrop.engines.indexing.filters import AllOf, Compare, matches
from outcrop.engines.indexing.index import Entry

SIZE = 8


def unit(*numbers):
    vector = np.zeros(SIZE, np.float32)
    vector[: len(numbers)] = numbers
    return vector / (np.linalg.norm(vector) or 1)


def entry(name, text="", vector=None, document="s3://b/a.pdf", **metadata):
    return Entry(name, document, text, metadata, unit(1) if vector is None else vector)


@pytest.fixture
def index(tmp_path):
    index = EmbeddedIndex(tmp_path / "index.db", SIZE)
    index.open()
    yield index
    index.close()


def ids(hits):
    return [hit.id for hit in hits]


def test_search_vector_orders_by_cosine(index):
    index.replace_document(
        "d", [entry("far", vector=unit(0, 1)), entry("near", vector=unit(1)), entry("mid", vector=unit(1, 1))]
    )
    hits = index.search_vector(unit(1), 10)
    assert ids(hits) == ["near", "mid", "far"]
    assert [hit.score for hit in hits] == pytest.approx([1, 0.70710677, 0])


def test_search_vector_agrees_with_comparing_all(index):
    random = np.random.default_rng(7)
    vectors = random.standard_normal((3000, SIZE)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    entries = [entry(f"e{n}", vector=vector, n=n, even=n % 2 == 0) for n, vector in enumerate(vectors)]
    index.replace_document("d", entries)
    index.search_vector(vectors[0], 1)
    index.delete_documents(["nothing"])
    for where in (None, Compare("less_than", "n", 20), Compare("equals", "even", True)):
        allowed = [one for one in entries if matches(where, one.metadata)]
        expected = sorted(allowed, key=lambda one: -float(one.vector @ vectors[5]))[:10]
        assert ids(index.search_vector(vectors[5], 10, where)) == [one.id for one in expected]


def test_hits_carry_what_was_stored(index):
    index.replace_document(
        "s3://b/a.pdf", [entry("a", "Text", page=3, ratio=1.5, open=True, tags=["x", "ü"], author='q"')]
    )
    (hit,) = index.search_vector(unit(1), 1)
    assert (hit.document, hit.text) == ("s3://b/a.pdf", "Text")
    assert hit.metadata == {"page": 3, "ratio": 1.5, "open": True, "tags": ["x", "ü"], "author": 'q"'}


def test_search_text_ranks_by_words(index):
    index.replace_document(
        "d",
        [
            entry("water", "Osmosis moves water through a membrane."),
            entry("light", "Photosynthesis turns light into sugar."),
            entry("both", "Water and light matter to plants, to animals, and to everything else that lives on land."),
        ],
    )
    assert ids(index.search_text("How does water move in osmosis?", 5)) == ["water", "both"]
    assert index.search_text("granite", 5) == []


def test_search_text_finds_forms_accents_and_scripts(index):
    index.replace_document(
        "d",
        [
            entry("en", "The networks were regularized with dropout."),
            entry("fr", "La régression linéaire"),
            entry("ja", "過学習を防ぐために正則化を使う。"),
            entry("zh", "机器学习是人工智能的一个分支"),
        ],
    )
    assert ids(index.search_text("regularizing network", 5)) == ["en"]
    assert ids(index.search_text("regression lineaire", 5)) == ["fr"]
    assert ids(index.search_text("正則化とは何ですか", 5)) == ["ja"]
    assert ids(index.search_text("人工智能", 5)) == ["zh"]
    assert ids(index.search_text("防", 5)) == ["ja"]


@pytest.mark.parametrize(
    "query",
    [
        '"',
        'water"',
        "water AND",
        "NOT water",
        "water*",
        "terms:water",
        "NEAR(water, 2)",
        "^water",
        "(",
        "-water",
        "water\0",
    ],
)
def test_search_text_has_no_operators(index, query):
    index.replace_document("d", [entry("a", "cold water"), entry("b", "near and not")])
    found = ids(index.search_text(query, 5))
    assert found == ([] if query in ('"', "(") else found)
    assert ("a" in found) == ("water" in query)


def test_search_text_of_hostile_queries(index):
    index.replace_document("d", [entry("a", "cold water")])
    for query in ("", " ", "\0", "?" * 10_000, "x" * 10_000, '" OR ' * 2500, "\ud800", " ".join(map(str, range(3000)))):
        assert index.search_text(query, 5) == []
    assert ids(index.search_text("what is the " * 900 + "water", 5)) == ["a"]
    assert ids(index.search_text("Was it?", 5)) == []


def test_filters_apply_before_the_limit(index):
    index.replace_document("d", [entry(f"e{n}", "same words", unit(1, n / 1000), week=n) for n in range(200)])
    assert ids(index.search_vector(unit(1), 2, Compare("greater_than", "week", 197))) == ["e198", "e199"]
    assert set(ids(index.search_text("words", 5, Compare("in", "week", [3, 190])))) == {"e3", "e190"}
    assert index.search_vector(unit(1), 2, Compare("equals", "nothing", 1)) == []


@pytest.mark.parametrize("key", ["plain", 'quo"te', "dotted.key", "ключ", "x-amz-bedrock-kb-source-uri", "$[0]"])
def test_filters_by_any_key(index, key):
    index.replace_document(
        "d", [entry("a", **{key: True}), entry("b", **{key: 1}), entry("c", **{key: ["x"]}), entry("d")]
    )
    assert ids(index.search_vector(unit(1), 5, Compare("equals", key, True))) == ["a"]
    assert ids(index.search_vector(unit(1), 5, Compare("equals", key, 1))) == ["b"]
    assert ids(index.search_vector(unit(1), 5, Compare("list_contains", key, "x"))) == ["c"]
    assert ids(index.search_vector(unit(1), 5, Compare("not_in", key, [True, 1]))) == ["c", "d"]


def test_replace_document_replaces_only_that_document(index):
    index.replace_document("one", [entry("a", "old words", document="one"), entry("b", document="one")])
    index.replace_document("two", [entry("c", "old words", document="two")])
    index.search_vector(unit(1), 5, Compare("equals", "n", 1))
    index.replace_document("one", [entry("d", "new words", document="one", n=1)])
    assert index.count() == 2
    assert set(ids(index.search_vector(unit(1), 5))) == {"c", "d"}
    assert ids(index.search_text("old", 5)) == ["c"]
    assert ids(index.search_vector(unit(1), 5, Compare("equals", "n", 1))) == ["d"]


def test_replace_document_moves_an_id(index):
    index.replace_document("one", [entry("a", "first", document="one")])
    index.replace_document("two", [entry("a", "second", document="two"), entry("a", "third", document="two")])
    assert [(hit.document, hit.text) for hit in index.search_vector(unit(1), 5)] == [("two", "third")]
    assert index.count() == 1


def test_delete_documents(index):
    for name in ("one", "two", "three"):
        index.replace_document(name, [entry(name, "some words", document=name)])
    index.search_vector(unit(1), 1)
    index.delete_documents(["one", "three", "unknown"])
    assert ids(index.search_vector(unit(1), 5)) == ids(index.search_text("words", 5)) == ["two"]
    index.delete_documents([])
    assert index.count() == 1


def test_deletions_are_compacted(index):
    for number in range(30):
        entries = [
            entry(f"{number}-{n}", vector=unit(1, n, number), document=str(number), number=number) for n in range(100)
        ]
        index.replace_document(str(number), entries)
        index.search_vector(unit(1), 1, Compare("equals", "number", number))
    index.delete_documents([str(number) for number in range(25)])
    hits = index.search_vector(unit(1), 1000)
    assert len(hits) == index.count() == 500
    assert len(index.search_vector(unit(1), 1000, Compare("equals", "number", 29))) == 100
    assert index.search_vector(unit(1), 1000, Compare("equals", "number", 3)) == []


def test_vectors(index):
    index.replace_document("d", [entry("a", vector=unit(1)), entry("b", vector=unit(0, 1))])
    found = index.vectors(["b", "unknown", "a", "b"])
    assert found.shape == (4, SIZE)
    assert (found == np.stack([unit(0, 1), np.zeros(SIZE), unit(1), unit(0, 1)])).all()
    assert index.vectors([]).shape == (0, SIZE)


def test_bad_vectors_are_refused_whole(index):
    with pytest.raises(ValueError, match="entry b has a vector of shape"):
        index.replace_document("d", [entry("a"), entry("b", vector=np.zeros(3, np.float32))])
    with pytest.raises(ValueError, match="not finite"):
        index.replace_document("d", [entry("a", vector=unit(float("nan")))])
    with pytest.raises(ValueError, match="has 3 numbers"):
        index.search_vector(np.zeros(3, np.float32), 1)
    assert index.count() == 0


def test_metadata_that_is_no_json_rolls_back(index):
    index.replace_document("d", [entry("a", "kept")])
    with pytest.raises(ValueError):
        index.replace_document("d", [entry("b"), entry("c", ratio=float("inf"))])
    assert ids(index.search_vector(unit(1), 5)) == ids(index.search_text("kept", 5)) == ["a"]


def test_text_with_lone_surrogates_is_stored(index):
    index.replace_document("d", [entry("a", "broken \ud835 glyph", title="x\udc00")])
    (hit,) = index.search_text("glyph", 5)
    assert hit.text == "broken ? glyph"


def test_reopened_index_is_the_same(tmp_path):
    path = tmp_path / "index.db"
    index = EmbeddedIndex(path, SIZE)
    index.open()
    index.replace_document("d", [entry("a", "some words", unit(1, 2), week=1)])
    index.close()
    again = EmbeddedIndex(path, SIZE)
    again.open()
    where = AllOf([Compare("equals", "week", 1)])
    assert ids(again.search_vector(unit(1), 1, where)) == ids(again.search_text("words", 1, where)) == ["a"]
    again.close()


def test_other_dimensions_are_refused(index, tmp_path):
    with pytest.raises(ValueError, match=r"holds vectors of 8 numbers, but the embedder makes 16\. Ingest"):
        EmbeddedIndex(tmp_path / "index.db", 16).open()


def test_words_are_indexed_again_when_terms_change(index, tmp_path, monkeypatch):
    index.replace_document("d", [entry("a", "some words"), entry("b", "others")])
    index.close()
    monkeypatch.setattr(terms, "VERSION", terms.VERSION + 1)
    index.open()
    assert ids(index.search_text("words", 5)) == ["a"]
    index.delete_documents(["s3://b/a.pdf"])
    assert index.search_text("words", 5) == []


def test_search_while_writing(index):
    """Whatever a search sees is one of the states that were committed."""
    states = [[entry(f"{n}-{m}", "same words", unit(1, n), n=n) for m in range(20)] for n in range(2)]
    index.replace_document("s3://b/a.pdf", states[0])
    stop = threading.Event()
    wrong = []

    def search():
        while not stop.is_set():
            for hits in (index.search_vector(unit(1), 50), index.search_text("words", 50)):
                kinds = {hit.metadata["n"] for hit in hits}
                if len(kinds) != 1 or len(hits) != 20:
                    wrong.append((kinds, len(hits)))

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(40):
        index.replace_document("s3://b/a.pdf", states[number % 2])
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


WRITER = """
    import sys
    from pathlib import Path
    import numpy as np
    from outcrop.engines.indexing.embedded import EmbeddedIndex
    from outcrop.engines.indexing.index import Entry

    index = EmbeddedIndex(Path(sys.argv[1]), 8)
    index.open()
    vector = np.eye(1, 8, dtype=np.float32)[0]
    number = 0
    while True:
        text = f"round{number} words"
        index.replace_document("d", [Entry(f"{number}-{n}", "d", text, {"n": number}, vector) for n in range(50)])
        print(number, flush=True)
        number += 1
"""


def test_killed_writer_loses_nothing_committed(tmp_path):
    path = tmp_path / "index.db"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    for _ in range(5):
        process.stdout.readline()
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    reported = [*range(5), *map(int, process.stdout.read().split())]
    process.wait()
    process.stdout.close()
    index = EmbeddedIndex(path, SIZE)
    index.open()
    hits = index.search_vector(unit(1), 100)
    (survivor,) = {hit.metadata["n"] for hit in hits}
    assert survivor in (reported[-1], reported[-1] + 1)
    assert len(hits) == index.count() == len(index.search_text(f"round{survivor}", 100)) == 50
    index.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
