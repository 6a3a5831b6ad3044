"""AI21's Jurassic-2, which doesn't stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.families.family import Body, inference, user
from outcrop.services.bedrock.invoke.bodies import check
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Origin
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.families.family import Chunks
    from outcrop.services.bedrock.runtime.runs import Completion

_DEFAULT_TOKENS = 200
_PENALTY = {"type": "object", "required": ["scale"], "properties": {"scale": {"type": "number"}}}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["prompt"],
    "additionalProperties": False,
    "properties": {
        "prompt": {"type": "string", "minLength": 1},
        "maxTokens": {"type": "integer", "minimum": 0, "maximum": 8191},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "topP": {"type": "number", "minimum": 0, "maximum": 1},
        "stopSequences": {"type": "array", "items": {"type": "string"}},
        "numResults": {"type": "integer", "minimum": 1, "maximum": 1},
        "minTokens": {"type": "integer", "minimum": 0},
        "topKReturn": {"type": "integer", "minimum": 0},
        "countPenalty": _PENALTY,
        "presencePenalty": _PENALTY,
        "frequencyPenalty": _PENALTY,
    },
}
_PENALTIES = {"presencePenalty": "presence_penalty", "frequencyPenalty": "frequency_penalty"}
_REASONS = {"max_tokens": "length", "stop_sequence": "stop"}


class Jurassic:
    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        check(body, _SCHEMA)
        config = inference(
            body, maxTokens="maxTokens", temperature="temperature", topP="topP", stopSequences="stopSequences"
        )
        penalties = {name: body[given]["scale"] for given, name in _PENALTIES.items() if given in body}
        return {
            "messages": [user(body["prompt"])],
            "inferenceConfig": {"maxTokens": _DEFAULT_TOKENS, **config},
            "additionalModelRequestFields": penalties,
        }

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        """Without the probabilities of tokens, which no engine here tells."""
        reason = _REASONS.get(completion.finish.reason, "endoftext")
        finished: Body = {"reason": reason}
        if reason == "length":
            finished["length"] = completion.finish.output_tokens
        if reason == "stop":
            finished["sequence"] = completion.finish.stop_sequence
        return {
            "id": 1234,
            "prompt": {"text": body.get("prompt", ""), "tokens": []},
            "completions": [{"data": {"text": completion.text, "tokens": []}, "finishReason": finished}],
        }

    def chunks(self, model: FoundationModel, origin: Origin) -> Chunks:
        raise ValidationException("The model is unsupported for streaming.")
