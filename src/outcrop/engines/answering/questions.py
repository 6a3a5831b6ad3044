"""What a question asks for, read off its words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

from outcrop.engines.indexing.stemming import stem
from outcrop.engines.indexing.terms import query_terms, terms

Kind = Literal[
    "definition",
    "person",
    "date",
    "place",
    "count",
    "amount",
    "method",
    "mechanism",
    "reason",
    "difference",
    "list",
    "fact",
]

_SUBJECT = r"(?:(?:an?|the)\s+)?(?P<subject>.+?)\s*[?.!]*$"
_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("difference", r"\bdiffer(?:ence|ences|s|ent)?\b.*\b(?:between|from|and)\b|\bcompare|\bversus\b|\bvs\.?\s"),
    ("reason", r"^(?:so\s+|and\s+)?why\b|\bwhat\b.*\b(?:reasons?|causes?)\b|^for what reason|\bhow come\b"),
    ("count", r"\bhow many\b|\bwhat (?:is )?(?:the )?(?:number|count|total number) of\b|\bhow often\b"),
    ("amount", r"\bhow (?:much|long|old|big|large|fast|far|high|tall|deep|heavy|wide)\b|\b(?:percentage|percent)\b"),
    ("amount", r"\bwhat (?:is|was|are|were|does|did|do)\b.*\b(?:price|costs?|fees?|salary|rent|revenue|income)\b"),
    ("amount", r"\bwhat (?:is|was|are|were) the\b.*\b(?:share|amount|value|size|length|duration|rate)\b.*\bof\b"),
    ("date", r"^when\s+(?:was|were|did|is|are|will|does|do|has|have)\b|\b(?:what|which) (?:year|date|day|month)\b"),
    ("date", r"\bsince when\b|\bdate of\b"),
    ("person", r"^(?:by\s+)?(?:who|whom|whose)\b"),
    ("place", r"^(?:from\s+)?where\b|\b(?:in )?(?:what|which) (?:city|country|place|region)\b"),
    ("method", r"\bhow (?:do|can|could|should|would|to|does one|must)\b|\bsteps?\b.*\bto\b|^(?:show|teach) me how\b"),
    ("mechanism", r"^how (?:is|are|was|were|does|did)\b|\bwhat (?:happens|does)\b.*\b(?:when|if|at|do)\b"),
    ("list", r"^(?:(?:for|in|on|by|with|to|from|at|of|under)\s+(?:which|what)|which|list|name|enumerate)\b"),
    ("list", r"\bwhat (?:are|were)\b(?! (?:an?|the difference))"),
    ("list", r"\bwhat (?:kinds?|types?|sorts?) of\b|\bgive (?:me )?(?:examples|a list)\b"),
    (
        "definition",
        r"^(?:so\s+|and\s+)?(?:what(?:'s|’s|\s+is|\s+are|\s+was|\s+were)|define|explain|describe|meaning of)\b",
    ),
    ("definition", r"\bwhat (?:does|do)\b.*\b(?:mean|stand for)\b|\bwhat is meant by\b|\bdefinition of\b"),
    ("definition", r"とは|是什么|什么是"),
)
_DEFINED = tuple(
    re.compile(pattern + _SUBJECT, re.IGNORECASE)
    for pattern in (
        r"^(?:so\s+|and\s+)?what(?:'s|’s|\s+is|\s+are)\s+(?:exactly\s+|meant\s+by\s+)?"
        r"(?:the\s+(?:meaning|definition)\s+of\s+)?",
        r"^(?:please\s+)?(?:can\s+you\s+)?(?:define|explain|describe)\s+(?:what\s+)?",
        r"^what\s+(?:does|do)\s+(?=.*\b(?:mean|stand\s+for)\b)",
        r"^how\s+(?:does|do|is|are)\s+(?=.*\b(?:work|works|function|trained|computed|calculated|defined|built)\b)",
    )
)
_OF = re.compile(
    r"^(?:so\s+|and\s+)?(?:what|who|which)(?:'s|’s|\s+(?:is|are|was|were))\s+(?:the\s+)?(?P<head>.{2,40}?)\s+of\s",
    re.IGNORECASE,
)
_SOUGHT = re.compile(
    r"(?:^|\s)(?:which|what|what\s+(?:are|were)\s+the|list|name)\s+(?:(?:the|all|kinds?|types?|sorts?|other|different|main|of)\s+)*"
    r"(?P<noun>[^\W\d_]{3,}(?:\s+[^\W\d_]{3,}(?=\s+(?:is|are|was|were|do|does|did|can|has|have)\b))?)",
    re.IGNORECASE,
)
ABSTRACT = frozenset(
    stem(word)
    for word in """
    purpose goal aim role meaning difference reason idea point advantage advantages disadvantage disadvantages benefit
    benefits use function importance definition main concept objective objectives part parts kind kinds type types
    example examples name names content contents topic topics effect effects impact
    """.split()  # noqa: SIM905
)
_TAIL = re.compile(
    r"\s+(?:means?|stands? for|is|are|works?|function|trained|computed|calculated|defined|built"
    r"|in (?:simple terms|detail|short|one sentence))$",
    re.IGNORECASE,
)
_SETTING = re.compile(r"\s+(?:in|within|for|according to|with)\s.*$", re.IGNORECASE)

# Words that belong to the question, not to what it is about.
_ASKING = frozenset(
    stem(word)
    for word in """
    many much often long exactly actually explain describe define definition meaning mean stand tell show list name
    give please example examples difference differences between compare comparison versus vs reason reasons mainly
    simple terms detail short sentence words kind kinds type types sort sorts know like want need find someone people
    possible way ways one main work works happen happens
    """.split()  # noqa: SIM905
)
_FUNCTION_WORDS = {
    "de": """der die das den dem des ein eine einen einem einer und oder ist sind war waren wird werden wurde wurden was
        wer wie wo wann warum wieso welche welcher welches viel viele kann man ich du er sie es wir ihr nicht kein keine
        mit von zu zum zur im in am an auf aus bei nach vor über unter für durch um als auch noch nur dass ob wenn mir
        mich sich bitte gibt es""",
    "fr": """le la les un une des du de d l et ou est sont était quel quelle quels quelles que qui quoi comment où quand
        pourquoi combien je tu il elle nous vous ils elles ne pas avec pour dans sur par au aux ce cette ces se y a en
        qu'est-ce""",
    "es": """el la los las un una unos unas de del y o es son era fue qué que quién quien quiénes cuál cual cuáles cómo
        como dónde donde cuándo cuando cuánto cuántos cuánta cuántas por para con en se no yo tú él ella nosotros su sus
        hay al lo""",
    "it": """il lo la i gli le un uno una di del della dei delle e o è sono era che chi cosa quale quali come dove
        quando perché quanto quanti quanta quante per con in su da dal non io tu lui lei noi voi loro si c'è al""",
    "pt": """o a os as um uma uns umas de do da dos das e ou é são era foi que quem qual quais como onde quando porquê
        quanto quantos quanta quantas por para com em no na se não eu tu ele ela nós seu sua há ao""",
    "nl": """de het een en of is zijn was waren wat wie welke hoe waar wanneer waarom hoeveel kan men ik jij hij zij wij
        niet geen met van naar in op aan uit bij voor door om als ook nog dat er""",
}  # fmt: skip
_ENGLISH = frozenset(
    """
    the a an of and or is are was were what who how where when why which do does did can could should i you he she it
    we they not with to in on at from by for as that this there if me my your about many much
    """.split()  # noqa: SIM905
)
_OTHER = {language: frozenset(words.split()) for language, words in _FUNCTION_WORDS.items()}
_CJK = re.compile(r"[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af]")


_HIRAGANA = re.compile(r"[\u3041-\u309f]")
_CJK_TOPIC = re.compile(r"(?P<topic>[^\s？?、。]{1,40}?)(?:とは|って何|というのは|は何|是什么|是什麼)")
_CJK_ASKED = re.compile(r"(?:什么|甚么|什麼)是(?P<topic>[^\s？?、。]{1,40})")


@dataclass(frozen=True)
class Question:
    text: str

    @cached_property
    def kind(self) -> Kind:
        for kind, pattern in _PATTERNS:
            if re.search(pattern, self.text, re.IGNORECASE):
                return kind
        return "fact"

    @cached_property
    def language(self) -> str:
        return language(self.text)

    @cached_property
    def terms(self) -> list[str]:
        """What the question is about, as terms."""
        foreign = {term for word in _OTHER.get(self.language, ()) for term in terms(word)}
        found = [term for term in query_terms(self.text) if term not in foreign]
        telling = [term for term in found if term not in _ASKING and not _HIRAGANA.search(term)]
        return telling or found

    @cached_property
    def subjects(self) -> list[list[str]]:
        """Of `What is a factor in R?` the terms of `factor in R` and of `factor`, without stop words."""
        for pattern in _DEFINED:
            match = pattern.search(self.text.strip())
            if match:
                whole = _TAIL.sub("", match["subject"])
                readings = (query_terms(text) for text in dict.fromkeys((whole, _SETTING.sub("", whole))))
                return [reading for reading in readings if reading]
        return []

    @cached_property
    def sought(self) -> re.Pattern[str] | None:
        """Of `Which datasets are used?` the noun, to be found in singular or plural; None if no noun follows."""
        match = _SOUGHT.search(self.text)
        if not match:
            return None
        noun = match["noun"].split()[-1].lower()
        return re.compile(rf"\b{re.escape(noun.removesuffix('s'))}(?:s|es)?\b", re.IGNORECASE)

    @cached_property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """Neighbouring terms, such as `fair value`."""
        return pairs(self.text)

    @cached_property
    def topic(self) -> str:
        """Of a question in Chinese or Japanese what it is about, as written: `トークン` of `トークンとは何ですか？`."""
        match = _CJK_TOPIC.match(self.text.strip()) or _CJK_ASKED.match(self.text.strip())
        return match["topic"] if match else ""

    @cached_property
    def head(self) -> list[str]:
        """Of `What is the phone number of Octank?` the terms of `phone number`; empty if that could be said otherwise
        (`What is the purpose of …`)."""
        match = _OF.search(self.text.strip())
        found = query_terms(match["head"]) if match else []
        return [] if any(term in ABSTRACT for term in found) else found


def pairs(text: str) -> frozenset[tuple[str, str]]:
    """Neighbouring terms of a text; stop words part them."""
    spoken = [term if term in telling else "" for telling in [set(query_terms(text, 512))] for term in terms(text)]
    return frozenset(pair for pair in pairwise(spoken) if all(pair))


def language(text: str) -> str:
    """`en`, `de`, `fr`, `es`, `it`, `pt`, `nl`, `cjk`, or empty if it can't be told: whose little words are most."""
    text = text[:4000]
    if len(_CJK.findall(text)) * 3 > len(text):
        return "cjk"
    spoken = re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text.lower())
    counts = {"en": _count(spoken, _ENGLISH), **{name: _count(spoken, words) for name, words in _OTHER.items()}}
    best = max(counts, key=lambda name: counts[name])
    rival = max(count for name, count in counts.items() if name != best)
    return best if counts[best] > rival and counts[best] else ""


def _count(spoken: Sequence[str], known: frozenset[str]) -> int:
    return sum(word in known for word in spoken)
