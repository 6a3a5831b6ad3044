"""A knowledge base in an index of S3 Vectors that its owner made."""

from __future__ import annotations

import json
import uuid

import pytest
from botocore.exceptions import ClientError
from tests.journeys.test_knowledge_base import EMBEDDING, OSMOSIS, REGION, ROLE, VOLCANO, Base

from outcrop.testing import StackProcess


class VectorBase(Base):
    """With an index of its own, of Titan's 1024 dimensions."""

    def __init__(self, stack: StackProcess, metric: str = "cosine") -> None:
        self.vectors = stack.client("s3vectors")
        self.index = {"vectorBucketName": f"v-{uuid.uuid4().hex[:8]}", "indexName": "chunks"}
        self.vectors.create_vector_bucket(vectorBucketName=self.index["vectorBucketName"])
        arn = self.vectors.create_index(
            **self.index,
            dataType="float32",
            dimension=1024,
            distanceMetric=metric,
            metadataConfiguration={"nonFilterableMetadataKeys": ["AMAZON_BEDROCK_TEXT", "AMAZON_BEDROCK_METADATA"]},
        )["indexArn"]
        self.storage = {"type": "S3_VECTORS", "s3VectorsConfiguration": {"indexArn": arn}}
        super().__init__(stack)


@pytest.fixture
def base(outcrop_stack: StackProcess) -> VectorBase:
    base = VectorBase(outcrop_stack)
    base.put("osmosis.md", OSMOSIS, {"subject": "biology", "year": 2020})
    base.put("volcano.md", VOLCANO, {"subject": "geology", "year": 2024})
    base.sync()
    return base


def retrieve(base: VectorBase, question: str, **search: object) -> list[dict]:
    configuration = {"vectorSearchConfiguration": {"numberOfResults": 3, **search}}
    return base.runtime.retrieve(
        knowledgeBaseId=base.id, retrievalQuery={"text": question}, retrievalConfiguration=configuration
    )["retrievalResults"]


def test_chunks_are_vectors_of_the_index(base: VectorBase, outcrop_stack: StackProcess):
    listed = base.vectors.list_vectors(**base.index, returnMetadata=True, returnData=True)["vectors"]
    texts = {one["metadata"]["x-amz-bedrock-kb-source-uri"]: one["metadata"] for one in listed}
    volcano = texts[f"s3://{base.bucket}/volcano.md"]
    assert "molten rock" in volcano["AMAZON_BEDROCK_TEXT"]
    assert isinstance(json.loads(volcano["AMAZON_BEDROCK_METADATA"]), dict)
    assert (volcano["subject"], volcano["year"]) == ("geology", 2024)
    assert volcano["x-amz-bedrock-kb-data-source-id"] == base.source

    body = json.dumps({"inputText": "What is lava?"})
    answer = outcrop_stack.client("bedrock-runtime").invoke_model(modelId="amazon.titan-embed-text-v2:0", body=body)
    question = json.loads(answer["body"].read())["embedding"]
    found = base.vectors.query_vectors(
        **base.index, topK=1, queryVector={"float32": question}, returnMetadata=True, filter={"year": {"$gte": 2020}}
    )["vectors"][0]
    assert found["metadata"]["x-amz-bedrock-kb-source-uri"] == f"s3://{base.bucket}/volcano.md"
    best = retrieve(base, "What is lava?", overrideSearchType="SEMANTIC")[0]
    assert best["metadata"]["x-amz-bedrock-kb-chunk-id"] == found["key"]


def test_retrieving_with_words_and_filters(base: VectorBase):
    best = retrieve(base, "When did Etna erupt?")[0]
    assert best["location"]["s3Location"]["uri"] == f"s3://{base.bucket}/volcano.md"
    assert best["metadata"]["subject"] == "geology"
    assert "AMAZON_BEDROCK_TEXT" not in best["metadata"]
    assert 0 < best["score"] <= 1
    only = retrieve(base, "When did Etna erupt?", filter={"equals": {"key": "subject", "value": "biology"}})
    assert {one["metadata"]["subject"] for one in only} == {"biology"}


def test_changes_on_either_side_are_seen(base: VectorBase):
    base.put("osmosis.md", "# Osmosis\n\nReverse osmosis makes fresh water of the sea.\n")
    base.sync()
    texts = [
        one["metadata"]["AMAZON_BEDROCK_TEXT"]
        for one in base.vectors.list_vectors(**base.index, returnMetadata=True)["vectors"]
    ]
    assert sum("Reverse osmosis" in text for text in texts) == 1
    assert not any("semipermeable" in text for text in texts)

    keys = [one["key"] for one in base.vectors.list_vectors(**base.index)["vectors"]]
    base.vectors.delete_vectors(**base.index, keys=keys)
    assert retrieve(base, "What is osmosis?") == []


def test_vectors_of_others_are_left_alone(base: VectorBase):
    theirs = {"key": "theirs", "data": {"float32": [1.0] * 1024}, "metadata": {"note": "not a chunk"}}
    half = {"key": "half", "data": {"float32": [0.5] * 1024}, "metadata": {"x-amz-bedrock-kb-data-source-id": "x"}}
    base.vectors.put_vectors(**base.index, vectors=[theirs, half])
    assert "theirs" not in {
        one["metadata"]["x-amz-bedrock-kb-chunk-id"] for one in retrieve(base, "What is osmosis?", numberOfResults=50)
    }
    base.s3.delete_object(Bucket=base.bucket, Key="osmosis.md")
    base.sync()
    kept = {one["key"] for one in base.vectors.list_vectors(**base.index)["vectors"]}
    assert {"theirs", "half"} < kept


def test_an_index_by_euclidean_distance_gives_the_same_scores(base: VectorBase, outcrop_stack: StackProcess):
    other = VectorBase(outcrop_stack, "euclidean")
    other.put("osmosis.md", OSMOSIS)
    other.put("volcano.md", VOLCANO)
    other.sync()
    scores = [[one["score"] for one in retrieve(each, "Where did Etna erupt?")] for each in (base, other)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_strict_mode_wants_the_index_to_exist(tmp_path):
    with StackProcess(tmp_path, "--strict") as stack:
        storage = {"indexArn": f"arn:aws:s3vectors:{REGION}:000000000000:bucket/none/index/none"}
        with pytest.raises(ClientError, match="index could not be found"):
            stack.client("bedrock-agent").create_knowledge_base(
                name="strict",
                roleArn=ROLE,
                knowledgeBaseConfiguration={
                    "type": "VECTOR",
                    "vectorKnowledgeBaseConfiguration": {"embeddingModelArn": EMBEDDING},
                },
                storageConfiguration={"type": "S3_VECTORS", "s3VectorsConfiguration": storage},
            )


@pytest.mark.parametrize("policy", ["DELETE", "RETAIN"])
def test_deleting_the_knowledge_base_follows_its_sources_policy(outcrop_stack: StackProcess, policy: str):
    base = VectorBase(outcrop_stack)
    base.agent.update_data_source(
        knowledgeBaseId=base.id,
        dataSourceId=base.source,
        name="files",
        dataSourceConfiguration={"type": "S3", "s3Configuration": {"bucketArn": f"arn:aws:s3:::{base.bucket}"}},
        dataDeletionPolicy=policy,
    )
    base.put("osmosis.md", OSMOSIS)
    base.sync()
    base.agent.delete_knowledge_base(knowledgeBaseId=base.id)
    assert bool(base.vectors.list_vectors(**base.index)["vectors"]) == (policy == "RETAIN")
