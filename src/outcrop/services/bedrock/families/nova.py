"""Amazon Nova: nearly Converse itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.blocks import BlockEvents
from outcrop.services.bedrock.bodies import check, malformed
from outcrop.services.bedrock.families.claude import decoded
from outcrop.services.bedrock.families.family import Body, inference
from outcrop.services.bedrock.messages import write_block

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Event, Finish
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runs import Completion

_BLOCKS = {"type": "array", "minItems": 1, "items": {"type": "object"}}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["messages"],
    "additionalProperties": False,
    "properties": {
        "schemaVersion": {"type": "string", "enum": ["messages-v1"]},
        "system": {"type": "array", "items": {"type": "object", "required": ["text"]}},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role", "content"],
                "properties": {"role": {"type": "string", "enum": ["user", "assistant"]}, "content": _BLOCKS},
            },
        },
        "inferenceConfig": {
            "type": "object",
            "properties": {
                "maxTokens": {"type": "integer", "minimum": 1},
                "max_new_tokens": {"type": "integer", "minimum": 1},
                "temperature": {"type": "number", "minimum": 0, "maximum": 1},
                "topP": {"type": "number", "minimum": 0, "maximum": 1},
                "top_p": {"type": "number", "minimum": 0, "maximum": 1},
                "topK": {"type": "integer", "minimum": 0},
                "top_k": {"type": "integer", "minimum": 0},
                "stopSequences": {"type": "array", "items": {"type": "string"}},
            },
        },
        "toolConfig": {
            "type": "object",
            "required": ["tools"],
            "properties": {"tools": {"type": "array", "minItems": 1, "items": {"type": "object"}}},
        },
        "additionalModelRequestFields": {"type": "object"},
    },
}
_REQUIRED: dict[str, tuple[str, ...]] = {
    "image": ("source",),
    "document": ("name", "source"),
    "toolUse": ("toolUseId", "name", "input"),
    "toolResult": ("toolUseId", "content"),
}


class Nova:
    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        check(body, _SCHEMA)
        given = body.get("inferenceConfig", {})
        older = inference(given, maxTokens="max_new_tokens", topP="top_p")
        config = inference(
            given, maxTokens="maxTokens", temperature="temperature", topP="topP", stopSequences="stopSequences"
        )
        request: dict[str, Any] = {
            "messages": [_message(message, at) for at, message in enumerate(body["messages"])],
            "inferenceConfig": {**older, **config},
            "additionalModelRequestFields": inference(given, top_k="top_k", topK="topK"),
        }
        if body.get("system"):
            request["system"] = [{"text": str(part["text"])} for part in body["system"]]
        if "toolConfig" in body:
            request["toolConfig"] = _tools(body["toolConfig"])
        return request

    def write(self, completion: Completion, model: FoundationModel) -> Body:
        content = [write_block(block) for block in completion.content]
        return {
            "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": completion.finish.reason,
            "usage": _usage(completion.finish),
        }

    def chunks(self, model: FoundationModel) -> NovaChunks:
        return NovaChunks()


class NovaChunks:
    def __init__(self) -> None:
        self._blocks = BlockEvents()

    def start(self, input_tokens: int) -> Iterable[Body]:
        yield {"messageStart": {"role": "assistant"}}

    def event(self, event: Event) -> Iterable[Body]:
        return self._blocks.of(event)

    def finish(self, finish: Finish) -> Iterable[Body]:
        yield from self._blocks.of(finish)
        yield {"messageStop": {"stopReason": finish.reason}}
        yield {"metadata": {"usage": _usage(finish), "metrics": {}, "trace": {}}}


def _usage(finish: Finish) -> Body:
    return {
        "inputTokens": finish.input_tokens,
        "outputTokens": finish.output_tokens,
        "totalTokens": finish.input_tokens + finish.output_tokens,
        "cacheReadInputTokenCount": 0,
        "cacheWriteInputTokenCount": 0,
    }


def _message(message: Body, index: int) -> Body:
    blocks = [_block(block, f"#/messages/{index}/content/{at}") for at, block in enumerate(message["content"])]
    return {"role": message["role"], "content": blocks}


def _block(block: Body, path: str) -> Body:
    for kind, value in block.items():
        if kind == "text" and not isinstance(value, str):
            raise malformed(f"{path}/text: expected type: String")
        for key in _REQUIRED.get(kind, ()):
            if not isinstance(value, dict) or key not in value:
                raise malformed(f"{path}/{kind}: required key [{key}] not found")
        if kind in ("image", "document"):
            return {kind: {**value, "source": _source(value["source"], f"{path}/{kind}/source")}}
        if kind == "toolResult":
            if not isinstance(value["content"], list) or not all(isinstance(part, dict) for part in value["content"]):
                raise malformed(f"{path}/toolResult/content: expected type: JSONArray")
            parts = [_block(part, f"{path}/toolResult/content/{at}") for at, part in enumerate(value["content"])]
            return {kind: {**value, "content": parts}}
    return block


def _source(source: Any, path: str) -> Body:
    if isinstance(source, dict) and isinstance(source.get("bytes"), str):
        return {"bytes": decoded(source["bytes"], f"{path}/bytes")}
    location = source.get("s3Location") if isinstance(source, dict) else None
    if isinstance(location, dict) and isinstance(location.get("uri"), str):
        return {"s3Location": {"uri": location["uri"]}}
    raise malformed(f"{path}: required key [bytes] not found")


def _tools(config: Body) -> Body:
    for at, tool in enumerate(config["tools"]):
        spec = tool.get("toolSpec")
        schema = spec.get("inputSchema") if isinstance(spec, dict) else None
        if not isinstance(spec, dict) or not isinstance(spec.get("name"), str) or not isinstance(schema, dict):
            raise malformed(f"#/toolConfig/tools/{at}: required keys [toolSpec.name, toolSpec.inputSchema] not found")
    choice = config.get("toolChoice", {})
    named = choice.get("tool") if isinstance(choice, dict) else None
    if (
        not isinstance(choice, dict)
        or (named is not None and not isinstance(named, dict))
        or (named and "name" not in named)
    ):
        raise malformed("#/toolConfig/toolChoice: expected auto, any or tool with a name")
    return config
