"""Where the meaning of a text changes: neighbouring sentences whose embeddings are least alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from outcrop.engines.chunking.units import PageText

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Embed = Callable[[Sequence[str]], "NDArray[np.float32]"]
"""One unit vector a text."""

Span = tuple[int, int]

LONGEST = 1_000_000
"""Characters of a document. All its sentences are embedded before any chunk is."""


class TooLong(ValueError):
    """The document has more characters than semantic chunking takes."""


def passages(
    pages: Sequence[PageText], max_tokens: int, buffer: int, percentile: int, embed: Embed
) -> list[list[Span]]:
    """For each page the spans between which the meaning changes. Raises `TooLong`."""
    if sum(len(page.text) for page in pages) > LONGEST:
        raise TooLong(f"the text has more than {LONGEST} characters, the most that semantic chunking takes")
    sentences = [_sentences(page, max_tokens) for page in pages]
    windows = [
        page.text[spans[max(0, at - buffer)][0] : spans[min(len(spans) - 1, at + buffer)][1]]
        for page, spans in zip(pages, sentences, strict=True)
        for at in range(len(spans))
    ]
    cuts = _cuts(windows, [len(spans) for spans in sentences], percentile, embed)
    return [_joined(spans, at) for spans, at in zip(sentences, cuts, strict=True)]


def _sentences(page: PageText, max_tokens: int) -> list[Span]:
    """Sentences, with a heading joined to what follows it, and the lines of a table or a listing to each other."""
    spans: list[Span] = []
    last = ""
    block = -1
    for unit in page.units(max_tokens):
        kind = page.blocks[unit.block].kind
        joins = last == "heading" or (unit.block == block and kind in ("table", "code"))
        if spans and joins:
            spans[-1] = (spans[-1][0], unit.end)
        else:
            spans.append((unit.start, unit.end))
        last, block = kind, unit.block
    return spans


def _cuts(windows: list[str], counts: list[int], percentile: int, embed: Embed) -> list[list[bool]]:
    """For each page (of `counts` sentences) and each of its neighbouring pairs whether to cut there."""
    import numpy as np

    if not windows:
        return [[] for _ in counts]
    vectors = embed(windows)
    distance = 1 - np.einsum("ij,ij->i", vectors[:-1], vectors[1:])
    pages: list[NDArray[np.float32]] = []
    start = 0
    for count in counts:
        pages.append(distance[start : start + max(0, count - 1)])
        start += count
    every = np.concatenate(pages)
    limit = float(np.percentile(every, percentile)) if len(every) else 0.0
    return [[bool(one > limit) for one in page] for page in pages]


def _joined(spans: list[Span], cuts: list[bool]) -> list[Span]:
    joined: list[Span] = []
    for at, span in enumerate(spans):
        if joined and not cuts[at - 1]:
            joined[-1] = (joined[-1][0], span[1])
        else:
            joined.append(span)
    return joined
