"""Anthropic's Messages API."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import Reasoning, ReasoningDelta, Text, TextDelta, ToolUseDelta, ToolUseStart
from outcrop.services.bedrock.converse.blocks import signature
from outcrop.services.bedrock.families.family import Body, inference
from outcrop.services.bedrock.invoke.bodies import check, malformed
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Event, Finish, Origin
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runtime.runs import Completion

_STRINGS = {"type": "array", "items": {"type": "string"}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["anthropic_version", "max_tokens", "messages"],
    "additionalProperties": False,
    "properties": {
        "anthropic_version": {"type": "string"},
        "anthropic_beta": _STRINGS,
        "max_tokens": {"type": "integer", "minimum": 1},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role", "content"],
                "properties": {"role": {"type": "string", "enum": ["user", "assistant", "system"]}},
            },
        },
        "system": {},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "top_k": {"type": "integer", "minimum": 0, "maximum": 500},
        "stop_sequences": {**_STRINGS, "maxItems": 8191},
        "tools": {"type": "array", "items": {"type": "object", "required": ["name"]}},
        "tool_choice": {"type": "object", "required": ["type"]},
        "thinking": {"type": "object", "required": ["type"]},
        "metadata": {"type": "object"},
        "output_config": {"type": "object"},
        "output_format": {"type": "object"},
        "context_management": {"type": "object"},
        "container": {},
        "mcp_servers": {"type": "array"},
    },
}
_VERSION = re.compile(r"(?:bedrock-)?20\d\d-\d\d-\d\d")
"""`bedrock-2023-05-31`, or the date of Anthropic's own API, as its newer SDKs send."""
_REASONS = {"content_filtered": "refusal"}


class Claude:
    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        if "prompt" in body:
            name = _message_head(model, "")["model"]
            raise ValidationException(f'"{name}" is not supported on this API. Please use the Messages API instead.')
        check(body, SCHEMA)
        if not _VERSION.fullmatch(body["anthropic_version"]):
            raise malformed(f"#/anthropic_version: {body['anthropic_version']} is not a valid enum value")
        budget = body.get("thinking", {}).get("budget_tokens", 0)
        if isinstance(budget, int) and budget >= body["max_tokens"]:
            raise ValidationException("`max_tokens` must be greater than `thinking.budget_tokens`.")
        request: dict[str, Any] = {
            "messages": _joined([_message(message, at) for at, message in enumerate(body["messages"])]),
            "inferenceConfig": inference(
                body, maxTokens="max_tokens", temperature="temperature", topP="top_p", stopSequences="stop_sequences"
            ),
            "additionalModelRequestFields": _further(body),
        }
        if body.get("system"):
            request["system"] = _system(body["system"])
        if body.get("tools"):
            request["toolConfig"] = _tools(body["tools"], body.get("tool_choice", {"type": "auto"}))
        if (schema := _schema(body)) is not None:
            structure = {"jsonSchema": {"schema": json.dumps(schema)}}
            request["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": structure}}
        return request

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        content: list[Body] = []
        for block in completion.content:
            if isinstance(block, Text):
                content.append({"type": "text", "text": block.text})
            elif isinstance(block, Reasoning):
                thought = {"type": "thinking", "thinking": block.text, "signature": signature(block.text)}
                content.append(thought)
            else:
                content.append({"type": "tool_use", "id": block.id, "name": block.name, "input": dict(block.input)})
        finish = completion.finish
        return {
            **_message_head(model, completion.origin.id),
            "content": content,
            "stop_reason": _REASONS.get(finish.reason, finish.reason),
            "stop_sequence": finish.stop_sequence,
            "usage": _usage(finish, model),
        }

    def chunks(self, model: FoundationModel, origin: Origin) -> ClaudeChunks:
        return ClaudeChunks(model, origin)


class ClaudeChunks:
    def __init__(self, model: FoundationModel, origin: Origin) -> None:
        self._model = model
        self._origin = origin
        self._index = -1
        self._kind = ""
        self._thought: list[str] = []

    def start(self, input_tokens: int) -> Iterable[Body]:
        message = {
            **_message_head(self._model, self._origin.id),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": input_tokens, "output_tokens": 0},
        }
        yield {"type": "message_start", "message": message}

    def event(self, event: Event) -> Iterable[Body]:
        match event:
            case TextDelta(text):
                if self._kind != "text":
                    yield from self._begin("text", {"type": "text", "text": ""})
                yield self._delta({"type": "text_delta", "text": text})
            case ReasoningDelta(text):
                if self._kind != "thinking":
                    yield from self._begin("thinking", {"type": "thinking", "thinking": "", "signature": ""})
                self._thought.append(text)
                yield self._delta({"type": "thinking_delta", "thinking": text})
            case ToolUseStart(id, name):
                yield from self._begin("tool_use", {"type": "tool_use", "id": id, "name": name, "input": {}})
            case ToolUseDelta(partial):
                yield self._delta({"type": "input_json_delta", "partial_json": partial})

    def finish(self, finish: Finish) -> Iterable[Body]:
        yield from self._end()
        yield {
            "type": "message_delta",
            "delta": {
                "stop_reason": _REASONS.get(finish.reason, finish.reason),
                "stop_sequence": finish.stop_sequence,
            },
            "usage": _usage(finish, self._model),
        }
        yield {"type": "message_stop"}

    def _begin(self, kind: str, block: Body) -> Iterator[Body]:
        yield from self._end()
        self._index += 1
        self._kind = kind
        yield {"type": "content_block_start", "index": self._index, "content_block": block}

    def _end(self) -> Iterator[Body]:
        if self._kind == "thinking":
            yield self._delta({"type": "signature_delta", "signature": signature("".join(self._thought))})
            self._thought.clear()
        if self._kind:
            self._kind = ""
            yield {"type": "content_block_stop", "index": self._index}

    def _delta(self, delta: Body) -> Body:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}


def _usage(finish: Finish, model: FoundationModel) -> Body:
    cached = finish.cached_tokens if model.caches else 0
    counted = {"input_tokens": finish.input_tokens - cached, "output_tokens": finish.output_tokens}
    if not model.caches:
        return counted
    return {**counted, "cache_creation_input_tokens": 0, "cache_read_input_tokens": cached}


def _further(body: Body) -> Body:
    """What has no place in Converse's own members."""
    further: Body = {name: body[name] for name in ("top_k", "thinking") if name in body}
    config = body.get("output_config", {})
    return {**further, **({"reasoning_effort": config["effort"]} if config.get("effort") else {})}


def _schema(body: Body) -> Body | None:
    """The schema of a structured output, in either of its two places."""
    given = body.get("output_format") or body.get("output_config", {}).get("format")
    if given is None:
        return None
    if not isinstance(given, dict) or given.get("type") != "json_schema" or not isinstance(given.get("schema"), dict):
        raise malformed("#/output_config/format: expected a type of json_schema and a schema")
    schema: Body = given["schema"]
    return schema


def _message_head(model: FoundationModel, id: str) -> Body:
    name = re.sub(r"-v\d+(:\d+)?(:\w+)?$", "", model.id.partition(".")[2])
    return {"id": f"msg_bdrk_{id[:24]}", "type": "message", "role": "assistant", "model": name}


def _joined(messages: list[Body]) -> list[Body]:
    """Messages of the same role in a row as one, as Anthropic takes them."""
    joined: list[Body] = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1]["content"].extend(message["content"])
        else:
            joined.append(message)
    return joined


def _message(message: Body, index: int) -> Body:
    content, path = message["content"], f"#/messages/{index}/content"
    if isinstance(content, str):
        return {"role": message["role"], "content": [{"text": content}]}
    if not isinstance(content, list):
        raise malformed(f"{path}: expected a string or an array of blocks")
    blocks = [block for at, part in enumerate(content) for block in _block(part, f"{path}/{at}")]
    return {"role": message["role"], "content": blocks}


def _block(part: Any, path: str) -> list[Body]:
    check_object(part, path)
    match part["type"]:
        case "text":
            return [{"text": _string(part, "text", path)}]
        case "image":
            return [{"image": {"format": "png", "source": {"bytes": _data(part, path)}}}]
        case "document":
            return _document(part, path)
        case "tool_use":
            return [
                {
                    "toolUse": {
                        "toolUseId": _string(part, "id", path),
                        "name": _string(part, "name", path),
                        "input": part.get("input", {}),
                    }
                }
            ]
        case "tool_result":
            return [_tool_result(part, path)]
        case "search_result":
            texts = part.get("content") if isinstance(part.get("content"), list) else []
            content = [{"text": _string(text, "text", path)} for text in texts or ()]
            return [{"searchResult": {"title": str(part.get("title", "")), "source": "", "content": content}}]
        case "thinking":
            return [{"reasoningContent": {"reasoningText": {"text": _string(part, "thinking", path)}}}]
        case "redacted_thinking":
            return []
        case kind:
            raise malformed(f"{path}: blocks of type {kind} are not supported")


def check_object(part: Any, path: str) -> None:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise malformed(f"{path}: required key [type] not found")


def _string(part: Any, key: str, path: str) -> str:
    value = part.get(key) if isinstance(part, dict) else None
    if not isinstance(value, str):
        raise malformed(f"{path}: required key [{key}] not found")
    return value


def _data(part: Body, path: str) -> bytes:
    source = part.get("source")
    if not isinstance(source, dict) or source.get("type") != "base64":
        raise malformed(f"{path}/source: only sources of type base64 are supported")
    return decoded(_string(source, "data", f"{path}/source"), f"{path}/source/data")


def decoded(data: str, path: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise malformed(f"{path}: not base64") from None


def _document(part: Body, path: str) -> list[Body]:
    name = re.sub(r"[^\w()\[\]-]+", " ", str(part.get("title") or "document")).replace("_", " ").strip() or "document"
    source = part.get("source")
    if isinstance(source, dict) and source.get("type") == "text":
        inner: Body = {"text": _string(source, "data", f"{path}/source")}
        return [{"document": {"name": name, "format": "txt", "source": inner}}]
    if isinstance(source, dict) and source.get("type") == "content" and isinstance(source.get("content"), list):
        texts = [{"text": _string(piece, "text", path)} for piece in source["content"]]
        return [{"document": {"name": name, "format": "txt", "source": {"content": texts}}}]
    return [{"document": {"name": name, "format": "pdf", "source": {"bytes": _data(part, path)}}}]


def _tool_result(part: Body, path: str) -> Body:
    given = part.get("content", "")
    if isinstance(given, str):
        content: list[Body] = [{"text": given}]
    elif isinstance(given, list):
        content = [block for at, inner in enumerate(given) for block in _block(inner, f"{path}/content/{at}")]
    else:
        raise malformed(f"{path}/content: expected a string or an array of blocks")
    status = "error" if part.get("is_error") is True else "success"
    return {"toolResult": {"toolUseId": _string(part, "tool_use_id", path), "content": content, "status": status}}


def _system(system: Any) -> list[Body]:
    if isinstance(system, str):
        return [{"text": system}]
    if not isinstance(system, list):
        raise malformed("#/system: expected a string or an array of blocks")
    return [{"text": _string(part, "text", f"#/system/{at}")} for at, part in enumerate(system)]


def _tools(tools: list[Body], choice: Body) -> Body:
    specs = []
    for at, tool in enumerate(tools):
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
            raise malformed(f"#/tools/{at}: required key [input_schema] not found")
        spec: Body = {"name": _string(tool, "name", f"#/tools/{at}"), "inputSchema": {"json": schema}}
        if tool.get("description"):
            spec["description"] = str(tool["description"])
        specs.append({"toolSpec": spec})
    match choice.get("type"):
        case "any":
            chosen: Body = {"any": {}}
        case "tool":
            chosen = {"tool": {"name": _string(choice, "name", "#/tool_choice")}}
        case "auto" | "none" as kind:
            chosen = {kind: {}}
        case kind:
            raise malformed(f"#/tool_choice/type: {kind} is not a valid enum value")
    return {"tools": specs, "toolChoice": chosen}
