"""Cohere Command R and R+."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import TextDelta
from outcrop.services.bedrock.families.cohere_text import REASONS
from outcrop.services.bedrock.families.family import Body, inference
from outcrop.services.bedrock.families.prompts import conversation
from outcrop.services.bedrock.invoke.bodies import check, malformed

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Event, Finish
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
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["message"],
    "properties": {
        "message": {"type": "string", "minLength": 1},
        "chat_history": {"type": "array", "items": _TURN},
        "documents": {"type": "array", "items": {"type": "object"}},
        "preamble": {"type": "string"},
        "max_tokens": {"type": "integer", "minimum": 1, "maximum": 4096},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "p": {"type": "number", "minimum": 0, "maximum": 1},
        "k": {"type": "number", "minimum": 0, "maximum": 500},
        "stop_sequences": {"type": "array", "items": {"type": "string"}},
    },
}
_ROLES = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}


class CohereChat:
    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        check(body, _SCHEMA)
        if body.get("tools"):
            raise malformed("#/tools: tools are taken through Converse only")
        turns = [("system", body.get("preamble", ""))]
        turns += [(_ROLES[turn["role"]], turn["message"]) for turn in body.get("chat_history", ())]
        turns += [("user", body["message"])]
        request = conversation(turns, body["message"])
        found = [
            {
                "searchResult": {
                    "title": str(document.get("title", "")),
                    "source": "",
                    "content": [{"text": _text(document)}],
                }
            }
            for document in body.get("documents", ())
        ]
        request["messages"][-1]["content"].extend(found)
        return {
            **request,
            "inferenceConfig": inference(
                body, maxTokens="max_tokens", temperature="temperature", topP="p", stopSequences="stop_sequences"
            ),
            "additionalModelRequestFields": {"k": body["k"]} if "k" in body else {},
        }

    def write(self, completion: Completion, model: FoundationModel) -> Body:
        return {
            "response_id": str(uuid.uuid4()),
            "generation_id": str(uuid.uuid4()),
            "text": completion.text,
            "chat_history": [{"role": "CHATBOT", "message": completion.text}],
            "finish_reason": REASONS.get(completion.finish.reason, "COMPLETE"),
        }

    def chunks(self, model: FoundationModel) -> CohereChatChunks:
        return CohereChatChunks()


class CohereChatChunks:
    def __init__(self) -> None:
        self._text: list[str] = []

    def start(self, input_tokens: int) -> Iterable[Body]:
        yield {"event_type": "stream-start", "generation_id": str(uuid.uuid4()), "is_finished": False}

    def event(self, event: Event) -> Iterable[Body]:
        if isinstance(event, TextDelta):
            self._text.append(event.text)
            yield {"event_type": "text-generation", "text": event.text, "is_finished": False}

    def finish(self, finish: Finish) -> Iterable[Body]:
        reason = REASONS.get(finish.reason, "COMPLETE")
        response = {"text": "".join(self._text), "finish_reason": reason}
        yield {"event_type": "stream-end", "is_finished": True, "finish_reason": reason, "response": response}


def _text(document: Mapping[str, Any]) -> str:
    parts = [value for key, value in document.items() if key not in ("title", "id", "url") and isinstance(value, str)]
    return "\n".join(parts) or json.dumps(document)
