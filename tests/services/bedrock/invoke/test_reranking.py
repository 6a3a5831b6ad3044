import pytest

from outcrop.services.contract import ValidationException

DOCUMENTS = [
    "The roses in the garden bloom in June.",
    "A Lambda function can run for up to fifteen minutes.",
    {"text": "Functions are stopped when their timeout is over."},
]
QUERY = "How long can a Lambda function run?"


@pytest.mark.parametrize("model", ["cohere.rerank-v3-5:0", "amazon.rerank-v1:0"])
async def test_invoke_model_of_rerankers(client, model):
    answer = await client.invoke(model, {"query": QUERY, "documents": DOCUMENTS, "top_n": 2, "api_version": 2})
    assert [result["index"] for result in answer["results"]] == [1, 2]
    best, second = [result["relevance_score"] for result in answer["results"]]
    assert 1 >= best > second > 0
    assert client.notes["served-by"] == "late-interaction:all-MiniLM-L6-v2"


async def test_invoke_model_of_rerankers_refuses_bodies(client):
    with pytest.raises(ValidationException, match="api_version"):
        await client.invoke("cohere.rerank-v3-5:0", {"query": QUERY, "documents": DOCUMENTS})
    with pytest.raises(ValidationException, match="#/documents/0"):
        await client.invoke("amazon.rerank-v1:0", {"query": QUERY, "documents": [7]})
