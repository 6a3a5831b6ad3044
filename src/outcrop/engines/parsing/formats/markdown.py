"""Markdown (CommonMark with tables): headings, paragraphs, lists, tables, code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import Block, Page, ParsedDocument
from outcrop.engines.parsing.formats.decoding import read_text

if TYPE_CHECKING:
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"---\n(.*?\n)(?:---|\.\.\.)\n", re.S)
_FRONT_TITLE = re.compile(r"^title:\s*[\"']?(.*?)[\"']?\s*$", re.M)
_TAG = re.compile(r"<[^>]{0,2000}>")
_DEPTH = 50


def read(path: Path, budget: Budget) -> ParsedDocument:
    from markdown_it import MarkdownIt

    text, warnings = read_text(path, budget)
    title = ""
    if front := _FRONT_MATTER.match(text):
        text = text[front.end() :]
        if named := _FRONT_TITLE.search(front[1]):
            title = named[1]
    parser = MarkdownIt("commonmark", {"maxNesting": _DEPTH}).enable("table")
    blocks = tuple(_Blocks(parser.parse(text)))
    title = title or next((block.text for block in blocks if block.kind == "heading" and block.level == 1), "")
    return ParsedDocument((Page(None, blocks),), title, warnings)


class _Blocks:
    """Iterates over the blocks of a token stream."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def __iter__(self) -> Iterator[Block]:
        while self._position < len(self._tokens):
            token = self._tokens[self._position]
            self._position += 1
            match token.type:
                case "heading_open":
                    text = _inline(self._tokens[self._position])
                    if text:
                        yield Block("heading", text, level=int(token.tag[1:]))
                    self._position += 1
                case "inline":
                    if text := _inline(token):
                        yield Block("text", text)
                case "fence" | "code_block":
                    if token.content.strip():
                        yield Block("code", token.content.rstrip("\n"))
                case "html_block":
                    if text := " ".join(_TAG.sub(" ", token.content).split()):
                        yield Block("text", text)
                case "table_open":
                    yield Block("table", "\n".join(self._rows()))
                case "bullet_list_open" | "ordered_list_open":
                    yield from self._list(token)

    def _rows(self) -> Iterator[str]:
        cells: list[str] = []
        while (token := self._next()).type != "table_close":
            if token.type == "inline":
                cells.append(_inline(token))
            elif token.type == "tr_close":
                yield " | ".join(cells)
                cells = []

    def _list(self, opening: Token) -> Iterator[Block]:
        """One block, an item a line; code and tables inside are blocks of their own."""
        lines: list[str] = []
        markers = [_Marker(opening)]
        fresh = False
        while markers:
            token = self._next()
            match token.type:
                case "bullet_list_open" | "ordered_list_open":
                    markers.append(_Marker(token))
                case "bullet_list_close" | "ordered_list_close":
                    markers.pop()
                case "list_item_open":
                    fresh = True
                case "inline":
                    text = _inline(token)
                    if fresh or not lines:
                        lines.append("  " * (len(markers) - 1) + markers[-1].next() + text)
                    else:
                        lines[-1] += " " + text
                    fresh = False
                case "fence" | "code_block" | "table_open":
                    if lines:
                        yield Block("list", "\n".join(lines))
                        lines = []
                    if token.type == "table_open":
                        yield Block("table", "\n".join(self._rows()))
                    else:
                        yield Block("code", token.content.rstrip("\n"))
        if lines:
            yield Block("list", "\n".join(lines))

    def _next(self) -> Token:
        token = self._tokens[self._position]
        self._position += 1
        return token


class _Marker:
    def __init__(self, opening: Token) -> None:
        self._number = int(opening.attrs.get("start", 1)) if opening.type == "ordered_list_open" else None

    def next(self) -> str:
        if self._number is None:
            return "- "
        self._number += 1
        return f"{self._number - 1}. "


def _inline(token: Token) -> str:
    """The text without its marks; of a picture its description."""
    parts: list[str] = []
    for child in token.children or ():
        if child.type in ("text", "code_inline", "image"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak", "html_inline"):
            parts.append(" ")
    return " ".join("".join(parts).split())
