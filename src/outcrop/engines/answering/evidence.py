"""Whether a sentence is of the kind that a question asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from outcrop.engines.answering.questions import Question
from outcrop.engines.answering.units import Unit
from outcrop.engines.indexing.stemming import stem
from outcrop.engines.indexing.terms import STOP_WORDS, terms, words

_NUMBER_WORDS = "one two three four five six seven eight nine ten eleven twelve dozen hundred thousand million billion"
_NUMBER = re.compile(rf"(?<![\w.])[0-9][0-9.,]*|\b(?:{'|'.join(_NUMBER_WORDS.split())})\b", re.IGNORECASE)
_AMOUNT = re.compile(
    r"[$€£¥]\s?[0-9]|[0-9][0-9.,]*\s?(?:%|percent|€|\$|usd|eur|million|billion|thousand|(?:milli)?seconds?|minutes?"
    r"|hours?|days?|weeks?|months?|years?|[kmg]b|[kmc]?m|kg|km)\b|[0-9][0-9.,]*\s?%|[0-9]-(?:hour|day|week|year|minute)"
    r"|[0-9]{1,3}(?:,[0-9]{3})+",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"[$€£¥]|\b(?:usd|eur|gbp|dollars?|euros?|cents?|free|million|billion|no charge)\b|[0-9],[0-9]{3}", re.IGNORECASE
)
_ABOUT_MONEY = re.compile(
    r"\b(?:prices?|costs?|fees?|salary|salaries|rents?|paid|pay|expensive|tuition|budget|revenue|income|earns?)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:1[5-9]|20)[0-9]{2}\b|\b(?:january|february|march|april|may|june|july|august|september|october|november"
    r"|december)\s+[0-9]{1,2}\b|\b[0-9]{1,2}(?:st|nd|rd|th)\s+century\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
    r"|\b[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![.!?]\s)\b[A-Z][\w’'-]+(?:\s+(?:[A-Z]\.?|[A-Z][\w’'-]+))+|\b[A-Z][a-z]+[A-Z]\b")
_ROLE = re.compile(
    r"\b(?:people|persons?|students?|researchers?|teachers?|instructors?|learners?|beginners?|users?|developers?"
    r"|engineers?|authors?|founders?|director|president|officer|chair(?:man|woman)?|committee|team|company|group|by)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(r"\b(?:in|at|from|near|to|of)\s+(?:the\s+)?[A-Z]\w+")
_REASON = re.compile(
    r"\b(?:because|since|so that|in order to|due to|therefore|thus|as a result|owing to|which (?:means|allows|makes)"
    r"|to (?:ensure|avoid|help|reduce|prevent|allow|enable|make|keep|accomplish|streamline)|ensures?|allows?|minimizes?"
    r"|reason|leads? to|causes?)\b",
    re.IGNORECASE,
)
_METHOD = re.compile(
    r"\b(?:use|using|by \w+ing|can be (?:\w+ )?(?:done|used|made|created|read|set)|steps?|first|then|next|command|call"
    r"|run|click|select|type|enter|to (?:set up|create|make|read|get|do|start|open))\b",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r"\b(?:whereas|while|unlike|contrary|instead|however|but|than|in contrast|on the other hand|differ\w*|both|or)\b",
    re.IGNORECASE,
)
_COPULA = re.compile(
    r"\s*(?:\([^)]{1,40}\)\s*)?(?:,[^,]{1,60},\s*)?(?:also\s+\w+\s+)?"
    r"(?:is|are|was|were|means?|refers?\s+to|denotes?|represents?|stands?\s+for|consists?\s+of|describes?|[:–—])"
    r"(?=\s|$)(?P<not>\s+(?:not|used|also|often|then|still|only|usually|sometimes|based|trained|defined\s+with)\b)?",
    re.IGNORECASE,
)
_SPELT_OUT = re.compile(r"(?<=\w )\(([A-Za-z]{2,8}?)s?\)")
_CITATION = re.compile(
    r"\bet al\b|https?://|doi\.org|\(n\.d\.\)|\bpp?\. [0-9]|\bISBN\b|^see (?:also|section|chapter)\b", re.I
)
_REFERENCE = re.compile(
    r"(?:,|&) [A-Z]\. (?:[A-Z]\. )?\((?:19|20)[0-9]{2}|\bRetrieved\b.{0,40}\bfrom https?:|\(n\.d\.\)\. "
)
_SUCH_AS = re.compile(r"\b(?:such as|including|for example|namely|e\.g\.|like)(?!\w)", re.IGNORECASE)
_CONTENTS = re.compile(r"(?:\. ?){5,}|…\s*[0-9, ]*$")
_CONTENTS_ROW = re.compile(r"^[0-9]{1,2}(?:\.[0-9]{1,2})*\.? \|.*(?:\.|\| [0-9]{1,4})$")
_REMARK = re.compile(
    r"\b(?:see|shown in|listed in|refer to) (?:the )?(?:table|figure|section|chapter|appendix)\b", re.I
)
_ABOUT_ITSELF = re.compile(
    r"(?:in )?this (?:article|paper|report|section|chapter|document|\w+ report)"
    r" (?:describes|presents|will|gives|provides|details|discusses|we)\b",
    re.IGNORECASE,
)
_COMMANDING = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|prompts?|rules?|guidelines?|context|above"
    r"|previous)\b|\bsystem prompt\b|\byou are (?:now|an? (?:ai|assistant|language model|chatbot))\b"
    r"|\b(?:reply|respond|answer) (?:only )?with\b|\bdo not (?:tell|reveal|mention)\b.{0,40}\b(?:user|anyone)\b"
    r"|\bnew instructions?:|\bas an ai\b",
    re.IGNORECASE,
)
_WORDLIKE = re.compile(r"[^\W\d_]{3,}")


def fit(question: Question, unit: Unit, found: Sequence[str]) -> float:
    """-1 to 1: how well a unit's form suits the question. `found` are the question's terms that the unit has."""
    text = unit.text
    match question.kind:
        case "definition":
            return _defines(question, unit)
        case "mechanism":
            return 0.6 * max(_opens_with(question, unit), _defines(question, unit))
        case "count":
            return _counts(question, text)
        case "amount":
            if _AMOUNT.search(text):
                return 0.8
            return 0.3 if _NUMBER.search(text) else 0.0
        case "date":
            return 0.8 if _DATE.search(text) else 0.0
        case "person":
            return 0.5 if _NAME.search(text) else 0.4 if _ROLE.search(text) else 0.0
        case "place":
            return 0.5 if _PLACE.search(text) else 0.0
        case "reason":
            return 0.7 if _REASON.search(text) else 0.0
        case "method":
            if "\n" in text and unit.kind != "code":
                return 0.9
            return 0.5 if unit.kind in ("code", "item") else 0.4 if _METHOD.search(text) else 0.0
        case "difference":
            return 0.6 if _CONTRAST.search(text) or len(found) > 1 else 0.0
        case "list":
            return _lists(question, unit)
        case "fact":
            return _defines(question, unit)


def form_weight(question: Question) -> float:
    """How much `fit` counts: most where only a sentence with a number, an amount or a date can answer."""
    return {"count": 0.30, "amount": 0.30, "date": 0.30, "reason": 0.24}.get(question.kind, 0.16)


def lacks_form(question: Question, texts: Sequence[str]) -> bool:
    """Whether none of these texts has the number, amount or date that alone could answer the question."""
    match question.kind:
        case "count":
            return not any(_NUMBER.search(text) for text in texts)
        case "date":
            return not any(_DATE.search(text) for text in texts)
        case "amount":
            sought = _MONEY if _ABOUT_MONEY.search(question.text) else _NUMBER
            return not any(sought.search(text) for text in texts)
    return False


def blemish(unit: Unit) -> float:
    """0 to 1: what speaks against quoting a unit, whatever the question."""
    text = unit.text
    if _COMMANDING.search(text):
        return 1.0
    if _CONTENTS.search(text) or (unit.kind == "row" and _CONTENTS_ROW.search(text)):
        return 0.6
    if unit.kind == "heading":
        return 0.8
    marks = 0.0
    if text.endswith(("?", "？")):
        marks += 0.25
    if _REFERENCE.search(text):
        marks += 0.5
    elif _CITATION.search(text):
        marks += 0.15
    if _REMARK.search(text) or _ABOUT_ITSELF.match(text):
        marks += 0.1
    if unit.kind in ("sentence", "item") and text.isascii():
        letters = sum(map(len, _WORDLIKE.findall(text)))
        if letters < 0.5 * len(text):
            marks += 0.3
        if len(text.split()) < 4:
            marks += 0.15
        if unit.kind == "sentence" and not unit.ends and not unit.introduces:
            marks += 0.15
    return min(1.0, marks)


def _defines(question: Question, unit: Unit) -> float:
    """Whether a unit says what the subject is: `A token is …`, `… (RAG) is …`, `Recall: …`."""
    if question.topic:
        opening = unit.text[: len(question.topic) + 12]
        return (
            1.0
            if re.search(re.escape(question.topic) + r"(?:\s?[(（][^)）]*[)）])?\s?(?:とは|は|是|\s?[–—:：])", opening)
            else 0.0
        )
    return max((_says_what(set(subject), unit) for subject in question.subjects if len(subject) <= 6), default=0.0)


def _says_what(wanted: set[str], unit: Unit) -> float:
    seen: set[str] = set()
    opening = 0
    for word, _, end in words(unit.text[:240])[:16]:
        if word in STOP_WORDS and not seen:
            continue
        term = _term(word)
        if term in wanted:
            seen.add(term)
        elif word not in STOP_WORDS:
            opening += 1
        if seen == wanted:
            copula = _COPULA.match(unit.text, end) or _COPULA.match(unit.text, _after_plural(unit.text, end))
            if copula:
                return (1.0 - 0.2 * min(3, opening)) * (0.5 if copula["not"] else 1.0)
    if any(set(terms(short)) == wanted for short in _SPELT_OUT.findall(unit.text)):
        return 0.6
    heading = {_term(word) for word, _, _ in words(unit.heading)}
    return (0.5 if unit.ends else 0.3) if wanted <= heading else 0.0


def _opens_with(question: Question, unit: Unit) -> float:
    """Whether the subject is what the unit begins with."""
    opening = {_term(word) for word, _, _ in words(unit.text[:160])[:10]}
    return 1.0 if any(set(subject) <= opening for subject in question.subjects) else 0.0


def _after_plural(text: str, end: int) -> int:
    """Past `s)` in `token(s)`, or a closing bracket or quotation mark."""
    while end < len(text) and text[end] in ")]\"'”’»(s":
        end += 1
    return end


def _lists(question: Question, unit: Unit) -> float:
    """Whether a unit names what is sought, best of all as a list of several."""
    commas = unit.text.count(",")
    several = (
        0.4 if unit.introduces or unit.kind == "item" or commas > 2 or (commas and _SUCH_AS.search(unit.text)) else 0.0
    )
    if not question.sought:
        return several
    if question.sought.search(unit.text):
        return several + 0.4
    return several + 0.2 if question.sought.search(unit.heading) else several / 2


def _term(word: str) -> str:
    found = terms(word)
    return found[0] if found else ""


def _counts(question: Question, text: str) -> float:
    """A number right before what is counted is better than any number."""
    match = re.search(r"\bhow (?:many|often)\s+(?:\w+\s+)?(\w+)", question.text, re.IGNORECASE)
    counted = stem(match[1].lower()) if match else ""
    best = 0.0
    for number in _NUMBER.finditer(text):
        near = [stem(word) for word, _, _ in words(text[number.end() : number.end() + 50])][:6]
        best = max(best, 0.9 if counted and counted in near else 0.4)
    return best
