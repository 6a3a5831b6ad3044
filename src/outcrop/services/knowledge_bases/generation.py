"""RetrieveAndGenerate and its stream: an answer from a knowledge base, each part citing the passages it rests on."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcrop.engines.answering.answer import Passage
from outcrop.engines.inference.engine import EngineError
from outcrop.engines.inference.models import Models
from outcrop.services.contract import Context, Request, Result, ServiceError
from outcrop.services.knowledge_bases import prompts
from outcrop.services.knowledge_bases.common import find_knowledge_base, model_id
from outcrop.services.knowledge_bases.errors import (
    DependencyFailedException,
    ValidationException,
)
from outcrop.services.knowledge_bases.indexes import Indexes
from outcrop.services.knowledge_bases.retrieval import Search, reference
from outcrop.services.knowledge_bases.store import KnowledgeBase, KnowledgeBaseStore, Session
from outcrop.settings import Settings

if TYPE_CHECKING:
    from outcrop.engines.retrieval import Scored

SESSION_SECONDS = 24 * 3600
MAX_TURNS = 20
UNAVAILABLE = ("guardrailConfiguration",)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the answer: what is appended to the text, and where in the whole its cited sentence lies."""

    appended: str
    start: int
    end: int
    """Exclusive."""
    references: Sequence[Mapping[str, Any]]

    def citation(self, text: str) -> dict[str, Any]:
        """In AWS's form, whose span's end is inclusive."""
        return {
            "generatedResponsePart": {
                "textResponsePart": {"text": text, "span": {"start": self.start, "end": self.end - 1}}
            },
            "retrievedReferences": list(self.references),
        }


class Generation:
    def __init__(
        self,
        settings: Settings,
        store: KnowledgeBaseStore,
        indexes: Indexes,
        search: Search,
        models: Models,
    ) -> None:
        self._settings = settings
        self._store = store
        self._indexes = indexes
        self._search = search
        self._models = models

    async def retrieve_and_generate(self, ctx: Context, request: Request) -> Result:
        session, pieces = await self._begin(ctx, request)
        text, citations = "", []
        async for piece in pieces:
            text += piece.appended
            citations.append(piece.citation(text[piece.start : piece.end]))
        text = text or prompts.REFUSAL
        self._remember(session, request, text)
        return {
            "sessionId": session.id,
            "output": {"text": text},
            "citations": citations or [_refused(text)],
            "guardrailAction": "NONE",
        }

    async def retrieve_and_generate_stream(self, ctx: Context, request: Request) -> Result:
        session, pieces = await self._begin(ctx, request)

        async def events() -> AsyncIterator[dict[str, Any]]:
            text = ""
            async for piece in pieces:
                text += piece.appended
                yield {"output": {"text": piece.appended}}
                yield _citation_event(piece.citation(text[piece.start : piece.end]))
            if not text:
                text = prompts.REFUSAL
                yield {"output": {"text": text}}
                yield _citation_event(_refused(text))
            yield {"guardrail": {"action": "NONE"}}
            self._remember(session, request, text)

        return {"sessionId": session.id, "stream": events()}

    async def _begin(self, ctx: Context, request: Request) -> tuple[Session, AsyncIterator[Piece]]:
        """Check all that can be checked before the first word, retrieve, and start to answer."""
        configuration = request.get("retrieveAndGenerateConfiguration")
        if not configuration:
            raise ValidationException("retrieveAndGenerateConfiguration is required.")
        if configuration["type"] != "KNOWLEDGE_BASE":
            raise ValidationException(
                "EXTERNAL_SOURCES isn't available in Outcrop yet: put the document into a knowledge base and use "
                "type KNOWLEDGE_BASE."
            )
        given = configuration.get("knowledgeBaseConfiguration")
        if not given:
            raise ValidationException("knowledgeBaseConfiguration is required when the type is KNOWLEDGE_BASE.")
        generation = given.get("generationConfiguration", {})
        for member in UNAVAILABLE:
            if member in generation:
                raise ValidationException(f"{member} isn't available in Outcrop yet: leave it out.")
        kb = find_knowledge_base(self._store, ctx, given["knowledgeBaseId"])
        session = self._session(ctx, kb, request.get("sessionId"))
        template = generation.get("promptTemplate", {}).get("textPromptTemplate")
        prompts.render(template, "", ())
        await self._check_model(ctx, given["modelArn"])
        question = request["input"]["text"]
        if not question.strip():
            raise ValidationException("The input text is empty. Ask a question of at least one character.")

        from outcrop.engines.answering.conversation import resolve

        query = resolve(question, session.turns)
        hits = await self._search.passages(ctx, kb, query, given.get("retrievalConfiguration"))
        try:
            engine = await self._models.text(model_id(given["modelArn"]))
        except EngineError as error:
            raise DependencyFailedException(str(error), resourceName=given["modelArn"]) from None
        ctx.notes["served-by"] = engine.name
        if query != question:
            ctx.notes["query"] = query[:500]
        if engine.extractive:
            return session, await self._extract(kb, query, hits)
        return session, await self._generate(ctx, given, template, question, session, hits)

    async def _check_model(self, ctx: Context, arn: str) -> None:
        identifier = model_id(arn)
        try:
            await ctx.call("bedrock", "get_foundation_model", {"modelIdentifier": identifier})
        except ServiceError:
            try:
                await ctx.call("bedrock", "get_inference_profile", {"inferenceProfileIdentifier": identifier})
            except ServiceError:
                raise ValidationException(
                    f"The provided model identifier is invalid: {arn}. Give the ARN or id of a text model."
                ) from None

    # answers without a model

    async def _extract(self, kb: KnowledgeBase, question: str, hits: Sequence[Scored]) -> AsyncIterator[Piece]:
        from outcrop.engines.answering.extractive import ExtractiveAnswerer

        answerer = ExtractiveAnswerer(await self._indexes.embedder(kb), self._settings.answer_threshold)
        passages = [
            Passage(
                hit.text,
                hit.score if hit.vector_score is None else hit.vector_score,
                str(hit.metadata["x-amz-bedrock-kb-source-uri"]),
                hit.metadata.get("_page"),
            )
            for hit in hits
        ]
        answer = await answerer.answer(question, passages)

        async def pieces() -> AsyncIterator[Piece]:
            done = 0
            for part in answer.parts if answer else ():
                assert answer is not None
                yield Piece(
                    answer.text[done : part.end], part.start, part.end, [reference(hits[i]) for i in part.passages]
                )
                done = part.end

        return pieces()

    # answers by a generative model

    async def _generate(
        self,
        ctx: Context,
        given: Mapping[str, Any],
        template: str | None,
        question: str,
        session: Session,
        hits: Sequence[Scored],
    ) -> AsyncIterator[Piece]:
        if not hits:
            return _nothing()
        generation = given.get("generationConfiguration", {})
        system = prompts.render(template, question, [hit.text for hit in hits])
        messages: list[dict[str, Any]] = []
        for asked, answered in session.turns:
            messages.append({"role": "user", "content": [{"text": asked}]})
            messages.append({"role": "assistant", "content": [{"text": answered}]})
        messages.append({"role": "user", "content": [{"text": question}]})
        call: dict[str, Any] = {"modelId": given["modelArn"], "system": [{"text": system}], "messages": messages}
        if inference := generation.get("inferenceConfig", {}).get("textInferenceConfig"):
            call["inferenceConfig"] = inference
        if extra := generation.get("additionalModelRequestFields"):
            call["additionalModelRequestFields"] = extra
        try:
            answer = await ctx.call("bedrock-runtime", "converse_stream", call)
        except ServiceError as error:
            if error.code in ("ThrottlingException", "AccessDeniedException", "ValidationException"):
                raise
            raise DependencyFailedException(error.message, resourceName=given["modelArn"]) from None
        cites = template is None or "$output_format_instructions$" in template
        return self._read(answer["stream"], hits, cites)

    async def _read(
        self, stream: AsyncIterator[Mapping[str, Any]], hits: Sequence[Scored], cites: bool
    ) -> AsyncIterator[Piece]:
        """The model's words as pieces: markers become citations, and a refusal becomes nothing at all."""
        reader = prompts.CitationReader(len(hits))
        position, first = 0, True
        held = ""
        async for event in stream:
            text = event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
            if first:
                held += text
                if len(held.lstrip()) < len(prompts.NO_ANSWER) and prompts.NO_ANSWER.startswith(held.strip()):
                    continue
                if held.strip().startswith(prompts.NO_ANSWER):
                    return
                text, first = held.lstrip(), False
            for segment in reader.feed(text):
                piece = _piece(segment, position, hits, cites)
                position += len(segment.text)
                yield piece
        if first and held.strip() == prompts.NO_ANSWER:
            return
        if first and held:
            for segment in reader.feed(held.lstrip()):
                yield _piece(segment, position, hits, cites)
                position += len(segment.text)
        for segment in reader.finish():
            yield _piece(segment, position, hits, cites)
            position += len(segment.text)

    # sessions

    def _session(self, ctx: Context, kb: KnowledgeBase, session_id: str | None) -> Session:
        if session_id is None:
            return Session(str(uuid.uuid4()), ctx.account, kb.id, [], time.time())
        session = self._store.session(ctx.account, session_id)
        if session is None or session.kb_id != kb.id or time.time() - session.used_at > SESSION_SECONDS:
            raise ValidationException(f"Session with Id {session_id} is not valid. Please check and try again.")
        return session

    def _remember(self, session: Session, request: Request, answer: str) -> None:
        turns = [*session.turns, (request["input"]["text"], answer)][-MAX_TURNS:]
        self._store.put_session(Session(session.id, session.account, session.kb_id, turns, time.time()))


async def _nothing() -> AsyncIterator[Piece]:
    return
    yield


def _piece(segment: prompts.Segment, position: int, hits: Sequence[Scored], cites: bool) -> Piece:
    lead = len(segment.text) - len(segment.text.lstrip())
    references = [reference(hits[n]) for n in segment.results] if cites else []
    return Piece(segment.text, position + lead, position + len(segment.text), references)


def _refused(text: str) -> dict[str, Any]:
    return {
        "generatedResponsePart": {"textResponsePart": {"text": text, "span": {}}},
        "retrievedReferences": [],
    }


def _citation_event(citation: Mapping[str, Any]) -> dict[str, Any]:
    return {"citation": {"citation": citation, **citation}}
