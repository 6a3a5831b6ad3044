"""Stability AI's Stable Image Core and Ultra, and Stable Diffusion 3."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.images import Drawing
from outcrop.services.bedrock.families.claude import decoded
from outcrop.services.bedrock.invoke.bodies import check, malformed
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    from outcrop.services.bedrock.catalogue import FoundationModel

Body = dict[str, Any]

_SIZES = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "21:9": (1536, 640),
    "2:3": (832, 1216),
    "3:2": (1216, 832),
    "4:5": (896, 1088),
    "5:4": (1088, 896),
    "9:16": (768, 1344),
    "9:21": (640, 1536),
}
"""About a million pixels each, sides in multiples of 64."""
_LARGEST_SEED = 4_294_967_294
_TEXT = {"type": "string", "maxLength": 10_000}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["prompt"],
    "additionalProperties": False,
    "properties": {
        "prompt": {**_TEXT, "minLength": 1},
        "negative_prompt": _TEXT,
        "mode": {"type": "string", "enum": ["text-to-image", "image-to-image"]},
        "model": {"type": "string"},
        "aspect_ratio": {"type": "string", "enum": list(_SIZES)},
        "output_format": {"type": "string", "enum": ["jpeg", "png", "JPEG", "PNG"]},
        "seed": {"type": "integer", "minimum": 0, "maximum": _LARGEST_SEED},
        "cfg_scale": {"type": "number", "minimum": 1, "maximum": 10},
        "style_preset": {"type": "string"},
        "image": {"type": "string"},
        "mask": {"type": "string"},
        "grow_mask": {"type": "integer", "minimum": 0, "maximum": 20},
        "strength": {"type": "number", "minimum": 0, "maximum": 1},
    },
}
_DRAWS = (
    "stability.sd3",
    "stability.stable-image-core",
    "stability.stable-image-ultra",
    "stability.stable-image-inpaint",
)


class Stability:
    def read(self, body: Body, model: FoundationModel) -> Drawing:
        if not model.id.startswith(_DRAWS):
            raise ValidationException(
                f"No engine on this machine does what {model.id} does: they draw from text, from an image, or into a "
                "mask. Map the model to AWS itself for this call."
            )
        check(body, _SCHEMA)
        image = decoded(body["image"], "#/image") if "image" in body else None
        inpaints = model.id.startswith("stability.stable-image-inpaint")
        if image is None and (inpaints or body.get("mode") == "image-to-image"):
            raise malformed("#: required key [image] not found")
        if inpaints and "mask" not in body:
            raise ValidationException("The engines on this machine don't read masks out of images: give a mask.")
        if image is not None and not inpaints and "strength" not in body:
            raise malformed("#: required key [strength] not found")
        width, height = _SIZES[body.get("aspect_ratio", "1:1")]
        return Drawing(
            prompt=body["prompt"],
            negative=body.get("negative_prompt", ""),
            width=width,
            height=height,
            seed=body.get("seed") or secrets.randbelow(_LARGEST_SEED),
            guidance=body.get("cfg_scale"),
            format="jpeg" if body.get("output_format", "png").lower() == "jpeg" else "png",
            image=image,
            mask=decoded(body["mask"], "#/mask") if inpaints else None,
            strength=body.get("strength"),
        )

    def write(self, images: list[str], drawing: Drawing) -> Body:
        return {"seeds": [drawing.seed], "finish_reasons": [None], "images": images}
