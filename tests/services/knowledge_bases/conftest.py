"""A knowledge base in a whole stack in this process, driven by calling operations."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from outcrop.app import open_stack
from outcrop.services.contract import Principal
from outcrop.settings import Settings

ACCOUNT, REGION = "000000000000", "us-east-1"
ROOT = Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
EMBEDDING = f"arn:aws:bedrock:{REGION}::foundation-model/amazon.titan-embed-text-v2:0"

OSMOSIS = (
    "Osmosis is the movement of water through a semipermeable membrane from the side with fewer dissolved particles to "
    "the side with more. It needs no energy from the cell. Plant roots take up water by osmosis."
)
VOLCANO = (
    "A volcano is an opening in the crust of a planet through which molten rock, ash and gas escape. Magma that "
    "reaches the surface is called lava. Mount Etna erupted in 1669 and destroyed parts of Catania."
)
DIALYSIS = (
    "Dialysis removes waste from the blood of patients whose kidneys have failed. A dialysis session takes about four "
    "hours and is repeated three times a week."
)


class Base:
    """One knowledge base with a source for direct ingestion. `notes` are those of the last call."""

    def __init__(self, stack):
        self.stack = stack
        self.notes = {}
        self.id = self.source = ""

    async def call(self, operation, service="bedrock-agent-runtime", **request):
        context = replace(self.stack.context(ACCOUNT, REGION, ROOT), notes={}, headers={})
        self.notes = context.notes
        return await self.stack.gateway.call(context, service, operation, request)

    async def create(self, store="S3_VECTORS", chunking=None):
        await self.call("create_vector_bucket", "s3vectors", vectorBucketName="vectors")
        await self.call(
            "create_index",
            "s3vectors",
            vectorBucketName="vectors",
            indexName="passages",
            dataType="float32",
            dimension=1024,
            distanceMetric="cosine",
        )
        kb = await self.call(
            "create_knowledge_base",
            "bedrock-agent",
            name="kb",
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/kb",
            knowledgeBaseConfiguration={
                "type": "VECTOR",
                "vectorKnowledgeBaseConfiguration": {"embeddingModelArn": EMBEDDING},
            },
            storageConfiguration=STORES[store],
        )
        self.id = kb["knowledgeBase"]["knowledgeBaseId"]
        source = await self.call(
            "create_data_source",
            "bedrock-agent",
            knowledgeBaseId=self.id,
            name="direct",
            dataSourceConfiguration={"type": "CUSTOM"},
            vectorIngestionConfiguration={"chunkingConfiguration": chunking} if chunking else None,
        )
        self.source = source["dataSource"]["dataSourceId"]

    async def add(self, **documents):
        """`name=text` or `name=(text, attributes)`."""
        await self.call(
            "ingest_knowledge_base_documents",
            "bedrock-agent",
            knowledgeBaseId=self.id,
            dataSourceId=self.source,
            documents=[_document(name, given) for name, given in documents.items()],
        )
        async with asyncio.timeout(60):
            while await self._busy(documents):  # noqa: ASYNC110 - nothing tells of a settled document
                await asyncio.sleep(0.01)

    async def _busy(self, names):
        answer = await self.call(
            "get_knowledge_base_documents",
            "bedrock-agent",
            knowledgeBaseId=self.id,
            dataSourceId=self.source,
            documentIdentifiers=[{"dataSourceType": "CUSTOM", "custom": {"id": name}} for name in names],
        )
        statuses = {detail["status"] for detail in answer["documentDetails"]}
        assert statuses <= {"INDEXED", "STARTING", "PENDING", "IN_PROGRESS"}, answer
        return statuses != {"INDEXED"}

    async def retrieve(self, text, **vector):
        return await self.call(
            "retrieve",
            knowledgeBaseId=self.id,
            retrievalQuery={"text": text},
            retrievalConfiguration={"vectorSearchConfiguration": vector},
        )

    async def found(self, text, **vector):
        """The ids of the documents that were found."""
        results = (await self.retrieve(text, **vector))["retrievalResults"]
        return [one["location"]["customDocumentLocation"]["id"] for one in results]

    def question(self, text, model=CLAUDE, session=None, **configuration):
        given = {"knowledgeBaseId": self.id, "modelArn": model, **configuration}
        return {
            "input": {"text": text},
            "retrieveAndGenerateConfiguration": {"type": "KNOWLEDGE_BASE", "knowledgeBaseConfiguration": given},
            "sessionId": session,
        }

    async def ask(self, text, **more):
        return await self.call("retrieve_and_generate", **self.question(text, **more))

    async def stream(self, text, **more):
        answer = await self.call("retrieve_and_generate_stream", **self.question(text, **more))
        return [event async for event in answer["stream"]]


STORES = {
    "S3_VECTORS": {
        "type": "S3_VECTORS",
        "s3VectorsConfiguration": {"indexArn": f"arn:aws:s3vectors:{REGION}:{ACCOUNT}:bucket/vectors/index/passages"},
    },
    "OPENSEARCH_SERVERLESS": {
        "type": "OPENSEARCH_SERVERLESS",
        "opensearchServerlessConfiguration": {
            "collectionArn": f"arn:aws:aoss:{REGION}:{ACCOUNT}:collection/abcdefghijklmnopqrst",
            "vectorIndexName": "i",
            "fieldMapping": {"vectorField": "v", "textField": "t", "metadataField": "m"},
        },
    },
}


def _document(name, given):
    text, attributes = given if isinstance(given, tuple) else (given, {})
    document = {
        "content": {
            "dataSourceType": "CUSTOM",
            "custom": {
                "customDocumentIdentifier": {"id": name},
                "sourceType": "IN_LINE",
                "inlineContent": {"type": "TEXT", "textContent": {"data": text}},
            },
        }
    }
    if attributes:
        inline = [{"key": key, "value": _value(value)} for key, value in attributes.items()]
        document["metadata"] = {"type": "IN_LINE_ATTRIBUTE", "inlineAttributes": inline}
    return document


def _value(value):
    if isinstance(value, bool):
        return {"type": "BOOLEAN", "booleanValue": value}
    if isinstance(value, int | float):
        return {"type": "NUMBER", "numberValue": value}
    if isinstance(value, list):
        return {"type": "STRING_LIST", "stringListValue": value}
    return {"type": "STRING", "stringValue": value}


@pytest.fixture
def opened(tmp_path):
    """`async with opened(llm=…, strict=…) as base`: an empty knowledge base."""

    @asynccontextmanager
    async def enter(store="S3_VECTORS", chunking=None, **settings):
        given = Settings(data=tmp_path, cache=Settings.read().cache, **settings)
        async with open_stack(given) as stack:
            stack.jobs.start()
            base = Base(stack)
            await base.create(store, chunking)
            yield base

    return enter


@pytest.fixture
async def base(opened):
    """A knowledge base of three documents."""
    async with opened() as base:
        await base.add(
            osmosis=(OSMOSIS, {"course": "biology", "week": 1, "tags": ["cell", "water"]}),
            volcano=(VOLCANO, {"course": "geology", "week": 2, "draft": True}),
            dialysis=(DIALYSIS, {"course": "medicine", "week": 3, "tags": ["blood"]}),
        )
        yield base
