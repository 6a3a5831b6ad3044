"""Local weights in Hugging Face's layout, run by `transformers` in child processes of this machine."""

from outcrop.engines.inference.transformers.engine import Transformers

__all__ = ["Transformers"]
