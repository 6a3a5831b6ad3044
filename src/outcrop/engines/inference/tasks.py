"""What a prompt wants done with its text: an answer, a summary, a label or key phrases."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from outcrop.engines.inference.reading import Reading, asks, sentences

_SUMMARY = re.compile(
    r"\b(?:summari[sz](?:e|es|ing|ation)|summary|tl;?dr|sum up|condense|abridge|key points|main points|main ideas?|gist"
    r"|in a nutshell|recap)\b",
    re.IGNORECASE,
)
_PHRASES = re.compile(r"\b(?:key ?-?(?:words?|phrases?|terms?)|topic words)\b", re.IGNORECASE)
_CLASSIFY = re.compile(
    r"\b(?:classif(?:y|ies|ier|ication)|categori[sz]e|label(?:led|ed)?|sentiment"
    r"|(?:which|what) (?:category|class|label|topic)|one of(?: the following| these)?(?: \w+)?(?=:|\s*$))\b",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"\b(?P<count>\d{1,3}|one|a single|two|three|four|five|six|seven|eight|nine|ten)\s+(?:\w+\s+){0,2}?"
    r"(?P<unit>sentences?|bullets?|points?|lines?|words?|key ?phrases?|keywords?|key terms?|phrases?|terms?)\b",
    re.IGNORECASE,
)
_NUMBERS = {
    word: number
    for number, words in enumerate(
        ("", "one|a single", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
    for word in words.split("|")
    if word
}
_BULLETS = re.compile(r"\b(?:bullets?|bulleted|bullet points?|list of points|key points|main points)\b", re.IGNORECASE)
_LISTING = re.compile(
    r"(?P<list>[^.?!:;\n]{1,300},[^.?!:;\n]{1,200}|[^.?!:;,\n]{1,150}\s+or\s+[^.?!:;,\n]{1,60})(?=[.?!:;\n]|$)",
    re.IGNORECASE,
)
_NAMED_LIST = re.compile(
    r"\b(?:categor(?:y|ies)|class(?:es)?|labels?|options|choices|sentiments?|topics?|one of)\b[^:\n]{0,40}:"
    r"[ \t]*(?P<list>[^.?!:\n]{3,400})",
    re.IGNORECASE,
)
_LEAD = re.compile(r"^.*\b(?:as|into|is|are|either|one of|among|between|in|to|be|the|being|whether)\s+", re.IGNORECASE)
_BRACKETS = re.compile(r"[\[({]([^\[\](){}\n]{1,600})[\])}]")
_LISTED = re.compile(r"^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]+(.{1,80})$", re.MULTILINE)
_SEPARATOR = re.compile(r"\s*(?:,\s*(?:or|and)\s+|[,/|;]|\s+or\s+|\s+and\s+)\s*", re.IGNORECASE)
_TAGS = re.compile(r"</?[a-zA-Z][\w-]{0,40}>")
_LABEL_HEADING = re.compile(
    r"[ \t#*]*(?:categor(?:y|ies)|class(?:es)?|labels?|options|choices|sentiment|topics?|answer|output)[*]*:",
    re.IGNORECASE,
)
_EMPTY_HEADING = re.compile(r"\s*\w[\w ]{0,24}:\s*")
_NAME = re.compile(r"^[A-Z][\w ]{0,24}:\s+")
_EITHER = re.compile(
    r"\b(?:is|was|are|does|sounds?|feels?)\b[^.?!\n]{0,120}?\b(\w+(?:, ?\w+){0,8},? or (?:not )?\w+)\s*\?",
    re.IGNORECASE,
)
_KNOWN_LABELS = frozenset({"positive", "negative", "neutral", "spam", "urgent", "toxic", "relevant", "irrelevant"})
_PHRASE_COUNT = 8
_ENDS = 4000
"""Characters at either end of a long text in which labels are looked for."""
_SENTIMENTS = ("positive", "negative", "neutral")


@dataclass(frozen=True, slots=True)
class Answering:
    question: str


@dataclass(frozen=True, slots=True)
class Summarizing:
    sentences: int | None = None
    words: int | None = None
    bullets: bool = False


@dataclass(frozen=True, slots=True)
class Phrasing:
    count: int = _PHRASE_COUNT


@dataclass(frozen=True, slots=True)
class Labelling:
    labels: tuple[str, ...]
    text: str


Task = Answering | Summarizing | Phrasing | Labelling


def find_task(reading: Reading) -> Task:
    """The task that the request names, else the one that the instructions name: what is sent to be labelled may be a
    question, what is sent to be summarized is none."""
    task = _named(reading.request, reading.raw)
    if isinstance(task, _Labels):
        return Labelling(task.labels, _text_to_label(reading, task.labels))
    if task is not None:
        return task
    question = " ".join(sentence for sentence in sentences(reading.request) if sentence.endswith("?"))
    task = _named(reading.instructions, reading.instructions)
    if isinstance(task, _Labels):
        return Labelling(task.labels, reading.raw)
    if task is not None and not question:
        return task
    return Answering(question or reading.request)


@dataclass(frozen=True, slots=True)
class _Labels:
    labels: tuple[str, ...]


def _named(text: str, raw: str) -> Summarizing | Phrasing | _Labels | None:
    if _SUMMARY.search(text):
        return _summary(text)
    if _PHRASES.search(text):
        return Phrasing(_count(text)[0] or _PHRASE_COUNT)
    if _CLASSIFY.search(text):
        if len(labels := labels_in(text) or labels_in(raw)) > 1:
            return _Labels(labels)
        if re.search(r"\bsentiment\b", text, re.IGNORECASE):
            return _Labels(_SENTIMENTS)
    elif match := _EITHER.search(text):
        labels = _split(match[1])
        if len(labels) > 1 and {label.lower() for label in labels} & _KNOWN_LABELS:
            return _Labels(labels)
    return None


def _summary(text: str) -> Summarizing:
    count, unit = _count(text)
    bullets = bool(_BULLETS.search(text))
    if count and unit.startswith("word"):
        return Summarizing(words=count, bullets=bullets)
    return Summarizing(sentences=count, bullets=bullets)


def _count(text: str) -> tuple[int | None, str]:
    match = _COUNT.search(text)
    if match is None:
        return None, ""
    word = match["count"].lower()
    return max(1, int(word) if word.isdigit() else _NUMBERS[word]), match["unit"].lower()


def labels_in(text: str) -> tuple[str, ...]:
    """The labels that a request offers: in brackets, after `Categories:`, as a bulleted list, or as `A, B or C`."""
    if len(text) > 2 * _ENDS:
        text = f"{text[:_ENDS]}\n{text[-_ENDS:]}"
    for match in _BRACKETS.finditer(text):
        if len(labels := _split(match[1])) > 1:
            return labels
    if len(listed := tuple(dict.fromkeys(item.strip(" \t.\"'`*") for item in _LISTED.findall(text)))) > 1:
        return listed
    named = _NAMED_LIST.search(text)
    if named and len(labels := _split(named["list"])) > 1:
        return labels
    for sentence in sentences(text):
        if _CLASSIFY.search(sentence) and (listing := _LISTING.search(sentence)):
            labels = _split(listing["list"])
            if len(labels) > 1:
                return labels
    return ()


def _split(listed: str) -> tuple[str, ...]:
    pieces = [piece.strip(" \t\"'`*“”‘’<>") for piece in _SEPARATOR.split(listed)]
    labels = [_LEAD.sub("", piece) if index == 0 else piece for index, piece in enumerate(pieces)]
    return tuple(dict.fromkeys(label for label in labels if label and len(label.split()) <= 5))


def _text_to_label(reading: Reading, labels: tuple[str, ...]) -> str:
    """What to classify: the lines that neither ask for it nor list the labels, else the material; of several examples
    (`Text: …`) the last."""
    names = {label.lower() for label in labels}
    kept = [line for line in reading.raw.splitlines() if line.strip() and not _is_request(line, names)]
    if not kept and reading.material:
        kept = reading.material[0].text.splitlines()
    headings = [(at, match[0]) for at, line in enumerate(kept) if (match := _NAME.match(line))]
    same = [at for at, name in headings if name == headings[-1][1]]
    if len(same) > 1:
        kept = kept[same[-1] :]
    return _TAGS.sub(" ", _NAME.sub("", " ".join(kept))).strip(" \t\n\"'“”`")


def _is_request(line: str, names: Collection[str]) -> bool:
    bare = line.strip(" \t-*•.\"'`").lower()
    if bare in names or _LABEL_HEADING.match(line) or _EMPTY_HEADING.fullmatch(line):
        return True
    return all(name in bare for name in names) or (bool(_CLASSIFY.search(line)) and asks(line))
