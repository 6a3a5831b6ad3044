"""What a chunker makes of a parsed document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Parent:
    """The larger text that a hierarchical chunk was cut from, and that stands for it in results."""

    ordinal: int
    """Position among the document's parents, from 0."""
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Chunk:
    ordinal: int
    """Position in the document, from 0."""
    text: str
    page: int | None
    """From 1; None where the format has no pages."""
    section: str = ""
    """The headings above it, joined by ` › `."""
    box: tuple[float, float, float, float] | None = None
    """The rectangle of its text on the page, as in `Block.box`."""
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    """The rectangles of its parts, one a block; of a block that is only partly in it, the share by its characters."""
    attributes: tuple[tuple[str, str], ...] = ()
    tokens: int = 0
    parent: Parent | None = None
    """Only of the hierarchical strategy; children of one parent share it."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """How to cut. `default` and `fixed` take `max_tokens` and `overlap_percent`; `none` makes one chunk a document;
    `hierarchical` cuts parents of `parent_tokens`, and those into chunks of `max_tokens`, each with an overlap of
    `overlap_tokens`; `semantic` cuts where the meaning changes most, into chunks of at most `max_tokens`."""

    kind: Literal["default", "fixed", "none", "hierarchical", "semantic"] = "default"
    max_tokens: int = 300
    overlap_percent: int = 20
    parent_tokens: int = 1500
    overlap_tokens: int = 60
    buffer_size: int = 0
    """Neighbours on each side that a sentence is compared together with."""
    breakpoint_percentile: int = 95
    """Cuts are made at the pairs of neighbours that are less alike than this share of all pairs, in percent."""
