"""Text as it was before it was typeset: ligatures apart, words that a line end broke whole again."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

HYPHEN = "\u00ad"
"""Stands where a line ended in a hyphen, until the whole document is known."""

# Presentation forms of Latin letters, and radicals that some fonts give in place of the characters.
_COMPATIBLE = re.compile("[\ufb00-\ufb06\u2f00-\u2fd5\u2ea0-\u2ef3]")
_NOTHING = dict.fromkeys([0xFEFF, 0x200B, 0x2060, 0xFFFE, 0xFFFF, 0xFFFD, *range(0xD800, 0xE000)])
_BROKEN = re.compile(rf"(\w*){HYPHEN}(\w*)")
_HYPHENATED = re.compile(r"\w+(?:-\w+)+")
_WORD = re.compile(r"\w{3,}")


def clean(text: str) -> str:
    """Ligatures apart, nothing unprintable."""
    if text.isascii():
        return text
    if any("\ud800" <= character <= "\udfff" for character in text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    text = _COMPATIBLE.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
    return text.translate(_NOTHING)


def is_cjk(character: str) -> bool:
    """Written without spaces between words: no space is wanted where a line ended."""
    return "\u2e80" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff" or "\uff00" <= character <= "\uffef"


def join(before: str, after: str) -> str:
    """Two lines of one paragraph."""
    if not before or not after:
        return before or after
    if before.endswith(HYPHEN):
        return before + after
    if before[-1] in "-\u2010" and len(before) > 1 and before[-2].isalpha() and after[0].isalpha():
        return before[:-1] + HYPHEN + after
    if is_cjk(before[-1]) and is_cjk(after[0]):
        return before + after
    return f"{before} {after}"


class Vocabulary:
    """The words of a document, to tell `mul-tiple` (one word) from `open-source` (two)."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._words: Counter[str] = Counter()
        for text in texts:
            lowered = _BROKEN.sub(" ", text.lower())
            self._words.update(_WORD.findall(lowered))
            self._words.update(_HYPHENATED.findall(lowered))

    def mend(self, text: str) -> str:
        return _BROKEN.sub(self._decide, text)

    def _decide(self, match: re.Match[str]) -> str:
        first, second = match.groups()
        whole, hyphenated = (first + second).lower(), f"{first}-{second}".lower()
        if not first or not second or not second[0].isalpha() or not first[-1].isalpha():
            return f"{first}-{second}"
        if self._words[hyphenated] > self._words[whole]:
            return f"{first}-{second}"
        if self._words[whole]:
            return first + second
        two_words = self._words[first.lower()] and self._words[second.lower()]
        return f"{first}-{second}" if two_words or second[0].isupper() else first + second
