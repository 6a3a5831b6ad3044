"""An embedder over an OpenAI-compatible endpoint: vLLM, TEI, Ollama, llama.cpp, OpenAI itself."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from outcrop.engines.embedding.embedder import Purpose
from outcrop.engines.inference.engine import EngineDown, EngineError, EngineTimeout

if TYPE_CHECKING:
    import httpx
    import numpy as np
    from numpy.typing import NDArray

BATCH_TEXTS = 64
BATCH_CHARACTERS = 100_000
CALLS_AT_ONCE = 4
TRIES = 4
SECONDS = 120.0

_TOKEN = re.compile(r"\w{1,5}|[^\w\s]")


class OpenAIEmbedder:
    """`POST {url}/embeddings`. `open()` asks for one vector, which tells the dimensions (or that nobody is there).

    The endpoint doesn't tell its tokens: `count_tokens` and `token_spans` go by pieces of up to five letters or
    digits and single marks, a little more than most tokenizers make of English.
    """

    dimensions: int

    def __init__(
        self,
        url: str,
        model: str,
        api_key: str = "",
        *,
        query_prefix: str = "",
        document_prefix: str = "",
        max_characters: int = 30_000,
        connect_timeout: float = 10.0,
        timeout: float = SECONDS,
        tries: int | None = None,
    ) -> None:
        """`url` ends where `/embeddings` goes, such as `http://localhost:8000/v1`. Some models want a prefix, such as
        `query: `. Texts are cut at `max_characters`. Timeouts are seconds."""
        self.name = f"openai:{model}@{url.split('://')[-1].split('/')[0]}"
        self._url = url.rstrip("/") + "/embeddings"
        self._model = model
        self._api_key = api_key
        self._prefixes: dict[Purpose, str] = {"query": query_prefix, "document": document_prefix}
        self._max_characters = max_characters
        self._timeouts = (connect_timeout, timeout)
        self._tries = TRIES if tries is None else tries
        self._client: httpx.AsyncClient | None = None
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Raises EngineError if the endpoint gives no vector."""
        import httpx

        async with self._opening:
            if self._client is not None:
                return
            headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
            client = httpx.AsyncClient(
                headers=headers, timeout=httpx.Timeout(self._timeouts[1], connect=self._timeouts[0]), trust_env=False
            )
            try:
                self.dimensions = len((await self._ask(client, ["dimensions"]))[0])
            except BaseException:
                await client.aclose()
                raise
            self._client = client

    async def aclose(self) -> None:
        async with self._opening:
            if self._client is not None:
                client, self._client = self._client, None
                await client.aclose()

    async def embed(self, texts: Sequence[str], purpose: Purpose = "document") -> NDArray[np.float32]:
        """Raises EngineError."""
        import numpy as np

        client = self._client
        if client is None:
            raise RuntimeError(f"{self.name} is not open: await open() first")
        prefix = self._prefixes[purpose]
        prepared = [_acceptable(prefix + text[: self._max_characters]) for text in texts]
        try:
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(self._ask(client, batch)) for batch in _batches(prepared)]
        except* EngineError as errors:
            raise errors.exceptions[0] from None
        rows = [row for call in calls for row in call.result()]
        vectors = np.array(rows, np.float32).reshape(-1, self.dimensions)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
        return vectors

    def count_tokens(self, text: str) -> int:
        return sum(1 for _ in _TOKEN.finditer(text))

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in _TOKEN.finditer(text)]

    async def _ask(self, client: httpx.AsyncClient, texts: list[str]) -> list[list[float]]:
        async with self._slots:
            for attempt in range(1, self._tries + 1):
                try:
                    return await self._ask_once(client, texts)
                except EngineError as error:
                    if not error.retryable or attempt == self._tries:
                        raise
                await asyncio.sleep(0.25 * 2**attempt)
        raise AssertionError("unreachable: the last try returns or raises")

    async def _ask_once(self, client: httpx.AsyncClient, texts: list[str]) -> list[list[float]]:
        import httpx

        body = {"model": self._model, "input": texts, "encoding_format": "float"}
        try:
            response = await client.post(self._url, json=body)
        except httpx.InvalidURL as error:
            raise EngineError(f"{self._url!r} is no URL of an embedding endpoint: {error}") from None
        except httpx.TimeoutException:
            raise EngineTimeout(
                f"The embedding endpoint {self._url} did not answer in {self._timeouts[1]:.0f} seconds.", retryable=True
            ) from None
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise EngineDown(
                f"The embedding endpoint {self._url} could not be reached: {reason}. Is it running?",
                retryable=not isinstance(error, httpx.UnsupportedProtocol),
            ) from None
        if response.status_code != 200:
            raise EngineError(
                f"The embedding endpoint {self._url} answered {response.status_code}: {_said(response.text)}",
                status=response.status_code,
                retryable=response.status_code in (408, 409, 425, 429) or response.status_code >= 500,
            )
        return self._vectors(response.content, len(texts))

    def _vectors(self, content: bytes, expected: int) -> list[list[float]]:
        try:
            data = sorted(json.loads(content)["data"], key=lambda entry: int(entry["index"]))
            rows = [[float(number) for number in entry["embedding"]] for entry in data]
        except (ValueError, KeyError, TypeError):
            raise EngineError(
                f"The embedding endpoint {self._url} answered what is no list of embeddings: "
                f"{_said(content.decode(errors='replace'))}"
            ) from None
        dimensions = getattr(self, "dimensions", None) or (len(rows[0]) if rows else 0)
        if len(rows) != expected or not dimensions or any(len(row) != dimensions for row in rows):
            raise EngineError(
                f"The embedding endpoint {self._url} answered {len(rows)} vectors of {sorted({len(r) for r in rows})} "
                f"dimensions for {expected} texts; expected {dimensions or 'some'} dimensions each."
            )
        return rows


def _batches(texts: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        if batch and (len(batch) == BATCH_TEXTS or characters + len(text) > BATCH_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(text)
        characters += len(text)
    if batch:
        yield batch


def _acceptable(text: str) -> str:
    """Endpoints refuse empty texts, and JSON takes no lone surrogates."""
    return text.encode("utf-8", "replace").decode() or " "


def _said(text: str) -> str:
    """What the endpoint said, short: its error's message if it has one."""
    try:
        body: Any = json.loads(text)
        error = body.get("error", body)
        message = error.get("message") if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        message = None
    return str(message or text).strip()[:500] or "(nothing)"
