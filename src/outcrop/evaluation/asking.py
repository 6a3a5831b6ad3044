"""The part that speaks to a stack: by boto3, as any user would."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.evaluation.configurations import Configuration, model_arn
from outcrop.evaluation.questions import Question
from outcrop.evaluation.scores import Outcome, Place

PAGE = "x-amz-bedrock-kb-document-page-number"
_BUSY = ("STARTING", "IN_PROGRESS")

Clients = Callable[[str], Any]
"""A boto3 client of a service by its name."""


@dataclass(frozen=True, slots=True)
class Base:
    """A knowledge base with the folder's documents."""

    id: str
    source: str
    seconds: float
    """That ingestion took."""
    statistics: Mapping[str, int]
    warnings: Sequence[str]


class Evaluation:
    """The folder's documents in a bucket of their own, and knowledge bases over it. `close` deletes all of them."""

    def __init__(self, clients: Clients, region: str, role: str, first_page: int) -> None:
        self._s3, self._agent = clients("s3"), clients("bedrock-agent")
        self._runtime = clients("bedrock-agent-runtime")
        self._region, self._role, self._first_page = region, role, first_page
        self._name = f"outcrop-eval-{uuid.uuid4().hex[:12]}"
        self._keys: list[str] = []
        self._bases: list[Base] = []

    def upload(self, folder: Path) -> int:
        """The number of files that were put into the bucket."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
        if not files:
            raise ValueError(f"{folder} holds no documents")
        self._s3.create_bucket(Bucket=self._name)
        for path in files:
            key = path.relative_to(folder).as_posix()
            with path.open("rb") as body:
                self._s3.put_object(Bucket=self._name, Key=key, Body=body)
            self._keys.append(key)
        return len(files)

    def ingest(self, configuration: Configuration) -> Base:
        """A knowledge base of the configuration's kind, filled. Raises RuntimeError if its job fails."""
        started = time.monotonic()
        vectors = {"embeddingModelArn": model_arn(configuration.embedding, self._region)}
        base = self._agent.create_knowledge_base(
            name=f"{self._name}-{len(self._bases)}",
            roleArn=self._role,
            knowledgeBaseConfiguration={"type": "VECTOR", "vectorKnowledgeBaseConfiguration": vectors},
        )["knowledgeBase"]["knowledgeBaseId"]
        chunking = configuration.chunking_configuration()
        more = {"vectorIngestionConfiguration": {"chunkingConfiguration": chunking}} if chunking else {}
        source = self._agent.create_data_source(
            knowledgeBaseId=base,
            name="documents",
            dataSourceConfiguration={"type": "S3", "s3Configuration": {"bucketArn": f"arn:aws:s3:::{self._name}"}},
            **more,
        )["dataSource"]["dataSourceId"]
        self._bases.append(Base(base, source, 0.0, {}, ()))
        ids = {"knowledgeBaseId": base, "dataSourceId": source}
        job = self._agent.start_ingestion_job(**ids)["ingestionJob"]
        while job["status"] in _BUSY:
            time.sleep(0.1)
            job = self._agent.get_ingestion_job(**ids, ingestionJobId=job["ingestionJobId"])["ingestionJob"]
        warnings = tuple(job.get("failureReasons", ()))
        if job["status"] != "COMPLETE":
            raise RuntimeError(
                f"the ingestion job ended as {job['status']}: {'; '.join(warnings) or 'no reason given'}"
            )
        return Base(base, source, time.monotonic() - started, job.get("statistics", {}), warnings)

    def ask(
        self, base: Base, configuration: Configuration, questions: Sequence[Question], answers: bool
    ) -> Iterator[Outcome]:
        """One outcome for each question, in order; an error of one doesn't end the others."""
        from botocore.exceptions import BotoCoreError, ClientError

        for question in questions:
            outcome = Outcome(question)
            try:
                self._retrieve(base, configuration, outcome)
                if answers:
                    self._answer(base, configuration, outcome)
            except (BotoCoreError, ClientError) as error:
                outcome.error = str(error)
            yield outcome

    def close(self) -> None:
        for base in self._bases:
            self._agent.delete_data_source(knowledgeBaseId=base.id, dataSourceId=base.source)
            self._agent.delete_knowledge_base(knowledgeBaseId=base.id)
        if self._keys:
            for key in self._keys:
                self._s3.delete_object(Bucket=self._name, Key=key)
            self._s3.delete_bucket(Bucket=self._name)

    def _retrieve(self, base: Base, configuration: Configuration, outcome: Outcome) -> None:
        started = time.perf_counter()
        found = self._runtime.retrieve(
            knowledgeBaseId=base.id,
            retrievalQuery={"text": outcome.question.text},
            retrievalConfiguration=configuration.retrieval(self._region),
        )["retrievalResults"]
        outcome.retrieve_seconds = time.perf_counter() - started
        outcome.results = [self._place(one) for one in found]

    def _answer(self, base: Base, configuration: Configuration, outcome: Outcome) -> None:
        started = time.perf_counter()
        said = self._runtime.retrieve_and_generate(
            input={"text": outcome.question.text},
            retrieveAndGenerateConfiguration={
                "type": "KNOWLEDGE_BASE",
                "knowledgeBaseConfiguration": {
                    "knowledgeBaseId": base.id,
                    "modelArn": model_arn(configuration.model, self._region),
                    "retrievalConfiguration": configuration.retrieval(self._region),
                },
            },
        )
        outcome.answer_seconds = time.perf_counter() - started
        outcome.answer = said["output"]["text"]
        references = [one for citation in said["citations"] for one in citation["retrievedReferences"]]
        outcome.cited = [self._place(one) for one in references]

    def _place(self, one: Mapping[str, Any]) -> Place:
        uri = one.get("location", {}).get("s3Location", {}).get("uri", "")
        page = one.get("metadata", {}).get(PAGE)
        return Place(
            uri.removeprefix(f"s3://{self._name}/"),
            None if page is None else int(page) - self._first_page + 1,
            one["content"].get("text", ""),
            one.get("score"),
        )
