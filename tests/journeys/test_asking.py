"""Questions to a knowledge base as boto3, LangChain and a slow language model see them."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing

import pytest
from botocore.eventstream import EventStream
from botocore.exceptions import ClientError, EventStreamError
from tests.journeys.test_knowledge_base import MODEL, OSMOSIS, VOLCANO, Base

from outcrop.testing import StackProcess
from outcrop.testing.llm import Reply, ScriptedEndpoint

RERANKER = "arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0"
PIECES = ["Osmosis is ", "the movement ", "of water [1]. ", "It needs ", "no energy ", "from the cell [1]."]


class Endpoint(threading.Thread):
    """A scripted endpoint in a thread of its own."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__(daemon=True)
        self._replies = replies
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopped = asyncio.Event()
        self.scripted: ScriptedEndpoint

    def run(self) -> None:
        async def serve() -> None:
            async with ScriptedEndpoint(*self._replies) as self.scripted:
                self._ready.set()
                await self._stopped.wait()

        self._loop.run_until_complete(serve())
        self._loop.close()

    def __enter__(self) -> ScriptedEndpoint:
        self.start()
        assert self._ready.wait(10)
        return self.scripted

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self.join(10)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Base, ScriptedEndpoint]]:
    """A knowledge base whose model writes slowly, and breaks off the second time."""
    replies = Reply(PIECES, delay=0.2), Reply(PIECES, broken_after=3)
    with (
        Endpoint(*replies) as endpoint,
        StackProcess(tmp_path_factory.mktemp("slow"), "--llm", f"{endpoint.url}#slow") as stack,
    ):
        base = Base(stack)
        base.put("osmosis.md", OSMOSIS)
        base.sync()
        yield base, endpoint


def ask(base: Base) -> EventStream:
    configuration = {"knowledgeBaseId": base.id, "modelArn": MODEL}
    response = base.runtime.retrieve_and_generate_stream(
        input={"text": "What is osmosis?"},
        retrieveAndGenerateConfiguration={"type": "KNOWLEDGE_BASE", "knowledgeBaseConfiguration": configuration},
    )
    return response["stream"]


def test_the_first_words_arrive_before_the_last_are_made(slow: tuple[Base, ScriptedEndpoint]):
    base, endpoint = slow
    with closing(ask(base)) as stream:
        events = iter(stream)
        first = next(events)
        assert endpoint.sent < len(PIECES)
        seen = [first, *events]
    assert "".join(event.get("output", {}).get("text", "") for event in seen) == (
        "Osmosis is the movement of water. It needs no energy from the cell."
    )
    cited = [event["citation"] for event in seen if "citation" in event]
    assert [len(one["retrievedReferences"]) for one in cited] == [1, 1]

    with closing(ask(base)) as stream, pytest.raises(EventStreamError, match="dependencyFailedException"):
        list(stream)


def test_langchain_reranks(outcrop_stack: StackProcess):
    from langchain_aws import BedrockRerank
    from langchain_core.documents import Document

    client = outcrop_stack.client("bedrock-agent-runtime")
    reranker = BedrockRerank(model_arn=RERANKER, client=client, top_n=2)
    documents = [Document(page_content=text) for text in (VOLCANO, "Bread is made of flour.", OSMOSIS)]
    found = reranker.compress_documents(documents, "How does water pass a membrane?")
    assert found[0].page_content == OSMOSIS
    assert len(found) == 2
    assert 1 >= found[0].metadata["relevance_score"] > 0.5 > found[1].metadata["relevance_score"] >= 0


def test_rerank(outcrop_stack: StackProcess):
    client = outcrop_stack.client("bedrock-agent-runtime")

    def rerank(sources: list, model: str = RERANKER, query: str = "water", **more: object) -> list[dict]:
        model_configuration = {"modelArn": model, **more.pop("model_configuration", {})}
        return client.rerank(
            queries=[{"type": "TEXT", "textQuery": {"text": query}}],
            sources=[{"type": "INLINE", "inlineDocumentSource": source} for source in sources],
            rerankingConfiguration={
                "type": "BEDROCK_RERANKING_MODEL",
                "bedrockRerankingConfiguration": {"modelConfiguration": model_configuration, **more},
            },
        )["results"]

    def text(words: str) -> dict:
        return {"type": "TEXT", "textDocument": {"text": words}}

    sources = [text(VOLCANO), {"type": "JSON", "jsonDocument": {"title": "Osmosis", "body": OSMOSIS}}, text("Bread.")]
    results = rerank(sources)
    assert results[0]["index"] == 1
    assert sorted(one["index"] for one in results) == [0, 1, 2]
    scores = [one["relevanceScore"] for one in results]
    assert scores == sorted(scores, reverse=True)
    assert results == rerank(sources), "the same again"
    assert rerank(sources, numberOfResults=1) == results[:1]
    assert len(rerank([text("x")] * 1000, numberOfResults=1000)) == 1000
    amazon = rerank(sources, RERANKER.replace("cohere.rerank-v3-5:0", "amazon.rerank-v1:0"))
    assert [one["index"] for one in amazon] == [one["index"] for one in results]
    extra = {"additionalModelRequestFields": {"max_tokens_per_doc": 100}}
    assert rerank(sources, model_configuration=extra)[0]["index"] == 1

    wrong = [
        ([{"type": "TEXT"}], {}),
        ([{"type": "JSON"}], {}),
        ([{"type": "JSON", "jsonDocument": {}}], {}),
        ([text(" ")], {}),
        ([text("x" * 32_001)], {}),
        ([text("x")] * 1001, {}),
        (sources, {"numberOfResults": 1001}),
        (sources, {"model": MODEL}),
        (sources, {"query": " "}),
        (sources, {"query": "x" * 32_001}),
        (sources, {"model_configuration": {"additionalModelRequestFields": {"top_n": 1}}}),
    ]
    for given, more in wrong:
        with pytest.raises(ClientError) as caught:
            rerank(given, **more)
        assert caught.value.response["Error"]["Code"] == "ValidationException", (given, more)


def test_boto3_pages_through_results(outcrop_stack: StackProcess):
    base = Base(outcrop_stack)
    for number in range(3):
        base.put(f"{number}.txt", f"{VOLCANO} Number {number}. " + "Lava flows down. " * 40)
    base.sync()
    pages = base.runtime.get_paginator("retrieve").paginate(
        knowledgeBaseId=base.id,
        retrievalQuery={"text": "lava"},
        retrievalConfiguration={"vectorSearchConfiguration": {"numberOfResults": 2}},
    )
    assert len([one for page in pages for one in page["retrievalResults"]]) == 2


def test_operations_that_are_not_there_say_so(outcrop_stack: StackProcess):
    client = outcrop_stack.client("bedrock-agent-runtime")
    with pytest.raises(ClientError, match="GenerateQuery") as caught:
        client.generate_query(
            queryGenerationInput={"type": "TEXT", "text": "how many?"},
            transformationConfiguration={
                "mode": "TEXT_TO_SQL",
                "textToSqlConfiguration": {
                    "type": "KNOWLEDGE_BASE",
                    "knowledgeBaseConfiguration": {
                        "knowledgeBaseArn": "arn:aws:bedrock:us-east-1:000000000000:knowledge-base/ABCDEFGHIJ"
                    },
                },
            },
        )
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_boto3_asks_a_document_that_it_sends(outcrop_stack: StackProcess):
    client = outcrop_stack.client("bedrock-agent-runtime")
    source = {"identifier": "notes.md", "contentType": "text/markdown", "data": VOLCANO.encode()}
    template = "Say it briefly. $search_results$ $output_format_instructions$ Thanks, ünïcödé."
    answer = client.retrieve_and_generate(
        input={"text": "What is lava?"},
        retrieveAndGenerateConfiguration={
            "type": "EXTERNAL_SOURCES",
            "externalSourcesConfiguration": {
                "modelArn": MODEL,
                "sources": [{"sourceType": "BYTE_CONTENT", "byteContent": source}],
                "generationConfiguration": {"promptTemplate": {"textPromptTemplate": template}},
            },
        },
    )
    assert "Magma that reaches the surface" in answer["output"]["text"]
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert "last thing" in json.loads(headers["x-outcrop-prompt-warnings"])[0]


@pytest.mark.parametrize("depth", [50, 300, 2000])
def test_a_filter_in_a_filter_without_end_is_refused(outcrop_stack: StackProcess, depth: int):
    leaf = '{"equals":{"key":"a","value":1}}'
    nested = '{"andAll":[' * depth + leaf + f",{leaf}]}}" * depth
    search = f'{{"vectorSearchConfiguration":{{"filter":{nested}}}}}'
    body = f'{{"retrievalQuery":{{"text":"x"}},"retrievalConfiguration":{search}}}'
    base = Base(outcrop_stack)
    request = urllib.request.Request(
        f"{outcrop_stack.url}/knowledgebases/{base.id}/retrieve",
        data=body.encode(),
        headers={"Host": "bedrock-agent-runtime.us-east-1.amazonaws.com", "Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        urllib.request.urlopen(request, timeout=30)
    with caught.value as error:
        assert "nested" in json.loads(error.read())["message"]
