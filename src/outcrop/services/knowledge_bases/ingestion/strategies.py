"""`chunkingConfiguration`: what AWS allows in it, and the strategy that it means."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from outcrop.engines.chunking.chunk import Strategy
from outcrop.services.knowledge_bases.errors import ValidationException

MEMBERS: Mapping[str, str | None] = MappingProxyType(
    {
        "FIXED_SIZE": "fixedSizeChunkingConfiguration",
        "HIERARCHICAL": "hierarchicalChunkingConfiguration",
        "SEMANTIC": "semanticChunkingConfiguration",
        "NONE": None,
    }
)
"""The member of chunkingConfiguration that each strategy needs."""


def check(chunking: Mapping[str, Any] | None) -> None:
    """Raises ValidationException where the configuration doesn't fit its strategy. Ranges are the model's to check."""
    if not chunking:
        return
    name = chunking["chunkingStrategy"]
    needed = MEMBERS[name]
    if needed and needed not in chunking:
        raise ValidationException(f"{needed} is required when the chunking strategy is {name}.")
    for member in MEMBERS.values():
        if member and member != needed and member in chunking:
            raise ValidationException(f"{member} can't be given when the chunking strategy is {name}.")
    if name == "HIERARCHICAL":
        _check_levels(chunking["hierarchicalChunkingConfiguration"])


def _check_levels(hierarchical: Mapping[str, Any]) -> None:
    parent, child = (level["maxTokens"] for level in hierarchical["levelConfigurations"])
    if child > parent:
        raise ValidationException(
            f"The child level's maxTokens ({child}) must not be more than the parent level's ({parent}): "
            "levelConfigurations has the parent first."
        )
    if hierarchical["overlapTokens"] >= child:
        raise ValidationException(
            f"overlapTokens ({hierarchical['overlapTokens']}) must be less than the child level's maxTokens ({child})."
        )


def strategy(chunking: Mapping[str, Any] | None) -> Strategy:
    """How documents are cut."""
    if not chunking:
        return Strategy()
    match chunking["chunkingStrategy"]:
        case "NONE":
            return Strategy("none")
        case "FIXED_SIZE":
            fixed = chunking["fixedSizeChunkingConfiguration"]
            return Strategy("fixed", fixed["maxTokens"], fixed["overlapPercentage"])
        case "HIERARCHICAL":
            levels = chunking["hierarchicalChunkingConfiguration"]
            parent, child = (level["maxTokens"] for level in levels["levelConfigurations"])
            return Strategy("hierarchical", child, parent_tokens=parent, overlap_tokens=levels["overlapTokens"])
    semantic = chunking["semanticChunkingConfiguration"]
    return Strategy(
        "semantic",
        semantic["maxTokens"],
        buffer_size=semantic["bufferSize"],
        breakpoint_percentile=semantic["breakpointPercentileThreshold"],
    )
