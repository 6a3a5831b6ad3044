"""Data sources: where a knowledge base's documents come from, and how they are cut."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from outcrop.services.contract import Context, Request, Result, ServiceError
from outcrop.services.knowledge_bases.common import (
    ClientTokens,
    find_data_source,
    find_knowledge_base,
    model_id,
    page_after,
    when,
)
from outcrop.services.knowledge_bases.errors import ConflictException, ValidationException
from outcrop.services.knowledge_bases.ingestion import strategies
from outcrop.services.knowledge_bases.ingestion.direct import Direct
from outcrop.services.knowledge_bases.ingestion.job import Ingestion
from outcrop.services.knowledge_bases.quotas import Quotas
from outcrop.services.knowledge_bases.store import DataSource, KnowledgeBaseStore, new_id

CONFIGURATIONS = {"S3": "s3Configuration", "CUSTOM": None}
"""Types of source that can be read here, and the member that each needs."""


class DataSources:
    def __init__(self, store: KnowledgeBaseStore, ingestion: Ingestion, direct: Direct, quotas: Quotas) -> None:
        self._quotas = quotas
        self._store = store
        self._ingestion = ingestion
        self._direct = direct

    async def create_data_source(self, ctx: Context, request: Request) -> Result:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        tokens = ClientTokens(self._store, f"{ctx.account}:{kb.id}:create_data_source", request)
        if (earlier := tokens.earlier()) and (source := self._store.data_source(kb.id, earlier)):
            return {"dataSource": describe(source)}
        _check(request)
        await _check_parsing(ctx, request)
        self._quotas.data_source(kb)
        now = time.time()
        source = DataSource(new_id(), kb.id, request["name"], _body(request), now, now)
        try:
            self._store.add_data_source(source)
        except sqlite3.IntegrityError:
            raise ConflictException(f"DataSource with name {source.name} already exists.") from None
        tokens.keep(source.id)
        return {"dataSource": describe(source)}

    async def get_data_source(self, ctx: Context, request: Request) -> Result:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        return {"dataSource": describe(find_data_source(self._store, kb, request["dataSourceId"]))}

    async def list_data_sources(self, ctx: Context, request: Request) -> Result:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        after, limit = page_after(request)
        found = self._store.data_sources(kb.id, after, limit + 1)
        answer: dict[str, Any] = {"dataSourceSummaries": [_summary(source) for source in found[:limit]]}
        if len(found) > limit:
            answer["nextToken"] = found[limit - 1].id
        return answer

    async def update_data_source(self, ctx: Context, request: Request) -> Result:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        source = find_data_source(self._store, kb, request["dataSourceId"])
        _check(request)
        _check_update(source, request)
        try:
            body = _body({"dataDeletionPolicy": source.body["dataDeletionPolicy"], **request})
            self._store.update_data_source(source.id, request["name"], body)
        except sqlite3.IntegrityError:
            raise ConflictException(f"DataSource with name {request['name']} already exists.") from None
        return {"dataSource": describe(find_data_source(self._store, kb, source.id))}

    async def delete_data_source(self, ctx: Context, request: Request) -> Result:
        kb = find_knowledge_base(self._store, ctx, request["knowledgeBaseId"])
        source = find_data_source(self._store, kb, request["dataSourceId"])
        await self._ingestion.stop_all(kb.id, source.id)
        await self._direct.stop_all(kb.id, source.id)
        if source.body.get("dataDeletionPolicy", "DELETE") == "DELETE":
            await self._ingestion.remove_documents(kb, source)
        self._store.delete_data_source(kb.id, source.id)
        return {"knowledgeBaseId": kb.id, "dataSourceId": source.id, "status": "DELETING"}


def _check_update(source: DataSource, request: Request) -> None:
    """Raises ValidationException for a change of what stays as it was created."""
    if request["dataSourceConfiguration"]["type"] != source.body["dataSourceConfiguration"]["type"]:
        raise ValidationException(
            "The type of a data source cannot be changed after it is created. Create a new data source."
        )
    given = request.get("vectorIngestionConfiguration", {})
    present = source.body.get("vectorIngestionConfiguration", {})
    for member in dict.fromkeys((*given, *present)):
        if given.get(member) != present.get(member):
            raise ValidationException(
                f"vectorIngestionConfiguration.{member} cannot be changed after the data source is created. Send the "
                "present one, or create a new data source."
            )


def _check(request: Request) -> None:
    configuration = request["dataSourceConfiguration"]
    kind = configuration["type"]
    if kind not in CONFIGURATIONS:
        raise ValidationException(
            f"Data sources of type {kind} aren't available in Outcrop: put the documents into a bucket and use "
            "type S3, or ingest them directly with type CUSTOM."
        )
    member = CONFIGURATIONS[kind]
    if member and member not in configuration:
        raise ValidationException(f"{member} is required when the data source's type is {kind}.")
    ingestion = request.get("vectorIngestionConfiguration", {})
    strategies.check(ingestion.get("chunkingConfiguration"))
    if "contextEnrichmentConfiguration" in ingestion:
        raise ValidationException(
            "contextEnrichmentConfiguration belongs to graphs on Neptune Analytics, which aren't available in Outcrop: "
            "leave it out."
        )


async def _check_parsing(ctx: Context, request: Request) -> None:
    """Raises ValidationException for a parser that isn't there."""
    parsing = request.get("vectorIngestionConfiguration", {}).get("parsingConfiguration")
    if not parsing:
        return
    strategy = parsing["parsingStrategy"]
    if strategy == "BEDROCK_DATA_AUTOMATION":
        raise ValidationException(
            "Bedrock Data Automation isn't available in Outcrop: use BEDROCK_FOUNDATION_MODEL with a model that sees, "
            "or leave parsingConfiguration out for the default parser, which reads scanned pages by OCR."
        )
    if strategy != "BEDROCK_FOUNDATION_MODEL":
        raise ValidationException(f"The parsing strategy {strategy} is only for managed knowledge bases.")
    model = parsing.get("bedrockFoundationModelConfiguration")
    if not model:
        raise ValidationException(
            "bedrockFoundationModelConfiguration is required when the parsing strategy is BEDROCK_FOUNDATION_MODEL."
        )
    await _check_model(ctx, model["modelArn"])


async def _check_model(ctx: Context, arn: str) -> None:
    if ":inference-profile/" in arn or ":application-inference-profile/" in arn:
        return
    try:
        answer = await ctx.call("bedrock", "get_foundation_model", {"modelIdentifier": model_id(arn)})
    except ServiceError:
        raise ValidationException(
            f"The parsing model {arn} does not exist. Give the ARN of a model that sees."
        ) from None
    if "IMAGE" not in answer["modelDetails"].get("inputModalities", ()):
        raise ValidationException(
            f"The parsing model {arn} takes no images. Use one that does, such as "
            "anthropic.claude-3-haiku-20240307-v1:0."
        )


def _body(request: Request) -> dict[str, Any]:
    members = (
        "description",
        "dataSourceConfiguration",
        "dataDeletionPolicy",
        "serverSideEncryptionConfiguration",
        "vectorIngestionConfiguration",
    )
    body = {member: request[member] for member in members if member in request}
    body.setdefault("dataDeletionPolicy", "DELETE")
    return body


def describe(source: DataSource) -> dict[str, Any]:
    return {
        "knowledgeBaseId": source.kb_id,
        "dataSourceId": source.id,
        "name": source.name,
        "status": "AVAILABLE",
        "createdAt": when(source.created_at),
        "updatedAt": when(source.updated_at),
        **source.body,
    }


def _summary(source: DataSource) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "knowledgeBaseId": source.kb_id,
        "dataSourceId": source.id,
        "name": source.name,
        "status": "AVAILABLE",
        "updatedAt": when(source.updated_at),
    }
    if "description" in source.body:
        summary["description"] = source.body["description"]
    return summary
