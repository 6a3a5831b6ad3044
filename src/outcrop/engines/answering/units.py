"""Passages taken apart into what an answer may be put together from: sentences, list items, table rows, lines of code
and the headings above them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from outcrop.engines.chunking.sentences import split_sentences

Kind = Literal["sentence", "heading", "item", "row", "code"]

LONGEST_PASSAGE = 300_000
"""Characters of a passage that are looked at. Passages are long where documents aren't cut."""
LONGEST_UNIT = 900
_LONGEST_HEADING = 90

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ufffe\uffff\0]")
_SQUEEZED = re.compile(_INVISIBLE.pattern[:-1] + r"\s*#_\-‐‑–—•❒|]+")
_BULLET = re.compile(r"[•◦▪▫‣·●○■□➢➤✓✔❒❑❖◆◇★☆▶►\uf0a7\uf0b7\uf0d8](?:\s+|(?=\w))|[-–—*+]\s+")
NUMBERED = re.compile(r"(?:\(?(?:[0-9]{1,2}|[a-z]|[ivx]{1,4})[.)]|[0-9]{1,2}\))\s+(?=\S)")
_MARKUP = re.compile(r"\*\*|__(?=\w)|(?<=\w)__|^#{1,6}\s+")
_BROKEN_WORD = re.compile(r"(?<![^\W\d_])([^\W\d_]{2,})-\s*\n\s*([^\W\d_]{2,})")
_RULE = re.compile(r"[\s|:+\-=_*~.]+")
_PROMPT = re.compile(r"(?:>>>?|\$|>|In \[[0-9]+\]:)\s|\[[0-9]{1,3}\]\s")
_CODE = re.compile(
    r"<-|:=|==|!=|=>|->|\w\(\)|\w\([^()]*\);?\s*$|[{};]\s*$"
    r"|^\s*(?:import|from|def|class|return|for|while|if)\b.*[:(]\s*$"
)
_PROSE = re.compile(r"(?<![^\W\d_])[^\W\d_]{3,}(?:\s+[^\W\d_]{2,}){3,}")
_NUMBERED_HEADING = re.compile(
    r"(?:chapter|section|appendix)?\s*[0-9A-Z]{1,2}(?:\.[0-9]{1,2}){0,4}\.?\s+\S", re.IGNORECASE
)
_SECTION = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,2})*\.?\s+[^\W\d_]")
_LABEL = re.compile(r"(?P<label>[^\W\d_][^:.!?–—|]{0,60}?)(?P<mark>\s[–—]\s|:\s|：\s?)(?=[\"“']?[A-Z0-9\u3041-\u9fff])")
_GENERIC = re.compile(
    r"(?:definitions?|remarks?|notes?|overview|motivation|algorithm|setting|goal|idea|summary|important|tip|hint|answer"
    r"|n\.?b\.?|定義|補足|注|概要|备注|定义)$",
    re.IGNORECASE,
)
DANGLING = re.compile(
    r"(?:it|its|they|their|them|he|she|his|her|such|however|moreover|furthermore|therefore|thus|hence|also|instead"
    r"|in addition|additionally|otherwise|similarly|likewise|consequently|as a result|for (?:example|instance)|but|and"
    r"|or|so|yet|then|both|another|the (?:former|latter)|in particular|nevertheless|nonetheless|in contrast|there"
    r"|thereby|on the (?:other hand|contrary)|e\.g\.|i\.e\."
    r"|(?:this|these|that|those)(?=\s+(?:is|are|was|were|can|could|may|might|will|would|has|have|had|means?|allows?"
    r"|makes?|helps?|enables?|ensures?|leads?|results?|includes?|requires?|reduces?|gives?|shows?|produces?|in|also"
    r"|generalizes?)\b))\b",
    re.IGNORECASE,
)
"""How a sentence begins that can't be understood without the one before it."""
_POINTS_BACK = re.compile(
    r"\b(?:this|these|those|such an?)\s+(?!(?:chapter|section|article|paper|report|document|manual|book|guide|course"
    r"|lesson|tutorial|table|figure|page|list|work|study|case|way|time|year|month|week|purpose|reason|kind|type|sort"
    r"|is|are|was|were|can|could|may|might|will|would|has|have|had|who|in|on|at|of|to|for)s?\b)(?P<noun>[a-z][a-z-]+)"
)
_SIGNATURE = re.compile(r"[A-Za-z.][\w.]*(?:\([^()\n]*\)|\s?=\s?\S[^\n]{0,40})")

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

    @property
    def points_back(self) -> bool:
        """Whether it speaks of something that was named before it: `It is …`, `… closes this gap`."""
        if self.kind not in ("sentence", "item"):
            return False
        if DANGLING.match(self.text):
            return True
        for match in _POINTS_BACK.finditer(self.text[0].lower() + self.text[1:] if self.text else ""):
            noun = match["noun"].removesuffix("s")
            if noun not in self.text[: match.start()].lower():
                return True
        return False

    @property
    def is_signature(self) -> bool:
        """Whether it is the line that a description stands below: `coef(object)`, `type="n"`."""
        return self.kind == "code" and bool(_SIGNATURE.fullmatch(self.text.strip()))


def tidy(text: str) -> str:
    """A text as answers show it: single spaces, no invisible characters, no bullet, no emphasis marks."""
    text = " ".join(_INVISIBLE.sub("", text).split())
    text = _MARKUP.sub("", _BULLET.sub("", text, count=1) if _BULLET.match(text) else text)
    return text.strip()


def squeeze(text: str) -> str:
    """What two renderings of the same text have in common: no white space, no markup, no hyphens."""
    return _SQUEEZED.sub("", text)


def units_of(passage: int, text: str, section: str = "") -> list[Unit]:
    """The units of a passage's text, in order. `section` is what it stands under, as in `Passage`. Linear in its
    length."""
    found: list[Unit] = []
    path = section.split(" › ")
    heading = tidy(path[-1])[:_LONGEST_HEADING] if len(path) > 1 else ""
    header = intro = ""
    numbered = False
    for paragraph, (kind, raw) in enumerate(_blocks(_joined(text[:LONGEST_PASSAGE]))):
        if kind == "heading":
            above = tidy(raw).rstrip(":")
            # In a text with numbered headings, other short lines are labels in figures.
            heading = above if numbered in (False, bool(_SECTION.match(above))) else heading
            numbered = numbered or bool(_SECTION.match(above))
        for piece, shown in _shown(kind, raw):
            label, shown = _label(shown) if piece in ("sentence", "item") else ("", shown)
            above = f"{heading}: {label}" if heading and label else heading or label
            if piece == "row":
                header = header if found and found[-1].kind == "row" else shown
                above = ": ".join(part for part in (heading, header if header != shown else "") if part)
            if piece == "item" and intro:
                above = f"{above}: {intro}" if above else intro
            elif piece != "item":
                intro = shown if shown.endswith((":", "：")) else ""
            if found and _continues(found[-1], piece, shown):
                found[-1].text += " " + shown
            elif shown:
                found.append(Unit(passage, len(found), piece, shown, above, paragraph))
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


def _blocks(text: str) -> Iterator[tuple[Kind, str]]:
    """Lines that belong together: a paragraph, a heading, one item, one row, a whole listing."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip() or _RULE.fullmatch(line):
            at += 1
            continue
        kind = _kind(line, alone=_opens(lines, at))
        if kind == "heading" and not _SECTION.match(line.strip()) and _before_code(lines, at + 1):
            kind = "sentence"
        end = at + 1
        while end < len(lines) and lines[end].strip() and _belongs(kind, lines[end - 1], lines[end]):
            end += 1
        yield kind, "\n".join(lines[at:end])
        at = end


def _before_code(lines: Sequence[str], at: int) -> bool:
    below = next((line for line in lines[at : at + 3] if line.strip()), "")
    return bool(below) and _kind(below, alone=False) == "code"


def _opens(lines: Sequence[str], at: int) -> bool:
    """Whether a line stands alone, or above a line that looks like the beginning of what it is the heading of."""
    if at > 0 and lines[at - 1].strip() and not _is_heading(lines[at - 1].strip()):
        return False
    below = lines[at + 1].strip() if at + 1 < len(lines) else ""
    line = lines[at].strip()
    return not below or (not below[0].islower() and len(line) < 60 and (len(below) > 80 or bool(_SECTION.match(line))))


def _belongs(kind: Kind, before: str, line: str) -> bool:
    """Whether a line goes on with the block that the line before it is in."""
    if kind == "heading":
        return False
    if kind == "code":
        return not _PROSE.search(line[:300]) or bool(_PROMPT.match(line.strip()))
    if kind == "item":
        return line[:1].isspace() and _kind(line, alone=False) == "sentence"
    return kind == "sentence" and _kind(line, alone=False) == "sentence"


def _kind(line: str, alone: bool) -> Kind:
    stripped = line.strip()
    start = stripped[:300]
    if re.match(r"#{1,6}\s+\S", start):
        return "heading"
    if alone and _NUMBERED_HEADING.match(start) and _is_heading(stripped):
        return "heading"
    bullet = _BULLET.match(start) and not start.startswith("❒")
    if not bullet and (_PROMPT.match(start) or _CODE.search(start)) and not _PROSE.search(start):
        return "code"
    if " | " in stripped or "\t" in stripped or (stripped[0] == stripped[-1] == "|" and len(stripped) > 2):
        return "row"
    if bullet:
        return "item"
    if alone and _is_heading(stripped):
        return "heading"
    return "item" if NUMBERED.match(start) else "sentence"


def _shown(kind: Kind, raw: str) -> Iterator[tuple[Kind, str]]:
    """A block as the texts of its units."""
    if kind == "code":
        lines = (_INVISIBLE.sub("", line).rstrip() for line in raw[:LONGEST_UNIT].split("\n"))
        yield kind, "\n".join(lines).strip("\n")
    elif kind == "row":
        yield kind, " | ".join(cell for cell in (tidy(cell) for cell in raw.split("|")) if cell)[:LONGEST_UNIT]
    elif kind == "heading":
        yield kind, tidy(raw)[:LONGEST_UNIT]
    else:
        for number, (start, end) in enumerate(split_sentences(raw)):
            for piece in _pieces(tidy(raw[start:end])):
                yield kind if not number else "sentence", piece


def _continues(before: Unit, kind: Kind, text: str) -> bool:
    """Whether a sentence goes on in this unit although a line or a block ends between them."""
    return (
        kind == "sentence"
        and before.kind in ("sentence", "item")
        and not before.ends
        and not before.introduces
        and text[:1].islower()
        and len(before.text) + len(text) < LONGEST_UNIT
    )


def _is_heading(text: str) -> bool:
    if text.endswith(":") and len(text.split()) <= 3 and text[:1].isupper():
        return True
    if len(text) > _LONGEST_HEADING or _ENDS.search(text) or text[-1] in ",;:：、" or len(text.split()) > 12:
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
    if match["mark"].strip() in (":", "：") and not generic:
        return "", text
    repeated = label.lower() in rest[: len(label) + 40].lower()
    if (
        (len(rest.split()) >= 4 or not rest.isascii())
        and not DANGLING.match(rest)
        and (generic or repeated or _ENDS.search(rest))
    ):
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
