"""Text to vectors. `Embedder` is the plug point; `MiniLM` the built-in."""

from outcrop.engines.embedding.embedder import Embedder, Purpose

__all__ = ["Embedder", "Purpose"]
