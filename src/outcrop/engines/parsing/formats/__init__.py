"""Readers by file name extension. A reader is a function `read(path, budget) -> ParsedDocument` in its own module,
imported when the first file of its kind comes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import ParsedDocument, UnsupportedFormat

Reader = Callable[[Path, Budget], ParsedDocument]

READERS: Mapping[str, str] = MappingProxyType(
    {
        ".pdf": "outcrop.engines.parsing.pdf.file",
        ".txt": "outcrop.engines.parsing.formats.text",
        ".md": "outcrop.engines.parsing.formats.markdown",
        ".html": "outcrop.engines.parsing.formats.html",
        ".csv": "outcrop.engines.parsing.formats.csv",
        ".docx": "outcrop.engines.parsing.formats.docx",
        ".doc": "outcrop.engines.parsing.formats.doc",
        ".xlsx": "outcrop.engines.parsing.formats.sheets",
        ".xls": "outcrop.engines.parsing.formats.sheets",
    }
)
"""Extension, in lower case -> the module whose `read` reads it."""


def extension(name: str) -> str:
    """`.pdf` of `Week 1.PDF`; empty if there is none."""
    return Path(name.rsplit("/", 1)[-1]).suffix.lower()


def supported(name: str) -> bool:
    return extension(name) in READERS


def reader_name(name: str) -> str:
    """The module that reads files of this name. Raises `UnsupportedFormat` if none does."""
    module = READERS.get(extension(name))
    if module is None:
        kind = f"the format {extension(name)}" if extension(name) else "a file without an extension"
        raise UnsupportedFormat(f"{kind} is not supported, only {', '.join(sorted(READERS))}")
    return module


def reader(name: str) -> Reader:
    read: Reader = importlib.import_module(reader_name(name)).read
    return read
