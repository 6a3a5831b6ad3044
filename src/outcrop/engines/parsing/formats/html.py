"""HTML: what a reader of the page reads, as headings, paragraphs, lists, tables, code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import Block, BlockKind, Page, ParsedDocument, ParseError
from outcrop.engines.parsing.formats.decoding import read_text

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_DROPPED = frozenset(
    """
    script style nav noscript template svg iframe object head header footer aside form button select dialog
    """.split()  # noqa: SIM905
)
_BLOCKS = frozenset(
    """
    p div section article main body ul ol dl li dt dd table tr pre blockquote h1 h2 h3 h4 h5 h6 figure figcaption
    address details summary hr fieldset center
    """.split()  # noqa: SIM905  (a list of words reads better as words)
)
_CONTENT_CHARACTERS = 200
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{2,30})", re.I)
_MARKER = re.compile(r"-|-?[0-9]+\.")
_SPACE = re.compile(r"[ \t\n\r\f\xa0]+")


def read(path: Path, budget: Budget) -> ParsedDocument:
    from selectolax.lexbor import LexborHTMLParser

    text, warnings = read_text(path, budget, _declared_encoding(path))
    tree = LexborHTMLParser(text)
    named = tree.css_first("title")
    title = _squeeze(named.text()) if named else ""
    root = _main_part(tree.body)
    collector = _Collector()
    if root is not None:
        collector.walk(root)
        collector.flush()
    if not collector.blocks:
        raise ParseError("the page has no text")
    title = title or next((block.text for block in collector.blocks if block.kind == "heading"), "")
    return ParsedDocument((Page(None, tuple(collector.blocks)),), title, warnings)


def _declared_encoding(path: Path) -> str:
    with path.open("rb") as file:
        declared = _CHARSET.search(file.read(4096))
    name = declared[1].decode().lower() if declared else "cp1252"
    try:
        b"".decode(name)
    except LookupError:
        return "cp1252"
    return name


def _main_part(body: LexborNode | None) -> LexborNode | None:
    """The part that is marked as the content, if it holds some."""
    if body is None:
        return None
    for selector in ("main", "[role=main]", "article"):
        found = body.css(selector)
        if len(found) == 1 and len(found[0].text()) >= _CONTENT_CHARACTERS:
            return found[0]
    return body


class _Collector:
    """Walks the tree without recursion: hostile pages nest deeply."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._words: list[str] = []
        self._kind: BlockKind = "text"
        self._level = 0
        self._lists: list[int | None] = []

    def walk(self, root: LexborNode) -> None:
        stack: list[tuple[LexborNode, bool]] = [(root, False)]
        while stack:
            node, leaving = stack.pop()
            tag = node.tag or ""
            if leaving:
                self._leave(tag)
                continue
            if tag == "-text":
                self._words.append(node.text_content or "")
                continue
            if tag in _DROPPED or _is_hidden(node):
                continue
            if tag == "pre":
                self.flush()
                self._add("code", node.text().strip("\n"))
                continue
            if tag == "table" and not node.css_first("table table"):
                self.flush()
                self._add("table", _table(node))
                continue
            self._enter(node, tag)
            stack.append((node, True))
            children = []
            child = node.child
            while child is not None:
                children.append((child, False))
                child = child.next
            stack += reversed(children)

    def _enter(self, node: LexborNode, tag: str) -> None:
        if tag in ("br", "td", "th"):
            self._words.append(" ")
        elif tag == "img":
            self._words.append(f" {node.attributes.get('alt') or ''} ")
        if tag not in _BLOCKS:
            return
        self.flush()
        if tag in ("ul", "ol"):
            self._lists.append(_start(node) if tag == "ol" else None)
        elif tag == "li":
            self._kind = "list"
            self._words.append("  " * (len(self._lists) - 1) + self._marker())
        elif tag[0] == "h" and tag[1:].isdigit():
            self._kind, self._level = "heading", int(tag[1])

    def _leave(self, tag: str) -> None:
        if tag not in _BLOCKS:
            return
        self.flush()
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()

    def _marker(self) -> str:
        if not self._lists or self._lists[-1] is None:
            return "- "
        number = self._lists[-1]
        self._lists[-1] = number + 1
        return f"{number}. "

    def flush(self) -> None:
        """Ends the block that the words so far belong to."""
        text = "".join(self._words)
        kind, self._kind = self._kind, "text"
        level, self._level = self._level, 0
        self._words = []
        squeezed = _squeeze(text)
        if kind == "list":
            if squeezed and not _MARKER.fullmatch(squeezed):
                indent = text[: len(text) - len(text.lstrip(" "))][:20]
                self._item(indent + squeezed)
        elif squeezed:
            self._add(kind, squeezed, level)

    def _item(self, line: str) -> None:
        last = self.blocks[-1] if self.blocks else None
        if last is not None and last.kind == "list":
            self.blocks[-1] = Block("list", f"{last.text}\n{line}")
        else:
            self.blocks.append(Block("list", line))

    def _add(self, kind: BlockKind, text: str, level: int = 0) -> None:
        if text.strip():
            self.blocks.append(Block(kind, text, level=level))


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    style = (attributes.get("style") or "").replace(" ", "").lower()
    return "hidden" in attributes or "display:none" in style or "visibility:hidden" in style


def _start(node: LexborNode) -> int:
    value = node.attributes.get("start") or "1"
    return int(value) if value.lstrip("-").isdecimal() and len(value) < 10 else 1


def _table(table: LexborNode) -> str:
    """A row a line."""
    lines = []
    for row in table.css("tr"):
        cells = [_squeeze(cell.text(separator=" ")) for cell in row.css("th, td")]
        if any(cells):
            lines.append(" | ".join(cells))
    caption = table.css_first("caption")
    return "\n".join([*([_squeeze(caption.text())] if caption else []), *lines])


def _squeeze(text: str) -> str:
    return _SPACE.sub(" ", text).strip()
