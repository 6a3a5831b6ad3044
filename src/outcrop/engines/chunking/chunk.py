"""What a chunker makes of a parsed document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
    attributes: tuple[tuple[str, str], ...] = ()
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Strategy:
    """How to cut. `default` and `fixed` take `max_tokens` and `overlap_percent`; `none` makes one chunk a document."""

    kind: Literal["default", "fixed", "none"] = "default"
    max_tokens: int = 300
    overlap_percent: int = 20
