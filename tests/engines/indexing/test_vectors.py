from __future__ import annotations

import numpy as np
import pytest

from outcrop.engines.indexing.filters import AllOf, Compare
from outcrop.engines.indexing.tables import Closed
from outcrop.engines.indexing.vectors import Record, VectorTable


def record(key: str, *numbers: float, **metadata: object) -> Record:
    return Record(key, np.array(numbers, np.float32), metadata)


@pytest.fixture
def table(tmp_path):
    made = VectorTable(tmp_path / "t.sqlite", 2, "cosine", {"text": "en"})
    yield made
    made.close()


def keys(matches) -> list[str]:
    return [match.key for match in matches]


def test_nearest_by_cosine_whatever_the_length(table):
    table.put([record("far", 0, 9), record("near", 0.001, 0.0001), record("opposite", -5, 0)])
    found = table.search(3, np.array([7, 0], np.float32))
    assert keys(found) == ["near", "far", "opposite"]
    assert [round(match.distance, 3) for match in found] == [0.005, 1.0, 2.0]


def test_nearest_by_euclidean_distance(tmp_path):
    table = VectorTable(tmp_path / "e.sqlite", 2, "euclidean", {})
    table.put([record("a", 3, 4), record("b", 0, 1), record("zero", 0, 0)])
    found = table.search(2, np.array([0, 0], np.float32))
    assert [(match.key, match.distance) for match in found] == [("zero", 0.0), ("b", 1.0)]
    table.close()


def test_the_largest_and_smallest_vectors_compare(table):
    table.put([record("huge", 3e38, 3e38), record("tiny", 1e-44, 0)])
    assert keys(table.search(2, np.array([1, 0], np.float32))) == ["tiny", "huge"]


def test_replacing_and_deleting_while_in_memory_and_after_reopening(tmp_path):
    table = VectorTable(tmp_path / "t.sqlite", 2, "cosine", {"text": "en"})
    table.put([record(str(n), 1, n, text=f"word{n} common", n=n) for n in range(20)])
    question = np.array([1, 0], np.float32)
    assert keys(table.search(3, question)) == ["0", "1", "2"]
    table.put([record("0", 0, 1, text="moved", n=100), record("0", -1, 0, text="gone", n=100)])
    table.delete(["1", "1", "unknown"])

    def check(table: VectorTable) -> None:
        assert table.count() == 19
        assert keys(table.search(2, question)) == ["2", "3"]
        assert keys(table.search(5, question, where=Compare("greater_than", "n", 18))) == ["19", "0"]
        assert keys(table.search(5, texts={"text": "gone"})) == ["0"]
        assert keys(table.search(5, texts={"text": "moved word0 word1"})) == []
        assert [one.key for one in table.get(["5", "1", "0", "5"])] == ["5", "0"]

    check(table)
    table.close()
    with pytest.raises(Closed):
        table.count()
    again = VectorTable(tmp_path / "t.sqlite", 2, "cosine", {"text": "en"})
    check(again)
    again.close()


def test_many_changes_compact_what_is_in_memory(table):
    table.put([record("anchor", 1, 0, kind="kept", text="anchor")])
    table.search(1, np.array([1, 0], np.float32), where=Compare("equals", "kind", "kept"))
    for turn in range(8):
        table.put([record(f"k{n}", 1, n + turn, kind="churn", text=f"turn{turn}") for n in range(400)])
    assert keys(table.search(2, np.array([1, 0], np.float32), where=Compare("equals", "kind", "kept"))) == ["anchor"]
    assert table.count() == 401
    assert len(table.search(1000, texts={"text": "turn7"})) == 400
    assert table.search(9, texts={"text": "turn3"}) == []


def test_scanning_in_pages_and_segments(table):
    table.put([record(f"k{n:02}", 1, n) for n in range(50)])
    found, after, more = [], 0, True
    while more:
        page = table.scan(after, 7)
        found += [one.key for one in page.records]
        after, more = page.last, page.more
    assert found == [f"k{n:02}" for n in range(50)]
    parts = [{one.key for one in table.scan(0, 100, part, 3).records} for part in range(3)]
    assert set.union(*parts) == set(found)
    assert sum(map(len, parts)) == 50
    first = table.scan(0, 100, size=1)
    assert (len(first.records), first.more) == (1, True)


def test_text_and_fusion(table):
    table.put(
        [
            record("both", 1, 0.1, text="The glacier moves slowly"),
            record("words", 0, 1, text="Glaciers moving: glaciers, glacier"),
            record("meaning", 1, 0, text="ice"),
            record("list", -1, 0, text=["nothing", "a moving glacier"]),
        ]
    )
    by_words = table.search(9, texts={"text": "moving glaciers"})
    assert set(keys(by_words)) == {"both", "words", "list"}
    assert by_words[0].distance is None
    assert by_words[0].texts["text"] > by_words[-1].texts["text"] > 0
    fused = table.search(9, np.array([1, 0], np.float32), {"text": "glacier"})
    assert fused[0].key in ("both", "words")
    assert fused[0].fused == pytest.approx(max(match.fused for match in fused))
    ranks = {match.key: match for match in table.search(9, np.array([1, 0], np.float32))}
    assert {match.key for match in fused} == set(ranks)
    only = table.search(9, np.array([1, 0], np.float32), {"text": "glacier"}, AllOf([Compare("exists", "text", False)]))
    assert only == []
    with pytest.raises(KeyError):
        table.search(9, texts={"other": "x"})


def test_declaring_a_field_later_indexes_what_is_there(table):
    table.put([record("a", 1, 1, text="alpha", title="Die Häuser"), record("b", 1, 1, title="haus")])
    table.declare({"title": "de"})
    assert keys(table.search(9, texts={"title": "hauser"})) == ["a"]
    with pytest.raises(KeyError):
        table.search(9, texts={"text": "alpha"})
    table.put([record("a", 1, 1, title="Dorf")])
    assert table.search(9, texts={"title": "hauser"}) == []


def test_documents_and_a_field_searched_aside_survive_other_writers(tmp_path):
    table = VectorTable(tmp_path / "t.sqlite", 2, "cosine", {"title": "en"})
    aside = table.search_aside("text", "en")
    ours = [Record(f"k{n}", np.array([1, n], np.float32), {"text": f"river{n} water"}, "d") for n in range(3)]
    table.replace(["d"], ours)
    table.close()

    table = VectorTable(tmp_path / "t.sqlite", 2, "cosine", {"title": "en"})
    table.put([record("k1", 5, 5, text="overwritten lake"), record("theirs", 1, 1, text="lake", title="x")])
    table.declare({})
    assert set(keys(table.search(9, texts={aside: "lake"}))) == {"k1", "theirs"}
    assert [one.key for one in table.of("d")] == ["k0", "k1", "k2"]
    table.replace(["d"], ours[:1])
    assert [one.key for one in table.of("d")] == ["k0"]
    assert keys(table.search(9, texts={aside: "lake river0"})) in (["k0", "theirs"], ["theirs", "k0"])
    table.replace(["d", "unknown"])
    assert table.count() == 1
    table.close()
