import asyncio
import json
import time

import pytest

from outcrop.engines.inference.engine import (
    Document,
    EngineDown,
    EngineError,
    EngineTimeout,
    Finish,
    Image,
    Message,
    Text,
    TextDelta,
    Tool,
    ToolResult,
    ToolUse,
    ToolUseDelta,
    ToolUseStart,
)
from outcrop.testing.llm import Reply, ScriptedEndpoint

WEATHER = Tool("weather", "The weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def call(index, arguments, **more):
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments, **more}, "type": "function"}]}


async def test_generate_passes_each_piece_on_as_it_comes(openai, ask):
    async with ScriptedEndpoint(Reply(["one ", "two ", "three ", "four"], delay=0.08)) as endpoint:
        engine = await openai(endpoint.url)
        first_at = sent_at_first = None
        started = time.monotonic()
        async for event in engine.generate(ask("count")):
            if first_at is None:
                first_at, sent_at_first = time.monotonic() - started, endpoint.sent
                assert event == TextDelta("one ")
        whole = time.monotonic() - started
    assert sent_at_first == 1
    assert first_at < whole - 0.2


async def test_generate_ends_with_the_endpoints_usage(openai, ask, answer_of):
    async with ScriptedEndpoint(Reply(["Hi"], usage=(21, 2))) as endpoint:
        text, finish = await answer_of(await openai(endpoint.url), ask("hello"))
    assert (text, finish) == ("Hi", Finish("end_turn", 21, 2))
    assert endpoint.requests[0]["stream_options"] == {"include_usage": True}
    assert endpoint.headers[0]["authorization"] == "bearer secret"


async def test_generate_counts_by_itself_where_the_endpoint_does_not(openai, ask, answer_of):
    async with ScriptedEndpoint(Reply(["a b c"], usage=None)) as endpoint:
        _, finish = await answer_of(await openai(endpoint.url), ask("one two"))
    assert finish.output_tokens == 3
    assert finish.input_tokens == 2 + 4


async def test_generate_sends_messages_images_documents_and_parameters(openai, answer_of, ask):
    async with ScriptedEndpoint() as endpoint:
        generation = ask("", system="Be brief.", max_tokens=5, temperature=0.5, top_p=0.9, top_k=3)
        messages = (
            Message("user", (Text("Look"), Image("png", b"\x89PNG"), Document("notes", "txt", b"some notes"))),
            Message("assistant", (Text("I ask."), ToolUse("c1", "weather", {"city": "Oslo"}))),
            Message("user", (ToolResult("c1", (Text("rain"),)), Text("And now?"))),
        )
        generation = type(generation)(**{**_fields(generation), "messages": messages, "tools": (WEATHER,)})
        await answer_of(await openai(endpoint.url), generation)
    sent = endpoint.requests[0]
    assert sent["model"] == "model-0"
    assert (sent["max_tokens"], sent["temperature"], sent["top_p"], sent["top_k"]) == (5, 0.5, 0.9, 3)
    system, user, assistant, tool, last = sent["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "text"]
    assert user["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw=="
    assert "some notes" in user["content"][2]["text"]
    assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == {"city": "Oslo"}
    assert tool == {"role": "tool", "tool_call_id": "c1", "content": "rain"}
    assert last == {"role": "user", "content": "And now?"}
    assert sent["tools"][0]["function"]["name"] == "weather"


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("any", "required"),
        ("tool:weather", {"type": "function", "function": {"name": "weather"}}),
        (None, "none"),
    ],
)
async def test_generate_sends_the_tool_choice(openai, ask, answer_of, choice, sent):
    async with ScriptedEndpoint() as endpoint:
        await answer_of(await openai(endpoint.url), ask("hi", tools=(WEATHER,), tool_choice=choice))
    assert endpoint.requests[0]["tool_choice"] == sent


async def test_generate_sends_a_json_schema(openai, ask, answer_of):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    async with ScriptedEndpoint(Reply(['{"n": 1}'])) as endpoint:
        await answer_of(await openai(endpoint.url), ask("hi", json_schema=schema))
    assert endpoint.requests[0]["response_format"]["json_schema"]["schema"] == schema


async def test_generate_streams_tool_calls(openai, ask):
    pieces = [
        "Let me see.",
        {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": ""}}]},
        call(0, '{"city":'),
        call(0, ' "Oslo"}'),
        {"tool_calls": [{"index": 1, "id": "call_2", "function": {"name": "weather", "arguments": "{}"}}]},
    ]
    async with ScriptedEndpoint(Reply(pieces, finish="tool_calls")) as endpoint:
        engine = await openai(endpoint.url)
        events = [event async for event in engine.generate(ask("weather?", tools=(WEATHER,), tool_choice="auto"))]
    assert events == [
        TextDelta("Let me see."),
        ToolUseStart("call_1", "weather"),
        ToolUseDelta('{"city":'),
        ToolUseDelta(' "Oslo"}'),
        ToolUseStart("call_2", "weather"),
        ToolUseDelta("{}"),
        Finish("tool_use", 11, 7),
    ]


async def test_generate_reads_tool_calls_that_come_whole_and_without_ids(openai, ask):
    """As Ollama sends them, with `stop` as the reason."""
    pieces = [{"tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}]}]
    async with ScriptedEndpoint(Reply(pieces, finish="stop")) as endpoint:
        engine = await openai(endpoint.url)
        start, delta, finish = [event async for event in engine.generate(ask("weather?", tools=(WEATHER,)))]
    assert start.id.startswith("tooluse_")
    assert json.loads(delta.partial_json) == {"city": "Oslo"}
    assert finish.reason == "tool_use"


async def test_generate_stops_at_a_stop_sequence_and_hangs_up(openai, ask, answer_of):
    async with ScriptedEndpoint(Reply(["One, ", "two. EN", "D of it", *["more"] * 50], delay=0.02)) as endpoint:
        text, finish = await answer_of(await openai(endpoint.url), ask("go", stop=("END", "never")))
        await _until(lambda: endpoint.abandoned == 1)
    assert text == "One, two. "
    assert (finish.reason, finish.stop_sequence) == ("stop_sequence", "END")
    assert endpoint.sent < 20


@pytest.mark.parametrize(("said", "reason"), [("length", "max_tokens"), ("content_filter", "content_filtered")])
async def test_generate_maps_finish_reasons(openai, ask, answer_of, said, reason):
    async with ScriptedEndpoint(Reply(finish=said)) as endpoint:
        _, finish = await answer_of(await openai(endpoint.url), ask("hi"))
    assert finish.reason == reason


async def test_closing_the_iterator_cancels_the_request(openai, ask):
    async with ScriptedEndpoint(Reply(["word "] * 200, delay=0.02)) as endpoint:
        events = (await openai(endpoint.url)).generate(ask("go"))
        await anext(events)
        await events.aclose()
        await _until(lambda: endpoint.abandoned == 1)
    assert endpoint.sent < 20


async def test_cancelling_the_task_cancels_the_request(openai, ask, answer_of):
    async with ScriptedEndpoint(Reply(["word "] * 200, delay=0.02)) as endpoint:
        task = asyncio.create_task(answer_of(await openai(endpoint.url), ask("go")))
        await _until(lambda: endpoint.sent > 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _until(lambda: endpoint.abandoned == 1)


async def test_generate_retries_a_busy_endpoint(openai, ask, answer_of):
    busy = Reply(status=429, headers={"Retry-After": "0"})
    async with ScriptedEndpoint(busy, Reply(status=503), Reply(["made it"])) as endpoint:
        text, _ = await answer_of(await openai(endpoint.url), ask("hi"))
    assert text == "made it"
    assert len(endpoint.requests) == 3


async def test_generate_gives_up_on_a_busy_endpoint_with_its_status(openai, ask, answer_of):
    async with ScriptedEndpoint(Reply(status=429, error="slow down")) as endpoint:
        with pytest.raises(EngineError, match=r"answered 429: slow down") as raised:
            await answer_of(await openai(endpoint.url), ask("hi"))
    assert raised.value.status == 429
    assert len(endpoint.requests) == 3


async def test_generate_does_not_retry_a_refusal(openai, ask, answer_of):
    async with ScriptedEndpoint(Reply(status=404, error='model "x" not found')) as endpoint:
        with pytest.raises(EngineError, match="ollama pull model-0") as raised:
            await answer_of(await openai(endpoint.url), ask("hi"))
    assert raised.value.status == 404
    assert len(endpoint.requests) == 1


async def test_generate_does_not_retry_after_the_first_token(openai, ask):
    async with ScriptedEndpoint(Reply(["one ", "two "], broken_after=1)) as endpoint:
        events = (await openai(endpoint.url)).generate(ask("hi"))
        assert await anext(events) == TextDelta("one ")
        with pytest.raises(EngineError, match="broke off"):
            await anext(events)
    assert len(endpoint.requests) == 1


async def test_generate_refuses_an_answer_without_an_end(openai, ask, answer_of):
    async with ScriptedEndpoint(Reply(["half"], finish=None)) as endpoint:
        with pytest.raises(EngineError, match="without saying why"):
            await answer_of(await openai(endpoint.url), ask("hi"))


async def test_generate_says_which_endpoint_is_down(openai, ask, answer_of, unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    with pytest.raises(EngineDown, match=rf"{url} can't be reached .*ollama serve"):
        await answer_of(await openai(url), ask("hi"))


@pytest.mark.timeout(60)
async def test_generate_fails_over_and_stays_there(openai, ask, answer_of, unused_tcp_port):
    async with ScriptedEndpoint(Reply(["from the second"])) as endpoint:
        engine = await openai(f"http://127.0.0.1:{unused_tcp_port}/v1", endpoint.url)
        text, _ = await answer_of(engine, ask("hi"))
        assert engine.name == f"openai:model-1@127.0.0.1:{endpoint.url.split(':')[-1].split('/')[0]}"
    assert text == "from the second"


async def test_generate_times_out(openai, ask, answer_of):
    async with ScriptedEndpoint(Reply(delay=5)) as endpoint:
        with pytest.raises(EngineTimeout, match="went silent"):
            await answer_of(await openai(endpoint.url, read_timeout=0.2), ask("hi"))


async def test_count_asks_the_endpoint(openai, ask):
    async with ScriptedEndpoint(Reply(usage=(33, 1))) as endpoint:
        assert await (await openai(endpoint.url)).count(ask("hi", stop=("x",))) == 33
    assert endpoint.requests[0]["max_tokens"] == 1


def _fields(value):
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


async def _until(true, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
