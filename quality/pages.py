"""Whether the right page is found, and whether answers are right or refused, on real documents.

    python quality/pages.py FOLDER [-v] [--rerank] [--answers]      FOLDER holds the PDFs that pages.jsonl names

The questions were written from the documents' text, all of them before the first search. A page is right if it holds
the answer; the annual report has most of its pages twice.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from answers import CACHE, index_folder, show

from outcrop.engines.answering.answer import Passage
from outcrop.engines.answering.extractive import ExtractiveAnswerer
from outcrop.engines.embedding.minilm import MiniLM
from outcrop.engines.indexing.embedded import EmbeddedIndex
from outcrop.engines.retrieval import Retriever
from outcrop.engines.retrieval.reranker import Reranker
from outcrop.engines.retrieval.retriever import Mode, Scored

QUESTIONS = Path(__file__).with_name("pages.jsonl")
CANDIDATES = 30
"""That the reranker reads."""


def rank_of(wanted: dict, found: Sequence[Scored]) -> int | None:
    for rank, one in enumerate(found, 1):
        if one.document == wanted["document"] and one.metadata["page"] in wanted["pages"]:
            return rank
    return None


async def search(question: str, retriever: Retriever, reranker: Reranker | None, mode: Mode) -> list[Scored]:
    if reranker is None:
        return await retriever.search(question, 10, mode)
    found = await retriever.search(question, CANDIDATES, mode)
    scores = await reranker.scores(question, [one.text for one in found])
    return [found[at] for at in sorted(range(len(found)), key=lambda at: -scores[at])][:10]


async def pages(questions: Sequence[dict], retriever: Retriever, reranker: Reranker | None, mode: Mode) -> None:
    asked = [one for one in questions if "pages" in one]
    ranks = []
    for one in asked:
        found = await search(one["question"], retriever, reranker, mode)
        ranks.append(rank_of(one, found))
        if "-v" in sys.argv and (ranks[-1] is None or ranks[-1] > 5):
            print(f"{ranks[-1]}: {one['question']}  wanted {one['document']} {one['pages']}")
            for hit in found[:5]:
                print(f"      {hit.score:.3f} {hit.document} p.{hit.metadata['page']}: {hit.text[:90]!r}")
    at = {depth: sum(rank is not None and rank <= depth for rank in ranks) / len(ranks) for depth in (1, 3, 5, 10)}
    mrr = sum(1 / rank for rank in ranks if rank) / len(ranks)
    name = f"{mode}{', reranked' if reranker else ''}"
    print(f"{name:20} page@1 {at[1]:.3f}  @3 {at[3]:.3f}  @5 {at[5]:.3f}  @10 {at[10]:.3f}  MRR {mrr:.3f}")


def squeezed(text: str) -> str:
    return re.sub(r"[\s\"“”]+", "", text).lower()


async def answers(questions: Sequence[dict], retriever: Retriever, answerer: ExtractiveAnswerer) -> None:
    right = refused = wrongly = 0
    for one in questions:
        found = await retriever.search(one["question"], 5)
        passages = [
            Passage(hit.text, hit.vector_score or 0.0, hit.document, hit.metadata["page"], hit.metadata["section"])
            for hit in found
        ]
        answer = await answerer.answer(one["question"], passages)
        if "pages" not in one:
            refused += answer is None
            good = answer is None
        else:
            wanted = re.split(r"[;,] ", one["answer"])[0] if not one["answer"].startswith("c(") else one["answer"]
            good = answer is not None and squeezed(wanted) in squeezed(answer.text)
            right, wrongly = right + good, wrongly + (answer is None)
        if "-v" in sys.argv:
            show(one["question"], passages, answer, "right:" if good else f"WRONG ({one.get('answer', 'nothing')}):")
    answerable = sum("pages" in one for one in questions)
    print(
        f"answers: {right} hold the words wanted and {wrongly} are refused, of {answerable}; "
        f"{refused} of {len(questions) - answerable} unanswerable ones are refused"
    )


async def main(folder: Path) -> None:
    questions = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    embedder = MiniLM(CACHE / "models")
    await embedder.open()
    with tempfile.TemporaryDirectory() as scratch:
        index = EmbeddedIndex(Path(scratch) / "index.db", embedder.dimensions)
        index.open()
        await index_folder(folder, index, embedder)
        retriever = Retriever(index, embedder)
        modes: tuple[Mode, ...] = ("text", "semantic", "hybrid")
        for mode in modes:
            await pages(questions, retriever, None, mode)
        if "--rerank" in sys.argv:
            await pages(questions, retriever, Reranker(embedder), "hybrid")
        if "--answers" in sys.argv:
            await answers(questions, retriever, ExtractiveAnswerer(embedder))
        index.close()
    await embedder.aclose()


if __name__ == "__main__":
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if not folders:
        sys.exit(__doc__)
    asyncio.run(main(Path(folders[0])))
