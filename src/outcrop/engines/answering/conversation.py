"""Questions that lean on the one before: `and its cost?`"""

from __future__ import annotations

import re
from collections.abc import Sequence

from outcrop.engines.answering.questions import ABSTRACT, Question
from outcrop.engines.indexing.stemming import stem
from outcrop.engines.indexing.terms import STOP_WORDS, words

_LONGEST = 1000
_LONGEST_TOPIC = 200
_TURNS = 6
"""How far back a topic is looked for."""

_CLOSING = re.compile(
    r"(?:ok(?:ay)?|thanks?|thank you|thx|great|good|nice|cool|perfect|hello|hi|hey|bye|goodbye|yes|no|sure|wow|got it"
    r"|i see|danke|merci|gracias)\b[^?]*$",
    re.IGNORECASE,
)
_LEAD = re.compile(r"(?:(?:and|but|so|or|also|then|ok(?:ay)?|well|und|et|y|e)\b[\s,]*)+", re.IGNORECASE)
_FOREIGN_LEAD = re.compile(r"(?:und|et|y|e)\b", re.IGNORECASE)
_COMPARING = re.compile(
    r"(?:which|what)(?:\s+one)?\s+(?:is|are|was|would be)\s+(?:the\s+)?\w+(?:er|est|best|worst)\W*$", re.IGNORECASE
)
_LAST_WORD = re.compile(r"\b(?P<word>it|them|that|this|these|those|him|her)\W*$", re.IGNORECASE)
_WHAT_ABOUT = re.compile(r"(?:(?:what|how)\s+about|what\s+of|same\s+for)\s+(?P<rest>.+?)\s*\??$", re.IGNORECASE)
_MORE = re.compile(
    r"(?:(?:can|could)\s+you\s+)?(?:please\s+)?(?:tell\s+me\s+more|(?:explain|elaborate)(?:\s+(?:more|further|that|this|it))?"
    r"|(?:give|show)\s+(?:me\s+)?(?:an?\s+)?(?:other\s+)?examples?|(?:for|an?)\s+examples?|go\s+on|continue|more(?:\s+details?)?"
    r"|what\s+else|in\s+more\s+detail)\W*$",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?P<word>why(?:\s+not)?|how|when|where|who|since\s+when|how\s+so|what\s+for)\W*$", re.IGNORECASE)
_OWN = re.compile(r"\b(?:its|their|his|her)\b(?=\s+\w)", re.IGNORECASE)
_PERSONAL = re.compile(r"\b(?:it|they|them|he|she|him)\b", re.IGNORECASE)
_POINTING = re.compile(
    r"\b(?:this|that|these|those)\b(?=\s*(?:[?.!,]|$|\s(?:is|are|was|were|do|does|did|can|could|work|works|mean|means"
    r"|help|helps|used|called|different|better|important|useful|possible|true)\b))",
    re.IGNORECASE,
)
_POINTING_AT_NOUN = re.compile(r"\b(?:this|that|these|those|such\s+an?|such)\s+[^\W\d_]{3,}", re.IGNORECASE)
_EMPTY_IT = re.compile(
    r"\bit\s+(?:possible|necessary|true|important|better|worth|ok|allowed|rain|matter|depend)|\bmatter\s+if\b|\bit's\b",
    re.IGNORECASE,
)
_ORDINAL = re.compile(
    r"\b(?:the\s+)?(?P<which>first|second|third|fourth|fifth|last|former|latter|1st|2nd|3rd|4th|5th|other)"
    r"(?:\s+(?:one|option|point|step|item|type|kind|method))?(?=\W*$|\s+(?:do|does|is|was|work|mean))",
    re.IGNORECASE,
)
_PLACES = {
    "first": 0, "1st": 0, "former": 0, "second": 1, "2nd": 1, "latter": 1, "other": 1,
    "third": 2, "3rd": 2, "fourth": 3, "4th": 3, "fifth": 4, "5th": 4, "last": -1,
}  # fmt: skip
_ASKS = re.compile(
    r"(?:(?:please|can you|could you|would you|i want to know|do you know|tell me|show me)\s+)*"
    r"(?:(?:what|which|who|whom|whose|when|where|why|how)\b(?:\s+(?:many|much|often|long|old|big|kinds?\s+of|types?\s+of))?"
    r"(?:['’]s)?|define|explain|describe|list|name|compare|is|are|was|were|does|do|did|can|could|should|will|has|have)\b\s*"
    r"(?:(?:is|are|was|were|do|does|did|can|could|should|would|will|has|have|i|we|you|one|to|about|it|there|mean(?:t)?(?:\s+by)?)\b\s*)*"
    r"(?:(?:the\s+)?(?:difference|differences|meaning|definition|purpose|idea|goal)\s+(?:of|between|behind)\s+)?"
    r"(?:an?|the)?\s*",
    re.IGNORECASE,
)
_TRAILING = re.compile(
    r"\s+(?:work|works|mean|means|stand for|stands for|used for|used|use|do|does|good for|happen|happens|called)$",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"\b(?:an?|the)\s+$", re.IGNORECASE)
_PREPOSITION = re.compile(r"(?:of|for|in|on|with|by|from|to|at|between|under|during)\b", re.IGNORECASE)
_YEAR = re.compile(r"\b(?:1[5-9]|20)[0-9]{2}\b")
_PAIR = re.compile(
    r"(?:between\s+|compare\s+)?(?P<one>.+?)\s+(?:and|vs\.?|versus|or|with|from)\s+(?P<two>.+)$", re.IGNORECASE
)


def resolve(question: str, history: Sequence[tuple[str, str]]) -> str:
    """The question so that it can be understood alone. `history` holds (asked, answered) pairs, oldest first. A
    question that leans on nothing comes back as it is."""
    question = question.strip()
    turns = [(asked.strip(), answered) for asked, answered in history[-_TURNS:] if asked.strip()]
    if not turns or not question or _CLOSING.match(question):
        return question
    before = ""
    answered = ""
    for asked, answer in turns:
        if not _CLOSING.match(asked):
            before, answered = _resolved(asked, before, answered), answer
    return _resolved(question, before, answered)[:_LONGEST] if before else question


def _resolved(question: str, before: str, answered: str) -> str:
    topic = _topic(before)
    if not topic:
        return question
    led = _LEAD.match(question)
    bare = question[led.end() :] if led else question
    if not bare.strip(" ?.!"):
        return before
    if _MORE.match(bare):
        return f"Explain {topic} in detail."
    if match := _BARE.match(bare):
        return _asked_of(match["word"], before, topic)
    if named := _named(bare, before, answered):
        return named
    if match := _WHAT_ABOUT.match(bare):
        return _instead(match["rest"], before, topic)
    if pointed := _without_pronouns(bare, topic):
        return pointed
    fragment = len(bare.split()) <= (5 if led else 3) and (led or bare.endswith("?")) and not _ASKS_FULLY.match(bare)
    if fragment and led and _FOREIGN_LEAD.match(question):
        return f"{bare.rstrip(' ?')} ({topic})?"
    if fragment:
        return _instead(bare.rstrip(" ?"), before, topic)
    if _COMPARING.match(bare):
        return f"{bare.rstrip(' ?.!')} ({topic})?"
    return question


_ASKS_FULLY = re.compile(
    r"(?:what|which|who|when|where|why|how|is|are|was|were|does|do|did|can|could|should|will|has|have|define|explain)\b",
    re.IGNORECASE,
)


def _topic(question: str) -> str:
    """What a question is about, in its own words: `flash attention` of `What is flash attention?`"""
    text = question.strip().rstrip(" ?.!")
    match = _ASKS.match(text)
    topic = text[match.end() :] if match else text
    topic = re.split(r"['’]s\s", _TRAILING.sub("", topic), maxsplit=1)[0].strip(" ,;:")
    return (topic or text)[:_LONGEST_TOPIC]


def _asked_of(word: str, before: str, topic: str) -> str:
    """`why?` after `Is dropout used in tests?` is `why is dropout used in tests?`"""
    rest = before.rstrip(" ?.!")
    if re.match(r"(?:is|are|was|were|do|does|did|can|could|should|will|has|have)\b", rest, re.IGNORECASE):
        return f"{word} {rest[0].lower()}{rest[1:]}?"
    return f"{word} {topic}?"


def _named(question: str, before: str, answered: str) -> str:
    """`the second one` by its name, from the list in the last answer or from `A and B` in the last question."""
    match = _ORDINAL.search(question)
    if not match or len(question.split()) > 9:
        return ""
    place = _PLACES[match["which"].lower()]
    pair = _PAIR.match(_topic(before))
    lines = [line.strip() for line in answered.splitlines() if line.strip()]
    items = lines[1:] if lines and lines[0].endswith(":") else lines if len(lines) > 2 else []
    choices = items or ([pair["one"], pair["two"]] if pair else [])
    if not choices or place >= len(choices):
        return ""
    chosen = re.sub(r"^\W*(?:[0-9]{1,2}[.)]\s*)?", "", choices[place])[:_LONGEST_TOPIC].rstrip(" .")
    return f"{question[: match.start()]}{chosen}{question[match.end() :]}".strip()


def _instead(rest: str, before: str, topic: str) -> str:
    """`what about the CFO?` after `What is the salary of the CEO?` is `What is the salary of the CFO?`"""
    rest = _OWN.sub(f"{topic}'s", rest, count=1)
    asked = before.rstrip(" ?.!")
    if topic.lower() in rest.lower():
        return f"What about {rest}?"
    if preposition := _PREPOSITION.match(rest):
        places = list(re.finditer(rf"\b{preposition.group()}\b", asked, re.IGNORECASE))
        return f"{asked[: places[-1].start()]}{rest}?" if places else f"{asked} {rest}?"
    if _YEAR.fullmatch(rest.strip()) and _YEAR.search(asked):
        return _YEAR.sub(rest.strip(), asked) + "?"
    if places := list(
        re.finditer(r"\b(?:of|for|between)\s+(?=(?:an?\s+|the\s+)?[\w-]+(?:\s+[\w-]+)?$)", asked, re.IGNORECASE)
    ):
        return f"{asked[: places[-1].end()]}{rest}?"
    if asked.lower().endswith(topic.lower()) and Question(before).kind in ("definition", "list"):
        return f"{_ARTICLE.sub('', asked[: len(asked) - len(topic)])}{rest}?"
    return f"{rest}: {asked}?"


def _without_pronouns(question: str, topic: str) -> str:
    """The question with its first pronoun replaced; empty if it has none that points back."""
    possessive = topic if topic.endswith(("'s", "’s")) else f"{topic}'s"
    for pattern, replacement in ((_OWN, possessive), (_PERSONAL, topic), (_POINTING, topic)):
        match = pattern.search(question)
        if not match or _has_content(question[: match.start()]) or _EMPTY_IT.search(question):
            continue
        return question[: match.start()] + replacement + question[match.end() :]
    match = _LAST_WORD.search(question)
    if match and len(question.split()) <= 5 and _ASKS_FULLY.match(question):
        return f"{question[: match.start()]}{topic}?"
    match = _POINTING_AT_NOUN.search(question)
    if match and not _has_content(question[: match.start()]) and len(question.split()) <= 12:
        return f"{question.rstrip(' ?.!')} ({topic})?"
    return ""


def _has_content(text: str) -> bool:
    """Whether something stands before a pronoun that it may stand for: `What is dropout and how does it …`."""
    return any(word not in STOP_WORDS and stem(word) not in _NO_CONTENT for word, _, _ in words(text))


_NO_CONTENT = ABSTRACT | {
    stem(word) for word in ("explain", "describe", "tell", "show", "many", "much", "please", "work")
}
