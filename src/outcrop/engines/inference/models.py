"""Which engine serves a model id. Shared by Bedrock and Knowledge Bases."""

from __future__ import annotations

from outcrop.engines.embedding import Embedder
from outcrop.engines.inference.engine import TextEngine
from outcrop.settings import Settings


class Models:
    """Text engines and embedders by model id; constructed light, each engine opened when first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def text(self, model_id: str) -> TextEngine:
        """The opened engine that serves this model id, by the patterns in the settings; else the extractive one."""
        raise NotImplementedError

    async def embedder(self, model_id: str) -> Embedder:
        """The opened embedder that serves this embedding model id."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close every engine that was opened."""
