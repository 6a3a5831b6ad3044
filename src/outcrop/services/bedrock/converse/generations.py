"""From a request in Converse's form to a generation: the one way in, for Converse and for every family's bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import Generation
from outcrop.services.bedrock.converse.messages import Reader, read_system, read_tools, uses_tools
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.converse.media import Media
    from outcrop.services.contract import Context

_NO_TOOLS = re.compile(
    r"amazon\.titan|anthropic\.claude-(?:instant|v2)|meta\.llama(?:2|3-(?:8|70)b)|cohere\.command-(?:text|light)"
    r"|mistral\.(?:mistral-7b|mixtral)|deepseek\.r1"
)
_NO_SYSTEM = re.compile(r"amazon\.titan|mistral\.(?:mistral-7b|mixtral)|cohere\.command-(?:text|light)")
_THINKS_IF_ASKED = re.compile(
    r"anthropic|amazon|meta|cohere|ai21|writer|google|mistral\.(?!magistral)|qwen\.qwen3-coder|twelvelabs"
)
_ONE_OF_TWO = re.compile(r"anthropic\.claude-(?:sonnet|haiku)-4-5")


async def read_generation(ctx: Context, model: FoundationModel, request: Mapping[str, Any], media: Media) -> Generation:
    """`request` has Converse's members: messages, system, inferenceConfig, toolConfig, outputConfig,
    additionalModelRequestFields. Raises ValidationException."""
    said, messages = await Reader(ctx, model, media).read(request.get("messages") or ())
    system = "\n\n".join(text for text in (read_system(request.get("system") or ()), said) if text)
    if system and _NO_SYSTEM.match(model.id):
        raise ValidationException(
            "This model doesn't support system messages. Try again without a system message or use a model that "
            "supports system messages."
        )
    config = request.get("toolConfig")
    if config is not None and _NO_TOOLS.match(model.id):
        raise ValidationException("This model doesn't support tool use.")
    if config is None and uses_tools(messages):
        raise ValidationException(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        )
    tools, choice = read_tools(config) if config is not None else ((), None)
    inference = request.get("inferenceConfig") or {}
    if _ONE_OF_TWO.match(model.id) and "temperature" in inference and "topP" in inference:
        raise ValidationException(
            "The model returned the following errors: `temperature` and `top_p` cannot both be specified for this "
            "model. Please use only one."
        )
    extra = request.get("additionalModelRequestFields") or {}
    if not isinstance(extra, Mapping):
        raise ValidationException("The value at additionalModelRequestFields must be a JSON object.")
    return Generation(
        model=model.id,
        messages=messages,
        system=system,
        max_tokens=inference.get("maxTokens"),
        temperature=inference.get("temperature"),
        top_p=inference.get("topP"),
        top_k=_top_k(extra),
        stop=tuple(inference.get("stopSequences") or ()),
        tools=tools,
        tool_choice=choice,
        json_schema=_json_schema(request.get("outputConfig") or {}),
        shows_reasoning=_shows_reasoning(model, request),
        extra=_further(extra, request.get("outputConfig") or {}),
    )


def _shows_reasoning(model: FoundationModel, request: Mapping[str, Any]) -> bool:
    """Whether the model that was named shows what it thinks, so that the engine's thoughts are passed on: some always
    do, some only when they are asked to."""
    if not _THINKS_IF_ASKED.match(model.id):
        return True
    extra = request.get("additionalModelRequestFields") or {}
    for name in ("thinking", "reasoning_config", "reasoningConfig"):
        config = extra.get(name) if isinstance(extra, Mapping) else None
        if isinstance(config, Mapping) and config.get("type") in ("enabled", "adaptive"):
            return True
    return False


def _further(extra: Mapping[str, Any], output: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that have the same names with every engine."""
    config = extra.get("reasoningConfig")
    effort = output.get("effort") or (config.get("maxReasoningEffort") if isinstance(config, Mapping) else None)
    return {**({"reasoning_effort": effort} if effort else {}), **extra}


def _top_k(extra: Mapping[str, Any]) -> int | None:
    inner = extra.get("inferenceConfig")
    for fields in (extra, inner if isinstance(inner, Mapping) else {}):
        for name in ("top_k", "topK", "k"):
            value = fields.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ValidationException(f"The value at additionalModelRequestFields.{name} must be a number from 0.")
            return int(value)
    return None


def _json_schema(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if "textFormat" not in config:
        return None
    if config["textFormat"].get("type") == "json_object":
        return {}
    given = config["textFormat"]["structure"].get("jsonSchema", {}).get("schema")
    try:
        schema = json.loads(given or "")
    except (ValueError, RecursionError):
        schema = None
    if not isinstance(schema, dict):
        raise ValidationException(
            "The value at outputConfig.textFormat.structure.jsonSchema.schema must be a JSON schema: a JSON object, "
            "written as a string."
        )
    return schema
