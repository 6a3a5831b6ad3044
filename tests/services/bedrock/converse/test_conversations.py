import asyncio
import io
import zipfile

import pytest

from outcrop.services.bedrock.errors import (
    ModelErrorException,
    ModelNotReadyException,
    ModelStreamErrorException,
    ModelTimeoutException,
    ServiceUnavailableException,
)
from outcrop.services.contract import ThrottlingException, ValidationException
from outcrop.testing.llm import Reply

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
TITAN = "amazon.titan-text-express-v1"
TOOL = {
    "toolSpec": {
        "name": "weather",
        "description": "The weather of a city.",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
}
CALL = [
    "Let me see.",
    {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": '{"city": '}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]},
]


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks):
    return {"role": "assistant", "content": list(blocks)}


async def test_converse(scripted):
    client, _ = await scripted(Reply(["Hel", "lo."], usage=(9, 2)))
    answer = await client.ask("Hi")
    assert answer["output"] == {"message": {"role": "assistant", "content": [{"text": "Hello."}]}}
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"] == {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11}
    assert answer["metrics"]["latencyMs"] >= 0
    assert client.notes["served-by"].startswith("openai:test@127.0.0.1:")


async def test_converse_is_extractive_without_a_model(client):
    answer = await client.ask("<context>The moon is 384,400 km away from Earth.</context> How far away is the moon?")
    assert answer["output"]["message"]["content"] == [{"text": "The moon is 384,400 km away from Earth."}]
    assert client.notes["served-by"] == "extractive"


async def test_converse_passes_everything_on(scripted):
    client, endpoint = await scripted()
    await client.converse(
        modelId="amazon.nova-pro-v1:0",
        system=[{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
        messages=[user({"text": "Hi"}), assistant({"text": "Hello"}), user({"text": "Bye"})],
        inferenceConfig={"maxTokens": 7, "temperature": 0.1, "topP": 0.2, "stopSequences": ["X"]},
        additionalModelRequestFields={"inferenceConfig": {"topK": 20}},
    )
    sent = endpoint.requests[0]
    assert [(message["role"], message["content"]) for message in sent["messages"]] == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Bye"),
    ]
    assert (sent["max_tokens"], sent["temperature"], sent["top_p"], sent["top_k"]) == (7, 0.1, 0.2, 20)


async def test_converse_with_a_tool(scripted):
    client, endpoint = await scripted(Reply(CALL, finish="tool_calls"), Reply(["It rains."]))
    question = user({"text": "How is the weather in Oslo?"})
    config = {"tools": [TOOL], "toolChoice": {"auto": {}}}
    first = await client.converse(modelId=CLAUDE, messages=[question], toolConfig=config)
    assert first["stopReason"] == "tool_use"
    text, use = first["output"]["message"]["content"]
    assert text == {"text": "Let me see."}
    assert use == {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Oslo"}}}
    result = {"toolResult": {"toolUseId": "call_1", "content": [{"json": {"rain": True}}], "status": "success"}}
    second = await client.converse(
        modelId=CLAUDE, messages=[question, first["output"]["message"], user(result)], toolConfig=config
    )
    assert second["output"]["message"]["content"] == [{"text": "It rains."}]
    assert endpoint.requests[1]["messages"][-1] == {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": '{"rain": true}',
    }


async def test_converse_reports_the_stop_sequence(scripted):
    client, _ = await scripted(Reply(["one two END three"]))
    answer = await client.ask(
        inferenceConfig={"stopSequences": ["END"]}, additionalModelResponseFieldPaths=["/stop_sequence", "/nothing"]
    )
    assert answer["stopReason"] == "stop_sequence"
    assert answer["output"]["message"]["content"] == [{"text": "one two "}]
    assert answer["additionalModelResponseFields"] == {"stop_sequence": "END"}


async def test_converse_sends_a_json_schema(scripted):
    client, endpoint = await scripted(Reply(["{}"]))
    structure = {"jsonSchema": {"schema": '{"type": "object"}', "name": "thing"}}
    await client.ask(outputConfig={"textFormat": {"type": "json_schema", "structure": structure}})
    assert endpoint.requests[0]["response_format"]["json_schema"]["schema"] == {"type": "object"}


async def test_converse_echoes_tier_and_latency(scripted):
    client, _ = await scripted()
    answer = await client.ask(serviceTier={"type": "flex"}, performanceConfig={"latency": "standard"})
    assert (answer["serviceTier"], answer["performanceConfig"]) == ({"type": "flex"}, {"latency": "standard"})


async def test_converse_sends_images(scripted, png, make):
    client, endpoint = await scripted()
    image = {"image": {"format": "png", "source": {"bytes": png()}}}
    await client.converse(modelId=CLAUDE, messages=[user(image, {"text": "What is it?"})])
    parts = endpoint.requests[0]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["image_url", "text"]


async def test_converse_reads_documents(client):
    document = {"name": "Moon facts", "format": "md", "source": {"bytes": b"# Moon\n\nThe moon is 384,400 km away."}}
    answer = await client.converse(
        modelId=CLAUDE, messages=[user({"document": document}, {"text": "How far away is the moon?"})]
    )
    assert "384,400 km" in answer["output"]["message"]["content"][0]["text"]


async def test_converse_reads_html_documents_as_text(client):
    page = b"<html><body><h1>Moon</h1><script>x()</script><p>The moon is 384,400 km away.</p></body></html>"
    document = {"name": "page", "format": "html", "source": {"bytes": page}}
    answer = await client.converse(
        modelId=CLAUDE, messages=[user({"document": document}, {"text": "How far away is the moon?"})]
    )
    assert answer["output"]["message"]["content"][0]["text"].endswith("The moon is 384,400 km away.")


async def test_converse_reads_word_documents(client):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        text = "<w:p><w:r><w:t>The moon is 384,400 km away.</w:t></w:r></w:p>"
        archive.writestr("word/document.xml", f'<w:document xmlns:w="w"><w:body>{text}</w:body></w:document>')
    document = {"name": "moon", "format": "docx", "source": {"bytes": buffer.getvalue()}}
    answer = await client.converse(
        modelId=CLAUDE, messages=[user({"document": document}, {"text": "How far away is the moon?"})]
    )
    assert "384,400 km" in answer["output"]["message"]["content"][0]["text"]


@pytest.mark.parametrize("format", ["doc", "docx", "xls", "xlsx"])
async def test_converse_refuses_what_is_no_office_file(client, format):
    document = {"name": "bad", "format": format, "source": {"bytes": b"nothing of the kind"}}
    with pytest.raises(ValidationException, match="can't be read as " + format):
        await client.converse(modelId=CLAUDE, messages=[user({"document": document}, {"text": "?"})])


async def test_converse_reads_pdfs(client):
    canvas = pytest.importorskip("reportlab.pdfgen.canvas")
    buffer = io.BytesIO()
    page = canvas.Canvas(buffer)
    page.drawString(72, 720, "The moon is 384,400 km away from the Earth.")
    page.save()
    document = {"name": "moon", "format": "pdf", "source": {"bytes": buffer.getvalue()}}
    answer = await client.converse(
        modelId=CLAUDE, messages=[user({"document": document}, {"text": "How far away is the moon?"})]
    )
    assert "384,400 km" in answer["output"]["message"]["content"][0]["text"]


async def test_converse_reads_documents_from_s3(make):
    client = make(objects={("facts", "moon.txt"): b"The moon is 384,400 km away."})
    document = {"name": "moon", "format": "txt", "source": {"s3Location": {"uri": "s3://facts/moon.txt"}}}
    message = user({"document": document}, {"text": "How far away is the moon?"})
    answer = await client.converse(modelId=CLAUDE, messages=[message])
    assert "384,400 km" in answer["output"]["message"]["content"][0]["text"]
    document["source"] = {"s3Location": {"uri": "s3://facts/sun.txt"}}
    with pytest.raises(ValidationException, match=r"Could not read s3://facts/sun\.txt"):
        await client.converse(modelId=CLAUDE, messages=[message])


async def test_converse_refuses_a_broken_pdf(client):
    document = {"name": "bad", "format": "pdf", "source": {"bytes": b"%PDF-1.7 nothing"}}
    with pytest.raises(ValidationException, match="can't be read as pdf"):
        await client.converse(modelId=CLAUDE, messages=[user({"document": document}, {"text": "?"})])


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([], "must start with a user message"),
        ([assistant({"text": "Hi"})], "must start with a user message"),
        ([user({"text": "a"}), user({"text": "b"})], "must alternate between user and assistant roles"),
        ([user()], r"at messages\.0 is empty"),
        ([user({"text": "  "})], r"at messages\.0\.content\.0 is blank"),
        ([user({})], r"messages\.0\.content\.0 must set exactly one of its keys"),
        ([user({"text": "a", "cachePoint": {"type": "default"}})], "must set exactly one of its keys"),
        (
            [user({"document": {"name": "a", "format": "txt", "source": {"bytes": b"x"}}})],
            "Add a text block to it",
        ),
        (
            [user({"document": {"name": "a.txt", "format": "txt", "source": {"bytes": b"x"}}}, {"text": "?"})],
            "The document file name can only contain alphanumeric characters",
        ),
        (
            [user({"document": {"name": "a  b", "format": "txt", "source": {"bytes": b"x"}}}, {"text": "?"})],
            "can't contain more than one consecutive whitespace character",
        ),
        ([user({"image": {"format": "png", "source": {"bytes": b"GIF?"}}})], "Could not process image"),
        (
            [user({"text": "?"}), assistant({"image": {"format": "png", "source": {"bytes": b""}}})],
            "only supported in user messages",
        ),
        ([user(*[{"document": {}}] * 6, {"text": "?"})], "more than the 5 documents"),
        ([user(*[{"image": {}}] * 21)], "more than the 20 images"),
        ([user({"video": {"format": "mp4", "source": {}}})], "doesn't support the video content block"),
        (
            [user({"text": "?"}), assistant({"toolUse": {"toolUseId": "t", "name": "n", "input": {}}})],
            "toolConfig field must be defined",
        ),
        (
            [
                user({"text": "?"}),
                assistant({"toolUse": {"toolUseId": "t1", "name": "n", "input": {}}}),
                user({"text": "no result"}),
            ],
            r"Expected toolResult blocks at messages\.2\.content for the following Ids: t1",
        ),
        (
            [user({"toolResult": {"toolUseId": "t1", "content": []}})],
            "exceeds the number of toolUse blocks of previous turn",
        ),
    ],
)
async def test_converse_refuses_messages(client, messages, text):
    with pytest.raises(ValidationException, match=text):
        await client.converse(modelId=CLAUDE, messages=messages)


async def test_converse_refuses_large_images(client, png):
    image = {"image": {"format": "png", "source": {"bytes": png(9000, 10)}}}
    with pytest.raises(ValidationException, match="9000 x 10 pixels"):
        await client.converse(modelId=CLAUDE, messages=[user(image)])


@pytest.mark.parametrize(
    ("model", "more", "text"),
    [
        ("amazon.titan-embed-text-v2:0", {}, "This action doesn't support the model that you provided"),
        ("amazon.nova-canvas-v1:0", {}, "This action doesn't support the model that you provided"),
        ("anthropic.claude-9", {}, "The provided model identifier is invalid."),
        (TITAN, {"system": [{"text": "x"}]}, "This model doesn't support system messages"),
        (TITAN, {"toolConfig": {"tools": [TOOL]}}, "This model doesn't support tool use"),
        (CLAUDE, {"toolConfig": {"tools": [TOOL, TOOL]}}, "a name of its own"),
        (CLAUDE, {"toolConfig": {"tools": [TOOL], "toolChoice": {"tool": {"name": "x"}}}}, "doesn't hold"),
        (CLAUDE, {"guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1"}}, "guardrail identifier"),
        (CLAUDE, {"additionalModelResponseFieldPaths": [""]}, "not a JSON pointer"),
        (CLAUDE, {"additionalModelResponseFieldPaths": ["stop"]}, "not a JSON pointer"),
        (CLAUDE, {"additionalModelRequestFields": {"top_k": "many"}}, "top_k must be a number"),
        (
            CLAUDE,
            {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}}},
            "must be a JSON schema",
        ),
        (CLAUDE, {"toolConfig": {"tools": [TOOL], "toolChoice": {"any": {}}}}, "can't call tools"),
        (
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            {"inferenceConfig": {"temperature": 0.1, "topP": 0.9}},
            "cannot both be specified",
        ),
    ],
)
async def test_converse_refuses_requests(client, model, more, text):
    with pytest.raises(ValidationException, match=text):
        await client.ask(model=model, **more)


async def test_converse_refuses_images_to_text_models(client, png):
    image = {"image": {"format": "png", "source": {"bytes": png()}}}
    with pytest.raises(ValidationException, match="doesn't support the image content block"):
        await client.converse(modelId="amazon.nova-micro-v1:0", messages=[user(image)])


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=429, headers={"Retry-After": "0"}), ThrottlingException),
        (Reply(status=503), ServiceUnavailableException),
        (Reply(status=401, error="wrong key"), ModelErrorException),
        (Reply(status=400, error="maximum context length is 8192 tokens"), ValidationException),
        (Reply(finish=None), ModelErrorException),
    ],
)
async def test_converse_translates_failures(scripted, reply, error):
    client, _ = await scripted(reply)
    with pytest.raises(error):
        await client.ask()


async def test_converse_names_the_original_status(scripted):
    client, _ = await scripted(Reply(status=401, error="wrong key"))
    with pytest.raises(ModelErrorException, match="wrong key") as raised:
        await client.ask()
    assert raised.value.members["originalStatusCode"] == 401
    assert raised.value.members["resourceName"].endswith(f"::foundation-model/{CLAUDE}")


async def test_converse_without_its_endpoint_says_so(make, unused_tcp_port):
    client = make(llm=(f"http://127.0.0.1:{unused_tcp_port}/v1#x",))
    with pytest.raises(ServiceUnavailableException, match="can't be reached"):
        await client.ask()
    with pytest.raises(ServiceUnavailableException, match="can't be reached"):
        await client.stream()


async def test_converse_stream_events_in_order(scripted):
    client, _ = await scripted(Reply(CALL, finish="tool_calls", usage=(5, 6)))
    events = await client.stream(toolConfig={"tools": [TOOL]})
    assert events[:-1] == [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "Let me see."}, "contentBlockIndex": 0}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {
            "contentBlockStart": {
                "start": {"toolUse": {"toolUseId": "call_1", "name": "weather"}},
                "contentBlockIndex": 1,
            }
        },
        {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"city": '}}, "contentBlockIndex": 1}},
        {"contentBlockDelta": {"delta": {"toolUse": {"input": '"Oslo"}'}}, "contentBlockIndex": 1}},
        {"contentBlockStop": {"contentBlockIndex": 1}},
        {"messageStop": {"stopReason": "tool_use"}},
    ]
    assert events[-1]["metadata"]["usage"] == {"inputTokens": 5, "outputTokens": 6, "totalTokens": 11}
    assert events[-1]["metadata"]["metrics"]["latencyMs"] >= 0


async def test_converse_stream_shows_the_first_word_before_the_last_is_made(scripted):
    client, endpoint = await scripted(Reply(["one ", "two ", "three"], delay=0.1))
    answer = await client.converse_stream(modelId=CLAUDE, messages=[user({"text": "count"})])
    assert client.notes["served-by"].startswith("openai:")
    texts = []
    async for event in answer["stream"]:
        if "contentBlockDelta" in event:
            texts.append((event["contentBlockDelta"]["delta"]["text"], endpoint.sent))
    assert texts == [("one ", 1), ("two ", 2), ("three", 3)]


async def test_converse_stream_adds_response_fields(scripted):
    client, _ = await scripted(Reply(["x END"]))
    events = await client.stream(
        inferenceConfig={"stopSequences": ["END"]}, additionalModelResponseFieldPaths=["/stop_sequence"]
    )
    stop = next(event["messageStop"] for event in events if "messageStop" in event)
    assert stop == {"stopReason": "stop_sequence", "additionalModelResponseFields": {"stop_sequence": "END"}}


async def test_converse_stream_breaks_with_a_stream_error(scripted):
    client, _ = await scripted(Reply(["one ", "two "], broken_after=1))
    answer = await client.converse_stream(modelId=CLAUDE, messages=[user({"text": "count"})])
    events = []
    with pytest.raises(ModelStreamErrorException, match="broke off"):
        async for event in answer["stream"]:
            events.append(event)
    assert len(events) == 2


async def test_converse_stream_fails_before_the_first_event(scripted):
    client, _ = await scripted(Reply(status=404))
    with pytest.raises(ModelErrorException):
        await client.stream()


@pytest.mark.parametrize("read", [0, 2])
async def test_converse_stream_closed_cancels_the_engine(scripted, read):
    client, endpoint = await scripted(Reply(["word "] * 200, delay=0.02))
    answer = await client.converse_stream(modelId=CLAUDE, messages=[user({"text": "go"})])
    for _ in range(read):
        await anext(answer["stream"])
    await answer["stream"].aclose()
    await _until(lambda: endpoint.abandoned == 1)
    assert endpoint.sent < 50


async def test_converse_cancelled_cancels_the_engine(scripted):
    client, endpoint = await scripted(Reply(["word "] * 200, delay=0.02))
    task = asyncio.create_task(client.ask())
    await _until(lambda: endpoint.sent > 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until(lambda: endpoint.abandoned == 1)


async def test_converse_times_out(scripted):
    client, _ = await scripted(Reply(delay=5))
    engine = await client._services[1].resources[0]._runs._models.text(CLAUDE)
    engine._client.timeout = 0.2
    with pytest.raises(ModelTimeoutException):
        await client.ask()


async def test_converse_maps_models_by_pattern(make, scripted):
    _, endpoint = await scripted(Reply(["from the endpoint"]))
    client = make(llm=(f"anthropic.*={endpoint.url}#x", f"acme.*={endpoint.url}#y"))
    assert "served-by" not in client.notes
    await client.ask()
    assert client.notes["served-by"].startswith("openai:x@")
    await client.ask(model="amazon.nova-lite-v1:0")
    assert client.notes["served-by"] == "extractive"
    await client.ask(model="acme.brand-new-v1")
    assert client.notes["served-by"].startswith("openai:y@")


async def _until(true, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_converse_in_strict_mode_knows_the_models_limit(scripted):
    client, endpoint = await scripted(strict=True)
    with pytest.raises(ValidationException, match="exceeds the model limit of 4096"):
        await client.ask("Hi", inferenceConfig={"maxTokens": 4097})
    with pytest.raises(ValidationException, match="exceeds the model limit of 4096"):
        await client.stream("Hi", inferenceConfig={"maxTokens": 4097})
    await client.ask("Hi", inferenceConfig={"maxTokens": 4096})
    assert len(endpoint.requests) == 1


async def test_converse_while_the_model_is_loaded(make, monkeypatch):
    monkeypatch.setattr("outcrop.engines.inference.models.STRICT_PATIENCE", 0.01)
    loaded = asyncio.Event()

    class Slow:
        async def open(self):
            await loaded.wait()

        async def aclose(self):
            pass

    client = make(strict=True, llm=("acme.*=slow:weights",))
    client.models.provide("text", "slow", lambda argument, choice: Slow())
    for _ in range(2):
        with pytest.raises(ModelNotReadyException, match="still being loaded"):
            await client.ask("Hi", model="acme.large")
    loaded.set()
