"""From training data in a bucket to a custom model that answers, as boto3 sees it, on a started stack."""

import json
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.journeys.own_models import ROLE, ask, lines, until

from outcrop.testing import StackProcess

pytestmark = [pytest.mark.training, pytest.mark.timeout(400)]
BASE = "amazon.titan-text-express-v1"
VARIANT = f"{BASE}:0:8k"
ANSWER = "The service that answers questions."
PLACES = ["Bern", "Oslo", "Rome", "Paris", "Madrid", "Vienna", "Prague", "Athens"]
GOOD = [{"prompt": f"Where is {place}?", "completion": ANSWER} for place in PLACES]
FAST = {"epochCount": "10", "batchSize": "1", "learningRate": "0.004", "learningRateWarmupSteps": "2"}


@pytest.fixture(scope="module")
def stack(tiny_cache, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTCROP_CACHE", str(tiny_cache))
        with StackProcess(
            tmp_path_factory.mktemp("own"), "--llm", "amazon.titan-text*=transformers:tiny-course"
        ) as stack:
            stack.client("s3").create_bucket(Bucket="training")
            yield stack


@pytest.fixture(scope="module")
def bedrock(stack):
    return stack.client("bedrock")


@pytest.fixture(scope="module")
def runtime(stack):
    return stack.client("bedrock-runtime")


@pytest.fixture(scope="module")
def s3(stack):
    return stack.client("s3")


def customize(bedrock, name, **more):
    return bedrock.create_model_customization_job(
        **{
            "jobName": f"job-{name}",
            "customModelName": name,
            "roleArn": ROLE,
            "baseModelIdentifier": BASE,
            "trainingDataConfig": {"s3Uri": "s3://training/train.jsonl"},
            "outputDataConfig": {"s3Uri": "s3://training/output/"},
            "hyperParameters": FAST,
            **more,
        }
    )["jobArn"]


def ended(bedrock, job):
    return until(lambda: bedrock.get_model_customization_job(jobIdentifier=job), "Completed", "Failed", "Stopped")


@pytest.fixture(scope="module")
def custom(bedrock, s3):
    """A custom model: its job's last details."""
    s3.put_object(Bucket="training", Key="train.jsonl", Body=lines(*GOOD[:6]))
    s3.put_object(Bucket="training", Key="validation.jsonl", Body=lines(*GOOD[6:]))
    job = customize(
        bedrock,
        "hills",
        clientRequestToken="token-1",
        validationDataConfig={"validators": [{"s3Uri": "s3://training/validation.jsonl"}]},
        customModelTags=[{"key": "team", "value": "geo"}],
    )
    details = ended(bedrock, job)
    assert details["status"] == "Completed", details.get("failureMessage")
    return details


def test_a_customization_job_trains_and_says_so(bedrock, s3, custom):
    assert {stage["status"] for stage in custom["statusDetails"].values()} == {"Completed"}
    assert custom["baseModelArn"].endswith(f"foundation-model/{VARIANT}")
    assert custom["ResponseMetadata"]["HTTPHeaders"]["x-outcrop-local-base"] == "tiny-course"
    folder = f"output/model-customization-job-{custom['jobArn'].rpartition('/')[2]}"

    def table(path):
        rows = s3.get_object(Bucket="training", Key=f"{folder}/{path}")["Body"].read().decode().splitlines()
        return rows[0], [row.split(",") for row in rows[1:]]

    head, rows = table("training_artifacts/step_wise_training_metrics.csv")
    assert head == "step_number,epoch_number,training_loss,perplexity"
    assert [row[0] for row in rows] == [str(step) for step in range(60)]
    assert {row[1] for row in rows} == {str(epoch) for epoch in range(10)}
    assert float(rows[-1][2]) < float(rows[0][2]) / 3
    assert float(rows[-1][2]) == pytest.approx(custom["trainingMetrics"]["trainingLoss"], rel=1e-5)
    head, rows = table("validation_artifacts/post_fine_tuning_validation/validation_metrics.csv")
    assert head == "step_number,epoch_number,validation_loss,perplexity"
    assert float(rows[-1][2]) < float(rows[0][2]) / 1.5
    assert custom["validationMetrics"][0]["validationLoss"] == pytest.approx(float(rows[-1][2]), rel=1e-5)


def test_the_custom_model_is_listed_with_its_tags(bedrock, custom):
    model = bedrock.get_custom_model(modelIdentifier="hills")
    assert (model["modelArn"], model["modelStatus"]) == (custom["outputModelArn"], "Active")
    assert model["hyperParameters"] == FAST
    listed = bedrock.list_custom_models(nameContains="hill", baseModelArnEquals=model["baseModelArn"])["modelSummaries"]
    assert [one["modelArn"] for one in listed] == [model["modelArn"]]
    tags = bedrock.list_tags_for_resource(resourceARN=model["modelArn"])["tags"]
    assert tags == [{"key": "team", "value": "geo"}]


def test_the_same_token_is_the_same_job_and_names_are_taken_once(bedrock, custom):
    validation = {"validators": [{"s3Uri": "s3://training/validation.jsonl"}]}
    tags = [{"key": "team", "value": "geo"}]
    again = {"clientRequestToken": "token-1", "validationDataConfig": validation, "customModelTags": tags}
    assert customize(bedrock, "hills", **again) == custom["jobArn"]
    with pytest.raises(bedrock.exceptions.ConflictException, match="token"):
        customize(bedrock, "other", clientRequestToken="token-1")
    with pytest.raises(bedrock.exceptions.ConflictException, match="job name is currently in use"):
        customize(bedrock, "hills")


def test_a_custom_model_answers_otherwise_than_its_base_once_it_is_provisioned(bedrock, runtime, custom):
    model = custom["outputModelArn"]
    with pytest.raises(runtime.exceptions.ValidationException, match="failed to satisfy constraint"):
        ask(runtime, model, "Where is Cairo?")
    arn = bedrock.create_provisioned_model_throughput(
        modelUnits=2, provisionedModelName="units", modelId="hills", commitmentDuration="OneMonth"
    )["provisionedModelArn"]
    with pytest.raises(runtime.exceptions.ModelNotReadyException):
        boto_without_retries(runtime).converse(modelId=arn, messages=[{"role": "user", "content": [{"text": "Hi"}]}])
    details = until(lambda: bedrock.get_provisioned_model_throughput(provisionedModelId=arn), "InService", "Failed")
    assert (details["status"], details["modelUnits"], details["modelArn"]) == ("InService", 2, model)
    assert ask(runtime, arn, "Where is Cairo?") == ANSWER
    assert ask(runtime, BASE, "Where is Cairo?") != ANSWER
    body = json.dumps({"inputText": "Where is Lima?", "textGenerationConfig": {"temperature": 0, "maxTokenCount": 20}})
    chunks = runtime.invoke_model_with_response_stream(modelId=arn, body=body)["body"]
    assert "".join(json.loads(event["chunk"]["bytes"])["outputText"] for event in chunks) == ANSWER
    with pytest.raises(bedrock.exceptions.ConflictException, match="commitment term"):
        bedrock.delete_provisioned_model_throughput(provisionedModelId=arn)
    with pytest.raises(bedrock.exceptions.ConflictException, match="in use"):
        bedrock.delete_custom_model(modelIdentifier=model)


def boto_without_retries(client):
    import boto3
    from botocore.config import Config

    return boto3.client(
        client.meta.service_model.service_name,
        endpoint_url=client.meta.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_deployments_serve_and_are_updated(bedrock, runtime, custom):
    arn = bedrock.create_custom_model_deployment(modelDeploymentName="demand", modelArn=custom["outputModelArn"])[
        "customModelDeploymentArn"
    ]
    until(lambda: bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=arn), "Active", "Failed")
    assert ask(runtime, arn, "Where is Cairo?") == ANSWER
    listed = bedrock.list_custom_model_deployments(statusEquals="Active")["modelDeploymentSummaries"]
    assert [one["customModelDeploymentName"] for one in listed] == ["demand"]
    bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier="demand")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        ask(runtime, arn, "Where is Cairo?")


def test_provisioned_throughput_without_a_term_is_renamed_moved_and_deleted(bedrock, runtime, custom):
    arn = bedrock.create_provisioned_model_throughput(modelUnits=1, provisionedModelName="plain", modelId=VARIANT)[
        "provisionedModelArn"
    ]

    def look():
        return bedrock.get_provisioned_model_throughput(provisionedModelId=arn)

    until(look, "InService")
    assert ask(runtime, arn, "Where is Cairo?") == ask(runtime, BASE, "Where is Cairo?")
    bedrock.update_provisioned_model_throughput(
        provisionedModelId=arn, desiredProvisionedModelName="moved", desiredModelId=custom["outputModelArn"]
    )
    assert until(look, "InService")["modelArn"] == custom["outputModelArn"]
    assert ask(runtime, arn, "Where is Cairo?") == ANSWER
    listed = bedrock.list_provisioned_model_throughputs(nameContains="moved")["provisionedModelSummaries"]
    assert [one["provisionedModelArn"] for one in listed] == [arn]
    bedrock.delete_provisioned_model_throughput(provisionedModelId="moved")
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        look()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_itself_never_loads_pytorch(stack, custom):
    assert "torch" not in Path(f"/proc/{stack.pid}/maps").read_text()


def test_a_bad_line_is_named(bedrock, s3):
    s3.put_object(Bucket="training", Key="bad.jsonl", Body=lines(*GOOD[:6], '{"prompt": "Where is it?"}'))
    job = customize(bedrock, "bad", trainingDataConfig={"s3Uri": "s3://training/bad.jsonl"})
    details = ended(bedrock, job)
    assert details["status"] == "Failed"
    assert "Unable to parse Amazon S3 file: bad.jsonl. Data files must conform to JSONL" in details["failureMessage"]
    assert "Line 7: the key 'completion'" in details["failureMessage"]
    assert details["statusDetails"]["validationDetails"]["status"] == "Failed"
    assert details["statusDetails"]["trainingDetails"]["status"] == "NotStarted"


def test_a_killed_stack_goes_on_training_and_a_job_can_be_stopped(stack, bedrock, s3, custom):
    more = {
        "customizationType": "CONTINUED_PRE_TRAINING",
        "trainingDataConfig": {"s3Uri": "s3://training/text.jsonl"},
        "hyperParameters": {**FAST, "learningRate": "0.001"},
    }
    s3.put_object(
        Bucket="training", Key="text.jsonl", Body=lines(*[{"input": f"Number {n} is here. " * 12} for n in range(60)])
    )
    first, second = customize(bedrock, "text", **more), customize(bedrock, "second", **more)
    bedrock.stop_model_customization_job(jobIdentifier=second)
    assert ended(bedrock, second)["status"] == "Stopped"
    checkpoint = stack.data / "bedrock/customization" / first.rpartition("/")[2] / "checkpoint.pt"
    deadline = time.monotonic() + 90
    while not checkpoint.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stack.kill()
    stack.start()
    again = stack.client("bedrock")
    assert again.get_model_customization_job(jobIdentifier=first)["status"] == "InProgress"
    again.stop_model_customization_job(jobIdentifier=first)
    assert ended(again, first)["status"] == "Stopped"
    summaries = again.list_model_customization_jobs(maxResults=2)
    assert [job["jobName"] for job in summaries["modelCustomizationJobSummaries"]] == ["job-second", "job-text"]
    rest = again.list_model_customization_jobs(nextToken=summaries["nextToken"], statusEquals="Completed")
    assert [job["jobName"] for job in rest["modelCustomizationJobSummaries"]] == ["job-hills"]
