import asyncio

import pytest

from outcrop.services.bedrock.reporting import metrics
from outcrop.services.contract import ServiceError
from outcrop.testing.llm import Reply

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(metrics, "FLUSH_SECONDS", 0.02)


async def sent(client):
    """Metrics by (model, name), added up."""
    for _ in range(1000):
        if client.heard:
            break
        await asyncio.sleep(0.01)
    found = {}
    for service, operation, request in client.heard:
        assert (service, operation, request["Namespace"]) == ("cloudwatch", "put_metric_data", "AWS/Bedrock")
        for one in request["MetricData"]:
            (dimension,) = one["Dimensions"]
            assert dimension["Name"] == "ModelId"
            total = sum(value * count for value, count in zip(one["Values"], one["Counts"], strict=True))
            found[dimension["Value"], one["MetricName"]] = found.get((dimension["Value"], one["MetricName"]), 0) + total
    return found


async def test_invocations(scripted):
    client, _ = await scripted(Reply(["x"], usage=(11, 7)))
    await client.ask(model=HAIKU)
    await client.stream(model=HAIKU)
    found = await sent(client)
    assert found[HAIKU, "Invocations"] == 2
    assert found[HAIKU, "InputTokenCount"] == 22
    assert found[HAIKU, "OutputTokenCount"] == 14
    assert (HAIKU, "InvocationLatency") in found
    assert (HAIKU, "TimeToFirstToken") in found


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        (Reply(status=429), "InvocationThrottles"),
        (Reply(status=422), "InvocationClientErrors"),
        (Reply(status=503), "InvocationServerErrors"),
    ],
)
async def test_errors(scripted, reply, name):
    client, _ = await scripted(reply)
    with pytest.raises(ServiceError):
        await client.ask(model=HAIKU)
    assert await sent(client) == {(HAIKU, name): 1}
