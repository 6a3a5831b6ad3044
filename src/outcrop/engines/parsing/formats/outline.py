"""Paragraphs of a word processor -> blocks: items of a list together, lines of code together."""

from __future__ import annotations

import re

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import Block, BlockKind

_SPACE = re.compile(r"[ \t\xa0]+")
_CODE = re.compile(r"code|preformatted|verbatim|listing|source", re.I)
_CONTENTS = re.compile(r"toc [1-9]", re.I)
_BULLETS = re.compile(r"[•▪◦·‣⁃*-]\s+")


def is_code_style(name: str) -> bool:
    return bool(_CODE.search(name))


def is_contents_style(name: str) -> bool:
    """Of a line in a table of contents."""
    return bool(_CONTENTS.fullmatch(name))


class Outline:
    """Collects blocks in order."""

    def __init__(self, budget: Budget) -> None:
        self.blocks: list[Block] = []
        self.title = ""
        self._budget = budget
        self._below_title = 0

    def document_title(self, text: str) -> None:
        """The title that stands at the head of the text; headings are below it."""
        text = squeeze(text)
        if text:
            self._below_title = 1
            self.title = self.title or text
            self._add(Block("heading", text, level=1))

    def heading(self, text: str, level: int) -> None:
        text = squeeze(text)
        if text:
            self._add(Block("heading", text, level=level + self._below_title))

    def text(self, text: str) -> None:
        """Line breaks inside stay."""
        text = "\n".join(line for line in map(squeeze, text.split("\n")) if line)
        if not text:
            return
        bullet = _BULLETS.match(text)
        if bullet and "\n" not in text:
            self.item("-", text[bullet.end() :], 0)
        else:
            self._add(Block("text", text))

    def item(self, label: str, text: str, depth: int) -> None:
        text = squeeze(text.replace("\n", " "))
        if text:
            self._line("list", "  " * min(depth, 10) + (f"{label} {text}" if label else text))

    def contents_entry(self, text: str) -> None:
        if text.strip():
            self._line("list", squeeze(text.replace("\t", " … ")))

    def code(self, text: str) -> None:
        self._line("code", text.rstrip())

    def table(self, rows: list[list[str]]) -> None:
        """Rows whose characters the caller has taken from the budget."""
        lines = [" | ".join(map(squeeze, row)) for row in rows if any(map(str.strip, row))]
        if lines:
            self.blocks.append(Block("table", "\n".join(lines)))

    def _line(self, kind: BlockKind, line: str) -> None:
        last = self.blocks[-1] if self.blocks else None
        if last is not None and last.kind == kind and len(last.text) < 20_000:
            self._budget.take_characters(len(line) + 1)
            self.blocks[-1] = Block(kind, f"{last.text}\n{line}")
        elif line.strip():
            self._add(Block(kind, line))

    def _add(self, block: Block) -> None:
        self._budget.take_characters(len(block.text))
        self.blocks.append(block)


def squeeze(text: str) -> str:
    return _SPACE.sub(" ", text).strip()
