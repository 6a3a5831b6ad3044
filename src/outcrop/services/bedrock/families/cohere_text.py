"""Cohere Command and Command Light."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import TextDelta
from outcrop.services.bedrock.families.family import Body, identifier, inference, user
from outcrop.services.bedrock.invoke.bodies import check

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Event, Finish, Origin
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runtime.runs import Completion

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["prompt"],
    "additionalProperties": False,
    "properties": {
        "prompt": {"type": "string", "minLength": 1},
        "max_tokens": {"type": "integer", "minimum": 1, "maximum": 4096},
        "temperature": {"type": "number", "minimum": 0, "maximum": 5},
        "p": {"type": "number", "minimum": 0, "maximum": 1},
        "k": {"type": "number", "minimum": 0, "maximum": 500},
        "stop_sequences": {"type": "array", "items": {"type": "string"}},
        "return_likelihoods": {"type": "string", "enum": ["NONE"]},
        "stream": {"type": "boolean"},
        "num_generations": {"type": "integer", "minimum": 1, "maximum": 1},
        "truncate": {"type": "string", "enum": ["NONE", "START", "END"]},
        "logit_bias": {"type": "object"},
    },
}
REASONS = {"max_tokens": "MAX_TOKENS", "content_filtered": "ERROR_TOXIC"}


class CohereText:
    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        check(body, _SCHEMA)
        return {
            "messages": [user(body["prompt"])],
            "inferenceConfig": inference(
                body, maxTokens="max_tokens", temperature="temperature", topP="p", stopSequences="stop_sequences"
            ),
            "additionalModelRequestFields": {"k": body["k"]} if "k" in body else {},
        }

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        generation = {
            "id": identifier(completion.origin, "generation"),
            "text": completion.text,
            "finish_reason": REASONS.get(completion.finish.reason, "COMPLETE"),
        }
        return {
            "id": identifier(completion.origin, "response"),
            "generations": [generation],
            "prompt": body.get("prompt", ""),
        }

    def chunks(self, model: FoundationModel, origin: Origin) -> CohereTextChunks:
        return CohereTextChunks()


class CohereTextChunks:
    def start(self, input_tokens: int) -> Iterable[Body]:
        return ()

    def event(self, event: Event) -> Iterable[Body]:
        if isinstance(event, TextDelta):
            yield {"text": event.text, "is_finished": False}

    def finish(self, finish: Finish) -> Iterable[Body]:
        yield {"is_finished": True, "finish_reason": REASONS.get(finish.reason, "COMPLETE")}
