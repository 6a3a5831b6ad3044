import json

import pytest

from outcrop.services.contract import ValidationException
from outcrop.testing.llm import Reply

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
MESSAGES = [{"role": "user", "content": [{"text": "<text>The sky is blue today.</text> What colour is the sky?"}]}]


async def test_count_tokens_equals_the_usage_of_converse(client):
    request = {"messages": MESSAGES, "system": [{"text": "Be brief."}]}
    counted = await client.count_tokens(modelId=CLAUDE, input={"converse": request})
    answer = await client.converse(modelId=CLAUDE, **request)
    assert counted == {"inputTokens": answer["usage"]["inputTokens"]}


async def test_count_tokens_equals_the_usage_of_invoke_model(client):
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": MESSAGES[0]["content"][0]["text"]}],
    }
    counted = await client.count_tokens(modelId=CLAUDE, input={"invokeModel": {"body": json.dumps(body).encode()}})
    answer = await client.invoke(CLAUDE, body)
    assert counted["inputTokens"] == answer["usage"]["input_tokens"] > 0


async def test_count_tokens_asks_the_endpoint(scripted):
    client, endpoint = await scripted(Reply(usage=(42, 1)))
    assert (await client.count_tokens(modelId=CLAUDE, input={"converse": {"messages": MESSAGES}}))["inputTokens"] == 42
    assert (await client.converse(modelId=CLAUDE, messages=MESSAGES))["usage"]["inputTokens"] == 42
    assert len(endpoint.requests) == 2


async def test_count_tokens_refuses_embedding_models(client):
    with pytest.raises(ValidationException, match="doesn't support counting tokens"):
        await client.count_tokens(modelId="amazon.titan-embed-text-v1", input={"converse": {"messages": MESSAGES}})
