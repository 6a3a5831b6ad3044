"""Which engine serves a model id. Shared by Bedrock and Knowledge Bases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import urlsplit

from outcrop.engines.embedding import Embedder
from outcrop.engines.inference.engine import EngineDown, TextEngine
from outcrop.engines.inference.ollama import detect_ollama
from outcrop.engines.inference.tokens import Tokenizer, Tokens
from outcrop.settings import Settings

__all__ = ["Models", "Route", "detect_ollama", "read_routes"]

_EXTRACTIVE = "extractive"
_SECONDS_UNTIL_RETRY = 30.0


@dataclass(frozen=True, slots=True)
class Route:
    """Endpoints that serve the model ids matching a pattern, in order of preference."""

    pattern: str
    targets: tuple[tuple[str, str], ...]
    """(URL, MODEL) each."""

    def serves(self, model_id: str) -> bool:
        return fnmatchcase(model_id, self.pattern)


def read_routes(entries: Sequence[str]) -> tuple[Route, ...]:
    """Routes from `URL#MODEL` and `PATTERN=URL#MODEL`; entries of the same pattern back each other up, and those
    without one come last. Raises ValueError naming the entry."""
    targets: dict[str, list[tuple[str, str]]] = {}
    for entry in entries:
        pattern, target = _split_pattern(entry)
        url, _, model = target.partition("#")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not model:
            raise ValueError(
                f"--llm {entry!r}: expected URL#MODEL or PATTERN=URL#MODEL, such as http://localhost:11434/v1#llama3.2"
            )
        targets.setdefault(pattern, []).append((url.rstrip("/"), model))
    routes = [Route(pattern, tuple(found)) for pattern, found in targets.items()]
    return tuple(sorted(routes, key=lambda route: route.pattern == "*"))


def _split_pattern(entry: str) -> tuple[str, str]:
    if entry.startswith(("http://", "https://")):
        return "*", entry
    pattern, _, target = entry.partition("=")
    return pattern, target


def _precision(name: str) -> Literal["int8", "fp32"]:
    if name not in ("int8", "fp32"):
        raise ValueError(f"OUTCROP_EMBEDDING_PRECISION={name!r}: expected int8 or fp32")
    return "fp32" if name == "fp32" else "int8"


class Models:
    """Text engines and embedders by model id; constructed light, each engine opened when first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._routes = read_routes(settings.llm)
        self._precision = _precision(settings.embedding_precision)
        self._engines: dict[str, TextEngine] = {}
        self._embedder: Embedder | None = None
        self._missing: tuple[float, EngineDown] | None = None
        self._text_lock = asyncio.Lock()
        self._embedder_lock = asyncio.Lock()
        self._tokenizer = Tokenizer(self._shared_embedder)

    async def text(self, model_id: str) -> TextEngine:
        """The opened engine that serves this model id, by the patterns in the settings; else the extractive one."""
        route = next((route for route in self._routes if route.serves(model_id)), None)
        key = route.pattern if route else _EXTRACTIVE
        async with self._text_lock:
            if key not in self._engines:
                engine = self._openai(route) if route else self._extractive()
                await engine.open()
                self._engines[key] = engine
            return self._engines[key]

    def maps(self, model_id: str) -> bool:
        """Whether the settings name an endpoint for this model id by a pattern of its own."""
        return any(route.pattern != "*" and route.serves(model_id) for route in self._routes)

    async def embedder(self, model_id: str) -> Embedder:
        """The opened embedder that serves this embedding model id. Raises EngineDown if its weights are missing."""
        return await self._shared_embedder()

    async def tokens(self) -> Tokens:
        """Counts tokens by the embedder's tokenizer, or by rule where its weights are missing."""
        return await self._tokenizer.tokens()

    async def aclose(self) -> None:
        """Close every engine that was opened."""
        engines, self._engines = list(self._engines.values()), {}
        embedder, self._embedder = self._embedder, None
        for engine in engines:
            await engine.aclose()
        if embedder is not None:
            await embedder.aclose()

    async def _shared_embedder(self) -> Embedder:
        from outcrop.engines.embedding.minilm import MiniLM
        from outcrop.engines.embedding.weights import WeightsError

        async with self._embedder_lock:
            if self._embedder is not None:
                return self._embedder
            if self._missing and time.monotonic() - self._missing[0] < _SECONDS_UNTIL_RETRY:
                raise self._missing[1]
            embedder = MiniLM(self._settings.cache, self._precision)
            try:
                await embedder.open()
            except WeightsError as error:
                self._missing = (time.monotonic(), EngineDown(str(error)))
                raise self._missing[1] from error
            self._embedder = embedder
            return embedder

    def _openai(self, route: Route) -> TextEngine:
        from outcrop.engines.inference.openai import Endpoint, OpenAI

        endpoints = [Endpoint(url, model, self._settings.llm_api_key) for url, model in route.targets]
        return OpenAI(endpoints, self._tokenizer.tokens)

    def _extractive(self) -> TextEngine:
        from outcrop.engines.inference.extractive import Extractive

        return Extractive(self._shared_embedder, self._tokenizer.tokens, self._settings.answer_threshold)
