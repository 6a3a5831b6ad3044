"""`customTransformationConfiguration`: a function of the user's that gets a document's chunks and gives others.

The chunks go to the intermediate bucket as JSON, the function gets their keys and answers with keys of its own. Files
stay there, as AWS leaves them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outcrop.engines.chunking.chunk import Chunk
from outcrop.services.contract import Context, ServiceError
from outcrop.services.knowledge_bases.ingestion.entries import Naming, Piece
from outcrop.services.knowledge_bases.ingestion.failures import DocumentFailure
from outcrop.services.knowledge_bases.sidecars import Attributes

PAGE = "x-amz-bedrock-kb-document-page-number"
MAX_BATCH = 4 * 1024 * 1024
"""Characters of text in one input object."""
MAX_OUTPUT = 64 * 1024 * 1024
"""Bytes of one output object."""
THROTTLED = ("TooManyRequestsException", "ThrottlingException")
PAUSES = (0.2, 0.5, 1, 2, 4, 8)
"""Seconds before the function is called again after it had too much to do."""


@dataclass(frozen=True, slots=True)
class Transformation:
    bucket: str
    prefix: str
    """Empty, or ends with a slash."""
    function: str
    """Its ARN."""

    @classmethod
    def of(cls, configuration: Mapping[str, Any] | None) -> Transformation | None:
        """From customTransformationConfiguration."""
        if not configuration:
            return None
        uri = configuration["intermediateStorage"]["s3Location"]["uri"]
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        function = configuration["transformations"][0]["transformationFunction"]["transformationLambdaConfiguration"]
        return cls(bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "", function["lambdaArn"])

    async def apply(
        self, ctx: Context, naming: Naming, job_id: str, pieces: Sequence[Piece], attributes: Attributes
    ) -> tuple[list[Piece], Attributes]:
        """What the function makes of a document. Raises DocumentFailure."""
        location = _location(naming.uri)
        folder = f"{self.prefix}aws/bedrock/knowledge_bases/{naming.kb_id}/{naming.ds_id}/{job_id}"
        name = hashlib.sha256(naming.uri.encode("utf-8", "replace")).hexdigest()[:16]
        keys = []
        for number, batch in enumerate(_batches(pieces, naming.page_base), 1):
            keys.append(f"{folder}/{name}_{number}.JSON")
            await self._put(ctx, keys[-1], {"fileContents": batch})
        answer = await self._invoke(
            ctx,
            {
                "version": "1.0",
                "knowledgeBaseId": naming.kb_id,
                "dataSourceId": naming.ds_id,
                "ingestionJobId": job_id,
                "bucketName": self.bucket,
                "priorTask": "CHUNKING",
                "inputFiles": [
                    {
                        "originalFileLocation": location,
                        "fileMetadata": dict(attributes.filterable),
                        "contentBatches": [{"key": key} for key in keys],
                    }
                ],
            },
        )
        contents, metadata = await self._outputs(ctx, answer, location)
        made = Made(pieces, naming.page_base)
        return [made.piece(content) for content in contents], _with(attributes, metadata)

    async def _put(self, ctx: Context, key: str, content: Mapping[str, Any]) -> None:
        body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
        request = {"Bucket": self.bucket, "Key": key, "Body": body, "ContentType": "application/json"}
        try:
            await ctx.call("s3", "put_object", request)
        except ServiceError as error:
            raise DocumentFailure(
                f"its chunks can't be written to the intermediate storage s3://{self.bucket}: "
                f"{error.message or error.code}"
            ) from None

    async def _invoke(self, ctx: Context, event: Mapping[str, Any]) -> Any:
        request = {"FunctionName": self.function, "Payload": json.dumps(event).encode()}
        for pause in (*PAUSES, None):
            try:
                answer = await ctx.call("lambda", "invoke", request)
                break
            except ServiceError as error:
                if pause is None or error.code not in THROTTLED:
                    raise DocumentFailure(
                        f"the transformation function {self.function} can't be called: {error.message or error.code}"
                    ) from None
                await asyncio.sleep(pause)
        payload = answer["Payload"]
        if not isinstance(payload, bytes | bytearray):
            payload = b"".join([piece async for piece in payload])
        try:
            result = json.loads(payload)
        except ValueError:
            raise self._wrong("answered with something that isn't JSON") from None
        if "FunctionError" in answer:
            said = result.get("errorMessage", result) if isinstance(result, dict) else result
            raise self._wrong(f"failed: {said}")
        return result

    async def _outputs(
        self, ctx: Context, answer: Any, location: Mapping[str, Any]
    ) -> tuple[list[Mapping[str, Any]], Any]:
        """The contents of the document's output objects, in order, and the file's metadata."""
        files = answer.get("outputFiles") if isinstance(answer, dict) else None
        if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
            raise self._wrong('answered without a list "outputFiles"')
        of_it = [file for file in files if file.get("originalFileLocation", location) == location]
        contents: list[Mapping[str, Any]] = []
        metadata = None
        for file in of_it:
            metadata = file.get("fileMetadata", metadata)
            batches = file.get("contentBatches")
            if not isinstance(batches, list):
                raise self._wrong('answered with an output file without a list "contentBatches"')
            for batch in batches:
                key = batch.get("key") if isinstance(batch, dict) else None
                if not isinstance(key, str) or not key:
                    raise self._wrong('answered with a content batch without a "key"')
                contents += await self._read(ctx, key)
        return contents, metadata

    async def _read(self, ctx: Context, key: str) -> list[Mapping[str, Any]]:
        where = f"s3://{self.bucket}/{key}"
        try:
            answer = await ctx.call("s3", "get_object", {"Bucket": self.bucket, "Key": key})
        except ServiceError as error:
            raise self._wrong(f"named {where}, which can't be read: {error.message or error.code}") from None
        data = bytearray()
        async for piece in answer["Body"]:
            data += piece
            if len(data) > MAX_OUTPUT:
                raise self._wrong(f"wrote more than {MAX_OUTPUT} bytes to {where}")
        try:
            contents = (await asyncio.to_thread(json.loads, data))["fileContents"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._wrong(f'wrote something to {where} that isn\'t JSON with a list "fileContents"') from None
        if not isinstance(contents, list) or not all(
            isinstance(content, dict) and isinstance(content.get("contentBody"), str) for content in contents
        ):
            raise self._wrong(f'wrote fileContents without a text "contentBody" to {where}')
        return contents

    def _wrong(self, what: str) -> DocumentFailure:
        return DocumentFailure(f"the transformation function {self.function} {what}")


class Made:
    """Pieces from what the function gives. A text that it left as it was keeps its place on the page and its parent."""

    def __init__(self, pieces: Sequence[Piece], page_base: int) -> None:
        self._chunks: dict[str, list[Chunk]] = {}
        self._page_base = page_base
        self._count = 0
        for piece in reversed(pieces):
            self._chunks.setdefault(piece.chunk.text, []).append(piece.chunk)

    def piece(self, content: Mapping[str, Any]) -> Piece:
        """Raises DocumentFailure for metadata that can't be kept."""
        text = content["contentBody"]
        metadata = _checked(content.get("contentMetadata") or {})
        same = self._chunks.get(text)
        if same:
            chunk = same.pop() if len(same) > 1 else same[0]
        else:
            page = metadata.get(PAGE)
            number = int(page) + 1 - self._page_base if isinstance(page, int | float) and math.isfinite(page) else None
            chunk = Chunk(0, text, number if number and number > 0 else None)
        own = {key: value for key, value in metadata.items() if not key.startswith(("x-amz-bedrock", "_"))}
        self._count += 1
        return Piece(replace(chunk, ordinal=self._count - 1), own)


def _location(uri: str) -> dict[str, Any]:
    if uri.startswith("s3://"):
        return {"type": "S3", "s3_location": {"uri": uri}}
    return {"type": "CUSTOM", "custom_document_location": {"id": uri}}


def _batches(pieces: Sequence[Piece], page_base: int) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for piece in pieces:
        chunk = piece.chunk
        if batch and size + len(chunk.text) > MAX_BATCH:
            yield batch
            batch, size = [], 0
        metadata: dict[str, Any] = dict(chunk.attributes)
        if chunk.page is not None:
            metadata[PAGE] = float(chunk.page - 1 + page_base)
        batch.append({"contentBody": chunk.text, "contentType": "TEXT", "contentMetadata": metadata})
        size += len(chunk.text)
    yield batch


def _with(attributes: Attributes, metadata: Any) -> Attributes:
    """The file's attributes as the function gave them back."""
    if metadata is None:
        return attributes
    checked = {key: value for key, value in _checked(metadata).items() if not key.startswith("x-amz-bedrock")}
    return Attributes(checked, attributes.embedded)


def _checked(metadata: Any) -> dict[str, Any]:
    if not isinstance(metadata, dict):
        raise DocumentFailure("the transformation function gave metadata that isn't an object", "bad_metadata")
    for key, value in metadata.items():
        if not _is_attribute(value):
            raise DocumentFailure(
                f"the transformation function gave the metadata {key!r} a value that isn't a string, a number, "
                "a boolean or a list of strings",
                "bad_metadata",
            )
    return metadata


def _is_attribute(value: Any) -> bool:
    if isinstance(value, int | float):
        return math.isfinite(value)
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))
