"""A guardrail over questions and answers. Retrieved passages are never checked, as on AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outcrop.services.contract import Context

_LONGEST_GROUNDING = 100_000
"""Characters of the passages that an answer's grounding is checked against."""


@dataclass(frozen=True, slots=True)
class Verdict:
    text: str
    """What may be used or shown: the text itself, the text with parts masked, or the guardrail's message."""
    intervened: bool = False
    blocked: bool = False


class Guard:
    """What `guardrailConfiguration` names; without one everything passes."""

    def __init__(self, ctx: Context, configuration: Mapping[str, Any] | None) -> None:
        self._ctx = ctx
        self._configuration = configuration

    @property
    def active(self) -> bool:
        return self._configuration is not None

    async def question(self, text: str) -> Verdict:
        return await self._apply("INPUT", text, [{"text": {"text": text}}])

    async def answer(self, text: str, question: str, passages: Sequence[str]) -> Verdict:
        grounding = "\n\n".join(passages)[:_LONGEST_GROUNDING]
        content: list[dict[str, Any]] = [{"text": {"text": text, "qualifiers": ["guard_content"]}}]
        if grounding:
            content = [
                {"text": {"text": grounding, "qualifiers": ["grounding_source"]}},
                {"text": {"text": question, "qualifiers": ["query"]}},
                *content,
            ]
        return await self._apply("OUTPUT", text, content)

    async def _apply(self, source: str, text: str, content: Sequence[Mapping[str, Any]]) -> Verdict:
        if self._configuration is None or not text.strip():
            return Verdict(text)
        answer = await self._ctx.call(
            "bedrock-runtime",
            "apply_guardrail",
            {
                "guardrailIdentifier": self._configuration["guardrailId"],
                "guardrailVersion": self._configuration["guardrailVersion"],
                "source": source,
                "content": content,
            },
        )
        if answer["action"] != "GUARDRAIL_INTERVENED":
            return Verdict(text)
        shown = "\n".join(output["text"] for output in answer.get("outputs", ()))
        return Verdict(shown or text, intervened=True, blocked=_blocked(answer.get("assessments", ())))


def _blocked(assessments: Any) -> bool:
    """Whether any finding says BLOCKED; otherwise parts were only masked."""
    if isinstance(assessments, Mapping):
        return assessments.get("action") == "BLOCKED" or any(map(_blocked, assessments.values()))
    if isinstance(assessments, list | tuple):
        return any(map(_blocked, assessments))
    return False
