"""From text to the terms that text search compares: folded case, no accents, English stems; scripts that are
written without spaces become overlapping pairs of characters."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from outcrop.engines.indexing.stemming import stem

VERSION = 1
"""Part of every index file. Raise it when `terms` answers differently, and indexes rebuild themselves."""

LONGEST = 48
"""Characters of a term; what is longer (a line of Base64) is cut."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u0dff"
_WORD = re.compile(
    rf"(?P<unspaced>[{_UNSPACED}\U00020000-\U0003ffff]+)"
    r"|(?P<number>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9]))"
    rf"|(?P<word>(?:(?![{_UNSPACED}])[^\W_]|[{_MARKS}])+(?:['’][^\W_]{{1,2}}\b)?)"
)
_RARE = re.compile(rf"[{_UNSPACED}\U00020000-\U0003ffff{_MARKS}]")
_PLAIN = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[^\W_]+(?:['’][^\W_]{1,2}\b)?")
"""What `_WORD` is, and ten times as fast, in a text with no character of `_RARE`."""

_ENGLISH = """
a about above after again against all also am an and any are aren't as at be because been before being below
between both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each few
for from further get give had hadn't has hasn't have haven't having he her here hers herself him himself his how i
if in into is isn't it its itself just let's me more most my myself no nor not of off on once only or other ought
our ours ourselves out over own please same shan't she should shouldn't so some such tell than that the their
theirs them themselves then there these they this those through to too under until up us very was wasn't we were
weren't what when where which while who whom whose why will with won't would wouldn't you your yours yourself
yourselves
"""

STOP_WORDS = frozenset(_ENGLISH.split())


def words(text: str) -> list[tuple[str, int, int]]:
    """(folded word, start, end) of every word of a text, in order; offsets are those of the text as given."""
    return [(_fold(match.group()), match.start(), match.end()) for match in _WORD.finditer(text)]


def terms(text: str, stemmed: bool = True) -> list[str]:
    """Every term of a text, in order, stop words included; `stemmed=False` leaves words of any language whole."""
    text = unicodedata.normalize("NFKC", text.replace("\0", " "))
    one = _term if stemmed else _whole
    if text.isascii() or not _RARE.search(text):
        return [term for term in map(one, _PLAIN.findall(text)) if term]
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        if match.lastgroup == "unspaced":
            found.extend(word[at : at + 2] for at in range(max(1, len(word) - 1)))
        else:
            found.append(one(word))
    return [term for term in found if term]


def query_terms(text: str, limit: int = 64) -> list[str]:
    """The distinct terms of a question without its stop words, or with them if there is nothing else."""
    every: dict[str, None] = {}
    useful: dict[str, None] = {}
    for term in terms(text):
        every[term] = None
        if term not in _STOP_TERMS:
            useful[term] = None
        if len(useful) == limit:
            break
    return list(useful or every)[:limit]


@lru_cache(maxsize=1 << 15)
def _fold(word: str) -> str:
    word = word.casefold().replace("’", "'")
    if word.isascii():
        return word
    decomposed = unicodedata.normalize("NFKD", word)
    return "".join(char for char in decomposed if not "\u0300" <= char <= "\u036f")


@lru_cache(maxsize=1 << 16)
def _term(word: str) -> str:
    if "," in word:
        return word.replace(",", "")
    folded = _fold(word)
    if folded in STOP_WORDS:
        return folded.replace("'", "")
    return stem(folded.partition("'")[0])[:LONGEST]


def _whole(word: str) -> str:
    return word.replace(",", "") if "," in word else _fold(word).partition("'")[0][:LONGEST]


_STOP_TERMS = frozenset(word.replace("'", "") for word in STOP_WORDS)
