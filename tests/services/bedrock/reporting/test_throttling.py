import pytest

from outcrop.app import Stack
from outcrop.services.bedrock.reporting.throttling import Limit
from outcrop.services.contract import ThrottlingException
from outcrop.settings import Settings
from outcrop.testing.llm import Reply

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
LITE = "amazon.nova-lite-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"


async def test_requests_by_the_minute(scripted):
    client, endpoint = await scripted(Reply(["x"]), throttle=("anthropic.*=2",))
    await client.ask(model=HAIKU)
    await client.stream(model=HAIKU)
    with pytest.raises(ThrottlingException, match="Too many requests, please wait before trying again"):
        await client.ask(model=HAIKU)
    assert len(endpoint.requests) == 2
    await client.ask(model=LITE)
    await client.at(account="111111111111").ask(model=HAIKU)


async def test_tokens_are_reserved_and_then_counted(scripted):
    client, _ = await scripted(Reply(["x"], usage=(50, 50)), throttle=("*=100/1000",))
    with pytest.raises(ThrottlingException, match="Too many tokens"):
        await client.ask(model=LITE, inferenceConfig={"maxTokens": 2000})
    for _ in range(9):
        await client.ask(model=LITE, inferenceConfig={"maxTokens": 100})
    with pytest.raises(ThrottlingException, match="Too many tokens"):
        await client.ask(model=LITE, inferenceConfig={"maxTokens": 101})


async def test_embeddings_count_when_they_are_made(make):
    client = make(throttle=("amazon.titan-embed*=10/5",))
    await client.invoke(TITAN, {"inputText": "more than these five words are in here"})
    with pytest.raises(ThrottlingException, match="Too many tokens"):
        await client.invoke(TITAN, {"inputText": "x"})


async def test_nothing_is_throttled_by_default(scripted):
    client, _ = await scripted(Reply(["x"]))
    for _ in range(5):
        await client.ask(inferenceConfig={"maxTokens": 4096})


@pytest.mark.parametrize("text", ["anthropic", "=3", "a=b", "a=1/", "a=-1"])
def test_limits_that_cannot_be_read(text, tmp_path):
    with pytest.raises(ValueError, match="OUTCROP_THROTTLE"):
        Limit.read(text)
    with pytest.raises(ValueError, match="OUTCROP_THROTTLE"):
        Stack(Settings(data=tmp_path, throttle=(text,)))
