"""Stability AI's Stable Diffusion XL, of the first generation on Bedrock."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.images import Drawing
from outcrop.services.bedrock.families.claude import decoded
from outcrop.services.bedrock.invoke.bodies import check, malformed

if TYPE_CHECKING:
    from outcrop.services.bedrock.catalogue import FoundationModel

Body = dict[str, Any]

_LARGEST_SEED = 4_294_967_295
_PROMPT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1, "maxLength": 2000}, "weight": {"type": "number"}},
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["text_prompts"],
    "properties": {
        "text_prompts": {"type": "array", "minItems": 1, "items": _PROMPT},
        "width": {"type": "integer", "minimum": 320, "maximum": 1536},
        "height": {"type": "integer", "minimum": 320, "maximum": 1536},
        "cfg_scale": {"type": "number", "minimum": 0, "maximum": 35},
        "steps": {"type": "integer", "minimum": 10, "maximum": 150},
        "seed": {"type": "integer", "minimum": 0, "maximum": _LARGEST_SEED},
        "samples": {"type": "integer", "minimum": 1, "maximum": 1},
        "clip_guidance_preset": {"type": "string"},
        "sampler": {"type": "string"},
        "style_preset": {"type": "string"},
        "init_image": {"type": "string"},
        "init_image_mode": {"type": "string", "enum": ["IMAGE_STRENGTH", "STEP_SCHEDULE"]},
        "image_strength": {"type": "number", "minimum": 0, "maximum": 1},
        "mask_source": {"type": "string", "enum": ["MASK_IMAGE_WHITE"]},
        "mask_image": {"type": "string"},
    },
}
_STRENGTH = 0.35


class Sdxl:
    def read(self, body: Body, model: FoundationModel) -> Drawing:
        check(body, _SCHEMA)
        wanted = [prompt["text"] for prompt in body["text_prompts"] if prompt.get("weight", 1) >= 0]
        unwanted = [prompt["text"] for prompt in body["text_prompts"] if prompt.get("weight", 1) < 0]
        if not wanted:
            raise malformed("#/text_prompts: expected one whose weight is not negative")
        image = decoded(body["init_image"], "#/init_image") if "init_image" in body else None
        if "mask_image" in body and image is None:
            raise malformed("#: required key [init_image] not found")
        return Drawing(
            prompt=", ".join(wanted),
            negative=", ".join(unwanted),
            width=body.get("width", 1024),
            height=body.get("height", 1024),
            seed=body.get("seed") or secrets.randbelow(_LARGEST_SEED),
            guidance=body.get("cfg_scale", 7),
            steps=body.get("steps", 30),
            image=image,
            mask=decoded(body["mask_image"], "#/mask_image") if "mask_image" in body else None,
            strength=round(1 - body.get("image_strength", _STRENGTH), 3) if image else None,
        )

    def write(self, images: list[str], drawing: Drawing) -> Body:
        artifacts = [{"seed": drawing.seed, "base64": image, "finishReason": "SUCCESS"} for image in images]
        return {"result": "success", "artifacts": artifacts}
