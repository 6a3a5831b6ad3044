"""InvokeModel of embedding models: Titan, Nova and Cohere bodies on the one embedder."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import EngineError
from outcrop.services.bedrock.errors import from_engine
from outcrop.services.bedrock.invoke.bodies import check, malformed
from outcrop.services.bedrock.runtime.calls import Usage
from outcrop.services.contract import ValidationException

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outcrop.engines.embedding import Embedder, Purpose
    from outcrop.engines.inference.models import Models
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runtime.calls import Call

    Vectors = NDArray[np.float32]

Body = dict[str, Any]

_TITAN_TOKENS = 8192
_TITAN_CHARACTERS = 50_000
_COHERE_TOKENS = 512
_TEXT: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": _TITAN_CHARACTERS}
_TITAN_V1 = {
    "type": "object",
    "required": ["inputText"],
    "additionalProperties": False,
    "properties": {"inputText": _TEXT},
}
_TITAN_V2 = {
    "type": "object",
    "required": ["inputText"],
    "additionalProperties": False,
    "properties": {
        "inputText": _TEXT,
        "dimensions": {"type": "integer", "enum": [1024, 512, 256]},
        "normalize": {"type": "boolean"},
        "embeddingTypes": {"type": "array", "minItems": 1, "items": {"type": "string", "enum": ["float", "binary"]}},
    },
}
_TITAN_IMAGE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "inputText": {"type": "string", "minLength": 1},
        "inputImage": {"type": "string"},
        "embeddingConfig": {
            "type": "object",
            "properties": {"outputEmbeddingLength": {"type": "integer", "enum": [256, 384, 1024]}},
        },
    },
}
NOVA_DIMENSIONS = (256, 384, 1024, 3072)
NOVA_PURPOSES = (
    "GENERIC_INDEX",
    "GENERIC_RETRIEVAL",
    "TEXT_RETRIEVAL",
    "IMAGE_RETRIEVAL",
    "VIDEO_RETRIEVAL",
    "DOCUMENT_RETRIEVAL",
    "AUDIO_RETRIEVAL",
    "CLASSIFICATION",
    "CLUSTERING",
)
_NOVA = {
    "type": "object",
    "required": ["taskType"],
    "properties": {
        "schemaVersion": {"type": "string"},
        "taskType": {"type": "string", "enum": ["SINGLE_EMBEDDING"]},
        "singleEmbeddingParams": {
            "type": "object",
            "required": ["embeddingPurpose"],
            "properties": {
                "embeddingPurpose": {"type": "string", "enum": NOVA_PURPOSES},
                "embeddingDimension": {"type": "integer", "enum": NOVA_DIMENSIONS},
                "text": {
                    "type": "object",
                    "required": ["value"],
                    "properties": {
                        "value": {"type": "string", "minLength": 1, "maxLength": 8192},
                        "truncationMode": {"type": "string", "enum": ["START", "END", "NONE"]},
                    },
                },
            },
        },
    },
}
_TYPES = ("float", "int8", "uint8", "binary", "ubinary")
_COHERE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "texts": {
            "type": "array",
            "minItems": 1,
            "maxItems": 96,
            "items": {"type": "string", "minLength": 1},
        },
        "images": {"type": "array"},
        "inputs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 96,
            "items": {"type": "object", "required": ["content"]},
        },
        "input_type": {
            "type": "string",
            "enum": ["search_document", "search_query", "classification", "clustering", "image"],
        },
        "truncate": {"type": "string", "enum": ["NONE", "START", "END", "LEFT", "RIGHT"]},
        "embedding_types": {"type": "array", "minItems": 1, "items": {"type": "string", "enum": _TYPES}},
        "output_dimension": {"type": "integer", "enum": [256, 512, 1024, 1536]},
        "max_tokens": {"type": "integer", "minimum": 1},
    },
}


class Embeddings:
    def __init__(self, models: Models) -> None:
        self._models = models

    async def invoke(self, call: Call, body: Body) -> Body:
        await call.admit()
        try:
            embedder = await self._models.embedder(call.target.key)
            call.ctx.notes["served-by"] = embedder.name
            answer, tokens = await self._answer(embedder, call.model, body)
        except EngineError as error:
            raise from_engine(error, call.target.resource) from error
        call.usage = Usage(input_tokens=tokens)
        call.ctx.headers["X-Amzn-Bedrock-Input-Token-Count"] = str(tokens)
        return answer

    async def _answer(self, embedder: Embedder, model: FoundationModel, body: Body) -> tuple[Body, int]:
        if model.id.startswith("cohere."):
            return await _cohere(embedder, body, is_v3="-v3" in model.id)
        if model.id.startswith("amazon.nova"):
            return await _nova(embedder, body)
        if model.id.startswith("amazon.titan-embed-image"):
            return await _titan_image(embedder, body)
        if model.id.startswith("amazon.titan-embed-text-v2"):
            return await _titan_v2(embedder, body)
        if model.id.startswith("amazon."):
            return await _titan_v1(embedder, body)
        raise ValidationException(f"{model.id} embeds video and sound, which nothing on this machine does.")


async def _embed(embedder: Embedder, texts: Sequence[str], dimensions: int, purpose: Purpose = "document") -> Vectors:
    from outcrop.engines.embedding.dimensions import fit

    return fit(await embedder.embed(texts, purpose), dimensions)


def _titan_tokens(embedder: Embedder, text: str) -> int:
    tokens = embedder.count_tokens(text)
    if tokens > _TITAN_TOKENS:
        raise ValidationException(
            f"400 Bad Request: Too many input tokens. Max input tokens: {_TITAN_TOKENS}, request input token count: "
            f"{tokens} "
        )
    return tokens


async def _titan_v1(embedder: Embedder, body: Body) -> tuple[Body, int]:
    check(body, _TITAN_V1)
    tokens = _titan_tokens(embedder, body["inputText"])
    vectors = await _embed(embedder, [body["inputText"]], 1536)
    return {"embedding": vectors[0].tolist(), "inputTextTokenCount": tokens}, tokens


async def _titan_v2(embedder: Embedder, body: Body) -> tuple[Body, int]:
    from outcrop.engines.embedding.dimensions import binary

    check(body, _TITAN_V2)
    tokens = _titan_tokens(embedder, body["inputText"])
    vectors = await _embed(embedder, [body["inputText"]], body.get("dimensions", 1024))
    types = body.get("embeddingTypes", ["float"])
    by_type: Body = {}
    answer: Body = {}
    if "float" in types:
        answer["embedding"] = by_type["float"] = vectors[0].tolist()
    if "binary" in types:
        by_type["binary"] = binary(vectors)[0].tolist()
    return {**answer, "embeddingsByType": by_type, "inputTextTokenCount": tokens}, tokens


async def _titan_image(embedder: Embedder, body: Body) -> tuple[Body, int]:
    check(body, _TITAN_IMAGE)
    _no_pictures("inputImage" in body)
    if "inputText" not in body:
        raise malformed("#: required key [inputText] not found")
    tokens = _titan_tokens(embedder, body["inputText"])
    length = body.get("embeddingConfig", {}).get("outputEmbeddingLength", 1024)
    vectors = await _embed(embedder, [body["inputText"]], length)
    return {"embedding": vectors[0].tolist(), "inputTextTokenCount": tokens, "message": None}, tokens


async def _nova(embedder: Embedder, body: Body) -> tuple[Body, int]:
    check(body, _NOVA)
    params = body.get("singleEmbeddingParams")
    if params is None:
        raise malformed("#: required key [singleEmbeddingParams] not found")
    _no_pictures(bool({"image", "video", "audio"} & params.keys()))
    if "text" not in params:
        raise malformed("#/singleEmbeddingParams: required key [text] not found")
    text = params["text"]["value"]
    purpose: Purpose = "query" if params["embeddingPurpose"].endswith("_RETRIEVAL") else "document"
    tokens = embedder.count_tokens(text)
    vectors = await _embed(embedder, [text], params.get("embeddingDimension", 3072), purpose)
    return {"embeddings": [{"embeddingType": "TEXT", "embedding": vectors[0].tolist()}]}, tokens


async def _cohere(embedder: Embedder, body: Body, *, is_v3: bool) -> tuple[Body, int]:
    check(body, _COHERE)
    _no_pictures("images" in body or body.get("input_type") == "image")
    texts = body["texts"] if "texts" in body else _input_texts(body.get("inputs"))
    if "input_type" not in body:
        raise malformed("#: required key [input_type] not found")
    counts = [embedder.count_tokens(text) for text in texts]
    if body.get("truncate") == "NONE" and max(counts) > _COHERE_TOKENS and is_v3:
        raise ValidationException(
            f"A text is too long: {max(counts)} tokens, where {_COHERE_TOKENS} are taken. Shorten it, or set truncate "
            "to START or END."
        )
    purpose: Purpose = "query" if body["input_type"] == "search_query" else "document"
    vectors = await _embed(embedder, texts, 1024 if is_v3 else body.get("output_dimension", 1536), purpose)
    answer: Body = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(list(texts)))),
        "texts": list(texts),
        "response_type": "embeddings_floats",
    }
    if "embedding_types" not in body:
        return {**answer, "embeddings": vectors.tolist()}, sum(counts)
    by_type = {kind: _as_type(vectors, kind) for kind in body["embedding_types"]}
    return {**answer, "response_type": "embeddings_by_type", "embeddings": by_type}, sum(counts)


def _input_texts(inputs: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """The texts of Embed v4's mixed inputs."""
    if inputs is None:
        raise malformed("#: required key [texts] not found")
    texts: list[str] = []
    for at, item in enumerate(inputs):
        parts = item["content"] if isinstance(item["content"], list) else [item["content"]]
        found = [part.get("text") for part in parts if isinstance(part, dict)]
        _no_pictures(any(isinstance(part, dict) and part.get("type") == "image_url" for part in parts))
        if not found or not all(isinstance(text, str) for text in found):
            raise malformed(f"#/inputs/{at}/content: expected parts of type text")
        texts.append("\n".join(str(text) for text in found))
    return texts


def _as_type(vectors: Vectors, kind: str) -> list[Any]:
    import numpy as np

    from outcrop.engines.embedding.dimensions import binary

    if kind == "float":
        return list(vectors.tolist())
    if kind in ("binary", "ubinary"):
        packed = np.packbits(binary(vectors), axis=1)
        return list(packed.tolist() if kind == "ubinary" else (packed.astype(np.int16) - 128).tolist())
    largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-12)
    scaled = np.rint(vectors / largest * 127).astype(np.int16)
    return list(scaled.tolist() if kind == "int8" else (scaled + 128).tolist())


def _no_pictures(given: bool) -> None:
    if given:
        raise ValidationException(
            "Only texts can be embedded on this machine: it has no model that embeds images, video or sound."
        )
