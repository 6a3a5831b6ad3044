"""The strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from outcrop.engines.chunking.chunk import Chunk, Strategy
from outcrop.engines.chunking.packing import Packer
from outcrop.engines.chunking.units import Headings, PageText, TokenSpans
from outcrop.engines.parsing.document import ParsedDocument

_SEPARATOR = " › "


def chunk(document: ParsedDocument, strategy: Strategy, token_spans: TokenSpans) -> list[Chunk]:
    """The chunks of a document, in order. Every character that isn't white space is in at least one of them.

    None has more than `max_tokens`, as `token_spans` counts them; none crosses a page. A page is tokenized once.
    Raises `ValueError` for a strategy out of range.
    """
    cut = STRATEGIES.get(strategy.kind)
    if cut is None:
        raise ValueError(f"no chunking strategy {strategy.kind!r}, only {', '.join(STRATEGIES)}")
    return list(cut(document, strategy, token_spans))


def default(document: ParsedDocument, strategy: Strategy, token_spans: TokenSpans) -> Iterator[Chunk]:
    """Whole sentences up to the size; one is cut only if it alone is longer. The overlap is whole sentences too."""
    return _by_page(document, strategy, token_spans, strict_size=False)


def fixed(document: ParsedDocument, strategy: Strategy, token_spans: TokenSpans) -> Iterator[Chunk]:
    """Near the size: at the end of a sentence if one is near, else between words."""
    return _by_page(document, strategy, token_spans, strict_size=True)


def none(document: ParsedDocument, strategy: Strategy, token_spans: TokenSpans) -> Iterator[Chunk]:
    """The whole document, without a page."""
    headings = Headings()
    texts = [text for page in document.pages if (text := PageText(page, headings, token_spans)).text.strip()]
    if texts:
        whole = "\n\n".join(text.text for text in texts)
        attributes = texts[0].page.attributes if len(texts) == 1 else ()
        yield Chunk(0, whole, None, attributes=attributes, tokens=sum(text.tokens(0, len(text.text)) for text in texts))


STRATEGIES: Mapping[str, Callable[[ParsedDocument, Strategy, TokenSpans], Iterator[Chunk]]] = MappingProxyType(
    {"default": default, "fixed": fixed, "none": none}
)


def _by_page(
    document: ParsedDocument, strategy: Strategy, token_spans: TokenSpans, strict_size: bool
) -> Iterator[Chunk]:
    if strategy.max_tokens < 1 or not 0 <= strategy.overlap_percent <= 99:
        raise ValueError("max_tokens must be at least 1, overlap_percent from 0 to 99")
    headings = Headings()
    ordinal = 0
    for page in document.pages:
        text = PageText(page, headings, token_spans)
        for packed in Packer(text, strategy.max_tokens, strategy.overlap_percent, strict_size).pack():
            yield Chunk(
                ordinal,
                packed.text,
                page.number,
                _SEPARATOR.join(packed.section),
                packed.box,
                page.attributes,
                packed.tokens,
            )
            ordinal += 1
