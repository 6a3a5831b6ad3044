"""Guardrails, the invocation log, metrics and the ledger as boto3 sees them, over HTTP."""

import gzip
import json
import time

import pytest
from botocore.exceptions import ClientError
from tests.journeys.bases import Base

from outcrop.cli import main as outcrop

MODEL = "amazon.nova-lite-v1:0"
MESSAGES = {"blockedInputMessaging": "No such questions.", "blockedOutputsMessaging": "No such answers."}


def until(look):
    """What `look` answers once it answers something."""
    for _ in range(300):
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("nothing came")


def ask(runtime, text, **more):
    return runtime.converse(modelId=MODEL, messages=[{"role": "user", "content": [{"text": text}]}], **more)


@pytest.fixture
def guardrail(outcrop_stack):
    bedrock = outcrop_stack.client("bedrock")
    made = bedrock.create_guardrail(
        name=f"guard-{time.time_ns()}",
        **MESSAGES,
        wordPolicyConfig={"wordsConfig": [{"text": "acme"}]},
        sensitiveInformationPolicyConfig={"piiEntitiesConfig": [{"type": "EMAIL", "action": "ANONYMIZE"}]},
    )
    version = bedrock.create_guardrail_version(guardrailIdentifier=made["guardrailId"])["version"]
    yield {"guardrailIdentifier": made["guardrailId"], "guardrailVersion": version}
    bedrock.delete_guardrail(guardrailIdentifier=made["guardrailId"])


def test_guardrail(outcrop_stack, guardrail):
    runtime = outcrop_stack.client("bedrock-runtime")
    blocked = ask(runtime, "Tell me about Acme.", guardrailConfig={**guardrail, "trace": "enabled"})
    assert blocked["stopReason"] == "guardrail_intervened"
    assert blocked["output"]["message"]["content"] == [{"text": "No such questions."}]
    assessed = blocked["trace"]["guardrail"]["inputAssessment"][guardrail["guardrailIdentifier"]]
    assert assessed["wordPolicy"]["customWords"][0]["match"] == "Acme"
    masked = runtime.apply_guardrail(
        **guardrail, source="OUTPUT", content=[{"text": {"text": "Write to bob@example.com"}}]
    )
    assert masked["outputs"] == [{"text": "Write to {EMAIL}"}]
    with pytest.raises(ClientError, match="does not exist"):
        ask(runtime, "Hi", guardrailConfig={**guardrail, "guardrailVersion": "9"})


def test_guardrail_over_a_knowledge_base(outcrop_stack, guardrail):
    base = Base(outcrop_stack)
    base.put("contact.md", "The library lends books for three weeks. Its desk is reached at desk@example.com.")
    base.sync()

    def ask_base(question):
        return base.runtime.retrieve_and_generate(
            input={"text": question},
            retrieveAndGenerateConfiguration={
                "type": "KNOWLEDGE_BASE",
                "knowledgeBaseConfiguration": {
                    "knowledgeBaseId": base.id,
                    "modelArn": MODEL,
                    "generationConfiguration": {
                        "guardrailConfiguration": {
                            "guardrailId": guardrail["guardrailIdentifier"],
                            "guardrailVersion": guardrail["guardrailVersion"],
                        }
                    },
                },
            },
        )

    masked = ask_base("How is the desk of the library reached?")
    assert "{EMAIL}" in masked["output"]["text"]
    assert masked["guardrailAction"] == "INTERVENED"
    assert ask_base("Does Acme lend books?")["output"]["text"] == "No such questions."


def test_invocation_log_metrics_and_ledger(outcrop_stack, capsys):
    logs, s3 = outcrop_stack.client("logs"), outcrop_stack.client("s3")
    bedrock, runtime = outcrop_stack.client("bedrock"), outcrop_stack.client("bedrock-runtime")
    logs.create_log_group(logGroupName="model-calls")
    s3.create_bucket(Bucket="model-calls")
    config = {
        "cloudWatchConfig": {"logGroupName": "model-calls", "roleArn": "arn:aws:iam::000000000000:role/logger"},
        "s3Config": {"bucketName": "model-calls", "keyPrefix": "logs"},
        "textDataDeliveryEnabled": True,
    }
    bedrock.put_model_invocation_logging_configuration(loggingConfig=config)
    assert bedrock.get_model_invocation_logging_configuration()["loggingConfig"] == config
    try:
        answer = ask(runtime, "<context>The sky is blue.</context> What colour is the sky?")
        key = until(lambda: s3.list_objects_v2(Bucket="model-calls").get("Contents"))[0]["Key"]
    finally:
        bedrock.delete_model_invocation_logging_configuration()
    (event,) = until(
        lambda: logs.get_log_events(logGroupName="model-calls", logStreamName="aws/bedrock/modelinvocations")["events"]
    )
    record = json.loads(event["message"])
    assert record["output"]["outputBodyJson"]["output"] == answer["output"]
    assert record["input"]["inputTokenCount"] == answer["usage"]["inputTokens"]
    assert record["requestId"] == answer["ResponseMetadata"]["RequestId"]
    body = s3.get_object(Bucket="model-calls", Key=key)["Body"].read()
    assert json.loads(gzip.decompress(body))["requestId"] == record["requestId"]
    listed = until(
        lambda: outcrop_stack.client("cloudwatch").list_metrics(Namespace="AWS/Bedrock", MetricName="Invocations")[
            "Metrics"
        ]
    )
    assert {"Name": "ModelId", "Value": MODEL} in [dimension for one in listed for dimension in one["Dimensions"]]
    assert outcrop(["cost", "--json", "--data", str(outcrop_stack.data)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert any(one["model"] == MODEL and one["input_tokens"] for one in told["invocations"])
