"""Ingestion as its users drive it: chunking, metadata, failures, deletion, direct ingestion."""

from __future__ import annotations

import io
import json
import sys
import time
import uuid
import zipfile

import pytest
from botocore.exceptions import ClientError
from tests.journeys.bases import EMBEDDING, ROLE, Base

from outcrop.testing import StackProcess

TOPICS = {
    "rivers": "The river carries gravel and silt down to the delta. Its bed is deepest in the bends. ",
    "bread": "Bread dough rises because yeast makes gas from sugar. Kneading gives the dough its strength. ",
    "stars": "A star shines because hydrogen fuses into helium. Heavy stars burn out sooner than light ones. ",
}
TEXT = "\n\n".join(sentence * 8 for sentence in TOPICS.values())


def chunking(**configuration: object) -> dict:
    return {"vectorIngestionConfiguration": {"chunkingConfiguration": configuration}}


def chosen(source: dict) -> dict:
    return source["vectorIngestionConfiguration"]["chunkingConfiguration"]


HIERARCHICAL = chunking(
    chunkingStrategy="HIERARCHICAL",
    hierarchicalChunkingConfiguration={
        "levelConfigurations": [{"maxTokens": 120}, {"maxTokens": 30}],
        "overlapTokens": 5,
    },
)
SEMANTIC = chunking(
    chunkingStrategy="SEMANTIC",
    semanticChunkingConfiguration={"maxTokens": 300, "bufferSize": 0, "breakpointPercentileThreshold": 95},
)
FIXED = chunking(
    chunkingStrategy="FIXED_SIZE", fixedSizeChunkingConfiguration={"maxTokens": 50, "overlapPercentage": 10}
)
NONE = chunking(chunkingStrategy="NONE")


@pytest.mark.parametrize(
    ("source", "most", "least"), [({}, 3, 1), (FIXED, 40, 7), (SEMANTIC, 5, 2), (NONE, 1, 1)], ids=str
)
def test_chunking_strategies(outcrop_stack: StackProcess, source: dict, most: int, least: int):
    base = Base(outcrop_stack, **source)
    base.put("topics.txt", TEXT)
    assert base.sync()["statistics"]["numberOfNewDocumentsIndexed"] == 1
    results = base.retrieve("Why does a star shine?", numberOfResults=100)
    assert least <= len(results) <= most
    assert "hydrogen" in results[0]["content"]["text"]


def test_hierarchical_chunks_are_searched_and_their_parents_returned(outcrop_stack: StackProcess):
    base = Base(outcrop_stack, **HIERARCHICAL)
    base.put("topics.txt", TEXT)
    base.sync()
    results = base.retrieve("Why does a star shine?", numberOfResults=20)
    texts = [result["content"]["text"] for result in results]
    assert len(texts) == len(set(texts)) < 20
    assert "hydrogen" in texts[0]
    assert max(len(text.split()) for text in texts) > 60
    assert [result["score"] for result in results] == sorted((r["score"] for r in results), reverse=True)
    base.put("topics.txt", TOPICS["bread"] * 3)
    base.sync()
    (only,) = base.retrieve("Why does dough rise?", numberOfResults=20)
    assert only["content"]["text"].count("Kneading") == 3


def test_metadata_alone_is_rewritten_without_reading_the_document_again(outcrop_stack: StackProcess):
    base = Base(outcrop_stack)
    uri = base.put("stars.txt", TOPICS["stars"], {"unit": "astronomy", "week": 1})
    base.sync()
    before = base.retrieve("star")[0]
    base.put("stars.txt", TOPICS["stars"], {"unit": "physics"})
    statistics = base.sync()["statistics"]
    assert statistics["numberOfMetadataDocumentsModified"] == 1
    assert statistics["numberOfModifiedDocumentsIndexed"] == 0
    after = base.retrieve("star", filter={"equals": {"key": "unit", "value": "physics"}})[0]
    assert after["metadata"]["unit"] == "physics"
    assert "week" not in after["metadata"]
    assert after["content"] == before["content"]
    assert after["score"] == pytest.approx(before["score"], abs=1e-4)
    base.s3.delete_object(Bucket=base.bucket, Key="stars.txt.metadata.json")
    assert base.sync()["statistics"]["numberOfMetadataDocumentsModified"] == 1
    assert "unit" not in base.retrieve("star")[0]["metadata"]
    assert base.document(uri)["status"] == "INDEXED"


def test_each_failure_names_its_cause_and_what_to_do(outcrop_stack: StackProcess):
    base = Base(outcrop_stack)
    image = base.put("picture.xyz", b"\x00")
    broken = base.put("broken.pdf", b"%PDF-1.4 nothing")
    labelled = base.put("labelled.txt", "Text.", {"nested": {"a": 1}})
    base.put("fine.txt", TOPICS["bread"])
    job = base.sync()
    assert job["status"] == "COMPLETE"
    assert job["statistics"]["numberOfDocumentsFailed"] == 3
    assert job["statistics"]["numberOfNewDocumentsIndexed"] == 1
    reasons = " ".join(job["failureReasons"])
    assert f"Ignored 1 files as their file format was not supported. [Files: {image}]" in reasons
    assert "Ignored 1 files due to invalid metadata attributes." in reasons
    assert f"[Files: {broken}]" in reasons
    assert base.document(image)["status"] == "IGNORED"
    assert "Convert the file" in base.document(image)["statusReason"]
    assert base.document(broken)["status"] == "FAILED"
    assert "'nested'" in base.document(labelled)["statusReason"]
    listed = base.agent.list_ingestion_jobs(
        **base.ids, filters=[{"attribute": "STATUS", "operator": "EQ", "values": ["COMPLETE"]}]
    )["ingestionJobSummaries"]
    assert "failureReasons" not in listed[0]
    base.s3.delete_object(Bucket=base.bucket, Key="broken.pdf")
    base.sync()
    assert base.document(broken)["status"] == "NOT_FOUND"


def test_semantic_chunking_refuses_a_text_of_more_than_a_million_characters(outcrop_stack: StackProcess):
    base = Base(outcrop_stack, **SEMANTIC)
    uri = base.put("long.txt", "word " * 200_001)
    reasons = base.sync()["failureReasons"]
    assert reasons == [
        "Encountered error: File body text exceeds size limit of 1000000 for semantic chunking. "
        f"[Files: {uri}]. Call to Customer Source did not succeed."
    ]


def test_only_the_prefix_is_read(outcrop_stack: StackProcess):
    base = Base(outcrop_stack, prefix="in/")
    base.put("in/stars.txt", TOPICS["stars"])
    base.put("out/bread.txt", TOPICS["bread"])
    assert base.sync()["statistics"]["numberOfDocumentsScanned"] == 1


@pytest.mark.parametrize(("policy", "left"), [("DELETE", 0), ("RETAIN", 1)])
def test_deletion_policy(outcrop_stack: StackProcess, policy: str, left: int):
    base = Base(outcrop_stack, dataDeletionPolicy=policy)
    base.put("stars.txt", TOPICS["stars"])
    base.sync()
    base.agent.delete_data_source(**base.ids)
    assert len(base.retrieve("star")) == left


def test_deleting_a_source_stops_its_job(outcrop_stack: StackProcess):
    base = Base(outcrop_stack)
    for number in range(40):
        base.put(f"{number}.txt", TEXT)
    base.start()
    assert base.agent.delete_data_source(**base.ids)["status"] == "DELETING"
    assert base.retrieve("star") == []
    assert base.agent.list_data_sources(knowledgeBaseId=base.id)["dataSourceSummaries"] == []
    base.source = base.add_source("files")
    assert base.sync()["statistics"]["numberOfNewDocumentsIndexed"] == 40


def test_stop_keeps_what_is_indexed_and_a_new_job_goes_on(outcrop_stack: StackProcess):
    base = Base(outcrop_stack)
    for number in range(40):
        base.put(f"{number}.txt", f"Number {number}. {TEXT}")
    job_id = base.start()
    while base.job(job_id)["statistics"]["numberOfNewDocumentsIndexed"] < 3:
        pass
    stopping = base.agent.stop_ingestion_job(**base.ids, ingestionJobId=job_id)["ingestionJob"]
    assert stopping["status"] == "STOPPING"
    stopped = base.wait(job_id)
    assert stopped["status"] == "STOPPED"
    done = stopped["statistics"]["numberOfNewDocumentsIndexed"]
    assert 3 <= done < 40
    assert base.sync()["statistics"]["numberOfNewDocumentsIndexed"] == 40 - done
    with pytest.raises(ClientError, match="has ended"):
        base.agent.stop_ingestion_job(**base.ids, ingestionJobId=job_id)


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"chunkingStrategy": "SEMANTIC"}, "semanticChunkingConfiguration is required"),
        (
            {**HIERARCHICAL["vectorIngestionConfiguration"]["chunkingConfiguration"], "chunkingStrategy": "NONE"},
            "can't",
        ),
        (
            {
                "chunkingStrategy": "HIERARCHICAL",
                "hierarchicalChunkingConfiguration": {
                    "levelConfigurations": [{"maxTokens": 100}, {"maxTokens": 300}],
                    "overlapTokens": 20,
                },
            },
            "parent level",
        ),
        (
            {
                "chunkingStrategy": "FIXED_SIZE",
                "fixedSizeChunkingConfiguration": {"maxTokens": 9000, "overlapPercentage": 10},
            },
            "less than or equal to 8192",
        ),
    ],
)
def test_chunking_that_does_not_fit_is_refused(outcrop_stack: StackProcess, configuration: dict, message: str):
    with pytest.raises(ClientError, match=message) as caught:
        Base(outcrop_stack, **chunking(**configuration))
    assert caught.value.response["Error"]["Code"] == "ValidationException"


class Direct(Base):
    """With a source that takes documents directly."""

    def __init__(self, stack: StackProcess) -> None:
        super().__init__(stack)
        self.source = self.agent.create_data_source(
            knowledgeBaseId=self.id, name="direct", dataSourceConfiguration={"type": "CUSTOM"}
        )["dataSource"]["dataSourceId"]

    def ingest(self, *documents: dict, **more: object) -> list[dict]:
        return self.agent.ingest_knowledge_base_documents(**self.ids, documents=list(documents), **more)[
            "documentDetails"
        ]


def custom(name: str, metadata: dict | None = None, **content: object) -> dict:
    identified = {"customDocumentIdentifier": {"id": name}, **content}
    document: dict = {"content": {"dataSourceType": "CUSTOM", "custom": identified}}
    return document | ({"metadata": metadata} if metadata else {})


def text(name: str, body: str, metadata: dict | None = None) -> dict:
    inline = {"type": "TEXT", "textContent": {"data": body}}
    return custom(name, metadata, sourceType="IN_LINE", inlineContent=inline)


def data(name: str, mime: str, body: bytes) -> dict:
    inline = {"type": "BYTE", "byteContent": {"mimeType": mime, "data": body}}
    return custom(name, sourceType="IN_LINE", inlineContent=inline)


def test_direct_ingestion_of_every_kind(outcrop_stack: StackProcess):
    base = Direct(outcrop_stack)
    uri = base.put("stars.txt", TOPICS["stars"])
    sidecar = base.put("labels.json", '{"metadataAttributes": {"unit": "physics"}}')
    details = base.ingest(
        text("bread", TOPICS["bread"]),
        data("rivers", "text/html", f"<h1>Rivers</h1><p>{TOPICS['rivers']}".encode()),
        custom(
            "stars",
            {"type": "S3_LOCATION", "s3Location": {"uri": sidecar}},
            sourceType="S3_LOCATION",
            s3Location={"uri": uri},
        ),
        data("sound", "audio/mpeg", b"ID3"),
        custom("gone", sourceType="S3_LOCATION", s3Location={"uri": f"s3://{base.bucket}/gone.txt"}),
        data("broken", "application/pdf", b"%PDF-1.4 nothing"),
    )
    assert {detail["status"] for detail in details} == {"STARTING"}
    found = {name: base.document(name, "CUSTOM") for name in ("bread", "rivers", "stars", "sound", "gone", "broken")}
    assert [detail["status"] for detail in found.values()] == ["INDEXED"] * 3 + ["IGNORED", "FAILED", "FAILED"]
    assert "audio/mpeg" in found["sound"]["statusReason"]
    assert "gone.txt" in found["gone"]["statusReason"]
    result = base.retrieve("Why does a star shine?", filter={"equals": {"key": "unit", "value": "physics"}})[0]
    assert result["location"] == {"type": "CUSTOM", "customDocumentLocation": {"id": "stars"}}


def test_direct_ingestion_overwrites_and_counts_the_last(outcrop_stack: StackProcess):
    base = Direct(outcrop_stack)
    for number in range(12):
        base.ingest(text("one", f"Version {number} of the text."))
    assert base.document("one", "CUSTOM")["status"] == "INDEXED"
    assert [result["content"]["text"] for result in base.retrieve("version")] == ["Version 11 of the text."]


def test_direct_ingestion_with_the_same_token_is_done_once(outcrop_stack: StackProcess):
    base = Direct(outcrop_stack)
    token = str(uuid.uuid4())
    base.ingest(text("one", "First text."), clientToken=token)
    base.document("one", "CUSTOM")
    assert base.ingest(text("one", "First text."), clientToken=token)[0]["status"] == "INDEXED"
    with pytest.raises(ClientError, match="client token"):
        base.ingest(text("one", "Second text."), clientToken=token)


def test_direct_ingestion_into_an_s3_source(outcrop_stack: StackProcess):
    base = Base(outcrop_stack)
    uri = base.put("stars.txt", TOPICS["stars"])
    base.agent.ingest_knowledge_base_documents(
        **base.ids,
        documents=[{"content": {"dataSourceType": "S3", "s3": {"s3Location": {"uri": uri}}}}],
    )
    assert base.document(uri)["status"] == "INDEXED"
    statistics = base.sync()["statistics"]
    assert statistics["numberOfNewDocumentsIndexed"] == statistics["numberOfModifiedDocumentsIndexed"] == 0
    with pytest.raises(ClientError, match="dataSourceType is CUSTOM"):
        base.agent.ingest_knowledge_base_documents(**base.ids, documents=[text("x", "Text.")])


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([custom("x", sourceType="IN_LINE")], "inlineContent is required"),
        ([custom("x", sourceType="S3_LOCATION")], "s3Location is required"),
        ([custom("x", sourceType="IN_LINE", inlineContent={"type": "BYTE"})], "byteContent is required"),
        ([text("x", "Text.", {"type": "S3_LOCATION", "s3Location": {"uri": "s3://bucket/x"}})], "inline metadata only"),
        ([text("x", "Text.", {"type": "IN_LINE_ATTRIBUTE"})], "inlineAttributes is required"),
        ([text(str(number), "Text.") for number in range(26)], "less than or equal to 25"),
    ],
)
def test_direct_ingestion_refuses(outcrop_stack: StackProcess, documents: list[dict], message: str):
    base = Direct(outcrop_stack)
    with pytest.raises(ClientError, match=message) as caught:
        base.ingest(*documents)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_twenty_five_documents_in_one_call(outcrop_stack: StackProcess):
    base = Direct(outcrop_stack)
    assert len(base.ingest(*(text(str(number), f"Text {number}.") for number in range(25)))) == 25
    names = [{"dataSourceType": "CUSTOM", "custom": {"id": str(number)}} for number in range(25)]
    for number in range(25):
        assert base.document(str(number), "CUSTOM")["status"] == "INDEXED"
    details = base.agent.delete_knowledge_base_documents(**base.ids, documentIdentifiers=names)["documentDetails"]
    assert {detail["status"] for detail in details} == {"DELETING"}
    assert base.document("24", "CUSTOM")["status"] == "NOT_FOUND"


SPLITTER = """
import json
import boto3

def handler(event, context):
    s3 = boto3.client("s3")
    bucket, files = event["bucketName"], []
    for file in event["inputFiles"]:
        keys = []
        for batch in file["contentBatches"]:
            contents = json.loads(s3.get_object(Bucket=bucket, Key=batch["key"])["Body"].read())["fileContents"]
            made = []
            for content in contents:
                if "poison" in content["contentBody"]:
                    raise ValueError("this text is poisoned")
                for number, line in enumerate(content["contentBody"].splitlines()):
                    metadata = {**content["contentMetadata"], "line": number, "unit": "from the function"}
                    made.append({"contentBody": line, "contentType": "TEXT", "contentMetadata": metadata})
            key = "out/" + batch["key"]
            s3.put_object(Bucket=bucket, Key=key, Body=json.dumps({"fileContents": made}))
            keys.append({"key": key})
        files.append({
            "originalFileLocation": file["originalFileLocation"],
            "fileMetadata": file["fileMetadata"],
            "contentBatches": keys,
        })
    return {"outputFiles": files}
"""


def test_custom_transformation(outcrop_stack: StackProcess):
    name = f"splitter-{uuid.uuid4().hex[:8]}"
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", SPLITTER)
    function = outcrop_stack.client("lambda").create_function(
        FunctionName=name,
        Runtime=f"python3.{sys.version_info.minor}",
        Role="arn:aws:iam::000000000000:role/function",
        Handler="index.handler",
        Timeout=30,
        Code={"ZipFile": code.getvalue()},
    )["FunctionArn"]
    outcrop_stack.client("s3").create_bucket(Bucket=name)
    base = Base(
        outcrop_stack,
        vectorIngestionConfiguration={
            "chunkingConfiguration": {"chunkingStrategy": "NONE"},
            "customTransformationConfiguration": {
                "intermediateStorage": {"s3Location": {"uri": f"s3://{name}/chunks/"}},
                "transformations": [
                    {
                        "stepToApply": "POST_CHUNKING",
                        "transformationFunction": {"transformationLambdaConfiguration": {"lambdaArn": function}},
                    }
                ],
            },
        },
    )
    base.put("lines.csv.txt", "Apples are red.\n\nLemons are sour.\n", {"unit": "fruit", "course": "cooking"})
    poisoned = base.put("bad.txt", "poison")
    job = base.sync()
    assert job["statistics"]["numberOfNewDocumentsIndexed"] == 1
    assert any("this text is poisoned" in reason and poisoned in reason for reason in job["failureReasons"])
    results = base.retrieve("lemons", numberOfResults=10)
    assert results[0]["content"]["text"] == "Lemons are sour."
    assert results[0]["metadata"]["unit"] == "from the function"
    assert results[0]["metadata"]["course"] == "cooking"
    keys = [item["Key"] for item in base.s3.list_objects_v2(Bucket=name)["Contents"]]
    assert any(key.startswith("chunks/aws/bedrock/knowledge_bases/") for key in keys)


def test_a_tagged_knowledge_base_syncs_by_itself(outcrop_stack: StackProcess):
    base = Base(outcrop_stack, prefix="in/")
    arn = base.agent.get_knowledge_base(knowledgeBaseId=base.id)["knowledgeBase"]["knowledgeBaseArn"]
    base.put("in/before.txt", TOPICS["bread"])
    base.agent.tag_resource(resourceArn=arn, tags={"outcrop:auto-sync": "true"})
    base.put("out/stars.txt", TOPICS["stars"])
    uri = base.put("in/stars.txt", TOPICS["stars"])
    deadline = time.monotonic() + 30
    while base.document(uri)["status"] == "NOT_FOUND" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert base.document(uri)["status"] == "INDEXED"
    jobs = base.agent.list_ingestion_jobs(**base.ids)["ingestionJobSummaries"]
    assert [job["description"] for job in jobs] == ["Automatic sync after changes in the bucket"]
    base.s3.delete_object(Bucket=base.bucket, Key="in/stars.txt")
    while base.document(uri)["status"] == "INDEXED" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert base.document(uri)["status"] == "NOT_FOUND"


def test_tags(outcrop_stack: StackProcess):
    base = Base(outcrop_stack)
    arn = base.agent.get_knowledge_base(knowledgeBaseId=base.id)["knowledgeBase"]["knowledgeBaseArn"]
    base.agent.tag_resource(resourceArn=arn, tags={"team": "a", "stage": "test"})
    base.agent.untag_resource(resourceArn=arn, tagKeys=["stage"])
    assert base.agent.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "a"}
    for other, code in ((arn[:-10] + "ZZZZZZZZZZ", "ResourceNotFoundException"), ("x" * 30, "ValidationException")):
        with pytest.raises(ClientError) as caught:
            base.agent.list_tags_for_resource(resourceArn=other)
        assert caught.value.response["Error"]["Code"] == code


def test_application_log(outcrop_stack: StackProcess):
    base, logs = Base(outcrop_stack), outcrop_stack.client("logs")
    group = f"/aws/vendedlogs/bedrock/knowledge-base/APPLICATION_LOGS/{base.id}"
    logs.create_log_group(logGroupName=group)
    stars, broken = base.put("stars.txt", TOPICS["stars"]), base.put("broken.pdf", b"%PDF-1.4 nothing")
    base.sync()
    events = [json.loads(event["message"]) for event in logs.filter_log_events(logGroupName=group)["events"]]
    jobs = [event["event"] for event in events if event["event_type"] == "StartIngestionJob.StatusChanged"]
    assert [job["ingestion_job_status"] for job in jobs] == ["INGESTION_JOB_STARTED", "CRAWLING_COMPLETED", "COMPLETE"]
    assert jobs[1]["resource_statistics"]["number_of_resources_scheduled_for_ingestion"] == 2
    assert jobs[2]["resource_statistics"]["number_of_resources_ingested"] == 1
    assert jobs[2]["resource_statistics"]["number_of_resources_failed"] == 1
    told = {
        uri: [
            (event["level"], event["event"]["status"])
            for event in events
            if event["event"].get("document_location") == {"type": "S3", "s3_location": {"uri": uri}}
        ]
        for uri in (stars, broken)
    }
    assert told[stars] == [("INFO", "SCHEDULED_FOR_INGESTION"), ("INFO", "INDEXED")]
    assert told[broken] == [("INFO", "SCHEDULED_FOR_INGESTION"), ("ERROR", "FAILED")]


def test_an_embedding_model_makes_vectors_of_its_own_dimensions(outcrop_stack: StackProcess):
    vector = {
        "embeddingModelArn": EMBEDDING,
        "embeddingModelConfiguration": {"bedrockEmbeddingModelConfiguration": {"dimensions": 300}},
    }
    configuration = {"type": "VECTOR", "vectorKnowledgeBaseConfiguration": vector}
    with pytest.raises(ClientError, match="256, 512, 1024 dimensions, not 300") as caught:
        outcrop_stack.client("bedrock-agent").create_knowledge_base(
            name="wrong", roleArn=ROLE, knowledgeBaseConfiguration=configuration
        )
    assert caught.value.response["Error"]["Code"] == "ValidationException"
