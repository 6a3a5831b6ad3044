"""Which models there are, and what callers write to name one."""

from outcrop.services.bedrock.catalogue.catalogue import Catalogue, FoundationModel, InferenceProfile

__all__ = ["Catalogue", "FoundationModel", "InferenceProfile"]
