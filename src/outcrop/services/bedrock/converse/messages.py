"""Between Converse's blocks and the engines' own: checked on the way in, written on the way out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import (
    Document,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolResult,
    ToolUse,
)
from outcrop.services.bedrock.converse.blocks import signature
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Block
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.converse.media import Media
    from outcrop.services.contract import Context

MAX_IMAGES = 20
MAX_DOCUMENTS = 5

_DOCUMENT_NAME = re.compile(r"(?:[^\W_]|[-()\[\]]|\s(?!\s))+")
_UNANSWERED = frozenset({"cachePoint", "toolAddition", "toolRemoval"})
"""Blocks that say nothing to the engines here."""


class Reader:
    """Reads the messages of one request."""

    def __init__(self, ctx: Context, model: FoundationModel, media: Media) -> None:
        self._ctx = ctx
        self._model = model
        self._media = media

    async def read(self, given: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[Message, ...]]:
        """(system text, messages). Raises ValidationException."""
        system = [
            block["text"]
            for message in given
            if message["role"] == "system"
            for block in message["content"]
            if "text" in block
        ]
        spoken = [(index, message) for index, message in enumerate(given) if message["role"] != "system"]
        _check_roles([message["role"] for _, message in spoken])
        messages = [await self._message(message, index) for index, message in spoken]
        _check_tools(messages, [index for index, _ in spoken])
        return "\n\n".join(system), tuple(messages)

    async def _message(self, message: Mapping[str, Any], index: int) -> Message:
        where = f"messages.{index}"
        content = message["content"]
        if not content:
            raise ValidationException(
                f"The content field in the Message object at {where} is empty. Add a ContentBlock object to the "
                "content field and try again."
            )
        _check_counts(message, where)
        blocks: list[Block] = []
        for at, block in enumerate(content):
            blocks.extend(await self._block(block, f"{where}.content.{at}"))
        return Message(message["role"], tuple(blocks))

    async def _block(self, block: Mapping[str, Any], where: str) -> list[Block]:
        if len(block) != 1:
            raise ValidationException(
                f"The ContentBlock object at {where} must set exactly one of its keys: text, image, document, toolUse, "
                "toolResult, guardContent, cachePoint, reasoningContent, citationsContent, searchResult."
            )
        kind, value = next(iter(block.items()))
        match kind:
            case "text":
                if not value.strip():
                    raise ValidationException(
                        f"The text field in the ContentBlock object at {where} is blank. Add text to the text field, "
                        "and try again."
                    )
                return [Text(value)]
            case "image" | "document" | "searchResult":
                return [await self._part(kind, value, f"{where}.{kind}")]
            case "toolUse":
                if not isinstance(value["input"], Mapping):
                    raise ValidationException(f"The value at {where}.toolUse.input must be a JSON object.")
                return [ToolUse(value["toolUseId"], value["name"], value["input"])]
            case "toolResult":
                return [await self._tool_result(value, f"{where}.toolResult")]
            case "guardContent":
                return [await self._guarded(value, f"{where}.guardContent")]
            case "citationsContent":
                return [Text("".join(part.get("text", "") for part in value.get("content", ())))]
            case "reasoningContent":
                thought = value.get("reasoningText", {}).get("text")
                return [Reasoning(thought)] if thought else []
            case kind if kind in _UNANSWERED:
                return []
            case "video" | "audio" if kind.upper() in self._model.input:
                raise ValidationException(
                    f"Nothing on this machine takes the {kind} content block at {where}: its engines read text, "
                    "documents and images. Map the model to AWS itself for this call."
                )
            case _:
                raise ValidationException(f"This model doesn't support the {kind} content block at {where}.")

    async def _part(self, kind: str, value: Mapping[str, Any], where: str) -> Text | Image | Document:
        match kind:
            case "image":
                if "IMAGE" not in self._model.input:
                    raise ValidationException(
                        "This model doesn't support the image content block that you provided. The model only supports "
                        "the following input content: text."
                    )
                return await self._media.image(self._ctx, value, where)
            case "document":
                if not _DOCUMENT_NAME.fullmatch(value["name"]):
                    raise ValidationException(
                        "The document file name can only contain alphanumeric characters, whitespace characters, "
                        "hyphens, parentheses, and square brackets. The name can't contain more than one consecutive "
                        "whitespace character."
                    )
                return await self._media.document(self._ctx, value, where)
            case "searchResult":
                text = "\n\n".join(part["text"] for part in value["content"])
                return Document(value["title"], "txt", text.encode("utf-8", "replace"))
            case "text":
                return Text(str(value))
            case "json":
                return Text(json.dumps(value, ensure_ascii=False))
            case _:
                raise ValidationException(f"This model doesn't support the {kind} content block at {where}.")

    async def _tool_result(self, value: Mapping[str, Any], where: str) -> ToolResult:
        parts: list[Text | Image | Document] = []
        for at, part in enumerate(value["content"]):
            if len(part) != 1:
                raise ValidationException(
                    f"The content block at {where}.content.{at} must set exactly one of its keys."
                )
            kind, inner = next(iter(part.items()))
            parts.append(await self._part(kind, inner, f"{where}.content.{at}.{kind}"))
        return ToolResult(value["toolUseId"], tuple(parts), value.get("status") == "error")

    async def _guarded(self, value: Mapping[str, Any], where: str) -> Block:
        if "text" in value:
            return Text(value["text"]["text"])
        return await self._part("image", value["image"], f"{where}.image")


def _check_roles(roles: Sequence[str]) -> None:
    if not roles or roles[0] != "user":
        raise ValidationException(
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message."
        )
    if any(first == second for first, second in pairwise(roles)):
        raise ValidationException(
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
            "between user and assistant roles and try again."
        )


def _check_counts(message: Mapping[str, Any], where: str) -> None:
    kinds = [kind for block in message["content"] for kind in block]
    if message["role"] == "user" and "reasoningContent" in kinds:
        raise ValidationException(
            f"The reasoningContent content block at {where} is only supported in assistant messages."
        )
    if message["role"] == "assistant" and (odd := {"image", "document", "toolResult"}.intersection(kinds)):
        raise ValidationException(f"The {min(odd)} content block at {where} is only supported in user messages.")
    if message["role"] == "user" and "toolUse" in kinds:
        raise ValidationException(f"The toolUse content block at {where} is only supported in assistant messages.")
    if kinds.count("image") > MAX_IMAGES:
        raise ValidationException(f"The message at {where} has more than the {MAX_IMAGES} images that are allowed.")
    if kinds.count("document") > MAX_DOCUMENTS:
        raise ValidationException(
            f"The message at {where} has more than the {MAX_DOCUMENTS} documents that are allowed."
        )


def check_documents(messages: Sequence[Mapping[str, Any]]) -> None:
    """Converse wants a text beside a document; the models' own bodies don't."""
    for index, message in enumerate(messages):
        kinds = {kind for block in message["content"] for kind in block}
        if "document" in kinds and not kinds & {"text", "guardContent"}:
            raise ValidationException(
                f"The content field in the Message object at messages.{index} has a document. Add a text block to it "
                "and try again."
            )


def _check_tools(messages: Sequence[Message], positions: Sequence[int]) -> None:
    """Each tool use is answered in the next message, and nothing else is."""
    asked: list[str] = []
    for message, position in zip(messages, positions, strict=True):
        answered = [block.id for block in message.content if isinstance(block, ToolResult)]
        if message.role == "user":
            if missing := [id for id in asked if id not in answered]:
                raise ValidationException(
                    f"Expected toolResult blocks at messages.{position}.content for the following Ids: "
                    f"{', '.join(missing)}"
                )
            if len(answered) > len(asked):
                raise ValidationException(
                    f"The number of toolResult blocks at messages.{position}.content exceeds the number of toolUse "
                    "blocks of previous turn."
                )
        asked = [block.id for block in message.content if isinstance(block, ToolUse)]


def read_system(blocks: Sequence[Mapping[str, Any]]) -> str:
    texts: list[str] = []
    for index, block in enumerate(blocks):
        if len(block) != 1:
            raise ValidationException(
                f"The SystemContentBlock object at system.{index} must set exactly one of its keys: text, "
                "guardContent, cachePoint."
            )
        if "text" in block:
            texts.append(block["text"])
        elif "guardContent" in block:
            texts.append(block["guardContent"].get("text", {}).get("text", ""))
    return "\n\n".join(texts)


def read_tools(config: Mapping[str, Any]) -> tuple[tuple[Tool, ...], str | None]:
    """(tools, choice) of a toolConfig."""
    tools: list[Tool] = []
    for index, entry in enumerate(config["tools"]):
        if "cachePoint" in entry:
            continue
        if "toolSpec" not in entry:
            raise ValidationException(f"The tool at toolConfig.tools.{index} is not available here. Give a toolSpec.")
        spec = entry["toolSpec"]
        schema = spec["inputSchema"].get("json")
        if not isinstance(schema, Mapping) or schema.get("type") != "object":
            raise ValidationException(
                f"The value at toolConfig.tools.{index}.toolSpec.inputSchema.json.type must be one of the following: "
                "object."
            )
        tools.append(Tool(spec["name"], spec.get("description", ""), schema))
    names = [tool.name for tool in tools]
    if len(names) != len(set(names)):
        raise ValidationException("Each tool in toolConfig.tools must have a name of its own.")
    choice = config.get("toolChoice", {})
    if "none" in choice:
        return tuple(tools), None
    if "tool" in choice:
        name = choice["tool"]["name"]
        if name not in names:
            raise ValidationException(
                f"toolConfig.toolChoice.tool.name is {name}, which toolConfig.tools doesn't hold."
            )
        return tuple(tools), f"tool:{name}"
    return tuple(tools), "any" if "any" in choice else "auto"


def uses_tools(messages: Sequence[Message]) -> bool:
    return any(isinstance(block, ToolUse | ToolResult) for message in messages for block in message.content)


def write_block(block: Text | ToolUse | Reasoning) -> dict[str, Any]:
    if isinstance(block, Text):
        return {"text": block.text}
    if isinstance(block, Reasoning):
        return {"reasoningContent": {"reasoningText": {"text": block.text, "signature": signature(block.text)}}}
    return {"toolUse": {"toolUseId": block.id, "name": block.name, "input": dict(block.input)}}
