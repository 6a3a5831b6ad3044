"""Passages taken apart into what an answer may be put together from: sentences, list items, table rows, lines of code
and the headings above them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from outcrop.engines.chunking.sentences import split_sentences

Kind = Literal["sentence", "heading", "item", "row", "code"]

LONGEST_PASSAGE = 20_000
"""Characters of a passage that are looked at."""
LONGEST_UNIT = 900

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ufffe\uffff\0]")
_BULLET = re.compile(r"[•◦▪▫‣·●○■□➢➤✓✔❒❑❖◆◇★☆▶►\uf0a7\uf0b7\uf0d8](?:\s+|(?=\w))|[-–—*+]\s+")
_NUMBERED = re.compile(r"(?:\(?(?:[0-9]{1,2}|[a-z]|[ivx]{1,4})[.)]|[0-9]{1,2}\))\s+(?=\S)")
_MARKUP = re.compile(r"\*\*|__(?=\w)|(?<=\w)__|^#{1,6}\s+")
_BROKEN_WORD = re.compile(r"(?<![^\W\d_])([^\W\d_]{2,})-\s*\n\s*([^\W\d_]{2,})")
_RULE = re.compile(r"[\s|:+\-=_*~.]+")
_PROMPT = re.compile(r"(?:>>>?|\$|>|\+)\s")
_CODE = re.compile(r"<-|:=|==|!=|=>|->|\(\)|\);?\s*$|[{};]\s*$|^\s*(?:import|from|def|class|return|for|while|if)\b.*[:(]")
_PROSE = re.compile(r"(?<![^\W\d_])[^\W\d_]{3,}(?:\s+[^\W\d_]{2,}){4,}")
_NUMBERED_HEADING = re.compile(r"(?:chapter|section|appendix)?\s*[0-9A-Z]{1,2}(?:\.[0-9]{1,2}){0,4}\.?\s+\S", re.IGNORECASE)
_LABEL = re.compile(r"(?P<label>[^\W\d_][^:.!?–—|]{0,60}?)(?P<mark>\s[–—]\s|:\s)(?=[\"“']?[A-Z0-9])")
_GENERIC = re.compile(
    r"(?:definitions?|remarks?|notes?|overview|motivation|algorithm|setting|goal|idea|summary|important|tip|hint|answer"
    r"|n\.?b\.?|in practice)$",
    re.IGNORECASE,
)
_ENDS = re.compile(r"[.!?…。！？．][\"'”’»)\]」』）]*$")


@dataclass(slots=True)
class Unit:
    passage: int
    """Index of the passage."""
    position: int
    """Among the units of its passage."""
    kind: Kind
    text: str
    """White space made single, markup and bullets taken off; otherwise as in the passage."""
    heading: str
    """The heading above it, and the label in front of it, if any."""
    paragraph: int
    """Units with the same number stand in the same paragraph, list, table or listing."""

    @property
    def ends(self) -> bool:
        """Whether it ends as a sentence does."""
        return bool(_ENDS.search(self.text))

    @property
    def introduces(self) -> bool:
        return self.text.endswith((":", "："))


def tidy(text: str) -> str:
    """A text as answers show it: single spaces, no invisible characters, no bullet, no emphasis marks."""
    text = " ".join(_INVISIBLE.sub("", text).split())
    text = _MARKUP.sub("", _BULLET.sub("", text, count=1) if _BULLET.match(text) else text)
    return text.strip()


def squeeze(text: str) -> str:
    """What two renderings of the same text have in common: no white space, no markup, no hyphens."""
    return "".join(char for char in _INVISIBLE.sub("", text) if not (char.isspace() or char in "*#_-‐‑–—•❒"))


def units_of(passage: int, text: str) -> list[Unit]:
    """The units of a passage's text, in order. Linear in its length."""
    text = _joined(text[:LONGEST_PASSAGE])
    found: list[Unit] = []
    heading = ""
    paragraph = 0
    before: Kind | None = None
    last_end = 0
    for start, end, kind in _spans(text):
        broken = "\n\n" in text[last_end:start] or kind != before
        paragraph += broken
        last_end, before = end, kind
        raw = text[start:end]
        if kind == "row":
            shown = " | ".join(cell for cell in (tidy(cell) for cell in raw.split("|")) if cell)
        else:
            shown = tidy(raw)
        if kind == "heading":
            heading = shown.rstrip(":")
        label, shown = _label(shown) if kind in ("sentence", "item") else ("", shown)
        if shown:
            above = f"{heading}: {label}" if heading and label else heading or label
            found.extend(
                Unit(passage, len(found), kind, piece, above, paragraph) for piece in _pieces(shown)
            )
    for position, unit in enumerate(found):
        unit.position = position
    return found


def _joined(text: str) -> str:
    """Words that a line break has cut are put together where the text shows elsewhere how they are written."""

    def join(match: re.Match[str]) -> str:
        whole = match[1] + match[2]
        return whole if whole.lower() in known else f"{match[1]}-{match[2]}"

    if "-" not in text or not _BROKEN_WORD.search(text):
        return text
    known = set(re.findall(r"[^\W\d_]+", text.lower()))
    return _BROKEN_WORD.sub(join, text)


def _spans(text: str) -> Iterator[tuple[int, int, Kind]]:
    spans = split_sentences(text)
    for number, (start, end) in enumerate(spans):
        line_starts = text[max(0, start - 80) : start].rstrip(" \t")[-1:] in ("", "\n")
        raw = text[start:end]
        if not raw.strip() or _RULE.fullmatch(raw):
            continue
        follows = number + 1 < len(spans)
        alone = _alone(text, start, end)
        yield start, end, _kind(raw, line_starts or alone, alone, follows)


def _alone(text: str, start: int, end: int) -> bool:
    """Whether nothing else stands on the span's lines."""
    before = text[max(0, start - 40) : start].rsplit("\n", 1)[-1]
    after = text[end : end + 40].split("\n", 1)[0]
    return not before.strip() and not after.strip()


def _kind(raw: str, at_line_start: bool, alone: bool, follows: bool) -> Kind:
    stripped = raw.strip()
    if stripped.count("|") >= 2 or " | " in stripped or "\t" in stripped:
        return "row"
    if stripped.startswith("#") and re.match(r"#{1,6}\s", stripped):
        return "heading"
    if at_line_start and (_PROMPT.match(stripped) or (_CODE.search(stripped) and not _PROSE.search(stripped))):
        return "code"
    if at_line_start and _BULLET.match(stripped) and not stripped.startswith("❒"):
        return "item"
    if alone and follows and _is_heading(stripped):
        return "heading"
    if at_line_start and _NUMBERED.match(stripped):
        return "item"
    return "sentence"


def _is_heading(text: str) -> bool:
    if len(text) > 90 or _ENDS.search(text) or text[-1] in ",;:：、" or len(text.split()) > 12:
        return False
    if _NUMBERED_HEADING.match(text):
        return True
    first = tidy(text)[:1]
    return not first.islower() and any(char.isalpha() for char in text)


def _label(text: str) -> tuple[str, str]:
    """Split `Remark: High temperatures …` where the label adds nothing for a reader."""
    match = _LABEL.match(text)
    if not match:
        return "", text
    label, rest = match["label"].strip(), text[match.end() :]
    generic = bool(_GENERIC.match(label))
    if match["mark"] == ": " and not generic:
        return "", text
    repeated = label.lower() in rest[: len(label) + 40].lower()
    if len(rest.split()) >= 4 and (generic or repeated or _ENDS.search(rest)):
        return label, rest
    return "", text


def _pieces(text: str) -> Iterable[str]:
    """Text without ends of sentences is cut where it has spaces, or anywhere."""
    while len(text) > LONGEST_UNIT:
        cut = text.rfind(" ", LONGEST_UNIT // 2, LONGEST_UNIT)
        cut = LONGEST_UNIT if cut < 0 else cut
        yield text[:cut].strip()
        text = text[cut:].strip()
    if text:
        yield text
