"""Anthropic's old text completions, of Claude 2 and Claude Instant, which also take messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import TextDelta
from outcrop.services.bedrock.families import prompts
from outcrop.services.bedrock.families.family import Body, inference
from outcrop.services.bedrock.invoke.bodies import check
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Event, Finish, Origin
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runtime.runs import Completion

_HUMAN, _ASSISTANT = "\n\nHuman:", "\n\nAssistant:"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["prompt", "max_tokens_to_sample"],
    "additionalProperties": False,
    "properties": {
        "prompt": {"type": "string"},
        "max_tokens_to_sample": {"type": "integer", "minimum": 1},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "top_k": {"type": "integer", "minimum": 0, "maximum": 500},
        "stop_sequences": {"type": "array", "items": {"type": "string"}, "maxItems": 8191},
        "anthropic_version": {"type": "string"},
    },
}


class ClaudeText:
    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        check(body, _SCHEMA)
        prompt: str = body["prompt"]
        if not prompt.startswith(_HUMAN) or _ASSISTANT not in prompt:
            raise ValidationException(
                'Invalid prompt: prompt must start with "\n\nHuman:" turn, end with "\n\nAssistant:" turn'
            )
        return {
            **prompts.marked(prompt, _HUMAN.strip(), _ASSISTANT.strip()),
            "inferenceConfig": inference(
                body,
                maxTokens="max_tokens_to_sample",
                temperature="temperature",
                topP="top_p",
                stopSequences="stop_sequences",
            ),
            "additionalModelRequestFields": {"top_k": body["top_k"]} if "top_k" in body else {},
        }

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        return {"type": "completion", "completion": f" {completion.text}", **_ending(completion.finish)}

    def chunks(self, model: FoundationModel, origin: Origin) -> ClaudeTextChunks:
        return ClaudeTextChunks()


class ClaudeTextChunks:
    def start(self, input_tokens: int) -> Iterable[Body]:
        return ()

    def event(self, event: Event) -> Iterable[Body]:
        if isinstance(event, TextDelta):
            yield {"type": "completion", "completion": event.text, "stop_reason": None, "stop": None}

    def finish(self, finish: Finish) -> Iterable[Body]:
        yield {"type": "completion", "completion": "", **_ending(finish)}


def _ending(finish: Finish) -> Body:
    if finish.reason == "max_tokens":
        return {"stop_reason": "max_tokens", "stop": None}
    return {"stop_reason": "stop_sequence", "stop": finish.stop_sequence or _HUMAN}
