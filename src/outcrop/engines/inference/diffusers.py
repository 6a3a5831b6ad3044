"""Images by diffusers, in this process: a folder of weights as Hugging Face lays it out."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import EngineDown, EngineError

if TYPE_CHECKING:
    from outcrop.engines.inference.images import Drawing

_MISSING = "The engine diffusers isn't installed: pip install 'outcrop[images]'"
_DEFAULT_STRENGTH = 0.7


class Diffusers:
    """One pipeline, one drawing at a time; on the first GPU if there is one."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder).expanduser()
        self._pipelines: dict[str, Any] = {}
        self._one_at_a_time = asyncio.Lock()

    @property
    def name(self) -> str:
        return f"diffusers:{self._folder.name}"

    async def open(self) -> None:
        """Loads the weights. Raises EngineDown."""
        if not (self._folder / "model_index.json").is_file():
            raise EngineDown(
                f"{self._folder} holds no weights for diffusers: there is no model_index.json. Give the folder of a "
                "pipeline, as `save_pretrained` writes it."
            )
        self._pipelines["text"] = await asyncio.to_thread(self._load)

    async def aclose(self) -> None:
        self._pipelines.clear()

    async def draw(self, drawing: Drawing) -> list[bytes]:
        async with self._one_at_a_time:
            try:
                return await asyncio.to_thread(self._draw, drawing)
            except (RuntimeError, ValueError, TypeError, OSError) as error:
                raise EngineError(f"{self.name} could not draw this: {error}") from error

    def _load(self) -> Any:
        try:
            import torch
            from diffusers import AutoPipelineForText2Image
        except ImportError as error:
            raise EngineDown(f"{_MISSING} ({error})") from error
        factory: Any = AutoPipelineForText2Image
        on_gpu = torch.cuda.is_available()
        try:
            pipeline = factory.from_pretrained(
                str(self._folder), torch_dtype=torch.float16 if on_gpu else torch.float32, local_files_only=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise EngineDown(f"{self._folder} can't be loaded by diffusers: {error}") from error
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to("cuda" if on_gpu else "cpu")

    def _pipeline(self, drawing: Drawing) -> Any:
        """For another task the same weights in another pipeline."""
        from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting

        if drawing.image is None:
            return self._pipelines["text"]
        kind, factory = ("mask", AutoPipelineForInpainting) if drawing.mask else ("image", AutoPipelineForImage2Image)
        if kind not in self._pipelines:
            self._pipelines[kind] = factory.from_pipe(self._pipelines["text"])
        return self._pipelines[kind]

    def _draw(self, drawing: Drawing) -> list[bytes]:
        import torch

        options: dict[str, Any] = {"prompt": drawing.prompt, "num_images_per_prompt": drawing.count}
        if drawing.seed is not None:
            options["generator"] = [
                torch.Generator("cpu").manual_seed(drawing.seed + number) for number in range(drawing.count)
            ]
        if drawing.negative:
            options["negative_prompt"] = drawing.negative
        if drawing.steps is not None:
            options["num_inference_steps"] = drawing.steps
        if drawing.guidance is not None:
            options["guidance_scale"] = drawing.guidance
        if drawing.image is None:
            options |= {"width": drawing.width, "height": drawing.height}
        else:
            size = (drawing.width, drawing.height)
            options["image"] = _picture(drawing.image, size)
            options["strength"] = _DEFAULT_STRENGTH if drawing.strength is None else drawing.strength
            if drawing.mask is not None:
                options |= {"mask_image": _picture(drawing.mask, size), "width": size[0], "height": size[1]}
        images = self._pipeline(drawing)(**options).images
        return [_file(image, drawing.format) for image in images]


def _picture(data: bytes, size: tuple[int, int]) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(data)).convert("RGB").resize(size)


def _file(image: Any, format: str) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format.upper())
    return buffer.getvalue()
