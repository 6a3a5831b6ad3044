"""What is compared: ways to cut documents, to search, to rerank and to answer."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

CHUNKING = ("default", "fixed", "hierarchical", "semantic", "none")
SEARCH = ("hybrid", "semantic")


@dataclass(frozen=True, slots=True)
class Configuration:
    name: str = ""
    chunking: str = "default"
    max_tokens: int = 300
    overlap: int = 20
    """Percent of a chunk (`fixed`)."""
    parent_tokens: int = 1500
    overlap_tokens: int = 60
    breakpoint: int = 95
    """Percentile of distance at which `semantic` cuts."""
    search: str = "hybrid"
    results: int = 5
    reranker: str = ""
    """A model id; none by default."""
    candidates: int = 30
    """That the reranker reads."""
    model: str = "anthropic.claude-3-haiku-20240307-v1:0"
    embedding: str = "amazon.titan-embed-text-v2:0"

    def __post_init__(self) -> None:
        if self.chunking not in CHUNKING:
            raise ValueError(f"chunking {self.chunking!r} is none of {', '.join(CHUNKING)}")
        if self.search not in SEARCH:
            raise ValueError(f"search {self.search!r} is none of {', '.join(SEARCH)}")
        if not 1 <= self.results <= 100:
            raise ValueError(f"results is {self.results}, not 1 to 100")

    @property
    def base(self) -> tuple[object, ...]:
        """Configurations with the same one share a knowledge base."""
        used: dict[str, tuple[object, ...]] = {
            "fixed": (self.max_tokens, self.overlap),
            "hierarchical": (self.parent_tokens, self.max_tokens, self.overlap_tokens),
            "semantic": (self.max_tokens, self.breakpoint),
        }
        return self.embedding, self.chunking, *used.get(self.chunking, ())

    def chunking_configuration(self) -> dict[str, Any] | None:
        """As a data source takes it; None for the default."""
        if self.chunking == "default":
            return None
        if self.chunking == "none":
            return {"chunkingStrategy": "NONE"}
        if self.chunking == "fixed":
            size = {"maxTokens": self.max_tokens, "overlapPercentage": self.overlap}
            return {"chunkingStrategy": "FIXED_SIZE", "fixedSizeChunkingConfiguration": size}
        if self.chunking == "hierarchical":
            levels = [{"maxTokens": self.parent_tokens}, {"maxTokens": self.max_tokens}]
            return {
                "chunkingStrategy": "HIERARCHICAL",
                "hierarchicalChunkingConfiguration": {
                    "levelConfigurations": levels,
                    "overlapTokens": self.overlap_tokens,
                },
            }
        meaning = {"maxTokens": self.max_tokens, "bufferSize": 0, "breakpointPercentileThreshold": self.breakpoint}
        return {"chunkingStrategy": "SEMANTIC", "semanticChunkingConfiguration": meaning}

    def retrieval(self, region: str) -> dict[str, Any]:
        """`retrievalConfiguration` of Retrieve and RetrieveAndGenerate."""
        search: dict[str, Any] = {"numberOfResults": self.results, "overrideSearchType": self.search.upper()}
        if self.reranker:
            search["numberOfResults"] = max(self.results, self.candidates)
            search["rerankingConfiguration"] = {
                "type": "BEDROCK_RERANKING_MODEL",
                "bedrockRerankingConfiguration": {
                    "modelConfiguration": {"modelArn": model_arn(self.reranker, region)},
                    "numberOfRerankedResults": self.results,
                },
            }
        return {"vectorSearchConfiguration": search}


def model_arn(model: str, region: str) -> str:
    return model if model.startswith("arn:") else f"arn:aws:bedrock:{region}::foundation-model/{model}"


def load(path: Path, defaults: Mapping[str, Any]) -> list[Configuration]:
    """From TOML (`[[configuration]]` tables) or JSON (a list of objects, or one under `configuration`)."""
    try:
        read: Any = (tomllib if path.suffix == ".toml" else json).loads(path.read_text(encoding="utf-8"))
        rows = read.get("configuration") if isinstance(read, Mapping) else read
        if not isinstance(rows, list) or not rows:
            raise ValueError("it has no list `configuration`")
        found = [_configuration({**defaults, **row}, f"configuration {number}") for number, row in enumerate(rows, 1)]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: each configuration needs a name of its own")
    return found


def _configuration(row: Mapping[str, Any], where: str) -> Configuration:
    kinds = get_type_hints(Configuration)
    for name, value in row.items():
        if name not in kinds:
            known = ", ".join(field.name for field in fields(Configuration))
            raise ValueError(f"{where}: unknown option {name!r}; known are {known}")
        if type(value) is not kinds[name]:
            raise ValueError(f"{where}: {name} must be {'a text' if kinds[name] is str else 'a whole number'}")
    return Configuration(**{"name": where, **row})
