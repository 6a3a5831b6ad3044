"""Bytes of a text file -> characters."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import ParseError

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
_NOT_UTF8 = "the text is not UTF-8; it was read as Windows-1252"


def read_text(path: Path, budget: Budget, fallback: str = "cp1252") -> tuple[str, tuple[str, ...]]:
    """The text with `\\n` line ends, and warnings. Raises `ParseError` for what is no text or has none."""
    data = path.read_bytes()
    warnings: tuple[str, ...] = ()
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    if encoding == "utf-8" and data[:65536].count(0) > len(data[:65536]) // 100:
        raise ParseError("the file is not text: it has null bytes")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode(fallback, errors="replace")
        warnings = (_NOT_UTF8,)
    budget.take_characters(len(text))
    text = _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.strip():
        raise ParseError("the file has no text")
    return text, warnings
