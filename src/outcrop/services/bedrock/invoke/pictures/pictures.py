"""Runs a drawing on its engine."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Protocol

from outcrop.engines.inference.engine import EngineError
from outcrop.services.bedrock.errors import from_engine
from outcrop.services.bedrock.invoke.pictures.amazon import AmazonPictures
from outcrop.services.bedrock.invoke.pictures.sdxl import Sdxl
from outcrop.services.bedrock.invoke.pictures.stability import Stability
from outcrop.services.bedrock.runtime.calls import Usage

if TYPE_CHECKING:
    from outcrop.engines.inference.images import Drawing
    from outcrop.engines.inference.models import Models
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runtime.calls import Call

Body = dict[str, Any]


class PictureFamily(Protocol):
    def read(self, body: Body, model: FoundationModel) -> Drawing:
        """Raises ValidationException where the body is not the family's, or asks for what no engine does."""
        ...

    def write(self, images: list[str], drawing: Drawing) -> Body:
        """The answer's body of images in base64."""
        ...


_FAMILIES: tuple[tuple[str, PictureFamily], ...] = (
    ("stability.stable-diffusion-xl", Sdxl()),
    ("stability.", Stability()),
    ("amazon.", AmazonPictures()),
)


class Pictures:
    def __init__(self, models: Models) -> None:
        self._models = models

    async def invoke(self, call: Call, body: Body) -> Body:
        family = next(family for prefix, family in _FAMILIES if call.model.id.startswith(prefix))
        drawing = family.read(body, call.model)
        await call.admit()
        try:
            engine = await self._models.images(call.target.key)
            images = await engine.draw(drawing)
        except EngineError as error:
            raise from_engine(error, call.target.resource) from error
        call.ctx.notes["served-by"] = engine.name
        call.usage = Usage(images=len(images))
        return family.write([base64.b64encode(image).decode() for image in images], drawing)
