"""Bedrock as boto3 and LangChain see it, over HTTP."""

import asyncio
import json
import os
import threading
import time
import urllib.request

import pytest
from botocore.exceptions import ClientError, EventStreamError

from outcrop.cli import main as outcrop
from outcrop.testing import StackProcess
from outcrop.testing.llm import Reply, ScriptedEndpoint

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
PROFILE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
TOOL = {
    "toolSpec": {
        "name": "weather",
        "description": "The weather of a city.",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
}
CALL = [
    {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": '{"city": '}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]},
]


class Endpoint:
    """A scripted endpoint on a thread of its own, whose replies each test sets."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.scripted = ScriptedEndpoint()
        self._run(self.scripted.__aenter__())

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def gives(self, *replies):
        self.scripted._replies = replies
        self.scripted.requests.clear()
        self.scripted.sent = self.scripted.abandoned = 0

    def close(self):
        self._run(self.scripted.__aexit__(None, None, None))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


@pytest.fixture(scope="module")
def stack(endpoint, tmp_path_factory):
    """A stack whose Claude models are served by the scripted endpoint, all others by the built-in engine."""
    options = ("--llm", f"anthropic.*={endpoint.scripted.url}#test")
    with StackProcess(tmp_path_factory.mktemp("bedrock"), *options) as stack:
        yield stack


@pytest.fixture(scope="module")
def runtime(stack):
    return stack.client("bedrock-runtime")


def ask(text="Hi"):
    return [{"role": "user", "content": [{"text": text}]}]


def test_states_of_the_engines_are_told(stack, endpoint, runtime, capsys):
    endpoint.gives(Reply())
    runtime.converse(modelId=CLAUDE, messages=ask())
    with urllib.request.urlopen(f"{stack.url}/_outcrop/health") as answer:
        states = {one["target"]: one["state"] for one in json.load(answer)["models"]}
    assert states[f"{endpoint.scripted.url}#test"] == "ready"
    assert outcrop(["models", "list", "--data", str(stack.data)]) == 0
    assert f"ready    text       {endpoint.scripted.url}#test" in capsys.readouterr().out


def test_list_foundation_models(stack):
    bedrock = stack.client("bedrock")
    models = bedrock.list_foundation_models(byOutputModality="EMBEDDING")["modelSummaries"]
    assert "amazon.titan-embed-text-v2:0" in [model["modelId"] for model in models]
    model = bedrock.get_foundation_model(modelIdentifier=CLAUDE)["modelDetails"]
    arn = f"arn:aws:bedrock:us-east-1::foundation-model/{CLAUDE}"
    assert model["modelArn"] == arn
    assert bedrock.get_foundation_model(modelIdentifier=arn)["modelDetails"] == model
    assert bedrock.get_inference_profile(inferenceProfileIdentifier=PROFILE)["status"] == "ACTIVE"
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        bedrock.get_foundation_model(modelIdentifier="anthropic.claude-99")


@pytest.mark.parametrize(
    "model", [CLAUDE, PROFILE, f"arn:aws:bedrock:us-east-1:000000000000:inference-profile/{PROFILE}"]
)
def test_converse(runtime, endpoint, model):
    endpoint.gives(Reply(["Hel", "lo"], usage=(9, 2)))
    answer = runtime.converse(modelId=model, messages=ask(), inferenceConfig={"maxTokens": 10})
    assert answer["output"]["message"]["content"] == [{"text": "Hello"}]
    assert answer["usage"]["totalTokens"] == 11
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-outcrop-served-by"].startswith("openai:test@127.0.0.1:")


def test_converse_errors(runtime, endpoint):
    with pytest.raises(runtime.exceptions.ValidationException, match=r"The provided model identifier is invalid\."):
        runtime.converse(modelId="nothing.at-all", messages=ask())
    with pytest.raises(runtime.exceptions.ValidationException, match="must start with a user message"):
        runtime.converse(modelId=CLAUDE, messages=[])
    endpoint.gives(Reply(status=401, error="wrong key"))
    with pytest.raises(runtime.exceptions.ModelErrorException, match="wrong key") as raised:
        runtime.converse(modelId=CLAUDE, messages=ask())
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert raised.value.response["originalStatusCode"] == 401


def test_converse_stream(runtime, endpoint):
    endpoint.gives(Reply(["one ", "two ", "three"], delay=0.15, usage=(4, 3)))
    started = time.monotonic()
    stream = runtime.converse_stream(modelId=CLAUDE, messages=ask())["stream"]
    seen = [(event, time.monotonic() - started, endpoint.scripted.sent) for event in stream]
    assert [next(iter(event)) for event, _, _ in seen] == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    assert seen[1][2] == 1, "the first word came only after the second was made"
    assert seen[3][1] - seen[1][1] > 0.2
    assert seen[-1][0]["metadata"]["usage"] == {"inputTokens": 4, "outputTokens": 3, "totalTokens": 7}


def test_converse_stream_with_a_tool(runtime, endpoint):
    endpoint.gives(Reply(CALL, finish="tool_calls"))
    answer = runtime.converse_stream(modelId=CLAUDE, messages=ask(), toolConfig={"tools": [TOOL]})
    events = list(answer["stream"])
    start = next(event["contentBlockStart"] for event in events if "contentBlockStart" in event)
    assert start["start"]["toolUse"] == {"toolUseId": "call_1", "name": "weather"}
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert json.loads("".join(delta["toolUse"]["input"] for delta in deltas)) == {"city": "Oslo"}


def test_converse_stream_breaks_with_a_modelled_error(runtime, endpoint):
    endpoint.gives(Reply(["one ", "two "], broken_after=1))
    stream = runtime.converse_stream(modelId=CLAUDE, messages=ask())["stream"]
    with pytest.raises(EventStreamError, match="modelStreamErrorException"):
        list(stream)


def test_converse_stream_left_by_the_client_cancels_the_engine(runtime, endpoint):
    endpoint.gives(Reply(["word "] * 300, delay=0.02))
    stream = runtime.converse_stream(modelId=CLAUDE, messages=ask())["stream"]
    next(iter(stream))
    stream.close()
    _until(lambda: endpoint.scripted.abandoned == 1)
    assert endpoint.scripted.sent < 100


def test_converse_left_by_the_client_cancels_the_engine(stack, endpoint):
    import http.client
    from urllib.parse import quote, urlsplit

    endpoint.gives(Reply(["word "] * 300, delay=0.02))
    connection = http.client.HTTPConnection(urlsplit(stack.url).netloc, timeout=10)
    body = json.dumps({"messages": ask()})
    connection.request("POST", f"/model/{quote(CLAUDE, safe='')}/converse", body, {"Content-Type": "application/json"})
    _until(lambda: endpoint.scripted.sent > 2)
    connection.close()
    _until(lambda: endpoint.scripted.abandoned == 1)


def test_invoke_model(runtime, endpoint):
    endpoint.gives(Reply(["Hello"], usage=(9, 2)))
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    answer = runtime.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    assert json.loads(answer["body"].read())["content"] == [{"type": "text", "text": "Hello"}]
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert (headers["x-amzn-bedrock-input-token-count"], headers["x-amzn-bedrock-output-token-count"]) == ("9", "2")
    assert answer["contentType"] == "application/json"
    with pytest.raises(ClientError, match=r"Malformed input request: #: required key \[messages\] not found"):
        runtime.invoke_model(
            modelId=CLAUDE, body=json.dumps({"anthropic_version": body["anthropic_version"], "max_tokens": 9})
        )


def test_invoke_model_with_response_stream(runtime, endpoint):
    endpoint.gives(Reply(["one ", "two ", "three"], delay=0.15))
    body = json.dumps(
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    )
    stream = runtime.invoke_model_with_response_stream(modelId=CLAUDE, body=body)["body"]
    seen = [(json.loads(event["chunk"]["bytes"]), endpoint.scripted.sent) for event in stream]
    deltas = [(chunk["delta"]["text"], sent) for chunk, sent in seen if chunk["type"] == "content_block_delta"]
    assert deltas == [("one ", 1), ("two ", 2), ("three", 3)]
    assert seen[-1][0]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == 7


def test_count_tokens(runtime):
    model, text = "amazon.nova-lite-v1:0", "<text>The sky is blue.</text> What colour is the sky?"
    counted = runtime.count_tokens(modelId=model, input={"converse": {"messages": ask(text)}})["inputTokens"]
    answer = runtime.converse(modelId=model, messages=ask(text))
    assert answer["usage"]["inputTokens"] == counted
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-outcrop-served-by"] == "extractive"
    assert "blue" in answer["output"]["message"]["content"][0]["text"]


@pytest.fixture
def langchain(stack, monkeypatch):
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    assert os.environ["AWS_ENDPOINT_URL"] == stack.url


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_langchain_chats(langchain, endpoint):
    from langchain_aws import ChatBedrockConverse

    endpoint.gives(Reply(["Hel", "lo"], usage=(9, 2)))
    chat = ChatBedrockConverse(model=CLAUDE, region_name="us-east-1", temperature=0, max_tokens=20)
    message = chat.invoke([("system", "Be brief."), ("human", "Hi")])
    assert message.content == "Hello"
    assert message.usage_metadata["total_tokens"] == 11
    assert "".join(chunk.text for chunk in chat.stream("Hi")) == "Hello"
    endpoint.gives(Reply(CALL, finish="tool_calls"))
    schema = {"title": "weather", "description": "x", "type": "object", "properties": {"city": {"type": "string"}}}
    called = chat.bind_tools([schema]).invoke("Weather in Oslo?")
    assert called.tool_calls[0]["args"] == {"city": "Oslo"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_langchain_embeds(langchain):
    from langchain_aws import BedrockEmbeddings

    for model, dimensions in (("amazon.titan-embed-text-v2:0", 1024), ("cohere.embed-english-v3", 1024)):
        embeddings = BedrockEmbeddings(model_id=model, region_name="us-east-1")
        near, far = embeddings.embed_documents(["A function may run for fifteen minutes.", "Roses bloom in June."])
        query = embeddings.embed_query("How long can a function run?")
        assert len(query) == dimensions
        assert _dot(query, near) > _dot(query, far) + 0.3


def _dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def _until(true, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


NOVA_EMBEDDINGS = "amazon.nova-2-multimodal-embeddings-v1:0"


def segmented(text, **more):
    params = {"embeddingPurpose": "GENERIC_INDEX", "embeddingDimension": 256, "text": text, **more}
    return {"taskType": "SEGMENTED_EMBEDDING", "segmentedEmbeddingParams": params}


def finished(runtime, arn):
    for _ in range(200):
        found = runtime.get_async_invoke(invocationArn=arn)
        if found["status"] != "InProgress":
            return found
        time.sleep(0.05)
    raise AssertionError("it does not end")


def test_start_async_invoke_embeds_a_long_text(stack, runtime):
    s3 = stack.client("s3")
    s3.create_bucket(Bucket="texts")
    text = "".join(f"Sentence number {number} is about the moon. " for number in range(100))
    s3.put_object(Bucket="texts", Key="moon.txt", Body=text)
    source = {"source": {"s3Location": {"uri": "s3://texts/moon.txt"}}, "segmentationConfig": {"maxLengthChars": 1000}}
    output = {"s3OutputDataConfig": {"s3Uri": "s3://texts/out/"}}
    request = {"modelId": NOVA_EMBEDDINGS, "modelInput": segmented(source), "outputDataConfig": output}
    arn = runtime.start_async_invoke(**request, clientRequestToken="once", tags=[{"key": "a", "value": "b"}])[
        "invocationArn"
    ]
    assert runtime.start_async_invoke(**request, clientRequestToken="once")["invocationArn"] == arn
    done = finished(runtime, arn)
    assert done["status"] == "Completed"
    assert done["modelArn"].endswith(NOVA_EMBEDDINGS)
    assert done["endTime"] >= done["submitTime"]
    folder = done["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].removeprefix("s3://texts/")
    result = json.loads(s3.get_object(Bucket="texts", Key=f"{folder}/segmented-embedding-result.json")["Body"].read())
    assert result["embeddingResults"][0]["outputFileUri"] == f"s3://texts/{folder}/embedding-text.jsonl"
    lines = s3.get_object(Bucket="texts", Key=f"{folder}/embedding-text.jsonl")["Body"].read().splitlines()
    segments = [json.loads(line) for line in lines]
    assert [segment["segmentMetadata"]["segmentIndex"] for segment in segments] == list(range(len(segments)))
    assert len(segments) >= len(text) // 1000
    assert {len(segment["embedding"]) for segment in segments} == {256}
    tags = stack.client("bedrock").list_tags_for_resource(resourceARN=arn)["tags"]
    assert tags == [{"key": "a", "value": "b"}]
    listed = runtime.list_async_invokes(statusEquals="Completed")["asyncInvokeSummaries"]
    assert arn in [one["invocationArn"] for one in listed]
    assert runtime.list_async_invokes(statusEquals="InProgress")["asyncInvokeSummaries"] == []
    assert runtime.list_async_invokes(submitTimeBefore=done["submitTime"])["asyncInvokeSummaries"] == []


def test_start_async_invoke_fails_in_the_open(stack, runtime):
    source = {"source": {"s3Location": {"uri": "s3://no-such-bucket-here/moon.txt"}}}
    output = {"s3OutputDataConfig": {"s3Uri": "s3://texts/out"}}
    request = {"modelId": NOVA_EMBEDDINGS, "modelInput": segmented(source), "outputDataConfig": output}
    failed = finished(runtime, runtime.start_async_invoke(**request)["invocationArn"])
    assert failed["status"] == "Failed"
    assert "bucket" in failed["failureMessage"]


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        ("amazon.nova-reel-v1:1", {"taskType": "TEXT_VIDEO"}, "makes videos, and nothing on this machine does"),
        ("amazon.nova-lite-v1:0", {"messages": []}, "doesn't support asynchronous invocation"),
        (NOVA_EMBEDDINGS, {"taskType": "SEGMENTED_EMBEDDING"}, r"required key \[segmentedEmbeddingParams\]"),
        (NOVA_EMBEDDINGS, segmented({}), "either a value or a source"),
        (NOVA_EMBEDDINGS, segmented({"value": "x"}, embeddingPurpose="FUN"), "FUN is not a valid enum value"),
    ],
)
def test_start_async_invoke_refuses(runtime, model, given, said):
    output = {"s3OutputDataConfig": {"s3Uri": "s3://texts/out"}}
    with pytest.raises(ClientError, match=said):
        runtime.start_async_invoke(modelId=model, modelInput=given, outputDataConfig=output)
    with pytest.raises(ClientError, match="not found"):
        runtime.get_async_invoke(invocationArn="arn:aws:bedrock:us-east-1:000000000000:async-invoke/aaaaaaaaaaaa")
