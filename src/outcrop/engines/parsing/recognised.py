"""What OCR read on a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Line = tuple[str, float, float, float, float, float, float]
"""Text; left, bottom, right, top, baseline and font size in points, on the page as it was read."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was read on one page."""

    number: int
    width: float
    height: float
    """Of the page as it was turned to be read."""
    quarters: int
    """Clockwise, from how the page is shown to how it was read."""
    lines: tuple[Line, ...]

    def characters(self) -> int:
        return sum(len(line[0]) for line in self.lines)


def revived(fields: list[Any]) -> Recognised:
    """A page of what JSON made of it."""
    number, width, height, quarters, lines = fields
    return Recognised(number, width, height, quarters, tuple(tuple(line) for line in lines))
