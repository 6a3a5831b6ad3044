"""The foundation models that AWS offers, from catalogue.json: true ids and properties, whoever serves them here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

_GEOGRAPHIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "us": ("US", ("us-east-1", "us-east-2", "us-west-2")),
    "us-gov": ("US-GOV", ("us-gov-west-1", "us-gov-east-1")),
    "eu": ("EU", ("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-3")),
    "apac": ("APAC", ("ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2")),
    "au": ("AU", ("ap-southeast-2", "ap-southeast-4")),
    "jp": ("JP", ("ap-northeast-1", "ap-northeast-3")),
    "in": ("IN", ("ap-south-1", "ap-south-2")),
    "global": ("Global", ()),
}
"""Prefix of an inference profile's id: its name and the regions that it routes to (global: wherever one is)."""

_CACHES = re.compile(
    r"anthropic\.claude-(?!v|instant|3-(?:haiku|sonnet|opus)|3-5-sonnet-20240620)|amazon\.nova-(?:2-)?(?:micro|lite|pro|premier)"
)


@dataclass(frozen=True, slots=True)
class FoundationModel:
    id: str
    name: str
    provider: str
    input: tuple[str, ...]
    output: tuple[str, ...]
    streaming: bool
    customizations: tuple[str, ...]
    inference: tuple[str, ...]
    status: str
    profiles: tuple[str, ...]
    """Prefixes of the inference profiles that hold it."""
    context: int = 0
    """The most input tokens; 0 where nothing is known."""
    max_output: int = 0
    """The most output tokens; 0 where nothing is known."""

    def arn(self, region: str) -> str:
        return f"arn:aws:bedrock:{region}::foundation-model/{self.id}"

    @property
    def writes_text(self) -> bool:
        return "TEXT" in self.output and "rerank" not in self.id and "SPEECH" not in self.output

    @property
    def draws(self) -> bool:
        return "IMAGE" in self.output

    @property
    def embeds(self) -> bool:
        return "EMBEDDING" in self.output

    @property
    def reranks(self) -> bool:
        return "rerank" in self.id

    @property
    def caches(self) -> bool:
        """AWS caches prompts for it."""
        return _CACHES.match(self.id) is not None

    @property
    def needs_profile(self) -> bool:
        """AWS serves it through an inference profile only."""
        return self.inference == ("INFERENCE_PROFILE",)


@dataclass(frozen=True, slots=True)
class InferenceProfile:
    """A system-defined profile."""

    prefix: str
    model: FoundationModel

    @property
    def id(self) -> str:
        return f"{self.prefix}.{self.model.id}"

    @property
    def name(self) -> str:
        return f"{_GEOGRAPHIES[self.prefix][0]} {self.model.provider} {self.model.name}"

    def arn(self, region: str, account: str) -> str:
        return f"arn:aws:bedrock:{region}:{account}:inference-profile/{self.id}"

    def model_arns(self, region: str) -> list[str]:
        regions = ("", region) if self.prefix == "global" else _GEOGRAPHIES[self.prefix][1]
        return [self.model.arn(routed) for routed in regions]

    def reaches(self, region: str) -> bool:
        """Whether callers in this region see it."""
        return self.prefix == "global" or region in _GEOGRAPHIES[self.prefix][1]


class Catalogue:
    """Read from its file when first asked."""

    @cached_property
    def models(self) -> dict[str, FoundationModel]:
        entries = json.loads(Path(__file__).with_name("catalogue.json").read_text(encoding="utf-8"))
        return {entry["id"]: _model(entry) for entry in entries}

    @cached_property
    def profiles(self) -> dict[str, InferenceProfile]:
        found = (InferenceProfile(prefix, model) for model in self.models.values() for prefix in model.profiles)
        return {profile.id: profile for profile in found}

    def profiles_in(self, region: str) -> Iterator[InferenceProfile]:
        return (profile for profile in self.profiles.values() if profile.reaches(region))


def _model(entry: dict[str, Any]) -> FoundationModel:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return FoundationModel(**values)
