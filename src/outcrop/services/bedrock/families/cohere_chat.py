"""Cohere Command R and R+."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import TextDelta, ToolUse, ToolUseDelta, ToolUseStart
from outcrop.services.bedrock.families.cohere_text import REASONS
from outcrop.services.bedrock.families.family import Body, identifier, inference
from outcrop.services.bedrock.families.prompts import conversation
from outcrop.services.bedrock.invoke.bodies import check

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Event, Finish, Origin
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runtime.runs import Completion

_TURN = {
    "type": "object",
    "required": ["role", "message"],
    "properties": {
        "role": {"type": "string", "enum": ["USER", "CHATBOT", "SYSTEM"]},
        "message": {"type": "string"},
    },
}
_PARAMETER = {"type": "object", "properties": {"type": {"type": "string"}, "required": {"type": "boolean"}}}
_TOOL = {
    "type": "object",
    "required": ["name", "description"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "description": {"type": "string"},
        "parameter_definitions": {"type": "object"},
    },
}
_CALL = {"type": "object", "required": ["name", "parameters"], "properties": {"parameters": {"type": "object"}}}
_RESULT = {
    "type": "object",
    "required": ["call", "outputs"],
    "properties": {"call": _CALL, "outputs": {"type": "array", "items": {"type": "object"}}},
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["message"],
    "properties": {
        "message": {"type": "string"},
        "chat_history": {"type": "array", "items": _TURN},
        "documents": {"type": "array", "items": {"type": "object"}},
        "preamble": {"type": "string"},
        "max_tokens": {"type": "integer", "minimum": 1, "maximum": 4096},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "p": {"type": "number", "minimum": 0, "maximum": 1},
        "k": {"type": "number", "minimum": 0, "maximum": 500},
        "seed": {"type": "integer"},
        "frequency_penalty": {"type": "number", "minimum": 0, "maximum": 1},
        "presence_penalty": {"type": "number", "minimum": 0, "maximum": 1},
        "stop_sequences": {"type": "array", "items": {"type": "string"}},
        "tools": {"type": "array", "items": _TOOL},
        "tool_results": {"type": "array", "items": _RESULT},
    },
}
_ROLES = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}
_TYPES = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
    "dict": "object",
    "list": "array",
}
"""Parameters' types in Python's words, in JSON Schema's."""


class CohereChat:
    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        check(body, _SCHEMA)
        turns = [("system", body.get("preamble", ""))]
        turns += [(_ROLES[turn["role"]], turn["message"]) for turn in body.get("chat_history", ())]
        turns += [("user", body["message"])]
        request = conversation(turns, body["message"] or " ")
        request["messages"][-1]["content"].extend(_found(body.get("documents", ())))
        if body.get("tool_results"):
            request["messages"].extend(_results(body["tool_results"], request["messages"]))
        if body.get("tools"):
            request["toolConfig"] = {"tools": [_tool(tool) for tool in body["tools"]], "toolChoice": {"auto": {}}}
        further = ("k", "seed", "frequency_penalty", "presence_penalty")
        return {
            **request,
            "inferenceConfig": inference(
                body, maxTokens="max_tokens", temperature="temperature", topP="p", stopSequences="stop_sequences"
            ),
            "additionalModelRequestFields": inference(body, **{name: name for name in further}),
        }

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        history = [*body.get("chat_history", ()), {"role": "USER", "message": body.get("message", "")}]
        answer: Body = {
            "response_id": identifier(completion.origin, "response"),
            "generation_id": identifier(completion.origin, "generation"),
            "text": completion.text,
            "chat_history": [*history, {"role": "CHATBOT", "message": completion.text}],
            "finish_reason": REASONS.get(completion.finish.reason, "COMPLETE"),
        }
        if calls := [_call(block) for block in completion.content if isinstance(block, ToolUse)]:
            answer["tool_calls"] = calls
        return answer

    def chunks(self, model: FoundationModel, origin: Origin) -> CohereChatChunks:
        return CohereChatChunks(origin)


class CohereChatChunks:
    """Tools are called in one event, when they are known in full."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._text: list[str] = []
        self._calls: list[tuple[str, list[str]]] = []

    def start(self, input_tokens: int) -> Iterable[Body]:
        yield {
            "event_type": "stream-start",
            "generation_id": identifier(self._origin, "generation"),
            "is_finished": False,
        }

    def event(self, event: Event) -> Iterable[Body]:
        match event:
            case TextDelta(text):
                self._text.append(text)
                yield {"event_type": "text-generation", "text": text, "is_finished": False}
            case ToolUseStart(_, name):
                self._calls.append((name, []))
            case ToolUseDelta(partial):
                self._calls[-1][1].append(partial)

    def finish(self, finish: Finish) -> Iterable[Body]:
        calls = [{"name": name, "parameters": _parameters("".join(pieces))} for name, pieces in self._calls]
        reason = REASONS.get(finish.reason, "COMPLETE")
        response: Body = {"text": "".join(self._text), "finish_reason": reason}
        if calls:
            yield {"event_type": "tool-calls-generation", "tool_calls": calls, "is_finished": False}
            response["tool_calls"] = calls
        yield {"event_type": "stream-end", "is_finished": True, "finish_reason": reason, "response": response}


def _found(documents: Iterable[Mapping[str, Any]]) -> list[Body]:
    return [
        {
            "searchResult": {
                "title": str(document.get("title", "")),
                "source": "",
                "content": [{"text": _text(document)}],
            }
        }
        for document in documents
    ]


def _text(document: Mapping[str, Any]) -> str:
    parts = [value for key, value in document.items() if key not in ("title", "id", "url") and isinstance(value, str)]
    return "\n".join(parts) or json.dumps(document)


def _tool(tool: Body) -> Body:
    properties: Body = {}
    required: list[str] = []
    for name, definition in (tool.get("parameter_definitions") or {}).items():
        check(definition, _PARAMETER)
        properties[name] = {"type": _TYPES.get(str(definition.get("type", "str")).lower(), "string")}
        if definition.get("description"):
            properties[name]["description"] = str(definition["description"])
        if definition.get("required"):
            required.append(name)
    schema: Body = {"type": "object", "properties": properties, "required": required}
    spec: Body = {"name": tool["name"], "inputSchema": {"json": schema}}
    if tool["description"]:
        spec["description"] = tool["description"]
    return {"toolSpec": spec}


def _results(results: list[Body], before: list[Body]) -> list[Body]:
    """The calls that the results answer, as the assistant's turn, then the results."""
    uses, answers = [], []
    for at, result in enumerate(results):
        id = f"call_{len(before)}_{at}"
        call = result["call"]
        uses.append({"toolUse": {"toolUseId": id, "name": str(call["name"]), "input": call["parameters"]}})
        content = [{"json": output} for output in result["outputs"]]
        answers.append({"toolResult": {"toolUseId": id, "content": content}})
    return [{"role": "assistant", "content": uses}, {"role": "user", "content": answers}]


def _call(block: ToolUse) -> Body:
    return {"name": block.name, "parameters": dict(block.input)}


def _parameters(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {}
