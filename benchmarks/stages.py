"""Ingestion by stage, without a server:  python -m benchmarks.stages [FOLDER_WITH_PDFS]

Prints pages a second for parsing, cutting, embedding and indexing, each stage by itself. Without a folder it takes the
course.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from outcrop.engines.chunking import chunk
from outcrop.engines.chunking.chunk import Strategy
from outcrop.engines.embedding.minilm import MiniLM
from outcrop.engines.indexing.embedded import EmbeddedIndex
from outcrop.engines.indexing.index import Entry
from outcrop.engines.parsing import Parser
from outcrop.settings import Settings

ROOT = Path(__file__).parent.parent


async def measure(folder):
    settings = Settings.read()
    embedder, parser = MiniLM(settings.cache, settings.embedding_precision), Parser()
    await embedder.open()
    await parser.open()
    files = sorted(Path(folder).rglob("*.pdf"))
    times = {}

    async def stage(name, work):
        began = time.perf_counter()
        result = await work
        times[name] = time.perf_counter() - began
        return result

    async def parse():
        return [await parser.parse(path, path.name) for path in files]

    async def cut():
        return [chunk(document, Strategy(), embedder.token_spans) for document in documents]

    async def embed():
        return [await embedder.embed([c.text for c in chunks]) for chunks in cuts]

    async def index():
        with tempfile.TemporaryDirectory() as directory:
            store = EmbeddedIndex(Path(directory) / "index.sqlite", embedder.dimensions)
            store.open()
            for path, chunks, rows in zip(files, cuts, vectors, strict=True):
                entries = [
                    Entry(f"{path.name}-{c.ordinal}", path.name, c.text, {"page": c.page}, row)
                    for c, row in zip(chunks, rows, strict=True)
                ]
                store.replace_document(path.name, entries)
            store.close()

    await parser.parse(files[0], files[0].name)  # starts the worker
    documents = await stage("parse", parse())
    cuts = await stage("cut", cut())
    vectors = await stage("embed", embed())
    await stage("index", index())
    await parser.aclose()
    await embedder.aclose()

    pages, chunks = sum(len(d.pages) for d in documents), sum(len(c) for c in cuts)
    print(f"{len(files)} documents, {pages} pages, {chunks} chunks")
    for name, seconds in times.items():
        print(f"{name:<8}{pages / seconds:>10.0f} pages/s{chunks / seconds:>10.0f} chunks/s")


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "course"
    if len(sys.argv) < 2:
        subprocess.run([sys.executable, ROOT / "tools" / "build_course.py", folder], check=True)
    asyncio.run(measure(folder))
