"""From what was asked to what is searched for: follow-ups made complete, compound questions taken apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from outcrop.services.contract import Context, ServiceError
from outcrop.services.knowledge_bases.query import prompts
from outcrop.services.knowledge_bases.query.citing import failed
from outcrop.services.knowledge_bases.query.inference import converse_parameters
from outcrop.services.knowledge_bases.query.targets import Target


class Orchestration:
    """A checked `orchestrationConfiguration`."""

    def __init__(self, given: Mapping[str, Any] | None, strict: bool) -> None:
        """Raises ValidationException."""
        self._given = given or {}
        self._strict = strict
        self.template: str | None = self._given.get("promptTemplate", {}).get("textPromptTemplate")
        prompts.check_orchestration(self.template)
        self.parameters = converse_parameters(self._given)

    @property
    def decomposes(self) -> bool:
        return "queryTransformationConfiguration" in self._given

    async def questions(
        self, ctx: Context, target: Target, question: str, history: Sequence[tuple[str, str]]
    ) -> list[str]:
        """The question so that it can be understood alone, and what it is made of if that was asked for. Empty where
        AWS gives up: the model kept to no format, in strict mode."""
        from outcrop.engines.answering.conversation import resolve
        from outcrop.engines.answering.decomposition import decompose

        if self._given and target.generative:
            if queries := await self._asked(ctx, target, question, history):
                return _noted(ctx, question, queries)
            if self._strict:
                return []
            ctx.notes["orchestration"] = "the model wrote no query in the format asked for: the question itself is used"
        whole = resolve(question, history)
        parts = decompose(whole) if self.decomposes else []
        return _noted(ctx, question, [whole, *(part for part in parts if part != whole)])

    async def _asked(
        self, ctx: Context, target: Target, question: str, history: Sequence[tuple[str, str]]
    ) -> list[str]:
        request = {
            "modelId": target.arn,
            "system": [{"text": prompts.orchestration_prompt(self.template, question, history)}],
            "messages": [{"role": "user", "content": [{"text": question}]}],
            **self.parameters,
        }
        try:
            answer = await ctx.call("bedrock-runtime", "converse", request)
        except ServiceError as error:
            raise failed(error, target.arn) from None
        text = "".join(block.get("text", "") for block in answer["output"]["message"]["content"])
        queries = prompts.read_queries(text)
        return queries if self.decomposes else queries[:1]


def _noted(ctx: Context, question: str, queries: list[str]) -> list[str]:
    if queries != [question]:
        ctx.notes["query"] = json.dumps(queries if len(queries) > 1 else queries[0])[:2000]
    return queries
