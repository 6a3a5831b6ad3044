"""Meta's Llama 2, 3 and 4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import TextDelta
from outcrop.services.bedrock.families import prompts
from outcrop.services.bedrock.families.claude import decoded
from outcrop.services.bedrock.families.family import Body, inference
from outcrop.services.bedrock.invoke.bodies import check, malformed

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Event, Finish, Origin
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runtime.runs import Completion

_DEFAULT_TOKENS = 512
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["prompt"],
    "additionalProperties": False,
    "properties": {
        "prompt": {"type": "string", "minLength": 1},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "max_gen_len": {"type": "integer", "minimum": 1, "maximum": 8192},
        "images": {"type": "array", "items": {"type": "string"}},
    },
}


class Llama:
    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        check(body, _SCHEMA)
        request = prompts.llama(body["prompt"])
        images = [
            {"image": {"format": "png", "source": {"bytes": decoded(data, f"#/images/{at}")}}}
            for at, data in enumerate(body.get("images", ()))
        ]
        if images and request["messages"][-1]["role"] != "user":
            raise malformed("#/images: the prompt has no message of the user to put them in")
        if images:
            request["messages"][-1]["content"].extend(images)
        config = inference(body, maxTokens="max_gen_len", temperature="temperature", topP="top_p")
        return {**request, "inferenceConfig": {"maxTokens": _DEFAULT_TOKENS, **config}}

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        finish = completion.finish
        return {
            "generation": completion.text,
            "prompt_token_count": finish.input_tokens,
            "generation_token_count": finish.output_tokens,
            "stop_reason": _reason(finish),
        }

    def chunks(self, model: FoundationModel, origin: Origin) -> LlamaChunks:
        return LlamaChunks()


class LlamaChunks:
    def __init__(self) -> None:
        self._prompt_tokens: int | None = None
        self._pieces = 0

    def start(self, input_tokens: int) -> Iterable[Body]:
        self._prompt_tokens = input_tokens
        return ()

    def event(self, event: Event) -> Iterable[Body]:
        if isinstance(event, TextDelta):
            self._pieces += 1
            yield {
                "generation": event.text,
                "prompt_token_count": self._prompt_tokens,
                "generation_token_count": self._pieces,
                "stop_reason": None,
            }
            self._prompt_tokens = None

    def finish(self, finish: Finish) -> Iterable[Body]:
        yield {
            "generation": "",
            "prompt_token_count": self._prompt_tokens,
            "generation_token_count": finish.output_tokens,
            "stop_reason": _reason(finish),
        }


def _reason(finish: Finish) -> str:
    return "length" if finish.reason == "max_tokens" else "stop"
