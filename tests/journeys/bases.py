"""A bucket with a knowledge base over it, for journeys."""

from __future__ import annotations

import json
import time
import uuid

from outcrop.testing import StackProcess

REGION = "us-east-1"
ROLE = "arn:aws:iam::000000000000:role/kb"
EMBEDDING = f"arn:aws:bedrock:{REGION}::foundation-model/amazon.titan-embed-text-v2:0"
BUSY = ("STARTING", "PENDING", "IN_PROGRESS", "STOPPING", "DELETING", "DELETE_IN_PROGRESS")


class Base:
    def __init__(self, stack: StackProcess, prefix: str = "", **source: object) -> None:
        self.connect(stack)
        self.bucket = f"kb-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.id = self.agent.create_knowledge_base(
            name=self.bucket,
            roleArn=ROLE,
            knowledgeBaseConfiguration={
                "type": "VECTOR",
                "vectorKnowledgeBaseConfiguration": {"embeddingModelArn": EMBEDDING},
            },
        )["knowledgeBase"]["knowledgeBaseId"]
        self.source = self.add_source("files", prefix, **source)

    def connect(self, stack: StackProcess) -> None:
        """Again after the stack was started anew."""
        self.s3, self.agent = stack.client("s3"), stack.client("bedrock-agent")
        self.runtime = stack.client("bedrock-agent-runtime")

    @property
    def ids(self) -> dict[str, str]:
        return {"knowledgeBaseId": self.id, "dataSourceId": self.source}

    def add_source(self, name: str, prefix: str = "", **source: object) -> str:
        configuration = {"bucketArn": f"arn:aws:s3:::{self.bucket}"}
        if prefix:
            configuration["inclusionPrefixes"] = [prefix]
        return self.agent.create_data_source(
            knowledgeBaseId=self.id,
            name=name,
            dataSourceConfiguration={"type": "S3", "s3Configuration": configuration},
            **source,
        )["dataSource"]["dataSourceId"]

    def put(self, key: str, body: str | bytes, attributes: dict | None = None) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        if attributes is not None:
            sidecar = json.dumps({"metadataAttributes": attributes})
            self.s3.put_object(Bucket=self.bucket, Key=f"{key}.metadata.json", Body=sidecar)
        return f"s3://{self.bucket}/{key}"

    def start(self) -> str:
        return self.agent.start_ingestion_job(**self.ids)["ingestionJob"]["ingestionJobId"]

    def job(self, job_id: str) -> dict:
        return self.agent.get_ingestion_job(**self.ids, ingestionJobId=job_id)["ingestionJob"]

    def wait(self, job_id: str) -> dict:
        deadline = time.monotonic() + 60
        while (job := self.job(job_id))["status"] in BUSY and time.monotonic() < deadline:
            time.sleep(0.03)
        return job

    def sync(self) -> dict:
        return self.wait(self.start())

    def document(self, uri: str, kind: str = "S3", source: str | None = None) -> dict:
        """What the knowledge base says of one document, once it is settled."""
        identifier = {"dataSourceType": kind, **({"s3": {"uri": uri}} if kind == "S3" else {"custom": {"id": uri}})}
        deadline = time.monotonic() + 60
        while True:
            detail = self.agent.get_knowledge_base_documents(
                knowledgeBaseId=self.id, dataSourceId=source or self.source, documentIdentifiers=[identifier]
            )["documentDetails"][0]
            if detail["status"] not in BUSY or time.monotonic() > deadline:
                return detail
            time.sleep(0.02)

    def retrieve(self, text: str, **search: object) -> list[dict]:
        return self.runtime.retrieve(
            knowledgeBaseId=self.id,
            retrievalQuery={"text": text},
            retrievalConfiguration={"vectorSearchConfiguration": search} if search else {},
        )["retrievalResults"]
