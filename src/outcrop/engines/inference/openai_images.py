"""Any endpoint that speaks OpenAI's images API: LocalAI, vLLM, stable-diffusion.cpp, OpenAI itself."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import EngineDown, EngineError, EngineTimeout

if TYPE_CHECKING:
    import httpx

    from outcrop.engines.inference.images import Drawing
    from outcrop.engines.inference.openai import Endpoint

_BUSY = frozenset({408, 429, 500, 502, 503, 504})


class OpenAIImages:
    """`POST {url}/images/generations`, and `/images/edits` where an image is begun from. `timeout` is seconds."""

    def __init__(self, endpoint: Endpoint, *, connect_timeout: float = 5.0, timeout: float = 300.0) -> None:
        self._endpoint = endpoint
        self._timeouts = (connect_timeout, timeout)
        self._client: httpx.AsyncClient | None = None

    @property
    def name(self) -> str:
        return self._endpoint.label

    async def open(self) -> None:
        import httpx

        connect, read = self._timeouts
        headers = {"authorization": f"Bearer {self._endpoint.api_key}"} if self._endpoint.api_key else {}
        self._client = httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(read, connect=connect))

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def draw(self, drawing: Drawing) -> list[bytes]:
        fields = self._fields(drawing)
        if drawing.image is None:
            return await self._ask("images/generations", json=fields)
        files = {"image": ("image.png", drawing.image)}
        if drawing.mask is not None:
            files["mask"] = ("mask.png", drawing.mask)
        return await self._ask("images/edits", data={name: str(value) for name, value in fields.items()}, files=files)

    def _fields(self, drawing: Drawing) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "model": self._endpoint.model,
            "prompt": drawing.prompt,
            "n": drawing.count,
            "size": f"{drawing.width}x{drawing.height}",
        }
        if not self._endpoint.model.startswith("gpt-image"):
            fields["response_format"] = "b64_json"
        if self._endpoint.is_openai:
            return fields
        further = {
            "negative_prompt": drawing.negative or None,
            "seed": drawing.seed,
            "guidance_scale": drawing.guidance,
            "num_inference_steps": drawing.steps,
            "strength": drawing.strength,
            "output_format": drawing.format if drawing.format != "png" else None,
        }
        return fields | {name: value for name, value in further.items() if value is not None}

    async def _ask(self, path: str, **content: Any) -> list[bytes]:
        import httpx

        if self._client is None:
            raise EngineDown(f"the engine {self.name} is closed")
        url = self._endpoint.url
        try:
            response = await self._client.post(f"{url}/{path}", **content)
        except httpx.TimeoutException as error:
            raise EngineTimeout(f"{url} drew nothing within {self._timeouts[1]:g} seconds.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EngineDown(f"{url} can't be reached: {error or type(error).__name__}. Is it running?") from error
        if response.status_code != 200:
            raise EngineError(
                f"{url} answered {response.status_code}: {_said(response.text)}",
                status=response.status_code,
                retryable=response.status_code in _BUSY,
            )
        return await self._images(response.text)

    async def _images(self, text: str) -> list[bytes]:
        """Each image from its base64, or fetched from the URL that stands in its place."""
        try:
            entries = json.loads(text)["data"]
            return [
                base64.b64decode(entry["b64_json"]) if entry.get("b64_json") else await self._fetch(entry["url"])
                for entry in entries
            ]
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            raise EngineError(f"{self.name} answered what holds no images: {text[:200]!r}") from None

    async def _fetch(self, url: str) -> bytes:
        import httpx

        assert self._client is not None
        try:
            response = await self._client.get(url)
            response.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EngineError(f"{self.name} gave the image {url}, which can't be fetched: {error}") from error
        return response.content


def _said(text: str) -> str:
    try:
        said = json.loads(text)
        error = said.get("error", said)
        return str(error.get("message", error) if isinstance(error, dict) else error)[:500]
    except (ValueError, AttributeError):
        return text.strip()[:500] or "(no text)"
