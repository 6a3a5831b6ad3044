"""Bodies beyond the plain question: tools, documents, structured answers, further parameters."""

import json

import pytest

from outcrop.services.contract import ValidationException
from outcrop.testing.llm import Reply

R = "cohere.command-r-v1:0"
JAMBA = "ai21.jamba-1-5-mini-v1:0"
CALL = [
    {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}]}
]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}


def chat(text="Hi", **more):
    return {"messages": [{"role": "user", "content": text}], **more}


def claude(**more):
    return {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, **chat(), **more}


async def test_command_r_calls_tools(scripted):
    client, endpoint = await scripted(
        Reply(CALL, finish="tool_calls"), Reply(CALL, finish="tool_calls"), Reply(["Rain."])
    )
    tool = {
        "name": "weather",
        "description": "The weather.",
        "parameter_definitions": {
            "city": {"description": "Where", "type": "str", "required": True},
            "days": {"type": "int"},
        },
    }
    body = {"message": "Weather in Oslo?", "tools": [tool]}
    answer = await client.invoke(R, body)
    assert answer["tool_calls"] == [{"name": "weather", "parameters": {"city": "Oslo"}}]
    function = endpoint.requests[0]["tools"][0]["function"]
    assert function["parameters"] == {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "Where"}, "days": {"type": "integer"}},
        "required": ["city"],
    }
    chunks = await client.invoke_stream(R, body)
    assert [chunk["event_type"] for chunk in chunks] == ["stream-start", "tool-calls-generation", "stream-end"]
    assert chunks[1]["tool_calls"] == answer["tool_calls"]
    results = [{"call": answer["tool_calls"][0], "outputs": [{"sky": "rain"}]}]
    final = await client.invoke(R, {**body, "tool_results": results})
    assert final["text"] == "Rain."
    assert [message["role"] for message in endpoint.requests[2]["messages"]] == ["user", "assistant", "tool"]
    assert json.loads(endpoint.requests[2]["messages"][2]["content"]) == {"sky": "rain"}


async def test_command_r_tells_the_history(scripted):
    client, _ = await scripted(Reply(["Fine."]))
    history = [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}]
    answer = await client.invoke(R, {"message": "How are you?", "chat_history": history})
    assert answer["chat_history"] == [
        *history,
        {"role": "USER", "message": "How are you?"},
        {"role": "CHATBOT", "message": "Fine."},
    ]


async def test_command_tells_the_prompt(scripted):
    client, _ = await scripted(Reply(["Fine."]))
    assert (await client.invoke("cohere.command-text-v14", {"prompt": "How?"}))["prompt"] == "How?"


async def test_jamba(scripted, client):
    scripted_client, endpoint = await scripted(Reply(["Fine."]))
    answer = await scripted_client.invoke(JAMBA, chat())
    assert endpoint.requests[0]["max_tokens"] == 4096
    assert answer["choices"][0]["message"]["content"] == "Fine."
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["model"] == "jamba-1-5-mini"
    assert answer["meta"]["requestDurationMillis"] >= 0
    documents = [{"content": "The moon is 384,400 km away from Earth.", "metadata": {"from": "facts"}}]
    said = await client.invoke(JAMBA, chat("How far away is the moon?", documents=documents))
    assert said["choices"][0]["message"]["content"] == "The moon is 384,400 km away from Earth."


async def test_jurassic(scripted):
    client, endpoint = await scripted(Reply(["one two END three"]), Reply(["one"], finish="length"))
    body = {"prompt": "Count", "stopSequences": ["END"], "presencePenalty": {"scale": 0.5}}
    answer = await client.invoke("ai21.j2-ultra-v1", body)
    assert answer["prompt"]["text"] == "Count"
    assert answer["completions"][0]["data"]["text"] == "one two "
    assert answer["completions"][0]["finishReason"] == {"reason": "stop", "sequence": "END"}
    assert (endpoint.requests[0]["max_tokens"], endpoint.requests[0]["presence_penalty"]) == (200, 0.5)
    cut = await client.invoke("ai21.j2-mid-v1", {"prompt": "Count"})
    assert cut["completions"][0]["finishReason"]["reason"] == "length"
    with pytest.raises(ValidationException, match="unsupported for streaming"):
        await client.invoke_stream("ai21.j2-mid-v1", {"prompt": "Count"})


async def test_older_mistral_models_call_it_stop_reason(scripted):
    client, _ = await scripted(Reply(["Fine."]))
    answer = await client.invoke("mistral.mistral-large-2407-v1:0", chat())
    message = {"role": "assistant", "content": "Fine."}
    assert answer == {"choices": [{"index": 0, "message": message, "stop_reason": "stop"}]}
    chunks = await client.invoke_stream("mistral.mistral-large-2407-v1:0", chat())
    assert chunks[-1]["choices"][0]["stop_reason"] == "stop"
    assert "finish_reason" in (await client.invoke("us.mistral.pixtral-large-2502-v1:0", chat()))["choices"][0]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("qwen.qwen3-32b-v1:0", chat(response_format=FORMAT)),
        (JAMBA, chat(response_format=FORMAT)),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", claude(output_format={"type": "json_schema", "schema": SCHEMA})),
        (
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            claude(output_config={"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"}),
        ),
    ],
)
async def test_structured_answers(scripted, model, body):
    client, endpoint = await scripted(Reply(["{}"]))
    await client.invoke(model, body)
    assert endpoint.requests[0]["response_format"]["json_schema"]["schema"] == SCHEMA
    assert endpoint.requests[0].get("reasoning_effort") == ("low" if "output_config" in body else None)


async def test_any_json(scripted):
    client, endpoint = await scripted(Reply(["{}"]))
    await client.invoke("qwen.qwen3-32b-v1:0", chat(response_format={"type": "json_object"}))
    assert endpoint.requests[0]["response_format"] == {"type": "json_object"}
    await client.invoke("qwen.qwen3-32b-v1:0", chat(response_format={"type": "text"}))
    assert "response_format" not in endpoint.requests[1]
    with pytest.raises(ValidationException, match="#/response_format"):
        await client.invoke("qwen.qwen3-32b-v1:0", chat(response_format={"type": "json_schema"}))
    with pytest.raises(ValidationException, match="#/output_config/format"):
        await client.invoke("anthropic.claude-sonnet-4-5-20250929-v1:0", claude(output_format={"type": "x"}))


async def test_further_parameters_reach_the_endpoint(scripted):
    client, endpoint = await scripted()
    further = {"seed": 7, "frequency_penalty": 0.5, "presence_penalty": 0.25, "reasoning_effort": "low"}
    await client.invoke("openai.gpt-oss-20b-1:0", chat(**further))
    assert {name: endpoint.requests[0][name] for name in further} == further


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("qwen.qwen3-32b-v1:0", chat(tools=[{"type": "function", "function": {"name": "x"}}], tool_choice="none")),
        (
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            claude(tools=[{"name": "x", "input_schema": {"type": "object"}}], tool_choice={"type": "none"}),
        ),
    ],
)
async def test_tools_may_be_forbidden(scripted, model, body):
    client, endpoint = await scripted()
    await client.invoke(model, body)
    assert endpoint.requests[0]["tool_choice"] == "none"


async def test_what_was_cached_is_counted_apart(scripted):
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 60}}
    client, _ = await scripted(Reply(["a"], usage=usage))
    answer = await client.ask(model="anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert answer["usage"] == {
        "inputTokens": 40,
        "outputTokens": 5,
        "totalTokens": 105,
        "cacheReadInputTokens": 60,
        "cacheWriteInputTokens": 0,
    }
    body = await client.invoke("anthropic.claude-sonnet-4-5-20250929-v1:0", claude())
    assert (body["usage"]["input_tokens"], body["usage"]["cache_read_input_tokens"]) == (40, 60)
    plain = await client.ask(model="meta.llama3-8b-instruct-v1:0")
    assert plain["usage"] == {"inputTokens": 100, "outputTokens": 5, "totalTokens": 105}


async def test_videos_are_refused_clearly(scripted):
    client, _ = await scripted()
    video = {"video": {"format": "mp4", "source": {"bytes": b"x"}}}
    with pytest.raises(ValidationException, match="Nothing on this machine takes the video content block"):
        await client.converse(
            modelId="amazon.nova-lite-v1:0", messages=[{"role": "user", "content": [video, {"text": "?"}]}]
        )
    with pytest.raises(ValidationException, match="reads videos, and nothing on this machine does"):
        await client.invoke("us.twelvelabs.pegasus-1-2-v1:0", {"inputPrompt": "?", "mediaSource": {}})


async def test_prompt_variables_need_a_prompt(scripted):
    client, _ = await scripted()
    with pytest.raises(ValidationException, match="ARN of a prompt"):
        await client.ask(promptVariables={"x": {"text": "y"}})
