"""Questions that are several: `What is osmosis and how does dialysis work?`"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from outcrop.engines.answering.conversation import resolve

MOST = 5
_LONGEST = 1000
_ASKS = (
    r"(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|does|do|did|can|could|should|will|has|have"
    r"|define|explain|describe|list|name|compare|tell|give|show)\b"
)
_END = re.compile(r"(?<=[?!])\s+|(?<=[.;])\s+(?=" + _ASKS + ")", re.IGNORECASE)
_JOINED = re.compile(
    r"\s*(?:[,;]\s*(?:and|but|or|then)?|\b(?:and|but|as well as|and also|and then))\s+(?:also\s+)?(?=" + _ASKS + ")",
    re.IGNORECASE,
)
_FULL = re.compile(_ASKS, re.IGNORECASE)
_LEAD = re.compile(r"^(?:(?:and|but|also|then|so|or)\b[\s,]*)+(?=" + _ASKS + ")", re.IGNORECASE)
_DIFFERENCE = re.compile(
    r"(?:what(?:\s+is|\s+are|['’]s)?|explain|describe|tell me|give)?\s*(?:the\s+)?"
    r"(?:main\s+|key\s+)?(?:differences?|distinctions?|relationship|similarit(?:y|ies)|trade-?offs?)\s+between\s+"
    r"(?P<one>.+?)\s+and\s+(?P<two>.+?)(?P<tail>\s+(?:in terms of|regarding|for|when|with respect to)\s+.+?)?\W*$",
    re.IGNORECASE,
)
_DIFFERS = re.compile(
    r"how\s+(?:do|does|is|are)\s+(?P<one>.+?)\s+(?:(?:differ(?:s|ent)?\s+from|compare(?:s|d)?\s+(?:to|with))\s+(?P<two>.+?)"
    r"|and\s+(?P<too>.+?)\s+(?:differ|different|compare|related))\W*$",
    re.IGNORECASE,
)
_COMPARE = re.compile(
    r"(?:please\s+)?compare\s+(?P<one>.+?)\s+(?:and|with|to|vs\.?|versus|against)\s+(?P<two>.+?)"
    r"(?P<tail>\s+(?:in terms of|regarding|by|on|for|with respect to)\s+.+?)?\W*$",
    re.IGNORECASE,
)
_CHOICE = re.compile(
    r"(?P<asks>(?:which|who|what)\b[^,:]*?(?:\b\w+er\b|\bmore\b|\bless\b|\bbetter\b|\bbest\b|\bmost\b|\bleast\b)[^,:]*?)"
    r"[,:]\s*(?P<one>.+?)\s*,?\s+or\s+(?P<two>.+?)\W*$",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"(?P<asks>(?:what|who|when|where|how)\s+(?:is|are|was|were|does|do|did|can|much\s+\w+|many\s+\w+|long\s+\w+)\s+.*?"
    r"\b(?:of|for|in|by|between|on|about|does|do|did|are|is|were|was)\s+)"
    r"(?P<items>[^,?]+(?:,\s*[^,?]+)*,?\s+and\s+[^,?]+?)(?P<tail>\s+(?:last|cost|work|run|take|have|differ|need|use|mean|erupt)\b[^,?]*)?\W*$",
    re.IGNORECASE,
)
_ITEM_WORDS = 6


def decompose(question: str) -> list[str]:
    """The questions that a compound one is made of, each complete in itself, in order, five at most; the question
    alone if it is one. Deterministic."""
    question = " ".join(question[:_LONGEST].split())
    found: list[str] = []
    for sentence in _sentences(question):
        before = found[-1] if found else ""
        whole = resolve(sentence, [(before, "")]) if before else sentence
        found.extend(_parts(whole))
    unique = list(dict.fromkeys(one for one in found if one.strip(" ?.!")))
    return unique[:MOST] or [question]


def _sentences(question: str) -> Iterator[str]:
    """Questions that follow one another, and clauses that each ask."""
    for sentence in _END.split(question):
        pieces = [piece for piece in _JOINED.split(_LEAD.sub("", sentence)) if piece.strip(" ,;")]
        clauses: list[str] = []
        for piece in pieces:
            if clauses and not _FULL.match(clauses[-1]):
                clauses[-1] = f"{clauses[-1]}, {piece}"
            else:
                clauses.append(piece)
        for number, clause in enumerate(clauses):
            yield clause if number == len(clauses) - 1 else f"{clause.rstrip(' ,;')}?"


def _parts(question: str) -> Sequence[str]:
    if match := _DIFFERENCE.match(question) or _COMPARE.match(question):
        tail = (match["tail"] or "").strip()
        return [question, _about(match["one"], tail), _about(match["two"], tail)]
    if (match := _DIFFERS.match(question)) and len(match["one"].split()) <= _ITEM_WORDS:
        return [question, _about(match["one"], ""), _about(match["two"] or match["too"], "")]
    if match := _CHOICE.match(question):
        return [question, _about(match["one"], match["asks"]), _about(match["two"], match["asks"])]
    if match := _LISTED.match(question):
        items = [item.strip() for item in re.split(r",\s*(?:and\s+)?|\s+and\s+", match["items"]) if item.strip()]
        if len(items) > 1 and all(len(item.split()) <= _ITEM_WORDS for item in items):
            return [f"{match['asks']}{item}{match['tail'] or ''}?" for item in items]
    return [question]


def _about(thing: str, aspect: str) -> str:
    thing = thing.strip(" ,;")
    if not aspect:
        return f"What is {thing}?"
    aspect = re.sub(r"^(?:which|who|what)\s+(?:one\s+)?(?:is|are|was|has|have)?\s*", "", aspect, flags=re.IGNORECASE)
    return f"{thing} {aspect}".strip() + "?"
