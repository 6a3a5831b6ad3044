"""The bodies of InvokeModel by family of models: each to Converse's form and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.families.chat import Chat, Dialect
from outcrop.services.bedrock.families.claude import Claude
from outcrop.services.bedrock.families.claude_text import ClaudeText
from outcrop.services.bedrock.families.cohere_chat import CohereChat
from outcrop.services.bedrock.families.cohere_text import CohereText
from outcrop.services.bedrock.families.deepseek import DeepSeek
from outcrop.services.bedrock.families.family import Chunks, Family
from outcrop.services.bedrock.families.jamba import Jamba
from outcrop.services.bedrock.families.jurassic import Jurassic
from outcrop.services.bedrock.families.llama import Llama
from outcrop.services.bedrock.families.mistral import Mistral
from outcrop.services.bedrock.families.nova import Nova
from outcrop.services.bedrock.families.titan import Titan

if TYPE_CHECKING:
    from outcrop.services.bedrock.catalogue import FoundationModel

__all__ = ["Chunks", "Family", "family_of"]

_CHAT = Chat()
_OPENAI = Chat(Dialect(tags_thoughts=True))
_MISTRAL_CHAT = Chat(Dialect(reason="stop_reason", has_head=False))
_CLAUDE = Claude()
_MISTRAL = Mistral()
_BY_PREFIX: tuple[tuple[str, Family, Family], ...] = (
    ("anthropic.claude-v", _CLAUDE, ClaudeText()),
    ("anthropic.claude-instant", _CLAUDE, ClaudeText()),
    ("anthropic.", _CLAUDE, _CLAUDE),
    ("amazon.nova", Nova(), Nova()),
    ("amazon.", Titan(), Titan()),
    ("meta.", Llama(), Llama()),
    ("mistral.mistral-7b", _MISTRAL, _MISTRAL),
    ("mistral.mixtral", _MISTRAL, _MISTRAL),
    ("mistral.mistral-small-2402", _MISTRAL_CHAT, _MISTRAL),
    ("mistral.mistral-large-2402", _MISTRAL_CHAT, _MISTRAL),
    ("mistral.mistral-large-2407", _MISTRAL_CHAT, _MISTRAL),
    ("mistral.", _CHAT, _MISTRAL),
    ("openai.gpt-oss", _OPENAI, _OPENAI),
    ("ai21.j2", Jurassic(), Jurassic()),
    ("ai21.", Jamba(), Jamba()),
    ("cohere.command-r", CohereChat(), CohereChat()),
    ("cohere.", CohereText(), CohereText()),
    ("deepseek.r1", _CHAT, DeepSeek()),
)
"""Prefix of the model id; the family of a body with messages, and of one with a prompt."""


def family_of(model: FoundationModel, body: Mapping[str, Any] | None = None) -> Family:
    """The family that a text model's bodies belong to; OpenAI's chat completions where a provider has none of its own.
    Some models take two kinds of bodies: `body` says which."""
    prompted = body is not None and "prompt" in body and "messages" not in body
    for prefix, chat, prompt in _BY_PREFIX:
        if model.id.startswith(prefix):
            return prompt if prompted else chat
    return _CHAT
