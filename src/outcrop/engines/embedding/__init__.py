"""Text to vectors. `Embedder` is the plug point; `minilm.MiniLM` the built-in, `openai.OpenAIEmbedder` the remote."""

from outcrop.engines.embedding.embedder import Embedder, Purpose

__all__ = ["Embedder", "Purpose"]
