"""`kill -9` at random moments of an ingestion: the job goes on, and no chunk is doubled or lost."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.journeys.bases import BUSY, Base

from outcrop.testing import StackProcess

WORDS = ("river", "bread", "star", "stone", "copper", "forest", "winter", "engine", "letter", "harbour", "candle")
FIXED = {
    "vectorIngestionConfiguration": {
        "chunkingConfiguration": {
            "chunkingStrategy": "FIXED_SIZE",
            "fixedSizeChunkingConfiguration": {"maxTokens": 40, "overlapPercentage": 1},
        }
    }
}


def text(number: int) -> str:
    chosen = random.Random(number)
    return " ".join(f"{' '.join(chosen.choices(WORDS, k=9))} {number}.".capitalize() for _ in range(12))


def chunks(base: Base, uri: str) -> list[tuple[str, str]]:
    """Id and text of everything that a document has in the index."""
    only = {"equals": {"key": "x-amz-bedrock-kb-source-uri", "value": uri}}
    results = base.retrieve("river", numberOfResults=100, overrideSearchType="SEMANTIC", filter=only)
    return sorted((r["metadata"]["x-amz-bedrock-kb-chunk-id"], r["content"]["text"]) for r in results)


def ordeal(data: Path, kills: int, documents: int, seed: int = 0) -> int:
    """Ingest documents while the server is killed `kills` times; answers how many jobs that took. Raises
    AssertionError if a chunk is doubled or lost, or a document's chunks aren't those of its text."""
    chance = random.Random(seed)
    stack = StackProcess(data).start()
    try:
        base = Base(stack, **FIXED)
        uris = [base.put(f"{number}.txt", text(number)) for number in range(documents)]
        rounds, left = 0, kills
        while True:
            rounds += 1
            for number in range(documents):
                base.put(f"{number}.txt", f"Round {rounds}. {text(number)}")
            job_id = base.start()
            while left and base.job(job_id)["status"] in BUSY:
                time.sleep(chance.uniform(0, 0.8))
                stack.kill()
                left -= 1
                stack.start()
                base.connect(stack)
            job = base.wait(job_id)
            assert job["status"] == "COMPLETE", job
            statistics = job["statistics"]
            assert statistics["numberOfDocumentsScanned"] == documents
            kind = "numberOfNewDocumentsIndexed" if rounds == 1 else "numberOfModifiedDocumentsIndexed"
            assert statistics[kind] == documents, statistics
            for number, uri in enumerate(uris):
                found = chunks(base, uri)
                assert len(found) == len({text for _, text in found}) == len({name for name, _ in found})
                whole = " ".join(text for _, text in found)
                assert all(sentence in whole for sentence in text(number).split(". ")[1:-1]), uri
                assert f"Round {rounds}." in whole
            if not left:
                return rounds
    finally:
        stack.stop()


def test_a_killed_ingestion_goes_on(tmp_path: Path):
    ordeal(tmp_path, kills=4, documents=20)


def test_a_killed_direct_ingestion_goes_on(tmp_path: Path):
    stack = StackProcess(tmp_path).start()
    try:
        base = Base(stack)
        source = base.agent.create_data_source(
            knowledgeBaseId=base.id, name="direct", dataSourceConfiguration={"type": "CUSTOM"}
        )["dataSource"]["dataSourceId"]
        documents = [
            {
                "content": {
                    "dataSourceType": "CUSTOM",
                    "custom": {
                        "customDocumentIdentifier": {"id": str(number)},
                        "sourceType": "IN_LINE",
                        "inlineContent": {"type": "TEXT", "textContent": {"data": text(number)}},
                    },
                }
            }
            for number in range(10)
        ]
        base.agent.ingest_knowledge_base_documents(knowledgeBaseId=base.id, dataSourceId=source, documents=documents)
        stack.kill()
        stack.start()
        base.connect(stack)
        for number in range(10):
            assert base.document(str(number), "CUSTOM", source)["status"] == "INDEXED"
            assert text(number)[:20] in chunks(base, str(number))[0][1] + chunks(base, str(number))[-1][1]
    finally:
        stack.stop()
