"""Mistral's prompts. Its newer models also take OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import TextDelta
from outcrop.services.bedrock.families import prompts
from outcrop.services.bedrock.families.family import Body, inference
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
        "max_tokens": {"type": "integer", "minimum": 1},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "top_k": {"type": "integer", "minimum": 0},
        "stop": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
    },
}


class Mistral:
    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        check(body, _SCHEMA)
        request = prompts.instructions(body["prompt"])
        system = request.pop("system", None)
        if system:
            request["messages"][0]["content"].insert(0, system[0])
        return {
            **request,
            "inferenceConfig": inference(
                body, maxTokens="max_tokens", temperature="temperature", topP="top_p", stopSequences="stop"
            ),
            "additionalModelRequestFields": {"top_k": body["top_k"]} if "top_k" in body else {},
        }

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        return {"outputs": [{"text": completion.text, "stop_reason": _reason(completion.finish)}]}

    def chunks(self, model: FoundationModel, origin: Origin) -> MistralChunks:
        return MistralChunks()


class MistralChunks:
    def start(self, input_tokens: int) -> Iterable[Body]:
        return ()

    def event(self, event: Event) -> Iterable[Body]:
        if isinstance(event, TextDelta):
            yield {"outputs": [{"text": event.text, "stop_reason": None}]}

    def finish(self, finish: Finish) -> Iterable[Body]:
        yield {"outputs": [{"text": "", "stop_reason": _reason(finish)}]}


def _reason(finish: Finish) -> str:
    return "length" if finish.reason == "max_tokens" else "stop"
