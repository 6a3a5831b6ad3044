"""The embedded index at several sizes: build, first search, searches by vector and by words, memory, disk.

    python -m benchmarks.indexes FOLDER [CHUNKS …]     FOLDER holds corpus.jsonl and queries.jsonl (BEIR's form)

Chunks are made of the corpus's sentences, drawn at random, so that words are as frequent as they are in prose. Vectors
are random: how long comparing them takes doesn't depend on what they say.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from outcrop.engines.embedding.minilm import MiniLM
from outcrop.engines.indexing.embedded import EmbeddedIndex
from outcrop.engines.indexing.filters import Compare
from outcrop.engines.indexing.index import Entry
from outcrop.engines.retrieval import Retriever

CACHE = Path(__file__).parent.parent / ".cache"

DIMENSIONS = 384
DOCUMENT = 50
"""Chunks of a document; each is written in a transaction of its own."""
SENTENCES = 6


def main(folder: Path, sizes: list[int]) -> None:
    sentences = [
        sentence
        for line in (folder / "corpus.jsonl").open(encoding="utf-8")
        for sentence in re.split(r"(?<=[.!?])\s+", json.loads(line)["text"])
    ]
    questions = [json.loads(line)["text"] for line in (folder / "queries.jsonl").open(encoding="utf-8")][:200]
    short = ["how is vitamin D measured", "what lowers blood pressure", "role of p53", "mouse model of diabetes"] * 10
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            measure(Path(scratch) / "index.sqlite", size, sentences, {"short": short, "claim": questions})


def measure(path: Path, size: int, sentences: list[str], questions: dict[str, list[str]]) -> None:
    index = EmbeddedIndex(path, DIMENSIONS)
    index.open()
    started = time.perf_counter()
    for number, entries in enumerate(documents(size, sentences)):
        index.replace_document(f"d{number}", entries)
    print(f"{size} chunks: built in {time.perf_counter() - started:.1f} s", flush=True)
    index.close()
    index = EmbeddedIndex(path, DIMENSIONS)
    index.open()
    before = memory()
    vectors = unit(np.random.default_rng(1), 100)
    started = time.perf_counter()
    index.search_vector(vectors[0], 10)
    read = time.perf_counter()
    index.search_text("vitamin", 10)
    worded = time.perf_counter()
    print(f"  first search by vector {read - started:.2f} s, by words {worded - read:.2f} s", flush=True)
    print(f"  memory {memory() - before} MB at its highest, file {path.stat().st_size >> 20} MB")
    where = {"": None, " 1 %": Compare("less_than", "n", 10), " 38 %": Compare("less_than", "n", 380)}
    for name, condition in where.items():
        timed(f"vector{name}", [lambda v=v, c=condition: index.search_vector(v, 50, c) for v in vectors])
    for name, texts in questions.items():
        timed(f"words, {name}", [lambda t=text: index.search_text(t, 50) for text in texts])
    asyncio.run(retrieve(index, questions["claim"]))
    started = time.perf_counter()
    index.delete_documents([f"d{number}" for number in range(0, size // DOCUMENT, 100)])
    print(f"  a hundredth deleted in {time.perf_counter() - started:.2f} s")
    index.close()


async def retrieve(index: EmbeddedIndex, questions: list[str]) -> None:
    """The whole of a hybrid search, the question's embedding included."""
    embedder = MiniLM(CACHE / "models")
    await embedder.open()
    retriever = Retriever(index, embedder)
    await retriever.search(questions[0])
    took, used = [], time.process_time()
    for question in questions:
        started = time.perf_counter()
        await retriever.search(question)
        took.append(1000 * (time.perf_counter() - started))
    await embedder.aclose()
    report("embedding and hybrid search of a claim", took, time.process_time() - used)


def documents(size: int, sentences: list[str]) -> Iterator[list[Entry]]:
    chance, numbers = random.Random(1), np.random.default_rng(2)
    for start in range(0, size, DOCUMENT):
        yield [
            Entry(
                f"c{start + at}",
                "d",
                " ".join(chance.choices(sentences, k=SENTENCES)),
                {"n": chance.randrange(1000)},
                v,
            )
            for at, v in enumerate(unit(numbers, min(DOCUMENT, size - start)))
        ]


def unit(numbers: np.random.Generator, count: int) -> np.ndarray:
    vectors = numbers.standard_normal((count, DIMENSIONS), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def timed(name: str, calls: list[Callable[[], object]]) -> None:
    calls[0]()
    took, used = [], time.process_time()
    for call in calls:
        started = time.perf_counter()
        call()
        took.append(1000 * (time.perf_counter() - started))
    report(name, took, time.process_time() - used)


def report(name: str, took: list[float], used: float) -> None:
    """Wall time, and the time of processors, which says more on a busy machine."""
    p50, p99 = np.median(took), np.percentile(took, 99)
    print(f"  {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, of processors {1000 * used / len(took):.1f} ms", flush=True)


def memory() -> int:
    """The most that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [int(size) for size in sys.argv[2:]] or [10_000, 100_000])
