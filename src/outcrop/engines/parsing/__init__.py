"""Files -> pages of headings, paragraphs, lists, tables and code, in reading order.

`Parser` reads strangers' files in limited child processes; `parse_file` reads one's own in this process. Both are
imported when first asked for: the child needs no more than `parse_file`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outcrop.engines.parsing.files import parse_file
    from outcrop.engines.parsing.parser import ParseLimits, Parser

__all__ = ["ParseLimits", "Parser", "parse_file"]


def __getattr__(name: str) -> object:
    if name == "parse_file":
        from outcrop.engines.parsing.files import parse_file

        return parse_file
    if name in ("Parser", "ParseLimits"):
        from outcrop.engines.parsing import parser

        return getattr(parser, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
