"""From a question to the passages that bear on it."""

from outcrop.engines.retrieval.reranker import Reranker
from outcrop.engines.retrieval.retriever import Mode, Retriever, Scored

__all__ = ["Mode", "Reranker", "Retriever", "Scored"]
