"""AI21's Jamba: chat completions with documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.families.chat import Chat, ChatChunks
from outcrop.services.bedrock.families.family import Body
from outcrop.services.bedrock.invoke.bodies import check

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Origin
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runtime.runs import Completion

_DEFAULT_TOKENS = 4096
_DOCUMENT = {"type": "object", "required": ["content"], "properties": {"content": {"type": "string"}}}
_SCHEMA: dict[str, Any] = {"properties": {"documents": {"type": "array", "items": _DOCUMENT}}}


class Jamba:
    def __init__(self) -> None:
        self._chat = Chat()

    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        check(body, _SCHEMA)
        request = dict(self._chat.read(body, model))
        request["inferenceConfig"] = {"maxTokens": _DEFAULT_TOKENS, **request["inferenceConfig"]}
        found = [
            {
                "searchResult": {
                    "title": str(document.get("metadata") or f"document {at}"),
                    "source": "",
                    "content": [{"text": document["content"]}],
                }
            }
            for at, document in enumerate(body.get("documents") or (), 1)
        ]
        if found and request["messages"]:
            request["messages"][0]["content"].extend(found)
        return request

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        return {
            **self._chat.write(completion, model, body),
            "meta": {"requestDurationMillis": completion.latency_ms},
            "model": model.id.partition(".")[2].partition("-v")[0],
        }

    def chunks(self, model: FoundationModel, origin: Origin) -> ChatChunks:
        return self._chat.chunks(model, origin)
