"""Batch inference and imported models, as boto3 sees them, on a started stack."""

import json

import pytest
from tests.journeys.own_models import ROLE, ask, lines, until

from outcrop.testing import StackProcess

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with StackProcess(tmp_path_factory.mktemp("batches")) as stack:
        stack.client("s3").create_bucket(Bucket="batch")
        yield stack


@pytest.fixture(scope="module")
def bedrock(stack):
    return stack.client("bedrock")


@pytest.fixture(scope="module")
def s3(stack):
    return stack.client("s3")


def submit(bedrock, name, source, **more):
    return bedrock.create_model_invocation_job(
        **{
            "jobName": name,
            "roleArn": ROLE,
            "modelId": "amazon.titan-text-lite-v1",
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": source}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://batch/out/"}},
            **more,
        }
    )["jobArn"]


def finished(bedrock, job):
    ends = ("Completed", "Failed", "Stopped", "PartiallyCompleted", "Expired")
    return until(lambda: bedrock.get_model_invocation_job(jobIdentifier=job), *ends)


def results(s3, job, name):
    key = f"out/{job.rpartition('/')[2]}/{name}"
    return s3.get_object(Bucket="batch", Key=key)["Body"].read().decode()


def record(number, text):
    return {"recordId": f"RECORD{number:05}", "modelInput": {"inputText": text}}


def test_a_batch_is_answered_record_by_record(bedrock, s3):
    records = [record(n, f"The sky is blue. What colour is sky {n}?") for n in range(6)]
    s3.put_object(Bucket="batch", Key="in/a.jsonl", Body=lines(*records))
    s3.put_object(Bucket="batch", Key="in/b.jsonl", Body=lines({"modelInput": {"text": "Hi"}}))
    job = submit(bedrock, "first", "s3://batch/in/")
    details = finished(bedrock, job)
    assert details["status"] == "Completed"
    counted = ("totalRecordCount", "processedRecordCount", "successRecordCount", "errorRecordCount")
    assert [details[name] for name in counted] == [7, 7, 6, 1]
    answered = [json.loads(line) for line in results(s3, job, "a.jsonl.out").splitlines()]
    assert [one["recordId"] for one in answered] == [one["recordId"] for one in records]
    assert answered[0]["modelInput"] == records[0]["modelInput"]
    assert answered[0]["modelOutput"]["results"][0]["completionReason"] == "FINISH"
    failed = json.loads(results(s3, job, "b.jsonl.out"))
    assert failed["error"]["errorCode"] == 400
    assert "required key [inputText] not found" in failed["error"]["errorMessage"]
    assert len(failed["recordId"]) == 11
    manifest = json.loads(results(s3, job, "manifest.json.out"))
    assert (manifest["totalRecordCount"], manifest["errorRecordCount"]) == (7, 1)
    assert manifest["inputTokenCount"] == sum(one["modelOutput"]["inputTextTokenCount"] for one in answered)


def test_a_batch_of_conversations(bedrock, s3):
    messages = [{"role": "user", "content": [{"text": "Hello"}]}]
    s3.put_object(Bucket="batch", Key="talk.jsonl", Body=lines({"recordId": "A", "modelInput": {"messages": messages}}))
    job = submit(bedrock, "talk", "s3://batch/talk.jsonl", modelId=CLAUDE, modelInvocationType="Converse")
    assert finished(bedrock, job)["status"] == "Completed"
    output = json.loads(results(s3, job, "talk.jsonl.out"))["modelOutput"]
    assert output["output"]["message"]["role"] == "assistant"
    assert json.loads(results(s3, job, "manifest.json.out"))["outputTokenCount"] == output["usage"]["outputTokens"]


def test_batches_that_can_not_be_answered(bedrock, s3):
    s3.put_object(Bucket="batch", Key="bad.jsonl", Body=b'{"modelInput": {}}\n{"recordId": 1}\n')
    details = finished(bedrock, submit(bedrock, "bad", "s3://batch/bad.jsonl"))
    assert (details["status"], details["message"]) == (
        "Failed",
        "Line 2 of bad.jsonl needs a modelInput that is a JSON object.",
    )
    with pytest.raises(bedrock.exceptions.ValidationException, match="Could not validate GetObject permissions"):
        submit(bedrock, "nothing", "s3://batch/nothing.jsonl")
    with pytest.raises(bedrock.exceptions.ValidationException, match="model identifier is invalid"):
        submit(bedrock, "strange", "s3://batch/bad.jsonl", modelId="no.such-model")
    with pytest.raises(bedrock.exceptions.ConflictException, match="currently in use"):
        submit(bedrock, "bad", "s3://batch/bad.jsonl")
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        bedrock.get_model_invocation_job(jobIdentifier="abcdefghijkl")
    with pytest.raises(bedrock.exceptions.ConflictException, match="its status is Failed"):
        bedrock.stop_model_invocation_job(jobIdentifier=details["jobArn"])


@pytest.fixture(scope="module")
def weights(s3, tiny_cache):
    folder = tiny_cache / "models/tiny-course-1"
    for path in folder.iterdir():
        s3.put_object(Bucket="batch", Key=f"weights/{path.name}", Body=path.read_bytes())


def bring(bedrock, name, uri):
    source = {"s3DataSource": {"s3Uri": uri}}
    job = bedrock.create_model_import_job(
        jobName=f"import-{name}", importedModelName=name, roleArn=ROLE, modelDataSource=source
    )["jobArn"]
    return until(lambda: bedrock.get_model_import_job(jobIdentifier=job), "Completed", "Failed")


@pytest.mark.training
@pytest.mark.timeout(300)
def test_imported_models_answer(stack, bedrock, s3, weights):
    details = bring(bedrock, "mine", "s3://batch/weights/")
    assert details["status"] == "Completed", details.get("failureMessage")
    arn = details["importedModelArn"]
    model = bedrock.get_imported_model(modelIdentifier="mine")
    assert (model["modelArn"], model["modelArchitecture"], model["instructSupported"]) == (arn, "llama", True)
    runtime = stack.client("bedrock-runtime")
    assert isinstance(ask(runtime, arn, "What is a Chunk?"), str)
    body = json.dumps({"prompt": "What is a Chunk?", "max_gen_len": 5, "temperature": 0})
    answer = json.loads(runtime.invoke_model(modelId=arn, body=body)["body"].read())
    assert answer["generation_token_count"] <= 5
    assert [one["modelName"] for one in bedrock.list_imported_models()["modelSummaries"]] == ["mine"]
    bedrock.delete_imported_model(modelIdentifier="mine")
    assert bedrock.list_imported_models()["modelSummaries"] == []


@pytest.mark.training
@pytest.mark.timeout(300)
def test_weights_become_a_custom_model(stack, bedrock, s3, weights):
    source = {"s3DataSource": {"s3Uri": "s3://batch/weights/"}}
    arn = bedrock.create_custom_model(modelName="brought", modelSourceConfig=source, roleArn=ROLE)["modelArn"]
    assert ":custom-model/imported/" in arn

    def look():
        found = bedrock.get_custom_model(modelIdentifier=arn)
        return {**found, "status": found["modelStatus"]}

    assert until(look, "Active", "Failed")["customizationType"] == "IMPORTED"
    capacity = bedrock.create_provisioned_model_throughput(modelUnits=1, provisionedModelName="b", modelId=arn)[
        "provisionedModelArn"
    ]
    until(lambda: bedrock.get_provisioned_model_throughput(provisionedModelId=capacity), "InService")
    assert isinstance(ask(stack.client("bedrock-runtime"), capacity, "What is a Chunk?"), str)


@pytest.mark.training
@pytest.mark.timeout(300)
def test_what_can_not_be_imported(bedrock, s3, weights):
    details = bring(bedrock, "empty", "s3://batch/nothing/")
    assert "lacks config.json, tokenizer_config.json, *.safetensors" in details["failureMessage"]
    for name in ("config.json", "tokenizer_config.json", "model.safetensors"):
        s3.put_object(Bucket="batch", Key=f"odd/{name}", Body=b'{"model_type": "bert"}')
    assert "The model architecture 'bert' is not supported" in bring(bedrock, "odd", "s3://batch/odd")["failureMessage"]
    s3.put_object(Bucket="batch", Key="odd/config.json", Body=b'{"model_type": "llama"}')
    assert "can't be loaded" in bring(bedrock, "broken", "s3://batch/odd/")["failureMessage"]


def test_a_batch_goes_on_after_a_kill_and_is_stopped(stack, bedrock, s3):
    records = [record(n, f"The sky is blue. What colour is sky {n}?") for n in range(3000)]
    s3.put_object(Bucket="batch", Key="long.jsonl", Body=lines(*records))
    job = submit(bedrock, "long", "s3://batch/long.jsonl")
    until(lambda: bedrock.get_model_invocation_job(jobIdentifier=job), "InProgress")
    stack.kill()
    stack.start()
    again = stack.client("bedrock")
    again.stop_model_invocation_job(jobIdentifier=job)
    details = finished(again, job)
    assert details["status"] == "Stopped"
    answered = results(stack.client("s3"), job, "long.jsonl.out").splitlines()
    assert [json.loads(line)["recordId"] for line in answered] == [
        one["recordId"] for one in records[: details["processedRecordCount"]]
    ]
    names = [
        one["jobName"] for one in again.list_model_invocation_jobs(statusEquals="Stopped")["invocationJobSummaries"]
    ]
    assert names == ["long"]
