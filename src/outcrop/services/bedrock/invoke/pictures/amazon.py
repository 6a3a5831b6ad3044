"""Amazon Titan Image Generator and Nova Canvas."""

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

_TEXT = {"type": "string", "minLength": 1, "maxLength": 1024}
_TASKS = {
    "TEXT_IMAGE": "textToImageParams",
    "IMAGE_VARIATION": "imageVariationParams",
    "INPAINTING": "inPaintingParams",
    "OUTPAINTING": "outPaintingParams",
    "COLOR_GUIDED_GENERATION": "colorGuidedGenerationParams",
    "BACKGROUND_REMOVAL": "backgroundRemovalParams",
    "VIRTUAL_TRY_ON": "virtualTryOnParams",
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["taskType"],
    "additionalProperties": False,
    "properties": {
        "taskType": {"type": "string", "enum": list(_TASKS)},
        **{name: {"type": "object"} for name in _TASKS.values()},
        "imageGenerationConfig": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "numberOfImages": {"type": "integer", "minimum": 1, "maximum": 5},
                "quality": {"type": "string", "enum": ["standard", "premium"]},
                "width": {"type": "integer", "minimum": 256, "maximum": 4096},
                "height": {"type": "integer", "minimum": 256, "maximum": 4096},
                "cfgScale": {"type": "number", "minimum": 1.1, "maximum": 10},
                "seed": {"type": "integer", "minimum": 0, "maximum": 2147483646},
            },
        },
    },
}
_PARAMS: dict[str, dict[str, Any]] = {
    "TEXT_IMAGE": {
        "type": "object",
        "required": ["text"],
        "properties": {"text": _TEXT, "negativeText": _TEXT, "style": {"type": "string"}},
    },
    "IMAGE_VARIATION": {
        "type": "object",
        "required": ["images"],
        "properties": {
            "text": _TEXT,
            "negativeText": _TEXT,
            "images": {"type": "array", "minItems": 1, "maxItems": 5, "items": {"type": "string"}},
            "similarityStrength": {"type": "number", "minimum": 0.2, "maximum": 1},
        },
    },
    "INPAINTING": {
        "type": "object",
        "required": ["image"],
        "properties": {
            "text": _TEXT,
            "negativeText": _TEXT,
            "image": {"type": "string"},
            "maskImage": {"type": "string"},
            "maskPrompt": {"type": "string"},
        },
    },
}
_SIMILARITY = 0.7


class AmazonPictures:
    def read(self, body: Body, model: FoundationModel) -> Drawing:
        check(body, _SCHEMA)
        task = body["taskType"]
        member = _TASKS[task]
        if member not in body:
            raise malformed(f"#: required key [{member}] not found")
        if task not in _PARAMS:
            raise ValidationException(
                f"No engine on this machine does {task}. There are TEXT_IMAGE, IMAGE_VARIATION and INPAINTING."
            )
        params = body[member]
        check(params, _PARAMS[task])
        config = body.get("imageGenerationConfig", {})
        is_nova = model.id.startswith("amazon.nova")
        width, height = config.get("width", 1024), config.get("height", 1024)
        if is_nova and (width % 16 or height % 16 or min(width, height) < 320):
            raise ValidationException(
                f"The width and height must be multiples of 16 between 320 and 4096; they are {width} and {height}."
            )
        return Drawing(
            prompt=params.get("text", ""),
            negative=params.get("negativeText", ""),
            width=width,
            height=height,
            count=config.get("numberOfImages", 1),
            seed=config.get("seed", secrets.randbelow(858_993_459)),
            guidance=config.get("cfgScale", 6.5 if is_nova else 8.0),
            **_begin(task, params, f"#/{member}"),
        )

    def write(self, images: list[str], drawing: Drawing) -> Body:
        return {"images": images, "error": None}


def _begin(task: str, params: Body, path: str) -> dict[str, Any]:
    """What is begun from."""
    if task == "IMAGE_VARIATION":
        if len(params["images"]) > 1:
            raise ValidationException("The engines on this machine vary one image at a time: give one in images.")
        image = decoded(params["images"][0], f"{path}/images/0")
        return {"image": image, "strength": round(1 - params.get("similarityStrength", _SIMILARITY), 3)}
    if task == "INPAINTING":
        if "maskImage" not in params:
            raise ValidationException(
                "Nothing on this machine finds the part of an image that a maskPrompt names: give a maskImage."
            )
        mask = decoded(params["maskImage"], f"{path}/maskImage")
        return {"image": decoded(params["image"], f"{path}/image"), "mask": _inverted(mask), "strength": 1.0}
    return {}


def _inverted(mask: bytes) -> bytes:
    """Here what is black is drawn anew; engines want it white."""
    try:
        import io

        from PIL import Image, ImageOps
    except ImportError:
        raise ValidationException("INPAINTING needs Pillow: pip install 'outcrop[images]'") from None
    try:
        picture = Image.open(io.BytesIO(mask)).convert("L")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ValidationException(f"The maskImage can't be read as an image: {error}") from None
    buffer = io.BytesIO()
    ImageOps.invert(picture).save(buffer, "PNG")
    return buffer.getvalue()
