"""Parsed documents -> chunks that are embedded and searched."""

from outcrop.engines.chunking.chunker import chunk

__all__ = ["chunk"]
