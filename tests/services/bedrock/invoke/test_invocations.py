"""Every family's bodies, both ways, streamed and not: all over one scripted endpoint."""

import asyncio
import base64
import json

import pytest

from outcrop.services.bedrock.catalogue import Catalogue
from outcrop.services.bedrock.errors import ModelStreamErrorException
from outcrop.services.contract import ValidationException
from outcrop.testing.llm import Reply

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
CLAUDE2 = "anthropic.claude-v2:1"
TITAN = "amazon.titan-text-express-v1"
LLAMA = "meta.llama3-8b-instruct-v1:0"
LLAMA4 = "meta.llama4-scout-17b-instruct-v1:0"
NOVA = "amazon.nova-lite-v1:0"
MISTRAL = "mistral.mistral-7b-instruct-v0:2"
DEEPSEEK = "deepseek.r1-v1:0"
COMMAND = "cohere.command-text-v14"
COMMAND_R = "cohere.command-r-v1:0"
GPT = "openai.gpt-oss-20b-1:0"
JAMBA = "ai21.jamba-1-5-mini-v1:0"

VERSION = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100}
HI = [{"role": "user", "content": "Hi"}]
CALL = [{"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}]}]

BODIES = {
    CLAUDE: {**VERSION, "messages": HI},
    CLAUDE2: {"prompt": "\n\nHuman: Hi\n\nAssistant:", "max_tokens_to_sample": 100},
    TITAN: {"inputText": "Hi"},
    LLAMA: {"prompt": "Hi"},
    NOVA: {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
    MISTRAL: {"prompt": "<s>[INST] Hi [/INST]"},
    DEEPSEEK: {"prompt": "<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜><think>\n"},
    COMMAND: {"prompt": "Hi"},
    COMMAND_R: {"message": "Hi"},
    GPT: {"messages": HI},
    JAMBA: {"messages": HI},
}
ANSWERS = {
    CLAUDE: lambda body: body["content"][0]["text"],
    CLAUDE2: lambda body: body["completion"].lstrip(),
    TITAN: lambda body: body["results"][0]["outputText"],
    LLAMA: lambda body: body["generation"],
    NOVA: lambda body: body["output"]["message"]["content"][0]["text"],
    MISTRAL: lambda body: body["outputs"][0]["text"],
    DEEPSEEK: lambda body: body["choices"][0]["text"],
    COMMAND: lambda body: body["generations"][0]["text"],
    COMMAND_R: lambda body: body["text"],
    GPT: lambda body: body["choices"][0]["message"]["content"],
    JAMBA: lambda body: body["choices"][0]["message"]["content"],
}
PIECES = {
    CLAUDE: lambda chunk: chunk.get("delta", {}).get("text", ""),
    CLAUDE2: lambda chunk: chunk["completion"],
    TITAN: lambda chunk: chunk["outputText"],
    LLAMA: lambda chunk: chunk["generation"],
    NOVA: lambda chunk: chunk.get("contentBlockDelta", {}).get("delta", {}).get("text", ""),
    MISTRAL: lambda chunk: chunk["outputs"][0]["text"],
    DEEPSEEK: lambda chunk: chunk["choices"][0]["text"],
    COMMAND: lambda chunk: chunk.get("text", ""),
    COMMAND_R: lambda chunk: chunk.get("text", ""),
    GPT: lambda chunk: chunk["choices"][0]["delta"].get("content", ""),
    JAMBA: lambda chunk: chunk["choices"][0]["delta"].get("content", ""),
}
REASONS = {
    CLAUDE: (lambda body: body["stop_reason"], "end_turn", "max_tokens"),
    CLAUDE2: (lambda body: body["stop_reason"], "stop_sequence", "max_tokens"),
    TITAN: (lambda body: body["results"][0]["completionReason"], "FINISH", "LENGTH"),
    LLAMA: (lambda body: body["stop_reason"], "stop", "length"),
    NOVA: (lambda body: body["stopReason"], "end_turn", "max_tokens"),
    MISTRAL: (lambda body: body["outputs"][0]["stop_reason"], "stop", "length"),
    DEEPSEEK: (lambda body: body["choices"][0]["stop_reason"], "stop", "length"),
    COMMAND: (lambda body: body["generations"][0]["finish_reason"], "COMPLETE", "MAX_TOKENS"),
    COMMAND_R: (lambda body: body["finish_reason"], "COMPLETE", "MAX_TOKENS"),
    GPT: (lambda body: body["choices"][0]["finish_reason"], "stop", "length"),
    JAMBA: (lambda body: body["choices"][0]["finish_reason"], "stop", "length"),
}


@pytest.mark.parametrize("model", BODIES)
async def test_invoke_model(scripted, model):
    client, endpoint = await scripted(Reply(["Hel", "lo."], usage=(9, 2)))
    assert ANSWERS[model](await client.invoke(model, BODIES[model])) == "Hello."
    assert endpoint.requests[0]["messages"] == [{"role": "user", "content": "Hi"}]
    assert client.headers["X-Amzn-Bedrock-Input-Token-Count"] == "9"
    assert client.headers["X-Amzn-Bedrock-Output-Token-Count"] == "2"
    assert client.headers["X-Amzn-Bedrock-Invocation-Latency"].isdigit()
    assert client.notes["served-by"].startswith("openai:test@")


@pytest.mark.parametrize("model", BODIES)
async def test_invoke_model_with_response_stream(scripted, model):
    client, endpoint = await scripted(Reply(["Hel", "lo."], usage=(9, 2)))
    chunks = await client.invoke_stream(model, BODIES[model])
    assert "".join(map(PIECES[model], chunks)) == "Hello."
    metrics = chunks[-1]["amazon-bedrock-invocationMetrics"]
    assert (metrics["inputTokenCount"], metrics["outputTokenCount"]) == (9, 2)
    assert metrics["invocationLatency"] >= metrics["firstByteLatency"] >= 0
    assert not any("amazon-bedrock-invocationMetrics" in chunk for chunk in chunks[:-1])
    assert endpoint.requests[0]["messages"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize("model", BODIES)
async def test_invoke_model_tells_why_it_ended(scripted, model):
    client, _ = await scripted(Reply(["Hello."]), Reply(["Hello."], finish="length"))
    reason, ended, cut = REASONS[model]
    assert reason(await client.invoke(model, BODIES[model])) == ended
    assert reason(await client.invoke(model, BODIES[model])) == cut


@pytest.mark.parametrize("model", BODIES)
async def test_invoke_model_refuses_an_empty_body(client, model):
    with pytest.raises(ValidationException, match=r"Malformed input request: .* not found"):
        await client.invoke(model, {})


PARAMETERS = {
    CLAUDE: {"temperature": 0.1, "top_p": 0.2, "top_k": 3, "max_tokens": 4, "stop_sequences": ["X"]},
    CLAUDE2: {"temperature": 0.1, "top_p": 0.2, "top_k": 3, "max_tokens_to_sample": 4, "stop_sequences": ["X"]},
    TITAN: {"textGenerationConfig": {"temperature": 0.1, "topP": 0.2, "maxTokenCount": 4, "stopSequences": ["X"]}},
    LLAMA: {"temperature": 0.1, "top_p": 0.2, "max_gen_len": 4},
    NOVA: {"inferenceConfig": {"temperature": 0.1, "topP": 0.2, "topK": 3, "maxTokens": 4, "stopSequences": ["X"]}},
    MISTRAL: {"temperature": 0.1, "top_p": 0.2, "top_k": 3, "max_tokens": 4, "stop": ["X"]},
    DEEPSEEK: {"temperature": 0.1, "top_p": 0.2, "max_tokens": 4, "stop": ["X"]},
    COMMAND: {"temperature": 0.1, "p": 0.2, "k": 3, "max_tokens": 4, "stop_sequences": ["X"]},
    COMMAND_R: {"temperature": 0.1, "p": 0.2, "k": 3, "max_tokens": 4, "stop_sequences": ["X"]},
    GPT: {"temperature": 0.1, "top_p": 0.2, "max_completion_tokens": 4, "stop": "X"},
    JAMBA: {"temperature": 0.1, "top_p": 0.2, "max_tokens": 4, "stop": ["X"]},
}


@pytest.mark.parametrize("model", PARAMETERS)
async def test_invoke_model_passes_parameters_on(scripted, model):
    client, endpoint = await scripted(Reply(["before X after"]))
    answer = await client.invoke(model, {**BODIES[model], **PARAMETERS[model]})
    sent = endpoint.requests[0]
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"]) == (0.1, 0.2, 4)
    if "top_k" in str(PARAMETERS[model]) or "topK" in str(PARAMETERS[model]):
        assert sent["top_k"] == 3
    if model != LLAMA:
        assert ANSWERS[model](answer) == "before "


async def test_invoke_model_of_claude_with_everything(scripted, png):
    client, endpoint = await scripted(Reply(CALL, finish="tool_calls"))
    picture = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png()).decode()}
    body = {
        **VERSION,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"type": "image", "source": picture}, {"type": "text", "text": "Look"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {}}]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "rain", "is_error": True}],
            },
            {"role": "user", "content": "And tomorrow?"},
        ],
        "tools": [{"name": "weather", "description": "x", "input_schema": {"type": "object", "properties": {}}}],
        "tool_choice": {"type": "tool", "name": "weather"},
    }
    answer = await client.invoke(CLAUDE, body)
    assert answer["content"] == [{"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}}]
    assert answer["stop_reason"] == "tool_use"
    assert (answer["type"], answer["role"], answer["model"]) == ("message", "assistant", "claude-3-haiku-20240307")
    assert answer["usage"] == {"input_tokens": 11, "output_tokens": 7}
    sent = endpoint.requests[0]
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "tool", "user"]
    assert sent["messages"][3]["content"] == "Error: rain"
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


async def test_invoke_model_of_claude_reads_pdf_free_documents(client):
    source = {"type": "text", "media_type": "text/plain", "data": "The moon is 384,400 km away."}
    document = {"type": "document", "title": "moon.txt", "source": source}
    question = {"type": "text", "text": "How far away is the moon?"}
    answer = await client.invoke(CLAUDE, {**VERSION, "messages": [{"role": "user", "content": [document, question]}]})
    assert "384,400 km" in answer["content"][0]["text"]


async def test_invoke_model_with_response_stream_of_claude_in_order(scripted):
    client, _ = await scripted(Reply(["Hi", *CALL], finish="tool_calls", usage=(9, 2)))
    tools = [{"name": "weather", "input_schema": {"type": "object"}}]
    chunks = await client.invoke_stream(CLAUDE, {**VERSION, "messages": HI, "tools": tools})
    assert [chunk["type"] for chunk in chunks] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert chunks[0]["message"]["usage"]["input_tokens"] > 0
    assert chunks[4]["content_block"] == {"type": "tool_use", "id": "c1", "name": "weather", "input": {}}
    assert json.loads(chunks[5]["delta"]["partial_json"]) == {"city": "Oslo"}
    assert chunks[7]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert chunks[7]["usage"] == {"input_tokens": 9, "output_tokens": 2}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"max_tokens": 5, "messages": HI}, r"required key \[anthropic_version\] not found"),
        ({**VERSION}, r"required key \[messages\] not found"),
        ({**VERSION, "messages": HI, "model": CLAUDE}, r"extraneous key \[model\] is not permitted"),
        ({**VERSION, "messages": HI, "temperature": 2}, "#/temperature: 2 is not less or equal to 1"),
        ({**VERSION, "messages": HI, "max_tokens": 0}, "#/max_tokens: 0 is not greater or equal to 1"),
        ({**VERSION, "messages": [{"role": "robot", "content": "x"}]}, "robot is not a valid enum value"),
        ({**VERSION, "messages": [{"role": "user", "content": 7}]}, "#/messages/0/content"),
        ({**VERSION, "messages": [{"role": "user", "content": [{"text": "x"}]}]}, r"required key \[type\] not found"),
        ({**VERSION, "messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "type smell"),
        (
            {**VERSION, "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]},
            "only sources of type base64",
        ),
        ({**VERSION, "messages": [{"role": "assistant", "content": "x"}]}, "must start with a user message"),
        ({**VERSION, "messages": HI, "tools": [{"name": "x"}]}, r"required key \[input_schema\]"),
        ({**VERSION, "messages": HI, "anthropic_version": "2023"}, "anthropic_version: 2023 is not"),
        ({"prompt": "\n\nHuman: Hi\n\nAssistant:", "max_tokens_to_sample": 5}, "Please use the Messages API instead"),
    ],
)
async def test_invoke_model_of_claude_refuses_bodies(client, body, text):
    with pytest.raises(ValidationException, match=text):
        await client.invoke(CLAUDE, body)


async def test_invoke_model_of_claude_2_takes_messages_too(scripted):
    client, _ = await scripted(Reply(["Hello."]))
    assert (await client.invoke(CLAUDE2, {**VERSION, "messages": HI}))["content"][0]["text"] == "Hello."


async def test_invoke_model_of_claude_2_checks_the_prompt(client):
    with pytest.raises(ValidationException, match="prompt must start with"):
        await client.invoke(CLAUDE2, {"prompt": "Hi", "max_tokens_to_sample": 5})


def roles(endpoint):
    return [(message["role"], message["content"]) for message in endpoint.requests[0]["messages"]]


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        (
            LLAMA,
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
            "Hello<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (
            LLAMA4,
            "<|begin_of_text|><|header_start|>system<|header_end|>\n\nBe brief.<|eot|>"
            "<|header_start|>user<|header_end|>\n\nHi<|eot|><|header_start|>assistant<|header_end|>\n\nHello<|eot|><|header_start|>user<|header_end|>\n\n"
            "Bye<|eot|><|header_start|>assistant<|header_end|>\n\n",
        ),
        (
            LLAMA,
            "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] Bye [/INST]",
        ),
    ],
)
async def test_invoke_model_reads_chat_templates(scripted, model, prompt):
    client, endpoint = await scripted()
    await client.invoke(model, {"prompt": prompt})
    assert roles(endpoint) == [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye")]


async def test_invoke_model_of_titan_reads_turns(scripted):
    client, endpoint = await scripted()
    await client.invoke(TITAN, {"inputText": "User: Hi\nBot: Hello\nUser: Bye\nBot:"})
    assert roles(endpoint) == [("user", "Hi"), ("assistant", "Hello"), ("user", "Bye")]
    assert endpoint.requests[0]["max_tokens"] == 512


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"inputText": "x", "textGenerationConfig": {"maxTokenCount": 9000}}, "9000 is not less or equal to 8192"),
        ({"inputText": "x", "textGenerationConfig": {"topK": 5}}, r"extraneous key \[topK\]"),
        ({"inputText": ""}, "expected minLength: 1, actual: 0"),
    ],
)
async def test_invoke_model_of_titan_refuses_bodies(client, body, text):
    with pytest.raises(ValidationException, match=text):
        await client.invoke(TITAN, body)


async def test_invoke_model_of_nova_with_tools_and_pictures(scripted, png):
    client, endpoint = await scripted(Reply(CALL, finish="tool_calls"))
    tool = {"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}
    picture = {"image": {"format": "png", "source": {"bytes": base64.b64encode(png()).decode()}}}
    answer = await client.invoke(
        NOVA,
        {
            "schemaVersion": "messages-v1",
            "system": [{"text": "Be brief."}],
            "messages": [{"role": "user", "content": [picture, {"text": "Look"}]}],
            "inferenceConfig": {"max_new_tokens": 5},
            "toolConfig": {"tools": [tool], "toolChoice": {"any": {}}},
        },
    )
    use = {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Oslo"}}}
    assert answer["output"]["message"] == {"role": "assistant", "content": [use]}
    assert answer["usage"]["totalTokens"] == 18
    assert endpoint.requests[0]["max_tokens"] == 5
    assert endpoint.requests[0]["tool_choice"] == "required"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"text": 7}], "#/messages/0/content/0/text"),
        ([{"image": {"format": "png", "source": {}}}], "source: required key"),
        ([{"image": 7}], "image: expected type: JSONObject, found: Integer"),
        ([{"document": {"name": "n", "format": "../x", "source": {"bytes": "aGk="}}}, {"text": "x"}], "needs a format"),
        ([{"image": {"format": "png", "source": {"bytes": "!"}}}], "not base64"),
        ([{"toolResult": {"toolUseId": "x", "content": "y"}}], "toolResult/content"),
        ([{"toolUse": {}}], r"required key \[toolUseId\]"),
    ],
)
async def test_invoke_model_of_nova_refuses_bodies(client, content, text):
    with pytest.raises(ValidationException, match=text):
        await client.invoke(NOVA, {"messages": [{"role": "user", "content": content}]})


async def test_invoke_model_of_command_r_passes_documents_on(client):
    documents = [{"title": "Moon", "snippet": "The moon is 384,400 km away."}]
    answer = await client.invoke(COMMAND_R, {"message": "How far away is the moon?", "documents": documents})
    assert "384,400 km" in answer["text"]


async def test_invoke_model_of_chat_models_with_tools(scripted):
    client, endpoint = await scripted(Reply(CALL, finish="tool_calls"), Reply(CALL, finish="tool_calls"))
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "rain"},
    ]
    body = {"messages": messages, "tools": tools, "tool_choice": "required"}
    message = (await client.invoke(GPT, body))["choices"][0]["message"]
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"city": "Oslo"}
    assert [role for role, _ in roles(endpoint)] == ["system", "user", "assistant", "tool"]
    assert endpoint.requests[0]["tool_choice"] == "required"
    chunks = await client.invoke_stream(GPT, body)
    calls = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert calls[0]["id"] == "c1"
    assert "".join(call["function"]["arguments"] for call in calls) == '{"city": "Oslo"}'


@pytest.mark.parametrize(
    "model",
    [model.id for model in Catalogue().models.values() if set(model.output) & {"VIDEO", "SPEECH"}],
)
async def test_invoke_model_refuses_what_no_engine_here_makes(client, model):
    with pytest.raises(ValidationException, match="nothing on this machine does"):
        await client.invoke(model, {"prompt": "a cat"})


async def test_invoke_model_refuses_guardrails_and_content_types(client):
    body = json.dumps(BODIES[LLAMA]).encode()
    with pytest.raises(ValidationException, match="guardrail identifier"):
        await client.invoke_model(modelId=LLAMA, body=body, guardrailIdentifier="abc", guardrailVersion="1")
    with pytest.raises(ValidationException, match="Content-Type is invalid"):
        await client.invoke_model(modelId=LLAMA, body=body, contentType="text/csv")
    with pytest.raises(ValidationException, match="Accept is invalid"):
        await client.invoke_model(modelId=LLAMA, body=body, accept="image/png")
    taken = await client.invoke_model(
        modelId=LLAMA, body=body, contentType="application/json; charset=utf-8", accept="*/*"
    )
    assert taken["contentType"] == "application/json"


async def test_invoke_model_with_response_stream_shows_the_first_word_early(scripted):
    client, endpoint = await scripted(Reply(["one ", "two ", "three"], delay=0.1))
    answer = await client.invoke_model_with_response_stream(modelId=LLAMA, body=json.dumps(BODIES[LLAMA]).encode())
    first = await anext(answer["body"])
    assert json.loads(first["chunk"]["bytes"])["generation"] == "one "
    assert endpoint.sent == 1
    await answer["body"].aclose()
    async with asyncio.timeout(5):
        while endpoint.abandoned == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_invoke_model_with_response_stream_breaks_with_a_stream_error(scripted):
    client, _ = await scripted(Reply(["one ", "two "], broken_after=1))
    with pytest.raises(ModelStreamErrorException):
        await client.invoke_stream(LLAMA, BODIES[LLAMA])
