"""A guardrail around one invocation of a model: over its prompt, then over its answer, whole or streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import Event, Finish, Origin, Text, TextDelta
from outcrop.services.bedrock.guardrails.assessing import Content
from outcrop.services.bedrock.guardrails.guardrails import NO_SUCH
from outcrop.services.bedrock.guardrails.prompts import Prompt
from outcrop.services.bedrock.runtime.runs import Completion, Run
from outcrop.services.contract import ResourceNotFoundException, ValidationException

if TYPE_CHECKING:
    from outcrop.services.bedrock.guardrails.applying import Assessors
    from outcrop.services.bedrock.guardrails.assessing import Assessor, Verdict
    from outcrop.services.bedrock.runtime.calls import Call
    from outcrop.services.contract import Context


class Guards:
    def __init__(self, assessors: Assessors) -> None:
        self._assessors = assessors

    def of(self, ctx: Context, config: Mapping[str, Any]) -> Guard | None:
        """The guard that a request asks for by Converse's `guardrailConfig`. Raises ValidationException."""
        identifier, version = config.get("guardrailIdentifier"), config.get("guardrailVersion")
        if not identifier and not version:
            return None
        if not identifier or not version:
            raise ValidationException("A guardrail needs both its identifier and its version.")
        try:
            assessor = self._assessors.get(ctx, identifier, version)
        except ResourceNotFoundException:
            raise ValidationException(NO_SUCH) from None
        return Guard(assessor, config)


class Guard:
    """Of one invocation: `admit` the prompt, then `answer` or `stream`, then tell."""

    def __init__(self, assessor: Assessor, config: Mapping[str, Any]) -> None:
        self._assessor = assessor
        self._level = str(config.get("trace", "disabled")).lower()
        self._waits = str(config.get("streamProcessingMode", "sync")).lower() in ("sync", "synchronous")
        self._tag_suffix = str(config.get("tagSuffix", ""))
        self._prompt = Prompt({})
        self._input: Verdict | None = None
        self._output: Verdict | None = None
        self._written: list[str] = []

    def reason(self, finish: Finish) -> str:
        """Converse's stopReason."""
        return "guardrail_intervened" if self.intervened else finish.reason

    @property
    def intervened(self) -> bool:
        return any(verdict.intervened for verdict in (self._input, self._output) if verdict)

    async def admit(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The request, masked where it has to be. Look at `refusal` before it is used."""
        self._prompt = Prompt(request, self._tag_suffix)
        content = Content(self._prompt.texts, total=self._prompt.total)
        self._input = await self._assessor.assess("INPUT", content, full=self._is_full)
        return request if self._input.blocked else self._prompt.rewritten(self._input.texts)

    def refusal(self, call: Call) -> Run | None:
        """The answer in place of the model's where the prompt was blocked: it costs no tokens."""
        if self._input is None or not self._input.blocked:
            return None
        origin = Origin(
            call.ctx.request_id.replace("-", "")[:32], int(call.at.timestamp()), "guardrail", call.elapsed_ms()
        )
        call.ctx.notes["served-by"] = "guardrail"
        return Run(call, origin, 0, TextDelta(self._input.texts[0]), _end(Finish("end_turn", 0, 0)))

    async def answer(self, completion: Completion) -> Completion:
        texts = [block.text for block in completion.content if isinstance(block, Text)]
        verdict = await self._judge(texts)
        if not verdict.intervened:
            return completion
        if verdict.blocked:
            finish = replace(completion.finish, reason="end_turn")
            return replace(completion, content=(Text(verdict.texts[0]),), finish=finish)
        following = iter(verdict.texts)
        content = tuple(Text(next(following)) if isinstance(b, Text) else b for b in completion.content)
        return replace(completion, content=content)

    def stream(self, run: Run) -> Run:
        """The same run, its events judged: before any is shown, or (streamProcessingMode async) at the end."""
        events = self._held(run.events()) if self._waits else self._passed(run.events())
        return GuardedRun(run, events)

    async def _held(self, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        kept = [event async for event in events]
        groups = [list(group) for _, group in groupby(kept, type)]
        verdict = await self._judge([text for group in groups if (text := _text(group))])
        if verdict.blocked:
            yield TextDelta(verdict.texts[0])
            if isinstance(finish := kept[-1], Finish):
                yield replace(finish, reason="end_turn")
            return
        following = iter(verdict.texts)
        for group in groups:
            if verdict.is_masked and _text(group):
                yield TextDelta(next(following))
            else:
                for event in group:
                    yield event

    async def _passed(self, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        written: list[str] = []
        async for event in events:
            if isinstance(event, TextDelta):
                written.append(event.text)
            elif isinstance(event, Finish):
                await self._judge(["".join(written)])
            yield event

    async def _judge(self, texts: Sequence[str]) -> Verdict:
        self._written = list(texts)
        content = Content(tuple(texts), self._prompt.grounding_source, self._prompt.query)
        self._output = await self._assessor.assess("OUTPUT", content, full=self._is_full)
        return self._output

    @property
    def _is_full(self) -> bool:
        return self._level == "enabled_full"

    def trace(self) -> dict[str, Any]:
        """Converse's, for the members of an answer: nothing unless it was asked for."""
        if not self._traces:
            return {}
        told = self._told("inputAssessment")
        if self._output is not None:
            told["outputAssessments"] = {self._id: [self._output.assessment]}
        return {"trace": {"guardrail": told}}

    def body(self) -> dict[str, Any]:
        """What InvokeModel's bodies say besides."""
        added: dict[str, Any] = {"amazon-bedrock-guardrailAction": "INTERVENED" if self.intervened else "NONE"}
        if self._traces:
            told = self._told("input")
            if self._output is not None:
                told["outputs"] = [{self._id: self._output.assessment}]
            added["amazon-bedrock-trace"] = {"guardrail": told}
        return added

    def _told(self, input_name: str) -> dict[str, Any]:
        last = self._output or self._input
        return {
            **({"modelOutput": self._written} if self._output is not None else {}),
            **({input_name: {self._id: self._input.assessment}} if self._input is not None else {}),
            **({"actionReason": last.reason} if last is not None else {}),
        }

    @property
    def _traces(self) -> bool:
        return self._level.startswith("enabled")

    @property
    def _id(self) -> str:
        return self._assessor.guardrail.id


class GuardedRun(Run):
    """A run whose events pass a guardrail."""

    __slots__ = ("_guarded", "_run")

    def __init__(self, run: Run, events: AsyncIterator[Event]) -> None:
        self._run = run
        self._guarded = events
        self.call = run.call
        self.origin = run.origin
        self.input_tokens = run.input_tokens

    @property
    def latency_ms(self) -> int:
        return self._run.latency_ms

    async def events(self) -> AsyncIterator[Event]:
        async for event in self._guarded:
            yield event

    async def aclose(self) -> None:
        await self._run.aclose()


async def completed(refusal: Run) -> Completion:
    """A refusal as a whole answer."""
    texts: list[str] = []
    finish = Finish("end_turn", 0, 0)
    async for event in refusal.events():
        if isinstance(event, TextDelta):
            texts.append(event.text)
        elif isinstance(event, Finish):
            finish = event
    return Completion((Text("".join(texts)),), finish, refusal.latency_ms, refusal.origin)


async def _end(finish: Finish) -> AsyncGenerator[Event, None]:
    yield finish


def _text(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))
