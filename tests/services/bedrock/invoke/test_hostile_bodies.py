"""Bodies with parts missing, misplaced or of the wrong kind: each is served or refused, never a crash."""

import base64
import copy
import json
import random

import pytest

from outcrop.services.contract import ServiceError

TEXT = {"type": "text", "text": "x"}
PIXELS = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADElEQVR4nGNgQAcAABIAAXfBqO4AAAAASUVORK5CYII="
DATA = base64.b64encode(b"Some text.").decode()
CLAUDE = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 5,
    "system": [TEXT],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXELS}},
                {"type": "document", "title": "t", "source": {"type": "text", "data": "x"}},
                {"type": "search_result", "title": "t", "source": "s", "content": [TEXT]},
            ],
        },
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "n", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [TEXT]}]},
    ],
    "tools": [{"name": "n", "description": "d", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "tool", "name": "n"},
    "stop_sequences": ["x"],
    "top_k": 1,
}
NOVA = {
    "schemaVersion": "messages-v1",
    "system": [{"text": "x"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"text": "x"},
                {"image": {"format": "png", "source": {"bytes": PIXELS}}},
                {"document": {"name": "n", "format": "txt", "source": {"bytes": DATA}}},
            ],
        },
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "n", "input": {}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "x"}, {"json": {}}]}}]},
    ],
    "inferenceConfig": {"maxTokens": 5, "topK": 1, "stopSequences": ["x"]},
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "n", "description": "d", "inputSchema": {"json": {"type": "object"}}}}],
        "toolChoice": {"tool": {"name": "n"}},
    },
}
CALL = {"id": "t1", "type": "function", "function": {"name": "n", "arguments": "{}"}}
CHAT = {
    "messages": [
        {"role": "system", "content": "x"},
        {
            "role": "user",
            "content": [TEXT, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXELS}"}}],
        },
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "t1", "content": "x"},
    ],
    "tools": [{"type": "function", "function": {"name": "n", "description": "d", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "n"}},
    "stop": ["x"],
}
COMMAND_R = {
    "message": "x",
    "preamble": "x",
    "chat_history": [{"role": "USER", "message": "x"}, {"role": "CHATBOT", "message": "x"}],
    "documents": [{"title": "t", "snippet": "s"}],
    "stop_sequences": ["x"],
}
PURPOSE = {"embeddingPurpose": "GENERIC_INDEX", "embeddingDimension": 256, "text": {"value": "x"}}
BODIES = {
    "anthropic.claude-3-haiku-20240307-v1:0": CLAUDE,
    "anthropic.claude-v2": {"prompt": "\n\nHuman: x\n\nAssistant:", "max_tokens_to_sample": 5, "stop_sequences": ["x"]},
    "amazon.nova-lite-v1:0": NOVA,
    "amazon.titan-text-lite-v1": {"inputText": "x", "textGenerationConfig": {"stopSequences": ["x"], "topP": 1}},
    "meta.llama3-2-11b-instruct-v1:0": {"prompt": "[INST]x[/INST]", "images": [PIXELS], "max_gen_len": 5},
    "mistral.mixtral-8x7b-instruct-v0:1": {"prompt": "[INST]x[/INST]", "stop": ["x"], "top_k": 1},
    "qwen.qwen3-vl-235b-a22b": CHAT,
    "deepseek.r1-v1:0": {"prompt": "x", "stop": ["x"]},
    "cohere.command-r-v1:0": COMMAND_R,
    "cohere.command-text-v14": {"prompt": "x", "stop_sequences": ["x"], "k": 1},
    "amazon.titan-embed-text-v2:0": {"inputText": "x", "dimensions": 256, "embeddingTypes": ["float"]},
    "amazon.nova-2-multimodal-embeddings-v1:0": {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": PURPOSE},
    "cohere.embed-english-v3": {"texts": ["x"], "input_type": "search_query", "embedding_types": ["int8"]},
    "cohere.embed-v4:0": {"inputs": [{"content": [TEXT]}], "input_type": "clustering", "output_dimension": 256},
    "cohere.rerank-v3-5:0": {"query": "x", "documents": ["x", {"text": "y"}], "top_n": 1, "api_version": 2},
}
JUNK = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "²",
    "\ud800",
    [],
    {},
    [None],
    [[]],
    {"a": 1},
    [TEXT],
    TEXT,
    [{"text": "x"}],
]


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def spoilt(body, chance):
    body = copy.deepcopy(body)
    for _ in range(chance.choice((1, 1, 2))):
        *path, last = chance.choice([place for place in places(body) if place] or [("x",)])
        target = body
        for step in path:
            target = target[step]
        if isinstance(target, dict) and chance.random() < 0.3:
            target.pop(last, None)
        else:
            target[last] = copy.deepcopy(chance.choice(JUNK))
    return body


@pytest.mark.parametrize("model", BODIES)
async def test_invoke_model_survives_spoilt_bodies(client, model):
    chance = random.Random(model)
    served = 0
    for _ in range(60):
        body = spoilt(BODIES[model], chance)
        try:
            await client.invoke_model(modelId=model, body=json.dumps(body).encode())
            served += 1
        except ServiceError as error:
            assert error.status != 500, error.message
    assert served < 60


async def test_invoke_model_serves_or_clearly_refuses_the_unspoilt(client):
    for model, body in BODIES.items():
        try:
            await client.invoke_model(modelId=model, body=json.dumps(body).encode())
        except ServiceError as error:
            assert "The built-in engine can't" in error.message, (model, error.message)
