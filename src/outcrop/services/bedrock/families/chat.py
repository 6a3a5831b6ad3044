"""OpenAI's chat completions, which many providers take on Bedrock: OpenAI, Qwen, DeepSeek, AI21, newer Mistral …

They differ in details: where a thought stands, and what the reason of an end is called.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import ReasoningDelta, TextDelta, ToolUse, ToolUseDelta, ToolUseStart
from outcrop.services.bedrock.families.claude import decoded
from outcrop.services.bedrock.families.family import Body, inference
from outcrop.services.bedrock.invoke.bodies import check, malformed

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Event, Finish, Origin
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runtime.runs import Completion

_ROLES = ("system", "developer", "user", "assistant", "tool")
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["messages"],
    "properties": {
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role"],
                "properties": {
                    "role": {"type": "string", "enum": _ROLES},
                    "tool_calls": {"type": "array", "items": {"type": "object", "required": ["id", "function"]}},
                },
            },
        },
        "max_tokens": {"type": "integer", "minimum": 1},
        "max_completion_tokens": {"type": "integer", "minimum": 1},
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "top_k": {"type": "integer", "minimum": 0},
        "n": {"type": "integer", "minimum": 1, "maximum": 1},
        "seed": {"type": "integer"},
        "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2},
        "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
        "reasoning_effort": {"type": "string"},
        "response_format": {"type": "object", "required": ["type"]},
        "tools": {"type": "array", "items": {"type": "object", "required": ["function"]}},
    },
}
_STOP = {"properties": {"stop": {"type": "array", "items": {"type": "string"}}}}
_DATA_URL = re.compile(r"data:image/\w+;base64,(?P<data>.*)", re.DOTALL)
_REASONS = {"end_turn": "stop", "max_tokens": "length", "stop_sequence": "stop", "tool_use": "tool_calls"}


_FURTHER = ("top_k", "seed", "frequency_penalty", "presence_penalty", "reasoning_effort", "parallel_tool_calls")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a provider's chat completions differ from OpenAI's."""

    reason: str = "finish_reason"
    """What the member with the reason is called."""
    tags_thoughts: bool = False
    """Thoughts stand in the text, between `<reasoning>` and `</reasoning>`; else in a member of their own."""
    has_head: bool = True
    """The answer tells its id, kind, model and usage."""


class Chat:
    def __init__(self, dialect: Dialect = Dialect()) -> None:
        self._dialect = dialect

    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        check(body, _SCHEMA)
        stop = body.get("stop") or []
        if isinstance(stop, str):
            stop = [stop]
        check({"stop": stop}, _STOP)
        config = {
            **inference(body, maxTokens="max_tokens", temperature="temperature", topP="top_p"),
            **inference(body, maxTokens="max_completion_tokens"),
            "stopSequences": stop,
        }
        request: dict[str, Any] = {
            "messages": _messages(body["messages"]),
            "system": [{"text": text} for text in _system(body["messages"])],
            "inferenceConfig": config,
            "additionalModelRequestFields": inference(body, **{name: name for name in _FURTHER}),
        }
        if body.get("tools"):
            request["toolConfig"] = _tools(body["tools"], body.get("tool_choice", "auto"))
        if output := _output(body.get("response_format")):
            request["outputConfig"] = {"textFormat": output}
        return request

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        calls = [
            {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": json.dumps(block.input)}}
            for block in completion.content
            if isinstance(block, ToolUse)
        ]
        text, thought = completion.text, completion.reasoning
        if thought and self._dialect.tags_thoughts:
            text = f"<reasoning>{thought}</reasoning>{text}"
        message: Body = {"role": "assistant", "content": text or (None if calls else "")}
        if thought and not self._dialect.tags_thoughts:
            message["reasoning_content"] = thought
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, self._dialect.reason: _reason(completion.finish)}
        if not self._dialect.has_head:
            return {"choices": [choice]}
        return {
            **_head("chat.completion", model, completion.origin),
            "choices": [choice],
            "usage": _usage(completion.finish),
        }

    def chunks(self, model: FoundationModel, origin: Origin) -> ChatChunks:
        return ChatChunks(model, self._dialect, origin)


class ChatChunks:
    def __init__(self, model: FoundationModel, dialect: Dialect, origin: Origin) -> None:
        self._dialect = dialect
        head = _head("chat.completion.chunk", model, origin)
        self._head = head if dialect.has_head else {}
        self._calls = -1
        self._thinks = False

    def start(self, input_tokens: int) -> Iterable[Body]:
        yield self._chunk({"role": "assistant", "content": ""})

    def event(self, event: Event) -> Iterable[Body]:
        if self._thinks and not isinstance(event, ReasoningDelta):
            self._thinks = False
            yield self._chunk({"content": "</reasoning>"})
        match event:
            case TextDelta(text):
                yield self._chunk({"content": text})
            case ReasoningDelta(text) if self._dialect.tags_thoughts:
                yield self._chunk({"content": text if self._thinks else f"<reasoning>{text}"})
                self._thinks = True
            case ReasoningDelta(text):
                yield self._chunk({"reasoning_content": text})
            case ToolUseStart(id, name):
                self._calls += 1
                yield self._call({"id": id, "type": "function", "function": {"name": name, "arguments": ""}})
            case ToolUseDelta(partial):
                yield self._call({"function": {"arguments": partial}})

    def finish(self, finish: Finish) -> Iterable[Body]:
        if self._thinks:
            yield self._chunk({"content": "</reasoning>"})
        usage = {"usage": _usage(finish)} if self._dialect.has_head else {}
        yield {**self._chunk({}, _reason(finish)), **usage}

    def _call(self, call: Body) -> Body:
        return self._chunk({"tool_calls": [{"index": self._calls, **call}]})

    def _chunk(self, delta: Body, reason: str | None = None) -> Body:
        return {**self._head, "choices": [{"index": 0, "delta": delta, self._dialect.reason: reason}]}


def _output(given: Body | None) -> Body | None:
    """Converse's textFormat of a response_format."""
    match given:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {"type": "json_object"}
        case {"type": "json_schema", "json_schema": {"schema": dict() as schema}}:
            return {"type": "json_schema", "structure": {"jsonSchema": {"schema": json.dumps(schema)}}}
    raise malformed("#/response_format: expected a type of text, json_object or json_schema with its schema")


def _head(kind: str, model: FoundationModel, origin: Origin) -> Body:
    return {"id": f"chatcmpl-{origin.id[:24]}", "object": kind, "created": origin.created, "model": model.id}


def _usage(finish: Finish) -> Body:
    return {
        "prompt_tokens": finish.input_tokens,
        "completion_tokens": finish.output_tokens,
        "total_tokens": finish.input_tokens + finish.output_tokens,
    }


def _reason(finish: Finish) -> str:
    return _REASONS.get(finish.reason, "content_filter")


def _system(messages: list[Body]) -> list[str]:
    found = (message for message in messages if message["role"] in ("system", "developer"))
    return [text for message in found for part in _parts(message, "#/messages") if (text := part.get("text"))]


def _messages(given: list[Body]) -> list[Body]:
    messages: list[Body] = []
    for index, message in enumerate(given):
        path = f"#/messages/{index}"
        if message["role"] in ("system", "developer"):
            continue
        role = "assistant" if message["role"] == "assistant" else "user"
        content = _content(message, path)
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"].extend(content)
        else:
            messages.append({"role": role, "content": content})
    return messages


def _content(message: Body, path: str) -> list[Body]:
    parts = _parts(message, path)
    if message["role"] == "tool":
        if not isinstance(message.get("tool_call_id"), str):
            raise malformed(f"{path}: required key [tool_call_id] not found")
        return [{"toolResult": {"toolUseId": message["tool_call_id"], "content": parts}}]
    calls = [_call(call, f"{path}/tool_calls/{at}") for at, call in enumerate(message.get("tool_calls") or ())]
    return [*parts, *calls]


def _call(call: Body, path: str) -> Body:
    function = call["function"]
    try:
        name, arguments = function["name"], json.loads(function.get("arguments") or "{}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise malformed(f"{path}/function: expected a name and arguments that are JSON") from None
    return {"toolUse": {"toolUseId": str(call["id"]), "name": str(name), "input": arguments}}


def _parts(message: Body, path: str) -> list[Body]:
    content = message.get("content")
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"text": content}]
    if not isinstance(content, list):
        raise malformed(f"{path}/content: expected a string or an array of parts")
    return [_part(part, f"{path}/content/{at}") for at, part in enumerate(content)]


def _part(part: Any, path: str) -> Body:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return {"text": part["text"]}
    if kind == "image_url":
        given = part.get("image_url")
        url = given.get("url") if isinstance(given, dict) else given
        found = _DATA_URL.fullmatch(url) if isinstance(url, str) else None
        if found is None:
            raise malformed(f"{path}/image_url: expected a data: URL with base64")
        return {"image": {"format": "png", "source": {"bytes": decoded(found["data"], path)}}}
    raise malformed(f"{path}/type: {kind} is not a valid enum value")


def _tools(tools: list[Body], choice: Any) -> Body:
    specs = []
    for at, tool in enumerate(tools):
        function = tool["function"]
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise malformed(f"#/tools/{at}/function: required key [name] not found")
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        spec: Body = {"name": function["name"], "inputSchema": {"json": schema}}
        if function.get("description"):
            spec["description"] = str(function["description"])
        specs.append({"toolSpec": spec})
    if choice == "none":
        return {"tools": specs, "toolChoice": {"none": {}}}
    if isinstance(choice, dict):
        named = choice.get("function")
        if not isinstance(named, dict) or not isinstance(named.get("name"), str):
            raise malformed("#/tool_choice/function: required key [name] not found")
        return {"tools": specs, "toolChoice": {"tool": {"name": named["name"]}}}
    return {"tools": specs, "toolChoice": {"any": {}} if choice == "required" else {"auto": {}}}
