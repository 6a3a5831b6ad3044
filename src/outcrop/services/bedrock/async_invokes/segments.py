"""Nova multimodal embeddings of a long text: cut into segments, each with a vector, written to S3 as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.invoke.bodies import check
from outcrop.services.bedrock.invoke.embeddings import NOVA_DIMENSIONS, NOVA_PURPOSES
from outcrop.services.contract import ServiceError, ValidationException

if TYPE_CHECKING:
    from outcrop.engines.embedding import Purpose
    from outcrop.engines.inference.models import Models
    from outcrop.services.contract import Context

MODEL = "amazon.nova-2-multimodal-embeddings-v1:0"

_BATCH = 32
_DEFAULT_CHARACTERS = 32_000
_LARGEST = 634_000_000
"""Bytes of a source text."""
_LOCATION = {"type": "object", "required": ["uri"], "properties": {"uri": {"type": "string"}}}
_TEXT = {
    "type": "object",
    "properties": {
        "truncationMode": {"type": "string", "enum": ["START", "END", "NONE"]},
        "value": {"type": "string", "minLength": 1},
        "source": {"type": "object", "required": ["s3Location"], "properties": {"s3Location": _LOCATION}},
        "segmentationConfig": {
            "type": "object",
            "properties": {"maxLengthChars": {"type": "integer", "minimum": 800, "maximum": 50_000}},
        },
    },
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["taskType", "segmentedEmbeddingParams"],
    "properties": {
        "schemaVersion": {"type": "string"},
        "taskType": {"type": "string", "enum": ["SEGMENTED_EMBEDDING"]},
        "segmentedEmbeddingParams": {
            "type": "object",
            "required": ["embeddingPurpose"],
            "properties": {
                "embeddingPurpose": {"type": "string", "enum": NOVA_PURPOSES},
                "embeddingDimension": {"type": "integer", "enum": NOVA_DIMENSIONS},
                "text": _TEXT,
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Segmenting:
    """One request, read."""

    purpose: str
    dimensions: int
    characters: int
    value: str
    uri: str
    """Where the text lies, if `value` doesn't hold it."""


def read(body: Any) -> Segmenting:
    """Raises ValidationException."""
    if not isinstance(body, Mapping):
        raise ValidationException("The modelInput must be a JSON object.")
    check(body, _SCHEMA)
    params = body["segmentedEmbeddingParams"]
    if "text" not in params:
        raise ValidationException(
            "Only texts can be embedded on this machine, which has no model that embeds images, video or sound: give "
            "segmentedEmbeddingParams.text."
        )
    text = params["text"]
    if ("value" in text) == ("source" in text):
        raise ValidationException("segmentedEmbeddingParams.text needs either a value or a source.")
    return Segmenting(
        params["embeddingPurpose"],
        params.get("embeddingDimension", NOVA_DIMENSIONS[-1]),
        text.get("segmentationConfig", {}).get("maxLengthChars", _DEFAULT_CHARACTERS),
        text.get("value", ""),
        text.get("source", {}).get("s3Location", {}).get("uri", ""),
    )


async def run(ctx: Context, models: Models, key: str, wanted: Segmenting, folder: str) -> None:
    """Embed, and write `embedding-text.jsonl` and `segmented-embedding-result.json` under `folder`, an S3 URI. Raises
    EngineError and ServiceError."""
    from outcrop.engines.embedding.dimensions import fit

    text = wanted.value or await _fetch(ctx, wanted.uri)
    spans = segments(text, wanted.characters)
    embedder = await models.embedder(key)
    purpose: Purpose = "query" if wanted.purpose.endswith("_RETRIEVAL") else "document"
    lines: list[str] = []
    for at in range(0, len(spans), _BATCH):
        batch = spans[at : at + _BATCH]
        embedded = await embedder.embed([text[start:end] for start, end in batch], purpose)
        vectors = fit(embedded, wanted.dimensions)
        for number, ((start, end), vector) in enumerate(zip(batch, vectors, strict=True), at):
            about = {"segmentIndex": number, "segmentStartCharPosition": start, "segmentEndCharPosition": end}
            lines.append(json.dumps({"embedding": vector.tolist(), "segmentMetadata": about, "status": "SUCCESS"}))
    output = f"{folder}/embedding-text.jsonl"
    await _store(ctx, output, "".join(f"{line}\n" for line in lines).encode())
    result = {"embeddingType": "TEXT", "status": "SUCCESS", "outputFileUri": output}
    about_all = {
        "sourceFileUri": wanted.uri or None,
        "embeddingDimension": wanted.dimensions,
        "embeddingResults": [result],
    }
    await _store(ctx, f"{folder}/segmented-embedding-result.json", json.dumps(about_all).encode())


def segments(text: str, characters: int) -> list[tuple[int, int]]:
    """Spans (start, end) of at most so many characters: whole sentences where they fit."""
    from outcrop.engines.chunking.sentences import split_sentences

    spans: list[tuple[int, int]] = []
    for start, end in split_sentences(text):
        if spans and end - spans[-1][0] <= characters:
            spans[-1] = (spans[-1][0], end)
            continue
        spans.extend((at, min(at + characters, end)) for at in range(start, end, characters))
    return [(start, end) for start, end in spans if text[start:end].strip()]


async def _fetch(ctx: Context, uri: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    found = await ctx.call("s3", "get_object", {"Bucket": bucket, "Key": key})
    data = bytearray()
    async for part in found["Body"]:
        data += part
        if len(data) > _LARGEST:
            raise ValidationException(f"{uri} has more than {_LARGEST} bytes.")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValidationException(f"{uri} is not a text in UTF-8.") from None


async def _store(ctx: Context, uri: str, content: bytes) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        await ctx.call("s3", "put_object", {"Bucket": bucket, "Key": key, "Body": _once(content)})
    except ServiceError as error:
        raise ValidationException(f"Could not write {uri}: {error.message}") from error


async def _once(content: bytes) -> Any:
    yield content
