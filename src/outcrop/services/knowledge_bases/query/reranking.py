"""Rerank, and reranking within a search. Both call a rerank model as a client of Bedrock would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outcrop.services.contract import Context, Request, Result, ServiceError
from outcrop.services.knowledge_bases.common import model_id
from outcrop.services.knowledge_bases.errors import DependencyFailedException, ValidationException
from outcrop.services.knowledge_bases.query.results import Found

RERANKERS = ("amazon.rerank-v1:0", "cohere.rerank-v3-5:0")
LONGEST = 16_000
"""Characters of a document that are sent to the model: about the 4,096 tokens that such models read."""
_PASSED_ON = ("ThrottlingException", "AccessDeniedException", "ValidationException", "ResourceNotFoundException")
_OURS = ("query", "documents", "top_n", "api_version")


class Rerank:
    """The operation."""

    async def rerank(self, ctx: Context, request: Request) -> Result:
        if "nextToken" in request:
            raise ValidationException("The nextToken is invalid: every answer of Rerank here is complete.")
        configuration = request["rerankingConfiguration"]["bedrockRerankingConfiguration"]
        question = _text_of(request["queries"][0].get("textQuery"), "queries.1.member.textQuery")
        texts = [
            _document(source["inlineDocumentSource"], f"sources.{number}.member.inlineDocumentSource")
            for number, source in enumerate(request["sources"], 1)
        ]
        scores = await scores_of(ctx, configuration["modelConfiguration"], question, texts)
        order = sorted(range(len(texts)), key=lambda at: -scores[at])[: configuration.get("numberOfResults")]
        return {"results": [{"index": at, "relevanceScore": scores[at]} for at in order]}


@dataclass(frozen=True, slots=True)
class Reranking:
    """A checked `rerankingConfiguration`."""

    model: Mapping[str, Any]
    limit: int
    metadata: Mapping[str, Any] | None

    @staticmethod
    def of(given: Mapping[str, Any] | None, results: int) -> Reranking | None:
        """Raises ValidationException."""
        if given is None:
            return None
        bedrock = given.get("bedrockRerankingConfiguration")
        if bedrock is None:
            raise ValidationException("bedrockRerankingConfiguration is required when reranking is configured.")
        model = bedrock["modelConfiguration"]
        check_model(model["modelArn"])
        limit = int(bedrock.get("numberOfRerankedResults", results))
        if limit > results:
            raise ValidationException(
                f"numberOfRerankedResults ({limit}) must be less than or equal to numberOfResults ({results})."
            )
        metadata = bedrock.get("metadataConfiguration")
        if metadata and metadata["selectionMode"] == "SELECTIVE" and "selectiveModeConfiguration" not in metadata:
            raise ValidationException("selectiveModeConfiguration is required when selectionMode is SELECTIVE.")
        if metadata and metadata["selectionMode"] == "ALL" and "selectiveModeConfiguration" in metadata:
            raise ValidationException("selectiveModeConfiguration is only allowed when selectionMode is SELECTIVE.")
        return Reranking(model, limit, metadata)

    async def apply(self, ctx: Context, question: str, found: Sequence[Found]) -> list[Found]:
        scores = await scores_of(ctx, self.model, question, [self._shown(one) for one in found])
        ranked = [replace(one, score=score, reranked=True) for one, score in zip(found, scores, strict=True)]
        ctx.notes["reranked-by"] = model_id(self.model["modelArn"])
        return sorted(ranked, key=lambda one: -one.score)[: self.limit]

    def _shown(self, found: Found) -> str:
        """The passage with the metadata that the reranker is to see."""
        lines = [f"{key}: {value}" for key, value in found.metadata.items() if self._selected(key)]
        return "\n".join([*lines, found.text])

    def _selected(self, key: str) -> bool:
        if self.metadata is None:
            return False
        selective = self.metadata.get("selectiveModeConfiguration", {})
        if "fieldsToInclude" in selective:
            return key in {field["fieldName"] for field in selective["fieldsToInclude"]}
        return key not in {field["fieldName"] for field in selective.get("fieldsToExclude", ())}


def check_model(arn: str) -> str:
    """The id of a rerank model. Raises ValidationException."""
    identifier = model_id(arn)
    if identifier not in RERANKERS:
        raise ValidationException(
            f"The model {arn or 'with an empty ARN'} is not supported for reranking. Use one of {', '.join(RERANKERS)}."
        )
    return identifier


async def scores_of(ctx: Context, model: Mapping[str, Any], question: str, texts: Sequence[str]) -> list[float]:
    """A relevance from 0 to 1 for each text."""
    identifier = check_model(model["modelArn"])
    extra = model.get("additionalModelRequestFields", {})
    if taken := [name for name in _OURS if name in extra]:
        raise ValidationException(f"additionalModelRequestFields must not contain {', '.join(taken)}.")
    body = {"query": question, "documents": [text[:LONGEST] for text in texts], **extra}
    if identifier.startswith("cohere."):
        body["api_version"] = 2
    try:
        answer = await ctx.call(
            "bedrock-runtime", "invoke_model", {"modelId": model["modelArn"], "body": json.dumps(body).encode()}
        )
    except ServiceError as error:
        if error.code in _PASSED_ON:
            raise
        raise DependencyFailedException(error.message, resourceName=model["modelArn"]) from None
    scores = [0.0] * len(texts)
    for result in json.loads(answer["body"])["results"]:
        scores[result["index"]] = result["relevance_score"]
    return scores


def _document(source: Mapping[str, Any], path: str) -> str:
    if source["type"] == "TEXT":
        return _text_of(source.get("textDocument"), f"{path}.textDocument")
    document = source.get("jsonDocument")
    if not document:
        raise ValidationException(
            f"{path}.jsonDocument is required for a document of type JSON, and must not be empty."
        )
    return json.dumps(document, ensure_ascii=False)


def _text_of(document: Mapping[str, Any] | None, path: str) -> str:
    text = (document or {}).get("text")
    if not isinstance(text, str) or not text.strip():
        raise ValidationException(f"{path}.text is required, and must not be empty.")
    return text
