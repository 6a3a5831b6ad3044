"""Answers that are recorded over an endpoint and replayed without it, byte for byte."""

import json

import pytest

from outcrop.services.bedrock.errors import ModelErrorException
from outcrop.testing.llm import Reply

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
MODELS = {
    CLAUDE: {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
    },
    "amazon.nova-lite-v1:0": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
    "amazon.titan-text-express-v1": {"inputText": "Hi"},
    "meta.llama3-8b-instruct-v1:0": {"prompt": "Hi"},
    "mistral.mistral-7b-instruct-v0:2": {"prompt": "Hi"},
    "cohere.command-text-v14": {"prompt": "Hi"},
    "cohere.command-r-v1:0": {"message": "Hi"},
    "qwen.qwen3-32b-v1:0": {"messages": [{"role": "user", "content": "Hi"}]},
    "ai21.jamba-1-5-mini-v1:0": {"messages": [{"role": "user", "content": "Hi"}]},
}
CALL = {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}]}
TOOLS = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]}


async def everything(client):
    """The bytes of every kind of answer."""
    said = []
    for model, body in MODELS.items():
        request = {"modelId": model, "body": json.dumps(body).encode()}
        said.append((await client.invoke_model(**request))["body"])
        stream = await client.invoke_model_with_response_stream(**request)
        said += [event["chunk"]["bytes"] async for event in stream["body"]]
    said.append(json.dumps(await client.ask("Hi", model=CLAUDE, toolConfig=TOOLS)).encode())
    said += [json.dumps(event).encode() for event in await client.stream("Hi", model=CLAUDE, toolConfig=TOOLS)]
    messages = [{"role": "user", "content": [{"text": "Count me"}]}]
    counted = await client.count_tokens(modelId=CLAUDE, input={"converse": {"messages": messages}})
    return [*said, str(counted).encode()]


async def test_replayed_answers_are_the_same_bytes(scripted, make, tmp_path):
    tape = tmp_path / "answers.jsonl"
    thought = {"reasoning_content": "Well."}
    client, endpoint = await scripted(Reply([thought, "Hel", "lo", CALL], delay=0.01, finish="tool_calls"), record=tape)
    first = await everything(client)
    asked = len(endpoint.requests)
    replayed = make(replay=tape)
    assert await everything(replayed) == first
    assert await everything(make(replay=tape)) == first
    assert len(endpoint.requests) == asked
    assert replayed.notes["served-by"] == "replay:answers.jsonl"


async def test_what_was_not_recorded_fails_and_says_so(scripted, make, tmp_path):
    tape = tmp_path / "answers.jsonl"
    client, _ = await scripted(Reply(["Hello"]), record=tape)
    await client.ask("Hi")
    replayed = make(replay=tape)
    with pytest.raises(ModelErrorException, match="has no answer to this request"):
        await replayed.ask("Something else")
    answer = await replayed.ask("<context>The sky is blue.</context> Is it?", model="amazon.nova-lite-v1:0")
    assert replayed.notes["served-by"] == "extractive"
    assert answer["stopReason"] == "end_turn"


async def test_the_same_question_is_answered_in_the_order_of_the_recording(scripted, make, tmp_path):
    tape = tmp_path / "answers.jsonl"
    client, _ = await scripted(Reply(["one"]), Reply(["two"]), record=tape)

    async def ask(of):
        return (await of.ask("Hi"))["output"]["message"]["content"][0]["text"]

    assert [await ask(client), await ask(client)] == ["one", "two"]
    replayed = make(replay=tape)
    assert [await ask(replayed) for _ in range(3)] == ["one", "two", "two"]


async def test_settings_that_make_no_sense(make, tmp_path):
    with pytest.raises(ValueError, match="no recording"):
        make(replay=tmp_path / "nothing.jsonl")
    file = tmp_path / "x.jsonl"
    file.write_text("{}\n")
    with pytest.raises(ValueError, match="recorded and replayed at once"):
        make(record=file, replay=file)
    with pytest.raises(Exception, match="Line 1 of the recording"):
        await make(replay=file).ask("Hi")
