"""A knowledge base as its users drive it, with boto3."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from outcrop.testing import StackProcess

REGION = "us-east-1"
ROLE = "arn:aws:iam::000000000000:role/kb"
EMBEDDING = f"arn:aws:bedrock:{REGION}::foundation-model/amazon.titan-embed-text-v2:0"
MODEL = f"arn:aws:bedrock:{REGION}::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"
REFUSAL = "Sorry, I am unable to assist you with this request."

OSMOSIS = (
    "# Osmosis\n\nOsmosis is the movement of water through a semipermeable membrane from the side with fewer dissolved "
    "particles to the side with more. It needs no energy from the cell.\n\nPlant roots take up water by osmosis.\n"
)
VOLCANO = (
    "# Volcanoes\n\nA volcano is an opening in the crust of a planet through which molten rock, ash and gas escape. "
    "Magma that reaches the surface is called lava. Mount Etna erupted in 1669 and destroyed parts of Catania.\n"
)


class Base:
    """A bucket with a knowledge base over it."""

    storage: Mapping[str, object] = {
        "type": "S3_VECTORS",
        "s3VectorsConfiguration": {"indexArn": f"arn:aws:s3vectors:{REGION}:000000000000:bucket/b/index/i"},
    }

    def __init__(self, stack: StackProcess, **source: object) -> None:
        self.s3, self.agent = stack.client("s3"), stack.client("bedrock-agent")
        self.runtime = stack.client("bedrock-agent-runtime")
        name = f"kb-{uuid.uuid4().hex[:8]}"
        self.bucket = name
        self.s3.create_bucket(Bucket=name)
        self.id = self.agent.create_knowledge_base(
            name=name,
            roleArn=ROLE,
            knowledgeBaseConfiguration={
                "type": "VECTOR",
                "vectorKnowledgeBaseConfiguration": {"embeddingModelArn": EMBEDDING},
            },
            storageConfiguration=self.storage,
        )["knowledgeBase"]["knowledgeBaseId"]
        self.source = self.agent.create_data_source(
            knowledgeBaseId=self.id,
            name="files",
            dataSourceConfiguration={"type": "S3", "s3Configuration": {"bucketArn": f"arn:aws:s3:::{name}"}},
            **source,
        )["dataSource"]["dataSourceId"]

    def put(self, key: str, body: str | bytes, attributes: dict | None = None) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        if attributes is not None:
            sidecar = json.dumps({"metadataAttributes": attributes})
            self.s3.put_object(Bucket=self.bucket, Key=f"{key}.metadata.json", Body=sidecar)

    def sync(self) -> dict:
        ids = {"knowledgeBaseId": self.id, "dataSourceId": self.source}
        job = self.agent.start_ingestion_job(**ids)["ingestionJob"]
        assert job["status"] == "STARTING"
        assert set(job["statistics"].values()) == {0}
        deadline = time.monotonic() + 60
        while job["status"] in ("STARTING", "IN_PROGRESS") and time.monotonic() < deadline:
            time.sleep(0.05)
            job = self.agent.get_ingestion_job(**ids, ingestionJobId=job["ingestionJobId"])["ingestionJob"]
        return job

    def retrieve(self, text: str, **search: object) -> list[dict]:
        return self.runtime.retrieve(
            knowledgeBaseId=self.id,
            retrievalQuery={"text": text},
            retrievalConfiguration={"vectorSearchConfiguration": search} if search else {},
        )["retrievalResults"]

    def ask(self, text: str, **more: object) -> dict:
        return self.runtime.retrieve_and_generate(
            input={"text": text},
            retrieveAndGenerateConfiguration={
                "type": "KNOWLEDGE_BASE",
                "knowledgeBaseConfiguration": {"knowledgeBaseId": self.id, "modelArn": MODEL},
            },
            **more,
        )


@pytest.fixture
def base(outcrop_stack: StackProcess) -> Base:
    return Base(outcrop_stack)


def uris(results: list[dict]) -> list[str]:
    return [result["location"]["s3Location"]["uri"].rsplit("/", 1)[-1] for result in results]


def test_sync_is_incremental(base: Base):
    base.put("osmosis.md", OSMOSIS)
    base.put("volcano.txt", VOLCANO, {"course": "geo", "week": 2})
    base.put("notes.xyz", b"\x00\x01")
    job = base.sync()
    assert job["status"] == "COMPLETE"
    statistics = job["statistics"]
    assert statistics["numberOfDocumentsScanned"] == 3
    assert statistics["numberOfMetadataDocumentsScanned"] == 1
    assert statistics["numberOfNewDocumentsIndexed"] == 2
    assert statistics["numberOfDocumentsFailed"] == 1
    assert any(
        reason.startswith("Encountered error: Ignored 1 files as their file format was not supported. [Files: s3://")
        for reason in job["failureReasons"]
    )
    base.s3.delete_object(Bucket=base.bucket, Key="notes.xyz")

    statistics = base.sync()["statistics"]
    assert statistics["numberOfDocumentsScanned"] == 2
    assert statistics["numberOfNewDocumentsIndexed"] == statistics["numberOfModifiedDocumentsIndexed"] == 0
    assert statistics["numberOfDocumentsDeleted"] == 0

    base.put("osmosis.md", OSMOSIS.replace("Plant roots", "Tree roots"))
    base.put("volcano.txt", VOLCANO, {"course": "geology", "week": 2})
    statistics = base.sync()["statistics"]
    assert statistics["numberOfModifiedDocumentsIndexed"] == 1
    assert statistics["numberOfMetadataDocumentsModified"] == 1
    assert "Tree roots" in base.retrieve("How do trees take up water?")[0]["content"]["text"]

    base.s3.delete_object(Bucket=base.bucket, Key="volcano.txt")
    assert base.sync()["statistics"]["numberOfDocumentsDeleted"] == 1
    assert uris(base.retrieve("What is lava?")) == ["osmosis.md"]


def test_retrieve_answers_passages_with_metadata(base: Base):
    base.put("osmosis.md", OSMOSIS, {"course": "bio101", "week": 1})
    base.put("volcano.txt", VOLCANO, {"course": "geo", "week": 2})
    base.sync()
    results = base.retrieve("What is osmosis?")
    assert uris(results)[0] == "osmosis.md"
    assert [r["score"] for r in results] == sorted((r["score"] for r in results), reverse=True)
    metadata = results[0]["metadata"]
    assert metadata["course"] == "bio101"
    assert metadata["week"] == 1
    assert metadata["x-amz-bedrock-kb-source-uri"] == f"s3://{base.bucket}/osmosis.md"
    assert metadata["x-amz-bedrock-kb-data-source-id"] == base.source
    assert not [key for key in metadata if key.startswith("_")]
    assert len(base.retrieve("What is osmosis?", numberOfResults=1)) == 1
    for mode in ("HYBRID", "SEMANTIC"):
        assert uris(base.retrieve("molten rock", overrideSearchType=mode))[0] == "volcano.txt"
    assert uris(base.retrieve("What is osmosis?", filter={"equals": {"key": "course", "value": "geo"}})) == [
        "volcano.txt"
    ]
    assert uris(base.retrieve("water", filter={"lessThan": {"key": "week", "value": 2}})) == ["osmosis.md"]


def test_retrieve_and_generate_cites_spans_that_match(base: Base):
    base.put("osmosis.md", OSMOSIS)
    base.put("volcano.txt", VOLCANO)
    base.sync()
    answer = base.ask("What is osmosis?")
    text = answer["output"]["text"]
    assert "semipermeable membrane" in text
    assert answer["guardrailAction"] == "NONE"
    for citation in answer["citations"]:
        part = citation["generatedResponsePart"]["textResponsePart"]
        assert text[part["span"]["start"] : part["span"]["end"] + 1] == part["text"]
        assert citation["retrievedReferences"]
        assert "score" not in citation["retrievedReferences"][0]
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-outcrop-served-by"] == "extractive"

    follow_up = base.ask("Does it need energy?", sessionId=answer["sessionId"])
    assert follow_up["sessionId"] == answer["sessionId"]
    assert "no energy" in follow_up["output"]["text"]


def test_an_off_topic_question_is_refused_as_aws_refuses(base: Base):
    base.put("osmosis.md", OSMOSIS)
    base.sync()
    answer = base.ask("Who won the football world cup in 1974?")
    assert answer["output"]["text"] == REFUSAL
    assert answer["citations"] == [
        {
            "generatedResponsePart": {"textResponsePart": {"text": REFUSAL, "span": {}}},
            "retrievedReferences": [],
        }
    ]


def test_retrieve_and_generate_stream(base: Base):
    base.put("osmosis.md", OSMOSIS)
    base.sync()
    response = base.runtime.retrieve_and_generate_stream(
        input={"text": "What is osmosis?"},
        retrieveAndGenerateConfiguration={
            "type": "KNOWLEDGE_BASE",
            "knowledgeBaseConfiguration": {"knowledgeBaseId": base.id, "modelArn": MODEL},
        },
    )
    text, citations = "", []
    for event in response["stream"]:
        text += event.get("output", {}).get("text", "")
        if "citation" in event:
            citations.append(event["citation"])
    assert response["sessionId"]
    assert "semipermeable membrane" in text
    for citation in citations:
        part = citation["generatedResponsePart"]["textResponsePart"]
        assert text[part["span"]["start"] : part["span"]["end"] + 1] == part["text"]
        assert citation["citation"]["retrievedReferences"] == citation["retrievedReferences"]


def test_direct_ingestion(outcrop_stack: StackProcess):
    base = Base(outcrop_stack)
    source = base.agent.create_data_source(
        knowledgeBaseId=base.id, name="direct", dataSourceConfiguration={"type": "CUSTOM"}
    )["dataSource"]["dataSourceId"]
    ids = {"knowledgeBaseId": base.id, "dataSourceId": source}
    details = base.agent.ingest_knowledge_base_documents(
        **ids,
        documents=[
            {
                "content": {
                    "dataSourceType": "CUSTOM",
                    "custom": {
                        "customDocumentIdentifier": {"id": "volcano"},
                        "sourceType": "IN_LINE",
                        "inlineContent": {"type": "TEXT", "textContent": {"data": VOLCANO}},
                    },
                },
                "metadata": {
                    "type": "IN_LINE_ATTRIBUTE",
                    "inlineAttributes": [{"key": "week", "value": {"type": "NUMBER", "numberValue": 4}}],
                },
            }
        ],
    )["documentDetails"]
    assert details[0]["identifier"] == {"dataSourceType": "CUSTOM", "custom": {"id": "volcano"}}
    assert details[0]["status"] == "STARTING"
    identifiers = [{"dataSourceType": "CUSTOM", "custom": {"id": "volcano"}}]

    def settled() -> str:
        while True:
            found = base.agent.get_knowledge_base_documents(**ids, documentIdentifiers=identifiers)["documentDetails"]
            if found[0]["status"] not in ("STARTING", "IN_PROGRESS", "DELETING", "DELETE_IN_PROGRESS"):
                return found[0]["status"]
            time.sleep(0.02)

    assert settled() == "INDEXED"
    result = base.retrieve("What is lava?")[0]
    assert result["location"] == {"type": "CUSTOM", "customDocumentLocation": {"id": "volcano"}}
    assert result["metadata"]["week"] == 4
    listed = base.agent.list_knowledge_base_documents(**ids)["documentDetails"]
    assert [detail["status"] for detail in listed] == ["INDEXED"]
    deleted = base.agent.delete_knowledge_base_documents(**ids, documentIdentifiers=identifiers)["documentDetails"]
    assert deleted[0]["status"] == "DELETING"
    assert settled() == "NOT_FOUND"
    assert base.retrieve("What is lava?") == []


@pytest.mark.parametrize(
    ("call", "parameters", "code"),
    [
        ("get_knowledge_base", {"knowledgeBaseId": "ZZZZZZZZZZ"}, "ResourceNotFoundException"),
        ("get_knowledge_base", {"knowledgeBaseId": "no"}, "ValidationException"),
        ("list_data_sources", {"knowledgeBaseId": "ZZZZZZZZZZ"}, "ResourceNotFoundException"),
        (
            "create_knowledge_base",
            {
                "name": "x y",
                "roleArn": ROLE,
                "knowledgeBaseConfiguration": {
                    "type": "VECTOR",
                    "vectorKnowledgeBaseConfiguration": {"embeddingModelArn": EMBEDDING},
                },
            },
            "ValidationException",
        ),
        (
            "create_knowledge_base",
            {
                "name": "text-model",
                "roleArn": ROLE,
                "knowledgeBaseConfiguration": {
                    "type": "VECTOR",
                    "vectorKnowledgeBaseConfiguration": {"embeddingModelArn": MODEL},
                },
            },
            "ValidationException",
        ),
    ],
)
def test_errors(outcrop_stack: StackProcess, call: str, parameters: dict, code: str):
    with pytest.raises(ClientError) as caught:
        getattr(outcrop_stack.client("bedrock-agent"), call)(**parameters)
    assert caught.value.response["Error"]["Code"] == code


def test_one_job_at_a_time(base: Base):
    for number in range(30):
        base.put(f"{number}.md", OSMOSIS)
    ids = {"knowledgeBaseId": base.id, "dataSourceId": base.source}
    base.agent.start_ingestion_job(**ids)
    with pytest.raises(ClientError) as caught:
        base.agent.start_ingestion_job(**ids)
    assert caught.value.response["Error"]["Code"] == "ConflictException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_create_update_and_delete(base: Base):
    described = base.agent.get_knowledge_base(knowledgeBaseId=base.id)["knowledgeBase"]
    assert described["status"] == "ACTIVE"
    base.agent.update_knowledge_base(
        knowledgeBaseId=base.id,
        name="renamed" + base.id,
        roleArn=ROLE,
        knowledgeBaseConfiguration=described["knowledgeBaseConfiguration"],
        storageConfiguration=described["storageConfiguration"],
    )
    assert base.agent.get_knowledge_base(knowledgeBaseId=base.id)["knowledgeBase"]["name"] == "renamed" + base.id
    with pytest.raises(ClientError, match="cannot be changed"):
        base.agent.update_data_source(
            knowledgeBaseId=base.id,
            dataSourceId=base.source,
            name="files",
            dataSourceConfiguration={"type": "S3", "s3Configuration": {"bucketArn": f"arn:aws:s3:::{base.bucket}"}},
            vectorIngestionConfiguration={"chunkingConfiguration": {"chunkingStrategy": "NONE"}},
        )
    assert base.agent.delete_data_source(knowledgeBaseId=base.id, dataSourceId=base.source)["status"] == "DELETING"
    assert base.agent.delete_knowledge_base(knowledgeBaseId=base.id)["status"] == "DELETING"
    with pytest.raises(base.agent.exceptions.ResourceNotFoundException):
        base.agent.get_knowledge_base(knowledgeBaseId=base.id)


def test_office_files_and_csv_records_are_ingested(base: Base):
    files = Path(__file__).parents[1] / "engines/parsing/files"
    base.put("course.doc", (files / "course.doc").read_bytes())
    base.put("sales.xls", (files / "sales.xls").read_bytes())
    base.put("facts.csv", "unit,body,internal\n1,Osmosis moves water.,x\n2,Lava is molten rock.,y\n")
    sidecar = {
        "metadataAttributes": {"course": "bio"},
        "documentStructureConfiguration": {
            "type": "RECORD_BASED_STRUCTURE_METADATA",
            "recordBasedStructureMetadata": {
                "contentFields": [{"fieldName": "body"}],
                "metadataFieldsSpecification": {"fieldsToExclude": [{"fieldName": "internal"}]},
            },
        },
    }
    base.s3.put_object(Bucket=base.bucket, Key="facts.csv.metadata.json", Body=json.dumps(sidecar))
    job = base.sync()
    assert (job["status"], job["statistics"]["numberOfNewDocumentsIndexed"]) == ("COMPLETE", 3)
    assert uris(base.retrieve("How much was sold in Bergen?"))[0] == "sales.xls"
    assert uris(base.retrieve("What is a bucket's name?"))[0] == "course.doc"
    (found,) = base.retrieve("What is lava?", filter={"equals": {"key": "unit", "value": "2"}})
    assert found["content"]["text"] == "Lava is molten rock."
    assert found["metadata"].items() >= {"unit": "2", "course": "bio"}.items()
    assert "internal" not in found["metadata"]
