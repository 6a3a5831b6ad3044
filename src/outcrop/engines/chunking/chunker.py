"""The strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from outcrop.engines.chunking.chunk import Chunk, Parent, Strategy
from outcrop.engines.chunking.packing import Packed, Packer
from outcrop.engines.chunking.semantic import Embed, passages
from outcrop.engines.chunking.units import Headings, PageText, TokenSpans
from outcrop.engines.parsing.document import ParsedDocument

_SEPARATOR = " › "


@dataclass(frozen=True, slots=True)
class Cutting:
    """All that a strategy has to go by."""

    document: ParsedDocument
    strategy: Strategy
    token_spans: TokenSpans
    embed: Embed | None = None

    def pages(self) -> Iterator[PageText]:
        headings = Headings()
        for page in self.document.pages:
            yield PageText(page, headings, self.token_spans)


def chunk(
    document: ParsedDocument, strategy: Strategy, token_spans: TokenSpans, embed: Embed | None = None
) -> list[Chunk]:
    """The chunks of a document, in order. Every character that isn't white space is in at least one of them.

    None has more than `max_tokens`, as `token_spans` counts them; none crosses a page. A page is tokenized once.
    `embed` is needed by `semantic` alone. Raises `ValueError` for a strategy out of range, and its subclass `TooLong`
    for a document that is too long for `semantic`.
    """
    cut = STRATEGIES.get(strategy.kind)
    if cut is None:
        raise ValueError(f"no chunking strategy {strategy.kind!r}, only {', '.join(STRATEGIES)}")
    found = cut(Cutting(document, strategy, token_spans, embed))
    return [one if one.ordinal == at else replace(one, ordinal=at) for at, one in enumerate(found)]


def default(cutting: Cutting) -> Iterator[Chunk]:
    """Whole sentences up to the size; one is cut only if it alone is longer. The overlap is whole sentences too."""
    return _by_page(cutting, strict_size=False)


def fixed(cutting: Cutting) -> Iterator[Chunk]:
    """Near the size: at the end of a sentence if one is near, else between words."""
    return _by_page(cutting, strict_size=True)


def none(cutting: Cutting) -> Iterator[Chunk]:
    """The whole document, without a page; of records, each one."""
    if cutting.document.records:
        for page in cutting.pages():
            if page.text.strip():
                tokens = page.tokens(0, len(page.text))
                yield Chunk(0, page.text, None, attributes=page.page.attributes, tokens=tokens)
        return
    texts = [text for text in cutting.pages() if text.text.strip()]
    if texts:
        whole = "\n\n".join(text.text for text in texts)
        attributes = texts[0].page.attributes if len(texts) == 1 else ()
        yield Chunk(0, whole, None, attributes=attributes, tokens=sum(text.tokens(0, len(text.text)) for text in texts))


def hierarchical(cutting: Cutting) -> Iterator[Chunk]:
    """Parents as `fixed` cuts, each cut again into children; the overlap is within a layer."""
    strategy = cutting.strategy
    if not 1 <= strategy.max_tokens <= strategy.parent_tokens or strategy.overlap_tokens < 0:
        raise ValueError("max_tokens must be at least 1 and at most parent_tokens, overlap_tokens at least 0")
    parents = 0
    for page in cutting.pages():
        for packed in Packer(page, strategy.parent_tokens, strategy.overlap_tokens, strict_size=True).pack():
            parent = Parent(parents, packed.text, packed.tokens)
            parents += 1
            span = (packed.start, packed.end)
            for child in Packer(page, strategy.max_tokens, strategy.overlap_tokens, strict_size=True, span=span).pack():
                yield replace(_chunk(child, page), parent=parent)


def semantic(cutting: Cutting) -> Iterator[Chunk]:
    """Between the sentences that are least alike, and where a chunk is full. No overlap."""
    strategy = cutting.strategy
    if strategy.max_tokens < 1 or not 0 <= strategy.breakpoint_percentile <= 100 or strategy.buffer_size < 0:
        raise ValueError("max_tokens must be at least 1, breakpoint_percentile from 0 to 100, buffer_size at least 0")
    if cutting.embed is None:
        raise ValueError("the semantic strategy needs `embed`")
    pages = list(cutting.pages())
    found = passages(pages, strategy.max_tokens, strategy.buffer_size, strategy.breakpoint_percentile, cutting.embed)
    for page, spans in zip(pages, found, strict=True):
        for span in spans:
            for packed in Packer(page, strategy.max_tokens, 0, strict_size=False, span=span).pack():
                yield _chunk(packed, page)


STRATEGIES: Mapping[str, Callable[[Cutting], Iterator[Chunk]]] = MappingProxyType(
    {"default": default, "fixed": fixed, "none": none, "hierarchical": hierarchical, "semantic": semantic}
)


def _by_page(cutting: Cutting, strict_size: bool) -> Iterator[Chunk]:
    strategy = cutting.strategy
    if strategy.max_tokens < 1 or not 0 <= strategy.overlap_percent <= 99:
        raise ValueError("max_tokens must be at least 1, overlap_percent from 0 to 99")
    overlap = strategy.max_tokens * strategy.overlap_percent // 100
    for page in cutting.pages():
        for packed in Packer(page, strategy.max_tokens, overlap, strict_size).pack():
            yield _chunk(packed, page)


def _chunk(packed: Packed, page: PageText) -> Chunk:
    section = _SEPARATOR.join(packed.section)
    return Chunk(
        0, packed.text, page.page.number, section, packed.box, packed.boxes, page.page.attributes, packed.tokens
    )
