"""DeepSeek-R1's prompts. It also takes OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import ReasoningDelta, TextDelta
from outcrop.services.bedrock.families import prompts
from outcrop.services.bedrock.families.family import Body, inference
from outcrop.services.bedrock.invoke.bodies import check

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Event, Finish, Origin
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runtime.runs import Completion

_BEGIN, _USER, _ASSISTANT = "<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["prompt"],
    "additionalProperties": False,
    "properties": {
        "prompt": {"type": "string", "minLength": 1},
        "max_tokens": {"type": "integer", "minimum": 1, "maximum": 32768},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "stop": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
    },
}


class DeepSeek:
    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        check(body, _SCHEMA)
        prompt = body["prompt"].replace(_BEGIN, "").replace("<think>", "")
        spaced = prompt.replace(_USER, f"\n{_USER}").replace(_ASSISTANT, f"\n{_ASSISTANT}")
        return {
            **prompts.marked(spaced, _USER, _ASSISTANT),
            "inferenceConfig": inference(
                body, maxTokens="max_tokens", temperature="temperature", topP="top_p", stopSequences="stop"
            ),
        }

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        thought = f"{completion.reasoning}</think>" if completion.reasoning else ""
        return {"choices": [{"text": thought + completion.text, "stop_reason": _reason(completion.finish)}]}

    def chunks(self, model: FoundationModel, origin: Origin) -> DeepSeekChunks:
        return DeepSeekChunks()


class DeepSeekChunks:
    """The prompt ends in `<think>`, so a text begins with the thought."""

    def __init__(self) -> None:
        self._thinks = False

    def start(self, input_tokens: int) -> Iterable[Body]:
        return ()

    def event(self, event: Event) -> Iterable[Body]:
        if isinstance(event, ReasoningDelta):
            self._thinks = True
            yield {"choices": [{"text": event.text, "stop_reason": None}]}
        if isinstance(event, TextDelta):
            text = f"</think>{event.text}" if self._thinks else event.text
            self._thinks = False
            yield {"choices": [{"text": text, "stop_reason": None}]}

    def finish(self, finish: Finish) -> Iterable[Body]:
        yield {"choices": [{"text": "", "stop_reason": _reason(finish)}]}


def _reason(finish: Finish) -> str:
    return "length" if finish.reason == "max_tokens" else "stop"
