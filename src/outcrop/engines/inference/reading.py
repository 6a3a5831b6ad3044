"""Reads a prompt for an engine that can only select: what is asked, and which text there is to answer it from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from outcrop.engines.chunking.sentences import split_sentences
from outcrop.engines.inference.engine import Document, Generation, Message, Text, ToolResult

_QUESTION_TAGS = frozenset({"question", "query", "user_question", "user_query", "input_question", "userquestion"})
_INSTRUCTION_TAGS = frozenset(
    """
    instruction instructions task rules guidelines format output_format output answer_format example examples role
    thinking scratchpad answer persona tone schema labels categories classes
    """.split()  # noqa: SIM905
)
_NAME_TAGS = frozenset({"source", "title", "name", "id", "index", "url", "page", "metadata"})

_TAG = re.compile(r"<(/?)([A-Za-z][\w.-]{0,60})((?:\s[^<>]{0,300})?)>")
_HEADING = re.compile(
    r"""
    [ \t#*_>]{0,8}
    (?:
      (?P<material>
        (?:(?:the|given|relevant|retrieved|additional|background|provided|following|search|source|input) [ ]){0,3}
        (?:context|documents?|passages?|text|article|paragraphs?|excerpts?|sources?|results|information|background
          |knowledge|facts|transcript|reviews?|email|abstract|story|content|data|notes?|report|conversation|history)
        (?:[ ]*\#?\d{1,3})? )
      | (?P<question> (?:(?:the|user|user's|human|my|current|follow[ -]?up) [ ]){0,2} (?:question|query|q) )
      | (?P<rest> (?:helpful[ ])? (?:answer|response|output|instructions?|tasks?|a|summary|category|label|sentiment
          |classification|result|rules?|guidelines|format|labels|categories|classes|options|examples?) )
    )
    [ \t]{0,4} (?:\[[^\]\n]{0,80}\]|\([^)\n]{0,80}\))? [*_]{0,3} : [*_]{0,3} [ \t]*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FENCE = re.compile(r"(?:```[\w-]{0,20}\n?|\"\"\"|''')")
_INSTRUCTING = re.compile(
    r"""
    (?: please | do\ not | don['’]t | never | always | only | you\ (?:are|must|should|will|can|may|have|need)\b | your\b
      | if\b.{0,80}\b(?:you|answer|say|respond|reply)\b | when\ (?:you|answering|asked)\b
      | make\ sure | be\ (?:concise|brief|polite|helpful|sure)
      | (?: answer | use | respond | reply | summari[sz]e | classify | categori[sz]e | label | extract | list | give
        | write | explain | describe | tell | translate | rewrite | find | identify | read | provide | return | show
        | compare | name | define | state | think | consider | generate | create
        | based\ on | according\ to | given\ the | using
        |  act\ as | help | choose | select | keep | avoid | cite | quote | follow | assume | imagine | let['’]s
        | condense | shorten | determine | decide | sum\ up | tl;?dr | what | who | whom | whose | when | where | why
        | how | which | is | are | was | were | does | did | can | could | will | would | should | do )\b
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ENOUGH = 24
"""Characters below which a piece of text is not worth calling material."""


@dataclass(frozen=True, slots=True)
class Section:
    """Text to answer from."""

    text: str
    name: str = ""


@dataclass(slots=True)
class Reading:
    request: str = ""
    """What the last message asks, its material taken out."""
    instructions: str = ""
    """What the system text demands."""
    raw: str = ""
    """The last message's text as it came."""
    material: list[Section] = field(default_factory=list)
    """In order of trust: given with the request, documents and tool results, then what was said before."""


def read_prompt(generation: Generation, ignore: Sequence[str] = ()) -> Reading:
    """Split a prompt. Earlier replies that begin with one of `ignore` are no material."""
    reading = Reading()
    said: list[Section] = []
    system = _parts(generation.system)
    reading.instructions = " ".join(_instructions(system.rest))
    said.extend(system.sections)
    if declared := _declarations(system.rest):
        said.append(Section(declared))
    last = _last_user(generation.messages)
    if last is None:
        reading.material = said
        return reading
    for message in generation.messages[: generation.messages.index(last)]:
        for section in _message_sections(message, ignore):
            said.append(section)
    _read_request(last, reading)
    reading.material.extend(said)
    return reading


def _last_user(messages: Sequence[Message]) -> Message | None:
    return next((message for message in reversed(messages) if message.role == "user"), None)


def _read_request(message: Message, reading: Reading) -> None:
    texts = [block.text for block in message.content if isinstance(block, Text)]
    attached = list(_attached(message))
    reading.raw = "\n\n".join(texts)
    parts = _parts(reading.raw)
    reading.material.extend(parts.sections)
    reading.material.extend(attached)
    if parts.questions:
        reading.request = " ".join(parts.questions)
        reading.instructions = f"{reading.instructions} {parts.rest}".strip()
        if not reading.material and (declared := _declarations(parts.rest)):
            reading.material.append(Section(declared))
    else:
        reading.request, declared = _split_request(parts.rest)
        if declared:
            reading.material.append(Section(declared))
    if reading.material and not asks(reading.request):
        _question_within(reading)


def _question_within(reading: Reading) -> None:
    """A last paragraph of the material that asks is the question: `Context: … (blank line) What is …?`"""
    last = reading.material[-1]
    head, _, tail = last.text.rstrip().rpartition("\n")
    asked = sentences(tail) if len(tail) < 400 else []
    if head.strip() and any(one.endswith("?") for one in asked) and all(asks(one) for one in asked):
        reading.request = tail.strip()
        reading.material[-1] = Section(head.strip(), last.name)


def _message_sections(message: Message, ignore: Sequence[str]) -> Iterator[Section]:
    """What an earlier message states."""
    for block in message.content:
        if isinstance(block, Text):
            if message.role == "assistant":
                if not block.text.startswith(tuple(ignore)) and len(block.text.strip()) >= _ENOUGH:
                    yield Section(block.text)
                continue
            parts = _parts(block.text)
            yield from parts.sections
            if declared := _declarations(parts.rest):
                yield Section(declared)
    yield from _attached(message)


def _attached(message: Message) -> Iterator[Section]:
    for block in message.content:
        if isinstance(block, Document):
            yield Section(block.data.decode(errors="replace"), block.name)
        elif isinstance(block, ToolResult):
            for item in block.content:
                if isinstance(item, Text):
                    yield Section(item.text)
                elif isinstance(item, Document):
                    yield Section(item.data.decode(errors="replace"), item.name)


@dataclass(slots=True)
class _Parts:
    rest: str = ""
    sections: list[Section] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)


def _parts(text: str) -> _Parts:
    """Tagged, headed and fenced parts of a text, and what is left."""
    parts = _Parts()
    parts.rest = _take_headed(_take_fenced(_take_tagged(text, parts), parts), parts)
    return parts


def _take_tagged(text: str, parts: _Parts) -> str:
    """Take `<name>…</name>` out of a text, outermost first; unclosed tags stay. Linear in the text's length."""
    opened: list[tuple[str, int, int]] = []
    spans: list[tuple[str, int, int, int, int]] = []
    for tag in _TAG.finditer(text):
        name = tag[2].lower()
        if tag[3].endswith("/"):
            continue
        if not tag[1]:
            if len(opened) < 1000:
                opened.append((name, tag.start(), tag.end()))
            continue
        depth = next((i for i in range(len(opened) - 1, -1, -1) if opened[i][0] == name), None)
        if depth is not None:
            _, start, inner_start = opened[depth]
            del opened[depth:]
            spans.append((name, start, inner_start, tag.start(), tag.end()))
    outer: list[tuple[str, int, int, int, int]] = []
    for span in sorted(spans, key=lambda span: (span[1], -span[4])):
        if not outer or span[1] >= outer[-1][4]:
            outer.append(span)
    rest: list[str] = []
    position = 0
    for name, start, inner_start, inner_end, end in outer:
        kept = _place_tagged(name, text[inner_start:inner_end], parts)
        rest.append(text[position:start] + kept)
        position = end
    rest.append(text[position:])
    return "".join(rest)


def _place_tagged(name: str, inner: str, parts: _Parts) -> str:
    """Put a tagged part where it belongs; answers what stays in the text."""
    if name in _QUESTION_TAGS:
        parts.questions.append(_without_tags(inner).strip())
        return ""
    if name in _INSTRUCTION_TAGS or len(inner.strip()) < 3:
        return f"\n{_without_tags(inner)}\n"
    for section in _leaves(inner):
        parts.sections.append(section)
    return " "


def _leaves(inner: str) -> Iterator[Section]:
    """The documents in a container, each with its name; the container itself if it holds no tags."""
    tags = [tag for tag in _TAG.finditer(inner) if not tag[3].endswith("/")]
    if not tags:
        if inner.strip():
            yield Section(inner.strip())
        return
    label = ""
    position = 0
    for tag, following in pairwise([*tags, None]):
        assert tag is not None
        loose = inner[position : tag.start()].strip()
        if len(loose) >= _ENOUGH and tag is tags[0]:
            yield Section(loose)
        end = following.start() if following else len(inner)
        text = inner[tag.end() : end].strip()
        position = end
        if not tag[1] and tag[2].lower() in _NAME_TAGS:
            label = text[:200]
        elif text:
            yield Section(text, label)


def _without_tags(text: str) -> str:
    return _TAG.sub(" ", text)


def _take_fenced(text: str, parts: _Parts) -> str:
    pieces = _FENCE.split(text)
    if len(pieces) < 3:
        return text
    if len(pieces) % 2 == 0:
        pieces[-2:] = ["\n".join(pieces[-2:])]
    rest = pieces[0::2]
    for piece in pieces[1::2]:
        if len(piece.strip()) >= 3:
            parts.sections.append(Section(piece.strip()))
    return " ".join(rest)


def _take_headed(text: str, parts: _Parts) -> str:
    """Take `Context: …`, `Question: …` and the like out of a text, line by line."""
    rest: list[str] = []
    current: list[str] | None = None
    bodies: list[list[str]] = []
    in_question = False
    questions: list[str] = []
    for line in text.split("\n"):
        heading = _HEADING.match(line)
        if heading is not None:
            after = line[heading.end() :]
            current, in_question = None, False
            if heading["material"]:
                current = [after]
                bodies.append(current)
            elif heading["question"]:
                in_question = True
                questions.append(after)
            elif after.strip():
                rest.append(line)
        elif current is not None:
            current.append(line)
        elif in_question and line.strip():
            questions[-1] = f"{questions[-1]} {line.strip()}".strip()
        else:
            in_question = False
            rest.append(line)
    parts.questions.extend(question.strip() for question in questions if question.strip())
    for body in bodies:
        joined = "\n".join(body).strip()
        if joined:
            parts.sections.append(Section(joined))
    return "\n".join(rest)


def sentences(text: str) -> list[str]:
    return [piece for start, end in split_sentences(text) if (piece := text[start:end].strip())]


def asks(sentence: str) -> bool:
    """Whether a sentence asks or commands rather than states."""
    bare = sentence.strip(" \t\n\"'“”*_")
    return bare.endswith(("?", "？", "؟")) or bool(_INSTRUCTING.match(bare))


def _instructions(text: str) -> Iterator[str]:
    return (sentence for sentence in sentences(text) if asks(sentence))


def _declarations(text: str) -> str:
    found = [sentence for sentence in sentences(text) if not asks(sentence)]
    joined = " ".join(found)
    return joined if len(joined) >= _ENOUGH else ""


def _split_request(text: str) -> tuple[str, str]:
    """(request, statements) of a text without any marks: `Summarize this: …`, or statements around a question."""
    text = text.strip()
    head, colon, tail = text.partition(":")
    if colon and len(head) < 300 and asks(head) and len(tail.strip()) >= 3 and "\n\n" not in head.strip():
        request, statements = head.strip(), tail.strip()
        found = sentences(statements)
        last = len(found)
        while last > 1 and asks(found[last - 1]):
            last -= 1
        if any(sentence.endswith("?") for sentence in found[last:]):
            return f"{request}. {' '.join(found[last:])}", " ".join(found[:last])
        return request, statements
    asked: list[str] = []
    stated: list[str] = []
    for sentence in sentences(text):
        (asked if asks(sentence) else stated).append(sentence)
    if not asked:
        if len(stated) <= 1:
            return text, ""
        return "", " ".join(stated)
    statement = " ".join(stated)
    return " ".join(asked), statement if len(statement) >= 8 else ""
