"""Answers read as a user reads them, and counted.

    python quality/answers.py FOLDER [-v] [WORD]      FOLDER holds the PDFs that questions.json names

Prints each question with its answer, documents and pages, then how many were right: an answerable question is right
if the answer has the expected words and cites an expected page; an unanswerable one if it is refused. With WORD only
the questions that have it. The held-out questions were written after the weights were chosen.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np

from outcrop.engines.answering.answer import Answer, Passage
from outcrop.engines.answering.extractive import ExtractiveAnswerer
from outcrop.engines.chunking.chunk import Strategy
from outcrop.engines.chunking.chunker import chunk
from outcrop.engines.embedding.minilm import MiniLM
from outcrop.engines.indexing.embedded import EmbeddedIndex
from outcrop.engines.indexing.index import Entry
from outcrop.engines.parsing.parser import Parser
from outcrop.engines.retrieval import Retriever

CACHE = Path(__file__).parent.parent / ".cache"
QUESTIONS = Path(__file__).with_name("questions.json")


async def index_folder(folder: Path, index: EmbeddedIndex, embedder: MiniLM) -> None:
    parser = Parser()
    await parser.open()
    for path in sorted(folder.glob("*.pdf")):
        chunks = chunk(await parser.parse(path, path.name), Strategy(), embedder.token_spans)
        texts = [
            f"{heading}\n{one.text}" if (heading := one.section.rsplit(" › ", 1)[-1]) else one.text for one in chunks
        ]
        key = hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]
        kept = CACHE / "answers" / f"{path.stem}-{key}.npy"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.save(kept, await embedder.embed(texts))
        index.replace_document(
            path.name,
            [
                Entry(
                    f"{path.name}#{one.ordinal}",
                    path.name,
                    one.text,
                    {"page": one.page, "section": one.section},
                    vector,
                )
                for one, vector in zip(chunks, np.load(kept), strict=True)
            ],
        )
    await parser.aclose()


async def ask(question: str, retriever: Retriever, answerer: ExtractiveAnswerer) -> tuple[list[Passage], Answer | None]:
    found = await retriever.search(question, 5)
    passages = [
        Passage(one.text, one.vector_score or 0.0, one.document, one.metadata["page"], one.metadata["section"])
        for one in found
    ]
    return passages, await answerer.answer(question, passages)


def is_right(wanted: dict, passages: list[Passage], answer: Answer | None) -> bool:
    if answer is None or not re.search(wanted["expect"], answer.text, re.IGNORECASE):
        return False
    cited = {(passages[at].document, passages[at].page) for part in answer.parts for at in part.passages}
    return any((wanted["document"], page) in cited for page in wanted["pages"])


def show(question: str, passages: list[Passage], answer: Answer | None, note: str) -> None:
    print(f"\n{note} {question}")
    if answer is None:
        print("    (refused)")
        return
    for part in answer.parts:
        sources = ", ".join(f"{passages[at].document} p.{passages[at].page}" for at in part.passages)
        for line in answer.text[part.start : part.end].splitlines():
            print(textwrap.fill(line, 110, initial_indent="    ", subsequent_indent="    "))
        print(f"        [{sources}]")


async def measure(
    wanted: dict, prefix: str, word: str, verbose: bool, retriever: Retriever, answerer: ExtractiveAnswerer
) -> None:
    right = answered = refused = 0
    times: list[float] = []
    answerable = [one for one in wanted[prefix + "answerable"] if word.lower() in one["question"].lower()]
    unanswerable = [one for one in wanted[prefix + "unanswerable"] if word.lower() in one["question"].lower()]
    for one in answerable:
        started = time.perf_counter()
        passages, answer = await ask(one["question"], retriever, answerer)
        times.append(time.perf_counter() - started)
        good = is_right(one, passages, answer)
        right, answered = right + good, answered + (answer is not None)
        if verbose or not good:
            retrieved = any(re.search(one["expect"], passage.text, re.IGNORECASE) for passage in passages)
            note = "right:" if good else "WRONG:" if retrieved else "WRONG (not retrieved):"
            show(one["question"], passages, answer, note)
    for one in unanswerable:
        passages, answer = await ask(one["question"], retriever, answerer)
        refused += answer is None
        if verbose or answer is not None:
            show(one["question"], passages, answer, f"{'right' if answer is None else 'WRONG'} ({one['kind']}):")
    print(f"\n{prefix}answerable: {right} right, {answered} answered, of {len(answerable)}")
    print(f"{prefix}unanswerable: {refused} refused of {len(unanswerable)}")
    if times:
        print(
            f"time a question: median {1000 * sorted(times)[len(times) // 2]:.0f} ms, worst {1000 * max(times):.0f} ms"
        )


async def main(folder: Path, verbose: bool, word: str) -> None:
    wanted = json.loads(QUESTIONS.read_text(encoding="utf-8"))
    embedder = MiniLM(CACHE / "models")
    await embedder.open()
    with tempfile.TemporaryDirectory() as scratch:
        index = EmbeddedIndex(Path(scratch) / "index.db", embedder.dimensions)
        index.open()
        await index_folder(folder, index, embedder)
        print(f"{index.count()} passages")
        retriever, answerer = Retriever(index, embedder), ExtractiveAnswerer(embedder)
        for prefix in ("", "held_out_"):
            await measure(wanted, prefix, word, verbose, retriever, answerer)
        index.close()
    await embedder.aclose()


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "-v"]
    if not arguments:
        sys.exit(__doc__)
    asyncio.run(main(Path(arguments[0]), "-v" in sys.argv, " ".join(arguments[1:])))
