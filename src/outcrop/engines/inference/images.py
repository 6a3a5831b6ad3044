"""The contract of engines that draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Format = Literal["png", "jpeg"]

NO_ENGINE = (
    "No engine on this machine draws images. Add one: an OpenAI-compatible images endpoint with "
    "`outcrop models map '*' http://localhost:8000/v1#MODEL --task image`, or local weights with "
    "`outcrop models map '*' diffusers:DIR --task image` (pip install 'outcrop[images]')."
)


@dataclass(frozen=True, slots=True)
class Drawing:
    """One request for images. None means: the engine's own default."""

    prompt: str
    negative: str = ""
    """What must not be seen."""
    width: int = 1024
    height: int = 1024
    count: int = 1
    seed: int | None = None
    """Of the first image; the others have the numbers that follow."""
    guidance: float | None = None
    """How closely the prompt is followed (CFG scale)."""
    steps: int | None = None
    format: Format = "png"
    image: bytes | None = None
    """What to begin from (PNG, JPEG, WebP)."""
    mask: bytes | None = None
    """Which part of `image` to draw anew: where it is white."""
    strength: float | None = None
    """How far the result may go from `image`, 0 to 1."""


class ImageEngine(Protocol):
    """A source of images. The constructor is light; `open()` loads, `aclose()` lets go."""

    @property
    def name(self) -> str:
        """What `x-outcrop-served-by` says."""
        ...

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def draw(self, drawing: Drawing) -> list[bytes]:
        """`drawing.count` image files. Raises EngineError."""
        ...
