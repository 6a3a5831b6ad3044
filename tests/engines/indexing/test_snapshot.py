"""Sorted postings on disk: what they say is what the bags say, whatever happened to either since."""

from __future__ import annotations

import numpy as np
import pytest

from outcrop.engines.indexing import embedded, snapshot, terms
from outcrop.engines.indexing.embedded import EmbeddedIndex
from outcrop.engines.indexing.index import Entry

WORDS = ["granite", "basalt", "quartz", "slate", "marble", "gneiss"]


def entries(document, first, count):
    vector = np.ones(4, np.float32)
    texts = [" ".join(WORDS[n % (1 + word) :][0] for word in range(1 + n % 5)) for n in range(first, first + count)]
    return [Entry(f"{document}-{n}", document, text, {}, vector) for n, text in enumerate(texts)]


def found(index):
    return {word: [(hit.id, hit.score) for hit in index.search_text(word, 200)] for word in WORDS}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(embedded, "_WORTH_KEEPING", 10)


def opened(path):
    index = EmbeddedIndex(path, 4)
    index.open()
    return index


@pytest.fixture
def stocked(tmp_path):
    """The path of an index with a snapshot, which was then changed behind it."""
    path = tmp_path / "index.sqlite"
    index = opened(path)
    index.replace_document("a", entries("a", 0, 40))
    index.replace_document("b", entries("b", 40, 40))
    assert found(index)["granite"]
    index.close()
    return path


def reference(path):
    """What the bags alone say."""
    (path.parent / "index.words.npz").unlink()
    index = opened(path)
    told = found(index)
    index.close()
    return told


def test_a_start_reads_the_snapshot(stocked):
    known = snapshot.read(stocked.with_suffix(".words.npz"), terms.VERSION)
    assert known is not None
    assert known[1].size == 80
    index = opened(stocked)
    told = found(index)
    index.close()
    assert told == reference(stocked)


def test_what_changed_since_is_known(stocked):
    index = opened(stocked)
    index.replace_document("a", entries("a", 7, 9))
    index.delete_documents(["b"])
    index.replace_document("c", entries("c", 3, 5))
    index.close()
    assert snapshot.read(stocked.with_suffix(".words.npz"), terms.VERSION)[1].size == 80
    index = opened(stocked)
    told = found(index)
    assert len(told["granite"]) == 14
    index.close()
    assert told == reference(stocked)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", None])
def test_a_damaged_snapshot_is_no_loss(stocked, content):
    file = stocked.with_suffix(".words.npz")
    file.write_bytes(file.read_bytes()[:-200] if content is None else content)
    assert snapshot.read(file, terms.VERSION) is None
    index = opened(stocked)
    told = found(index)
    index.close()
    assert told == reference(stocked)


def test_a_snapshot_of_other_terms_is_ignored(stocked):
    assert snapshot.read(stocked.with_suffix(".words.npz"), terms.VERSION + 1) is None
