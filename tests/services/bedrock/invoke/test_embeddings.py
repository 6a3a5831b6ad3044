import math

import numpy as np
import pytest

from outcrop.services.contract import ValidationException

NEAR = ("How long may a function run?", "A function can run for up to fifteen minutes.")
FAR = "The roses in the garden bloom in June."
V1, V2 = "amazon.titan-embed-text-v1", "amazon.titan-embed-text-v2:0"
IMAGE, NOVA = "amazon.titan-embed-image-v1", "amazon.nova-2-multimodal-embeddings-v1:0"
COHERE3, COHERE4 = "cohere.embed-english-v3", "cohere.embed-v4:0"


def length(vector):
    return math.sqrt(sum(number * number for number in vector))


async def titan(client, model, text, **more):
    return (await client.invoke(model, {"inputText": text, **more}))["embedding"]


@pytest.mark.parametrize(
    ("model", "more", "dimensions"),
    [
        (V1, {}, 1536),
        (V2, {}, 1024),
        (V2, {"dimensions": 512}, 512),
        (V2, {"dimensions": 256, "normalize": True}, 256),
        (IMAGE, {}, 1024),
        (IMAGE, {"embeddingConfig": {"outputEmbeddingLength": 384}}, 384),
    ],
)
async def test_invoke_model_of_titan(client, model, more, dimensions):
    question, answer, other = [await titan(client, model, text, **more) for text in (*NEAR, FAR)]
    assert len(question) == dimensions
    assert length(question) == pytest.approx(1, abs=1e-4)
    assert np.dot(question, answer) > np.dot(question, other) + 0.3
    assert client.notes["served-by"] == "all-MiniLM-L6-v2"
    assert int(client.headers["X-Amzn-Bedrock-Input-Token-Count"]) == 9


async def test_invoke_model_of_titan_v2_by_type(client):
    answer = await client.invoke(V2, {"inputText": "Hello", "dimensions": 256, "embeddingTypes": ["float", "binary"]})
    assert answer["embedding"] == answer["embeddingsByType"]["float"]
    assert answer["embeddingsByType"]["binary"] == [1 if number > 0 else 0 for number in answer["embedding"]]
    assert answer["inputTextTokenCount"] == 1
    only = await client.invoke(V2, {"inputText": "Hello", "embeddingTypes": ["binary"]})
    assert "embedding" not in only


@pytest.mark.parametrize(
    ("model", "body", "text"),
    [
        (V1, {}, r"required key \[inputText\] not found"),
        (V1, {"inputText": ""}, "#/inputText: expected minLength: 1, actual: 0"),
        (V1, {"inputText": "x", "dimensions": 256}, r"extraneous key \[dimensions\]"),
        (V1, {"inputText": "x" * 50_001}, "expected maxLength: 50000, actual: 50001"),
        (
            V1,
            {"inputText": "x " * 9000},
            "Too many input tokens. Max input tokens: 8192, request input token count: 9000",
        ),
        (V2, {"inputText": "x", "dimensions": 300}, "300 is not a valid enum value"),
        (IMAGE, {"inputImage": "aGk="}, "Only texts can be embedded"),
        (COHERE3, {"texts": ["x"]}, r"required key \[input_type\] not found"),
        (COHERE3, {"texts": ["x"] * 97, "input_type": "search_query"}, "maximum item count: 96, found: 97"),
        (COHERE3, {"texts": ["x " * 600], "input_type": "search_query", "truncate": "NONE"}, "too long: 600 tokens"),
        (COHERE3, {"images": ["x"], "input_type": "image"}, "Only texts can be embedded"),
        (NOVA, {"taskType": "SINGLE_EMBEDDING"}, r"required key \[singleEmbeddingParams\]"),
        ("twelvelabs.marengo-embed-3-0-v1:0", {"inputText": "x"}, "video and sound"),
    ],
)
async def test_invoke_model_refuses_bodies(client, model, body, text):
    with pytest.raises(ValidationException, match=text):
        await client.invoke(model, body)


async def test_invoke_model_of_cohere(client):
    documents = await client.invoke(COHERE3, {"texts": [NEAR[1], FAR], "input_type": "search_document"})
    query = await client.invoke(COHERE3, {"texts": [NEAR[0]], "input_type": "search_query"})
    assert documents["response_type"] == "embeddings_floats"
    assert documents["texts"] == [NEAR[1], FAR]
    near, far = documents["embeddings"]
    assert len(near) == 1024
    assert np.dot(query["embeddings"][0], near) > np.dot(query["embeddings"][0], far) + 0.3


async def test_invoke_model_of_cohere_by_type(client):
    kinds = ["float", "int8", "uint8", "binary", "ubinary"]
    body = {"texts": [NEAR[0]], "input_type": "search_document", "embedding_types": kinds}
    answer = await client.invoke(COHERE3, body)
    assert answer["response_type"] == "embeddings_by_type"
    by_type = {kind: vectors[0] for kind, vectors in answer["embeddings"].items()}
    assert len(by_type["binary"]) == len(by_type["ubinary"]) == 128
    assert [number + 128 for number in by_type["binary"]] == by_type["ubinary"]
    assert max(abs(number) for number in by_type["int8"]) == 127
    assert [number + 128 for number in by_type["int8"]] == by_type["uint8"]
    bits = np.unpackbits(np.array(by_type["ubinary"], np.uint8)).tolist()
    assert bits == [1 if number > 0 else 0 for number in by_type["float"]]
    assert np.corrcoef(by_type["int8"], by_type["float"])[0, 1] > 0.999


async def test_invoke_model_of_cohere_v4(client):
    inputs = [{"content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "world"}]}]
    answer = await client.invoke(COHERE4, {"inputs": inputs, "input_type": "search_document", "output_dimension": 256})
    assert len(answer["embeddings"][0]) == 256
    assert answer["texts"] == ["Hello\nworld"]
    assert (
        len((await client.invoke(COHERE4, {"texts": ["x"], "input_type": "classification"}))["embeddings"][0]) == 1536
    )


async def test_invoke_model_of_nova(client):
    def body(**text):
        params = {"embeddingPurpose": "GENERIC_INDEX", "embeddingDimension": 384, "text": text}
        return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}

    answer = await client.invoke(NOVA, body(truncationMode="END", value="Hello"))
    assert answer["embeddings"][0]["embeddingType"] == "TEXT"
    assert len(answer["embeddings"][0]["embedding"]) == 384


async def test_invoke_model_with_response_stream_refuses_embedding_models(client):
    with pytest.raises(ValidationException, match="unsupported for streaming"):
        await client.invoke_stream(V2, {"inputText": "x"})
