"""What imported weights are to families and limits: a foundation model that is in no catalogue."""

from __future__ import annotations

from outcrop.services.bedrock.catalogue.catalogue import FoundationModel

_BODIES = {"llama": "meta.imported", "mllama": "meta.imported", "mistral": "mistral.mistral-7b-imported"}
"""Architectures whose bodies are their family's; all others take OpenAI's chat completions."""


def foundation_of(architecture: str, context: int) -> FoundationModel:
    return FoundationModel(
        id=_BODIES.get(architecture, f"imported.{architecture}"),
        name=architecture,
        provider="imported",
        input=("TEXT",),
        output=("TEXT",),
        streaming=True,
        customizations=(),
        inference=("ON_DEMAND", "PROVISIONED"),
        status="ACTIVE",
        profiles=(),
        context=context,
        max_output=context,
    )
