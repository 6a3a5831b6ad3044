"""How much of a document is read, and who hears of the progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from outcrop.engines.parsing.document import ParseError


def _silent(progress: str) -> None:
    return None


@dataclass(slots=True)
class Budget:
    """Passed through a reader; raises `ParseError` when the document has more than it allows."""

    file_bytes: int = 50 * 1024 * 1024
    pages: int = 5_000
    characters: int = 20_000_000
    report: Callable[[str], None] = field(default=_silent)
    """Hears what is being read, such as `page 12 of 400`."""

    def check_bytes(self, size: int) -> None:
        if size == 0:
            raise ParseError("the file is empty")
        if size > self.file_bytes:
            raise ParseError(f"the file has {size:,} bytes; at most {self.file_bytes:,} are read")

    def check_pages(self, count: int) -> None:
        if count > self.pages:
            raise ParseError(f"the document has {count:,} pages; at most {self.pages:,} are read")

    def take_characters(self, count: int) -> None:
        """Counts down; `characters` is what is left."""
        if count > self.characters:
            raise ParseError("the document has more text than the limit allows")
        self.characters -= count
