"""RetrieveAndGenerate and its stream: an answer whose parts cite the passages that they rest on."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from outcrop.engines.answering.answer import Answer, Passage
from outcrop.engines.embedding import Embedder
from outcrop.engines.inference.engine import EngineError
from outcrop.engines.inference.models import Models
from outcrop.services.contract import Context, Request, Result, ServiceError
from outcrop.services.knowledge_bases.common import find_knowledge_base
from outcrop.services.knowledge_bases.errors import DependencyFailedException, ValidationException
from outcrop.services.knowledge_bases.indexes import Indexes
from outcrop.services.knowledge_bases.query import citing, prompts
from outcrop.services.knowledge_bases.query.citing import Cited, Piece, Said
from outcrop.services.knowledge_bases.query.external_sources import ExternalSources
from outcrop.services.knowledge_bases.query.guarding import Guard
from outcrop.services.knowledge_bases.query.inference import converse_parameters
from outcrop.services.knowledge_bases.query.orchestration import Orchestration
from outcrop.services.knowledge_bases.query.results import Found, References
from outcrop.services.knowledge_bases.query.search import Plan, Search
from outcrop.services.knowledge_bases.query.sessions import EXTERNAL, Sessions
from outcrop.services.knowledge_bases.query.shortening import shorten
from outcrop.services.knowledge_bases.query.targets import Target, Targets
from outcrop.services.knowledge_bases.store import KnowledgeBase, KnowledgeBaseStore, Session
from outcrop.settings import Settings

log = logging.getLogger(__name__)

Action = Literal["NONE", "INTERVENED"]


@dataclass(frozen=True, slots=True)
class Task:
    """A checked request."""

    question: str
    target: Target
    session: Session
    guard: Guard
    template: str | None
    parameters: Mapping[str, Any]
    """Of Converse: inferenceConfig and the like."""
    orchestration: Orchestration
    kb: KnowledgeBase | None = None
    plan: Plan | None = None
    source: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Reply:
    """An answer under way."""

    said: Said
    found: Sequence[Found] = ()
    action: Action = "NONE"
    question: str = ""
    """As the guardrail let it through."""


class Generation:
    def __init__(
        self,
        settings: Settings,
        store: KnowledgeBaseStore,
        indexes: Indexes,
        search: Search,
        models: Models,
        targets: Targets,
        sources: ExternalSources,
    ) -> None:
        self._settings = settings
        self._store = store
        self._indexes = indexes
        self._search = search
        self._models = models
        self._targets = targets
        self._sources = sources
        self._sessions = Sessions(store)

    async def retrieve_and_generate(self, ctx: Context, request: Request) -> Result:
        task = await self._read(ctx, request)
        reply = await self._begin(ctx, task)
        text, citations = "", []
        references = References(self._store, task.kb)
        async with aclosing(self._events(task, reply)) as events:
            async for one in events:
                if isinstance(one, Piece):
                    text += one.text
                else:
                    citations.append(_citation(one, reply, references))
        self._sessions.remember(task.session, task.question, text)
        return {
            "sessionId": task.session.id,
            "output": {"text": text},
            "citations": citations,
            "guardrailAction": reply.action,
        }

    async def retrieve_and_generate_stream(self, ctx: Context, request: Request) -> Result:
        task = await self._read(ctx, request)
        reply = await self._begin(ctx, task)
        references = References(self._store, task.kb)

        async def stream() -> AsyncIterator[dict[str, Any]]:
            text = ""
            async with aclosing(self._events(task, reply)) as events:
                async for one in events:
                    if isinstance(one, Piece):
                        text += one.text
                        yield {"output": {"text": one.text}}
                    else:
                        citation = _citation(one, reply, references)
                        yield {"citation": {"citation": citation, **citation}}
            self._sessions.remember(task.session, task.question, text)
            yield {"guardrail": {"action": reply.action}}

        return {"sessionId": task.session.id, "stream": stream()}

    # what is asked

    async def _read(self, ctx: Context, request: Request) -> Task:
        """Check all that can be checked before anything is searched."""
        configuration = request.get("retrieveAndGenerateConfiguration")
        if not configuration:
            raise ValidationException("retrieveAndGenerateConfiguration is required.")
        external = configuration["type"] == "EXTERNAL_SOURCES"
        member = "externalSourcesConfiguration" if external else "knowledgeBaseConfiguration"
        other = "knowledgeBaseConfiguration" if external else "externalSourcesConfiguration"
        given = configuration.get(member)
        if not given:
            raise ValidationException(f"{member} is required when the type is {configuration['type']}.")
        if other in configuration:
            raise ValidationException(f"{other} must not be given when the type is {configuration['type']}.")
        question = request["input"]["text"]
        if not question.strip():
            raise ValidationException("The input text is empty. Ask a question of at least one character.")
        orchestration = Orchestration(given.get("orchestrationConfiguration"), self._settings.strict)
        kb = plan = source = None
        if external:
            (source,) = given["sources"]
            self._sources.check(source)
        else:
            kb = find_knowledge_base(self._store, ctx, given["knowledgeBaseId"])
            plan = self._search.plan(ctx, kb, given.get("retrievalConfiguration"), orchestration.decomposes)
        session = self._sessions.begin(ctx, kb.id if kb else EXTERNAL, request.get("sessionId"))
        generation = given.get("generationConfiguration", {})
        template = generation.get("promptTemplate", {}).get("textPromptTemplate")
        prompts.check_generation(template)
        parameters = converse_parameters(generation)
        target = await self._targets.find(ctx, given["modelArn"])
        ctx.notes["served-by"] = target.served_by
        self._lint(ctx, template, orchestration.template, target)
        guard = Guard(ctx, generation.get("guardrailConfiguration"))
        return Task(question, target, session, guard, template, parameters, orchestration, kb, plan, source)

    def _lint(self, ctx: Context, template: str | None, orchestration: str | None, target: Target) -> None:
        warnings = prompts.lint_generation(template, target.model_id) + prompts.lint_orchestration(orchestration)
        if warnings:
            ctx.notes["prompt-warnings"] = json.dumps(warnings)
            log.warning("prompt template of request %s: %s", ctx.request_id, " ".join(warnings))

    # what is answered

    async def _begin(self, ctx: Context, task: Task) -> Reply:
        """Search, and start to answer."""
        verdict = await task.guard.question(task.question)
        if verdict.blocked:
            return Reply(citing.said(verdict.text), action="INTERVENED")
        question = verdict.text
        questions = await task.orchestration.questions(ctx, task.target, question, task.session.turns)
        if not questions:
            return Reply(citing.nothing(), question=question)
        found = await self._find(ctx, task, questions)
        try:
            embedder = await (self._indexes.embedder(task.kb) if task.kb else self._models.embedder(""))
        except EngineError as error:
            raise DependencyFailedException(str(error)) from None
        if not found:
            said = citing.nothing()
        elif task.target.generative:
            said = await self._write(ctx, task, question, found, embedder)
        else:
            said = citing.selected(await self._select(task, questions, found, embedder))
        return Reply(said, found, "INTERVENED" if verdict.intervened else "NONE", question)

    async def _find(self, ctx: Context, task: Task, questions: Sequence[str]) -> list[Found]:
        if task.kb is not None and task.plan is not None:
            return await self._search.find(ctx, task.kb, task.plan, questions)
        assert task.source is not None
        return await self._sources.find(ctx, task.source, questions[0])

    async def _select(
        self, task: Task, questions: Sequence[str], found: Sequence[Found], embedder: Embedder
    ) -> list[Answer]:
        """Answers made of the passages' own sentences: to each part of a compound question, or to the whole."""
        from outcrop.engines.answering.extractive import ExtractiveAnswerer

        answerer = ExtractiveAnswerer(embedder, self._settings.answer_threshold)
        passages = [_passage(one) for one in found]
        whole, parts = questions[0], questions[1:]
        answers: list[Answer] = []
        for question in parts or [whole]:
            answer = await answerer.answer(question, passages)
            if answer is not None and answer.text not in {earlier.text for earlier in answers}:
                answers.append(answer)
        if not answers and parts and (answer := await answerer.answer(whole, passages)):
            answers = [answer]
        return shorten(answers, task.parameters.get("inferenceConfig", {}), (await self._models.tokens()).cut)

    async def _write(self, ctx: Context, task: Task, question: str, found: Sequence[Found], embedder: Embedder) -> Said:
        from outcrop.engines.answering.support import Support

        texts = [one.text for one in found]
        messages: list[dict[str, Any]] = []
        for asked, answered in task.session.turns:
            messages.append({"role": "user", "content": [{"text": asked}]})
            messages.append({"role": "assistant", "content": [{"text": answered}]})
        messages.append({"role": "user", "content": [{"text": question}]})
        call = {
            "modelId": task.target.arn,
            "system": [{"text": prompts.generation_prompt(task.template, question, texts)}],
            "messages": messages,
            **task.parameters,
        }
        try:
            answer = await ctx.call("bedrock-runtime", "converse_stream", call)
        except ServiceError as error:
            raise citing.failed(error, task.target.arn) from None
        cites = task.template is None or prompts.FORMAT in task.template
        support = Support(embedder, question, texts) if cites else None
        return citing.written(answer["stream"], len(found), support, task.target.arn)

    async def _events(self, task: Task, reply: Reply) -> Said:
        """What is said, past the guardrail; a refusal where nothing is."""
        empty = True
        async with aclosing(self._guarded(task, reply)) as said:
            async for one in said:
                empty = False
                yield one
        if empty:
            yield Piece(prompts.REFUSAL)
            yield Cited(0, 0, prompts.REFUSAL, ())

    async def _guarded(self, task: Task, reply: Reply) -> Said:
        """A guardrail judges whole answers, so with one nothing is said before all is known."""
        if not task.guard.active or not reply.question:
            async with aclosing(reply.said) as said:
                async for one in said:
                    yield one
            return
        kept = [one async for one in reply.said]
        text = "".join(one.text for one in kept if isinstance(one, Piece))
        verdict = await task.guard.answer(text, reply.question, [one.text for one in reply.found])
        if not verdict.intervened:
            for one in kept:
                yield one
            return
        reply.action = "INTERVENED"
        cited = {index for one in kept if isinstance(one, Cited) for index in one.passages}
        yield Piece(verdict.text)
        yield Cited(0, len(verdict.text), verdict.text, () if verdict.blocked else tuple(sorted(cited)))


def _citation(cited: Cited, reply: Reply, references: References) -> dict[str, Any]:
    if cited.text == prompts.REFUSAL and not cited.passages:
        return citing.refused(cited.text)
    return citing.citation(cited, lambda index: references.reference(reply.found[index]))


def _passage(found: Found) -> Passage:
    hit = found.hit
    return Passage(
        found.text,
        hit.score if hit.vector_score is None else hit.vector_score,
        found.uri,
        hit.metadata.get("_page"),
        str(hit.metadata.get("_section", "")),
    )
