import gzip
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from outcrop.services.bedrock.reporting import logging_config
from outcrop.services.bedrock.reporting.invocation_log import InvocationLog
from outcrop.services.bedrock.reporting.logging_config import LoggingConfigs
from outcrop.services.bedrock.runtime.calls import Usage
from outcrop.services.contract import (
    Context,
    Principal,
    ResourceNotFoundException,
    ThrottlingException,
    ValidationException,
)
from outcrop.storage import Database

ACCOUNT = "000000000000"
ROOT = Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
LOGS = {"logGroupName": "invocations", "roleArn": f"arn:aws:iam::{ACCOUNT}:role/logger"}
BUCKET = {"bucketName": "bucket", "keyPrefix": "pre/"}


class Neighbours:
    """What CloudWatch Logs and S3 are told; one group and one bucket exist."""

    def __init__(self):
        self.events, self.objects, self.streams = [], {}, set()

    async def __call__(self, service, operation, request):
        match operation:
            case "describe_log_groups":
                return {"logGroups": [{"logGroupName": "invocations"}]}
            case "create_log_stream":
                self.streams.add(request["logStreamName"])
            case "put_log_events":
                if request["logStreamName"] not in self.streams:
                    raise ResourceNotFoundException("no such stream")
                self.events += [json.loads(event["message"]) for event in request["logEvents"]]
            case "head_bucket":
                if request["Bucket"] != "bucket":
                    raise ResourceNotFoundException("Not Found")
            case "put_object":
                self.objects[request["Key"]] = gzip.decompress(request["Body"]).decode()
        return {}


@pytest.fixture
def made(tmp_path):
    told = Neighbours()
    context = Context(ACCOUNT, "us-east-1", ROOT, "r-1", told)
    configs = LoggingConfigs(Database(tmp_path / f"{logging_config.DATABASE}.sqlite"), lambda *place: context)
    return configs, InvocationLog(configs, lambda *place: context), context, told


def call(context, request, output=None, error=None, **model):
    defaults = {"draws": False, "embeds": False, "caches": False}
    return SimpleNamespace(
        ctx=context,
        operation="Converse",
        model=SimpleNamespace(**{**defaults, **model}),
        request={"modelId": "some.model", **request},
        usage=None if error else Usage(3, 2),
        output=output,
        error=error,
        at=datetime(2026, 11, 28, 9, 30, tzinfo=UTC),
    )


async def put(configs, context, **config):
    await configs.put_model_invocation_logging_configuration(context, {"loggingConfig": config})


async def test_configuration(made, tmp_path):
    configs, _, context, _ = made
    assert await configs.get_model_invocation_logging_configuration(context, {}) == {}
    await put(configs, context, s3Config=BUCKET, textDataDeliveryEnabled=True)
    again = LoggingConfigs(Database(tmp_path / f"{logging_config.DATABASE}.sqlite"), lambda *place: context)
    for each in (configs, again):
        told = await each.get_model_invocation_logging_configuration(context, {})
        assert told == {"loggingConfig": {"s3Config": BUCKET, "textDataDeliveryEnabled": True}}
    await configs.delete_model_invocation_logging_configuration(context, {})
    assert await configs.get_model_invocation_logging_configuration(context, {}) == {}
    assert not configs.any


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({}, "log group or a bucket"),
        ({"cloudWatchConfig": {**LOGS, "logGroupName": "other"}}, "log group: other"),
        ({"s3Config": {"bucketName": "other"}}, "bucket: other"),
        ({"cloudWatchConfig": {**LOGS, "largeDataDeliveryS3Config": {"bucketName": "none"}}}, "bucket: none"),
    ],
)
async def test_refuses_places_that_are_missing(made, config, text):
    configs, _, context, _ = made
    with pytest.raises(ValidationException, match=text):
        await put(configs, context, **config)


async def test_record(made):
    configs, log, context, told = made
    await put(configs, context, cloudWatchConfig=LOGS, s3Config=BUCKET)
    asked = {"messages": [{"role": "user", "content": [{"image": {"source": {"bytes": b"\x00"}}}]}]}
    await log.settle(call(context, {**asked, "requestMetadata": {"team": "a"}}, {"stopReason": "end_turn"}))
    await log.aclose()
    (record,) = told.events
    assert record == {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": "2026-11-28T09:30:00Z",
        "accountId": ACCOUNT,
        "region": "us-east-1",
        "requestId": "r-1",
        "operation": "Converse",
        "modelId": "some.model",
        "identity": {"arn": ROOT.arn},
        "requestMetadata": {"team": "a"},
        "input": {
            "inputContentType": "application/json",
            "inputTokenCount": 3,
            "inputBodyJson": {
                "messages": [{"role": "user", "content": [{"image": {"source": {"bytes": "AA=="}}}]}],
                "requestMetadata": {"team": "a"},
            },
        },
        "output": {
            "outputContentType": "application/json",
            "outputTokenCount": 2,
            "outputBodyJson": {"stopReason": "end_turn"},
        },
    }
    ((key, text),) = told.objects.items()
    folder = f"pre/AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/us-east-1/2026/11/28/09/"
    assert key.startswith(folder)
    assert key.endswith(".json.gz")
    assert json.loads(text) == record


async def test_large_bodies_are_objects_of_their_own(made):
    configs, log, context, told = made
    await put(configs, context, cloudWatchConfig={**LOGS, "largeDataDeliveryS3Config": BUCKET})
    await log.settle(call(context, {"body": json.dumps({"prompt": "x" * 200_000}).encode()}, {"a": 1}))
    await log.aclose()
    (record,) = told.events
    assert "inputBodyJson" not in record["input"]
    key = record["input"]["inputBodyS3Path"].removeprefix("s3://bucket/")
    assert len(json.loads(told.objects[key])["prompt"]) == 200_000
    assert record["output"]["outputBodyJson"] == {"a": 1}


async def test_errors_and_what_is_not_wanted(made):
    configs, log, context, told = made
    await put(configs, context, cloudWatchConfig=LOGS, embeddingDataDeliveryEnabled=False)
    await log.settle(call(context, {"body": b"{}"}, error=ThrottlingException("no")))
    await log.settle(call(context, {"body": b"{}"}, {"embedding": [1]}, embeds=True))
    await log.aclose()
    failed, embedded = told.events
    assert failed["errorCode"] == "ThrottlingException"
    assert "output" not in failed
    assert "inputBodyJson" not in embedded["input"]
    assert "outputBodyJson" not in embedded["output"]


async def test_streams_of_chunks(made):
    configs, log, context, told = made
    await put(configs, context, cloudWatchConfig=LOGS)
    await log.settle(call(context, {"body": b"not json"}, [{"chunk": {"bytes": b'{"a": 1}'}}]))
    await log.aclose()
    assert told.events[0]["output"]["outputBodyJson"] == [{"a": 1}]


async def test_nothing_is_logged_without_a_configuration(made):
    _, log, context, told = made
    await log.settle(call(context, {"body": b"{}"}))
    await log.aclose()
    assert not log.wants_output
    assert not told.events
