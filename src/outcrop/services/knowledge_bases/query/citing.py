"""An answer as it comes into being: pieces of text, and citations of what was said so far."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcrop.engines.chunking.sentences import split_sentences
from outcrop.services.contract import ServiceError
from outcrop.services.knowledge_bases.errors import DependencyFailedException
from outcrop.services.knowledge_bases.query.markers import Mark, MarkerReader, Words
from outcrop.services.knowledge_bases.query.prompts import NO_ANSWER

if TYPE_CHECKING:
    from outcrop.engines.answering.answer import Answer
    from outcrop.engines.answering.support import Support


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that is appended to the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """A part of the answer so far and the passages (by index) that it rests on."""

    start: int
    end: int
    """Exclusive."""
    text: str
    passages: tuple[int, ...]


Said = AsyncGenerator[Piece | Cited, None]


async def nothing() -> Said:
    """An answer that isn't given: the caller says the refusal."""
    return
    yield


async def said(text: str) -> Said:
    """A text that cites nothing."""
    yield Piece(text)
    yield Cited(0, len(text), text, ())


async def selected(answers: Sequence[Answer]) -> Said:
    """What the extractive answerer put together, one paragraph an answer."""
    position = 0
    for answer in answers:
        base, done = position + (2 if position else 0), 0
        for part in answer.parts:
            yield Piece(("\n\n" if position and not done else "") + answer.text[done : part.end])
            yield Cited(base + part.start, base + part.end, answer.text[part.start : part.end], part.passages)
            done = part.end
        position = base + done


async def written(events: Any, passages: int, support: Support | None, resource: str) -> Said:
    """A generative model's ConverseStream events: markers become citations of the passages that really support what
    was said, and NO_ANSWER becomes nothing at all. Without `support` nothing is cited."""
    reader = MarkerReader(passages)
    writer = _Writer(support)
    async with aclosing(_texts(events, resource)) as texts:
        async for text in texts:
            for word in reader.feed(text):
                async for one in writer.take(word):
                    yield one
    for word in reader.finish():
        async for one in writer.take(word):
            yield one
    async for one in writer.cite(()):
        yield one


class _Writer:
    """Counts the characters that went out, and knows which of them no citation covers yet."""

    def __init__(self, support: Support | None) -> None:
        self._support = support
        self._start = 0
        self._open = ""

    async def take(self, word: Words | Mark) -> Said:
        if isinstance(word, Words):
            self._open += word.text
            yield Piece(word.text)
        else:
            async for one in self.cite(word.results):
                yield one

    async def cite(self, results: tuple[int, ...]) -> Said:
        """Sentences that rest on the same results become one part."""
        text, base = self._open, self._start
        self._open, self._start = "", base + len(text)
        if not text.strip():
            return
        parts: list[tuple[int, int, tuple[int, ...]]] = []
        for start, end in split_sentences(text) or [(0, len(text))]:
            passages = await self._support.supporting(text[start:end], results) if self._support and results else ()
            if parts and parts[-1][2] == passages:
                parts[-1] = (parts[-1][0], end, passages)
            else:
                parts.append((start, end, passages))
        for start, end, passages in parts:
            yield Cited(base + start, base + end, text[start:end], passages)


async def _texts(events: Any, resource: str) -> AsyncGenerator[str, None]:
    """The model's words without white space around them; none if it says that there is no answer."""
    held, begun = "", False
    try:
        async for event in events:
            text = event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
            if begun:
                yield text
                continue
            held = (held + text).lstrip()
            if held.startswith(NO_ANSWER):
                return
            if held and not NO_ANSWER.startswith(held.rstrip()):
                begun = True
                yield held
    except ServiceError as error:
        raise failed(error, resource) from None
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
    if held and not begun and held.strip() != NO_ANSWER:
        yield held


def failed(error: ServiceError, resource: str) -> ServiceError:
    """A model's error as the query plane words it."""
    if error.code in ("ThrottlingException", "AccessDeniedException", "ValidationException"):
        return error
    return DependencyFailedException(error.message, resourceName=resource)


def citation(cited: Cited, reference: Callable[[int], Mapping[str, Any]]) -> dict[str, Any]:
    """In AWS's form, whose span's end is inclusive."""
    span = {"start": cited.start, "end": cited.end - 1}
    return {
        "generatedResponsePart": {"textResponsePart": {"text": cited.text, "span": span}},
        "retrievedReferences": [reference(index) for index in cited.passages],
    }


def refused(text: str) -> dict[str, Any]:
    """The one citation of an answer that rests on nothing."""
    return {"generatedResponsePart": {"textResponsePart": {"text": text, "span": {}}}, "retrievedReferences": []}
