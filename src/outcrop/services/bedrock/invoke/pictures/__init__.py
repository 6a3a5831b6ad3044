"""InvokeModel of models that draw: the bodies of each provider to one `Drawing`, and back."""

from outcrop.services.bedrock.invoke.pictures.pictures import Pictures

__all__ = ["Pictures"]
