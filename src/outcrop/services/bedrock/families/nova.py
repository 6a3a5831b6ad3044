"""Amazon Nova: nearly Converse itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.converse.blocks import BlockEvents
from outcrop.services.bedrock.converse.messages import write_block
from outcrop.services.bedrock.families.claude import decoded
from outcrop.services.bedrock.families.family import Body, inference
from outcrop.services.bedrock.invoke.bodies import check, malformed

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Event, Finish, Origin
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runtime.runs import Completion


def _object(required: Sequence[str], **properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


_STRING = {"type": "string"}
_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_SOURCE = _object((), bytes=_STRING, s3Location=_object(("uri",), uri=_STRING))
_IMAGE = _object(("source",), format=_STRING, source=_SOURCE)
_DOCUMENT = _object(("name", "source"), name=_NAME, format=_STRING, source=_SOURCE)
_RESULT = _object((), text=_STRING, image=_IMAGE, document=_DOCUMENT)
_BLOCK = _object(
    (),
    text=_STRING,
    image=_IMAGE,
    document=_DOCUMENT,
    toolUse=_object(("toolUseId", "name", "input"), toolUseId=_STRING, name=_STRING, input={"type": "object"}),
    toolResult=_object(
        ("toolUseId", "content"), toolUseId=_STRING, content={"type": "array", "items": _RESULT}, status=_STRING
    ),
)
_BLOCKS = {"type": "array", "minItems": 1, "items": _BLOCK}
_TOOL_SPEC = _object(
    ("name", "inputSchema"), name=_STRING, description=_STRING, inputSchema=_object(("json",), json={"type": "object"})
)
_TOOL = _object((), toolSpec=_TOOL_SPEC)
_CHOICE = _object((), tool=_object(("name",), name=_STRING))
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["messages"],
    "additionalProperties": False,
    "properties": {
        "schemaVersion": {"type": "string", "enum": ["messages-v1"]},
        "system": {"type": "array", "items": _object(("text",), text=_STRING)},
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
        "toolConfig": _object(("tools",), tools={"type": "array", "minItems": 1, "items": _TOOL}, toolChoice=_CHOICE),
        "additionalModelRequestFields": {"type": "object"},
    },
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
            request["system"] = [{"text": part["text"]} for part in body["system"]]
        if "toolConfig" in body:
            request["toolConfig"] = body["toolConfig"]
        return request

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        content = [write_block(block) for block in completion.content]
        return {
            "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": completion.finish.reason,
            "usage": _usage(completion.finish),
        }

    def chunks(self, model: FoundationModel, origin: Origin) -> NovaChunks:
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
    """A block of Converse: what is base64 here is bytes there."""
    read: Body = {}
    for kind, value in block.items():
        if kind in ("image", "document"):
            read[kind] = {**value, "source": _source(value["source"], f"{path}/{kind}/source")}
        elif kind == "toolResult":
            parts = [_block(part, f"{path}/toolResult/content/{at}") for at, part in enumerate(value["content"])]
            read[kind] = {**value, "content": parts}
        else:
            read[kind] = value
    return read


def _source(source: Body, path: str) -> Body:
    if "bytes" in source:
        return {"bytes": decoded(source["bytes"], f"{path}/bytes")}
    if "s3Location" in source:
        return source
    raise malformed(f"{path}: required key [bytes] not found")
