"""`outcrop kb`: a look at what ingestion makes of a document."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.chunking.chunk import Chunk, Strategy
    from outcrop.engines.parsing import Parser
    from outcrop.engines.parsing.document import ParsedDocument
    from outcrop.settings import Settings

_DPI = 96.0


def add(kb: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    """Add the actions to the command's parser."""
    actions = kb.add_subparsers(dest="action", required=True, metavar="action")
    inspect = actions.add_parser("inspect", parents=[shared], help="show how a file is parsed and cut")
    inspect.add_argument("file", type=Path)
    inspect.add_argument("--html", type=Path, metavar="OUT", help="write a page that draws the chunks on the document")
    inspect.add_argument(
        "--strategy", choices=("default", "fixed", "hierarchical", "semantic", "none"), default="default"
    )
    inspect.add_argument("--max-tokens", type=int, default=300, metavar="N", help="size of a chunk (default 300)")
    inspect.add_argument("--overlap", type=int, default=20, metavar="PERCENT", help="default 20")
    inspect.add_argument("--parent-tokens", type=int, default=1500, metavar="N", help="hierarchical: size of a parent")
    inspect.add_argument("--overlap-tokens", type=int, default=60, metavar="N", help="hierarchical: default 60")
    inspect.add_argument("--pages", type=int, default=50, metavar="N", help="draw the first N pages (default 50)")
    inspect.set_defaults(run=_inspect)


def _inspect(settings: Settings, options: argparse.Namespace) -> int:
    from outcrop.engines.chunking.chunk import Strategy
    from outcrop.engines.parsing.document import ParseError

    strategy = Strategy(
        options.strategy,
        options.max_tokens,
        options.overlap,
        parent_tokens=options.parent_tokens,
        overlap_tokens=options.overlap_tokens,
    )
    try:
        asyncio.run(_show(settings, options.file, strategy, options.html, options.pages))
    except ParseError as error:
        raise ValueError(f"{options.file}: {error}") from None
    return 0


async def _show(settings: Settings, file: Path, strategy: Strategy, out: Path | None, pages: int) -> None:
    from outcrop.engines.parsing import Parser

    parser = Parser()
    await parser.open()
    try:
        document = await parser.parse(file, file.name)
        chunks = await _chunks(settings, document, strategy)
        if out is None:
            _print(document, chunks)
            return
        await _write(parser, file, document, chunks, strategy, out, pages)
    finally:
        await parser.aclose()
    print(f"{len(chunks)} chunks of {file.name} are drawn in {out}")


async def _chunks(settings: Settings, document: ParsedDocument, strategy: Strategy) -> list[Chunk]:
    from outcrop.engines.chunking import chunk
    from outcrop.engines.embedding.minilm import MiniLM

    embedder = MiniLM(settings.cache, "fp32" if settings.embedding_precision == "fp32" else "int8")
    await embedder.open()
    loop = asyncio.get_running_loop()

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return asyncio.run_coroutine_threadsafe(embedder.embed(list(texts)), loop).result()

    try:
        return await asyncio.to_thread(chunk, document, strategy, embedder.token_spans, embed)
    finally:
        await embedder.aclose()


def _print(document: ParsedDocument, chunks: list[Chunk]) -> None:
    for warning in document.warnings:
        print(f"! {warning}")
    for each in chunks:
        where = f", page {each.page}" if each.page is not None else ""
        print(f"\n--- {each.ordinal + 1}{where}, {each.tokens} tokens{f', {each.section}' if each.section else ''}")
        print(each.text)


async def _write(
    parser: Parser,
    file: Path,
    document: ParsedDocument,
    chunks: list[Chunk],
    strategy: Strategy,
    out: Path,
    pages: int,
) -> None:
    from outcrop.engines.chunking.inspector import inspection

    numbers = [page.number for page in document.pages if page.number is not None]
    pictures = {number: await parser.draw(file, number, dpi=_DPI) for number in numbers[:pages]}
    how = f"{strategy.kind} strategy, at most {strategy.max_tokens} tokens"
    html = inspection(file.name, how, chunks, pictures, _DPI, document.warnings)
    await asyncio.to_thread(out.write_text, html, encoding="utf-8")
