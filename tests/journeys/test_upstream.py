"""Models that are mapped to AWS: another stack stands for AWS."""

import json
from contextlib import suppress

import pytest
from botocore.exceptions import ClientError

from outcrop.testing import StackProcess

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
BODY = json.dumps(
    {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "<context>The sky is blue.</context> What colour is the sky?"}],
    }
)
MESSAGES = [{"role": "user", "content": [{"text": "<context>The sky is blue.</context> What colour is the sky?"}]}]


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    with StackProcess(tmp_path_factory.mktemp("aws")) as stack:
        yield stack


@pytest.fixture(scope="module")
def stack(aws, tmp_path_factory):
    """Gives Claude and Titan to "AWS", in spite of an AWS_ENDPOINT_URL that points to nowhere."""
    data = tmp_path_factory.mktemp("local")
    to = f'{{ to = "aws", endpoint = "{aws.url}", region = "us-west-2", retries = 0 }}'
    gone = '{ to = "aws", endpoint = "http://127.0.0.1:9", retries = 0, profile = "default" }'
    (data / "models.toml").write_text(
        f'[text]\n"anthropic.*" = {to}\n"acme.*" = {to}\n"meta.*" = {gone}\n[embedding]\n"amazon.*" = {to}\n'
    )
    credentials = data / "credentials"
    credentials.write_text("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        with StackProcess(data) as stack:
            yield stack


@pytest.fixture(scope="module")
def both(aws, stack):
    return aws.client("bedrock-runtime"), stack.client("bedrock-runtime")


def bare(answer):
    return {name: value for name, value in answer.items() if name not in ("ResponseMetadata", "metrics")}


def served_by(answer):
    return answer["ResponseMetadata"]["HTTPHeaders"]["x-outcrop-served-by"]


def test_converse(both):
    there, here = (client.converse(modelId=CLAUDE, messages=MESSAGES) for client in both)
    assert bare(here) == bare(there)
    assert here["output"]["message"]["content"] == [{"text": "The sky is blue."}]
    assert served_by(here) == "aws:us-west-2"


def test_converse_stream(both):
    there, here = (list(client.converse_stream(modelId=CLAUDE, messages=MESSAGES)["stream"]) for client in both)
    for events in (there, here):
        del events[-1]["metadata"]["metrics"]
    assert here == there


def test_invoke_model(both):
    there, here = (client.invoke_model(modelId=CLAUDE, body=BODY) for client in both)
    answers = [json.loads(answer["body"].read()) for answer in (there, here)]
    for answer in answers:
        assert answer.pop("id")
    assert answers[0] == answers[1]
    for name in ("input-token-count", "output-token-count"):
        header = f"x-amzn-bedrock-{name}"
        assert here["ResponseMetadata"]["HTTPHeaders"][header] == there["ResponseMetadata"]["HTTPHeaders"][header]


def test_invoke_model_with_response_stream(both):
    kinds = []
    for client in both:
        stream = client.invoke_model_with_response_stream(modelId=CLAUDE, body=BODY)["body"]
        kinds.append([json.loads(event["chunk"]["bytes"])["type"] for event in stream])
    assert kinds[0] == kinds[1]


def test_embeddings(both):
    body = json.dumps({"inputText": "Hello"})
    there, here = (client.invoke_model(modelId=TITAN, body=body)["body"].read() for client in both)
    assert here == there


def test_count_tokens(both):
    there, here = (client.count_tokens(modelId=CLAUDE, input={"converse": {"messages": MESSAGES}}) for client in both)
    assert here["inputTokens"] == there["inputTokens"]


def test_arns_are_understood_there(both):
    arn = f"arn:aws:bedrock:us-east-1::foundation-model/{CLAUDE}"
    assert both[1].converse(modelId=arn, messages=MESSAGES)["stopReason"] == "end_turn"
    profile = f"arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.{CLAUDE}"
    assert both[1].converse(modelId=profile, messages=MESSAGES)["stopReason"] == "end_turn"


def test_errors_keep_their_names(both):
    with pytest.raises(ClientError, match="The provided model identifier is invalid") as raised:
        both[1].converse(modelId="acme.unknown-there", messages=MESSAGES)
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(ClientError, match="start with a user message"):
        both[1].converse_stream(modelId=CLAUDE, messages=[{"role": "assistant", "content": [{"text": "Hi"}]}])


def test_aws_that_can_not_be_reached(stack):
    from botocore.config import Config

    once = stack.client("bedrock-runtime", config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ClientError, match="AWS could not be asked") as raised:
        once.converse(modelId="meta.llama3-8b-instruct-v1:0", messages=MESSAGES)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_a_stream_may_be_left(both):
    stream = both[1].converse_stream(modelId=CLAUDE, messages=MESSAGES)["stream"]
    next(iter(stream))
    with suppress(Exception):
        stream.close()
    assert both[1].converse(modelId=CLAUDE, messages=MESSAGES)["stopReason"] == "end_turn"
