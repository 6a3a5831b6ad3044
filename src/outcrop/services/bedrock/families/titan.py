"""Amazon Titan Text."""

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

_DEFAULT_TOKENS = 512
_LIMITS = {"lite": 4096, "express": 8192, "premier": 3072}
_REASONS = {
    "end_turn": "FINISH",
    "max_tokens": "LENGTH",
    "stop_sequence": "STOP_CRITERIA_MET",
    "content_filtered": "CONTENT_FILTERED",
    "tool_use": "FINISH",
}


class Titan:
    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        check(body, _schema(model))
        config = body.get("textGenerationConfig", {})
        return {
            **prompts.marked(body["inputText"], "User:", "Bot:"),
            "inferenceConfig": {
                "maxTokens": _DEFAULT_TOKENS,
                **inference(
                    config,
                    maxTokens="maxTokenCount",
                    temperature="temperature",
                    topP="topP",
                    stopSequences="stopSequences",
                ),
            },
        }

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        finish = completion.finish
        result = {
            "tokenCount": finish.output_tokens,
            "outputText": completion.text,
            "completionReason": _REASONS[finish.reason],
        }
        return {"inputTextTokenCount": finish.input_tokens, "results": [result]}

    def chunks(self, model: FoundationModel, origin: Origin) -> TitanChunks:
        return TitanChunks()


class TitanChunks:
    def start(self, input_tokens: int) -> Iterable[Body]:
        return ()

    def event(self, event: Event) -> Iterable[Body]:
        if isinstance(event, TextDelta):
            yield _chunk(event.text)

    def finish(self, finish: Finish) -> Iterable[Body]:
        yield {
            **_chunk(""),
            "inputTextTokenCount": finish.input_tokens,
            "totalOutputTextTokenCount": finish.output_tokens,
            "completionReason": _REASONS[finish.reason],
        }


def _chunk(text: str) -> Body:
    return {
        "outputText": text,
        "index": 0,
        "inputTextTokenCount": None,
        "totalOutputTextTokenCount": None,
        "completionReason": None,
    }


def _schema(model: FoundationModel) -> dict[str, Any]:
    limit = next((tokens for name, tokens in _LIMITS.items() if name in model.id), 8192)
    return {
        "type": "object",
        "required": ["inputText"],
        "additionalProperties": False,
        "properties": {
            "inputText": {"type": "string", "minLength": 1},
            "textGenerationConfig": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "maxTokenCount": {"type": "integer", "minimum": 0, "maximum": limit},
                    "temperature": {"type": "number", "minimum": 0, "maximum": 1},
                    "topP": {"type": "number", "minimum": 0, "maximum": 1},
                    "stopSequences": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    }
