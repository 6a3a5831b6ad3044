"""all-MiniLM-L6-v2 on ONNX Runtime: the built-in embedder."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from outcrop.engines.embedding import weights
from outcrop.engines.embedding.embedder import Purpose, Tokens
from outcrop.engines.embedding.pool import Pool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

NAME = "all-MiniLM-L6-v2"
MAX_TOKENS = 256
LONGEST_WORD = 100
"""Characters: the tokenizer makes one [UNK] of a longer word. A word is thus 100 pieces at most."""
PIECE = 8192
"""Characters that are tokenized at a time: time stays proportional to the length of a text."""

REMEMBERED = 4096
"""Texts of questions and answers whose vectors are kept (about 10 MB): the sentences of good passages come again."""
MEMORABLE = 2000
"""Characters of the longest of them."""

_SURROGATES = re.compile("[\ud800-\udfff]")


class MiniLM:
    """384 dimensions, 256 tokens. Texts run one at a time on each of `threads` threads (None: one per processor);
    questions overtake documents, and wait for 50 ms at most."""

    name = NAME
    dimensions = 384

    def __init__(self, cache: Path, precision: Literal["int8", "fp32"] = "int8", threads: int | None = None) -> None:
        if precision not in ("int8", "fp32"):
            raise ValueError(f"embedding precision {precision!r}: expected int8 or fp32")
        self._cache = cache
        self._precision = precision
        self._threads = threads or _processors()
        self._opening = asyncio.Lock()
        self._tokenizer: Any = None
        self._session: Any = None
        self._pool: Pool | None = None
        self._remembered: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    async def open(self) -> None:
        """Load the weights, fetching them first if the cache hasn't got them. Raises `WeightsError`."""
        async with self._opening:
            if self._pool is None:
                await asyncio.to_thread(self._load)
                self._pool = Pool(self._threads, "embed")

    async def aclose(self) -> None:
        async with self._opening:
            if self._pool is not None:
                pool, self._pool = self._pool, None
                await asyncio.to_thread(pool.close)
                self._session = self._tokenizer = None
                self._remembered.clear()

    async def embed(self, texts: Sequence[str], purpose: Purpose = "document") -> NDArray[np.float32]:
        import numpy as np

        if self._pool is None:
            raise RuntimeError(f"{NAME} is not open: await open() first")
        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        if purpose == "document":
            return np.stack(await self._pool.map(self._vector, texts, urgent=False))
        known = {text: self._remembered[text] for text in texts if text in self._remembered}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known |= zip(new, await self._pool.map(self._vector, new, urgent=True), strict=True)
        for text, vector in known.items():
            self._remember(text, vector)
        return np.stack([known[text] for text in texts])

    def _remember(self, text: str, vector: NDArray[np.float32]) -> None:
        if len(text) <= MEMORABLE:
            self._remembered[text] = vector
            self._remembered.move_to_end(text)
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)

    async def tokens(self, texts: Sequence[str], purpose: Purpose = "document") -> list[Tokens]:
        if self._pool is None:
            raise RuntimeError(f"{NAME} is not open: await open() first")
        return await self._pool.map(self._tokens, texts, urgent=purpose == "query")

    def count_tokens(self, text: str) -> int:
        pieces = [piece for _, piece in _pieces(_printable(text))]
        encodings = self._open_tokenizer().encode_batch_fast(pieces, add_special_tokens=False)
        return sum(len(encoding) for encoding in encodings)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        starts, pieces = zip(*_pieces(_printable(text)), strict=True)
        encodings = self._open_tokenizer().encode_batch(list(pieces), add_special_tokens=False)
        return [
            (start + left, start + right)
            for start, encoding in zip(starts, encodings, strict=True)
            for left, right in encoding.offsets
        ]

    def _load(self) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        folder = weights.installed(NAME, self._cache) or weights.pull(NAME, self._cache, log.info)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        graph = folder / f"{self._precision}.onnx"
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._tokenizer = tokenizer

    def _open_tokenizer(self) -> Any:
        if self._tokenizer is None:
            raise RuntimeError(f"{NAME} is not open: await open() first")
        return self._tokenizer

    def _vector(self, text: str) -> NDArray[np.float32]:
        import numpy as np

        ids = np.array([self._first_tokens(_printable(text))], np.int32)
        vector: NDArray[np.float32] = self._session.run(["vector"], {"ids": ids})[0][0]
        return vector

    def _tokens(self, text: str) -> Tokens:
        import numpy as np

        text = _printable(text)
        ids = np.array([self._first_tokens(text)], np.int32)
        vector, states = self._session.run(["vector", "states"], {"ids": ids})
        encoding = self._tokenizer.encode_batch([text])[0]
        inner = slice(1, ids.shape[1] - 1)
        return Tokens(vector[0], states[0][inner], tuple(encoding.offsets[inner]))

    def _first_tokens(self, text: str) -> list[int]:
        """The ids of [CLS], as many of the text's tokens as fit, and [SEP]; reads no more of a long text than that
        takes. (A batch of one, because `encode` would hold the interpreter lock.)"""
        enough = MAX_TOKENS + LONGEST_WORD
        length = enough * 6
        while True:
            ids: list[int] = self._tokenizer.encode_batch_fast([text[:length]])[0].ids
            # The word at the cut may come out otherwise than it would uncut, so there must be tokens to spare.
            if length >= len(text) or len(ids) >= enough + 2:
                return ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]]
            length *= 4


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _printable(text: str) -> str:
    """The text with lone surrogates, which aren't characters, replaced one by one, so that offsets stay."""
    return _SURROGATES.sub("\ufffd", text)


def _pieces(text: str) -> list[tuple[int, str]]:
    """The text cut before spaces, where tokens end in any case, with the offset of each piece; at least one piece."""
    cuts = [0]
    while len(text) - cuts[-1] > PIECE:
        space = text.rfind(" ", cuts[-1] + 1, cuts[-1] + PIECE)
        cuts.append(space if space > 0 else text.find(" ", cuts[-1] + PIECE))
        if cuts[-1] < 0:
            cuts.pop()
            break
    return [(start, text[start:end]) for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]
