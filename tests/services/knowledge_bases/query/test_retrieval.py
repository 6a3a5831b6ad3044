from __future__ import annotations

import json

import pytest
from tests.services.knowledge_bases.conftest import OSMOSIS, VOLCANO

from outcrop.services.contract import ServiceError
from outcrop.services.knowledge_bases.errors import ResourceNotFoundException, ValidationException
from outcrop.services.knowledge_bases.query import retrieval

WATER = "How does water move?"


def key(operator: str, name: str, value: object) -> dict:
    return {operator: {"key": name, "value": value}}


async def test_every_operator_alone_and_in_groups(base):
    expected = [
        (key("equals", "course", "biology"), {"osmosis"}),
        (key("notEquals", "course", "biology"), {"volcano", "dialysis"}),
        (key("equals", "draft", True), {"volcano"}),
        (key("notEquals", "draft", True), {"osmosis", "dialysis"}),
        (key("greaterThan", "week", 2), {"dialysis"}),
        (key("greaterThanOrEquals", "week", 2), {"volcano", "dialysis"}),
        (key("lessThan", "week", 2), {"osmosis"}),
        (key("lessThanOrEquals", "week", 2.0), {"osmosis", "volcano"}),
        (key("in", "week", [1, 3]), {"osmosis", "dialysis"}),
        (key("notIn", "course", ["biology", "geology"]), {"dialysis"}),
        (key("startsWith", "course", "geo"), {"volcano"}),
        (key("stringContains", "course", "olog"), {"osmosis", "volcano"}),
        (key("stringContains", "tags", "loo"), {"dialysis"}),
        (key("listContains", "tags", "water"), {"osmosis"}),
        (key("equals", "nothing", 1), set()),
        ({"andAll": [key("lessThan", "week", 3), key("notEquals", "draft", True)]}, {"osmosis"}),
        (
            {
                "orAll": [
                    key("equals", "week", 3),
                    {"andAll": [key("equals", "week", 2), key("equals", "draft", True)]},
                ]
            },
            {"volcano", "dialysis"},
        ),
    ]
    for given, documents in expected:
        assert set(await base.found(WATER, filter=given)) == documents, given


async def test_results_descend_and_say_where_they_come_from(base):
    answer = await base.retrieve(WATER, numberOfResults=2)
    results = answer["retrievalResults"]
    assert len(results) == 2
    assert results[0]["score"] >= results[1]["score"] > 0
    assert results[0]["content"] == {"type": "TEXT", "text": OSMOSIS}
    metadata = results[0]["metadata"]
    assert metadata["x-amz-bedrock-kb-source-uri"] == "osmosis"
    assert metadata["x-amz-bedrock-kb-data-source-id"] == base.source
    assert metadata["x-amz-bedrock-kb-chunk-id"]
    assert metadata["week"] == 1
    assert metadata["tags"] == ["cell", "water"]
    assert not [name for name in metadata if name.startswith("_")]
    assert "nextToken" not in answer
    scores = json.loads(base.notes["scores"])
    assert len(scores) == 2
    assert scores[0]["fused"] == round(results[0]["score"], 4)
    assert 0 < scores[0]["vector"] <= 1
    assert 0 < scores[0]["text"] <= 1


async def test_pages_go_on_where_the_last_one_ended(base, monkeypatch):
    whole = await base.found(WATER)
    monkeypatch.setattr(retrieval, "PAGE_CHARACTERS", 250)
    request = {"knowledgeBaseId": base.id, "retrievalQuery": {"text": WATER}}
    paged, token = [], None
    while token is not None or not paged:
        page = await base.call("retrieve", **request, nextToken=token)
        paged += [one["location"]["customDocumentLocation"]["id"] for one in page["retrievalResults"]]
        last, token = token, page.get("nextToken")
    assert paged == whole
    assert last is not None
    for stranger in ("nonsense", "MTpub25zZW5zZQ==", "%%%", "MQ=="):
        with pytest.raises(ValidationException, match="nextToken"):
            await base.call("retrieve", **request, nextToken=stranger)
    with pytest.raises(ValidationException, match="nextToken"):
        await base.call("retrieve", **{**request, "retrievalQuery": {"text": "another"}}, nextToken=last)


async def test_reranking_replaces_scores_and_keeps_as_many_as_asked(base):
    def by(**more):
        model = {"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.rerank-v1:0"}
        return {
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": {"modelConfiguration": model, **more},
        }

    answer = await base.retrieve("How long does dialysis take?", rerankingConfiguration=by(numberOfRerankedResults=2))
    results = answer["retrievalResults"]
    assert results[0]["location"]["customDocumentLocation"]["id"] == "dialysis"
    assert len(results) == 2
    assert base.notes["reranked-by"] == "amazon.rerank-v1:0"
    scores = json.loads(base.notes["scores"])
    assert scores[0]["rerank"] == round(results[0]["score"], 4) != scores[0]["fused"]

    def seeing(**metadata):
        return by(metadataConfiguration={"selectionMode": "SELECTIVE", "selectiveModeConfiguration": metadata})

    about = "the course medicine"
    plain = (await base.retrieve(about, rerankingConfiguration=by()))["retrievalResults"]
    shown = (await base.retrieve(about, rerankingConfiguration=seeing(fieldsToInclude=[{"fieldName": "course"}])))[
        "retrievalResults"
    ]
    every = by(metadataConfiguration={"selectionMode": "ALL"})
    assert (await base.found(about, rerankingConfiguration=every))[0] == "dialysis"
    assert shown[0]["location"]["customDocumentLocation"]["id"] == "dialysis"
    assert score_of(shown, "dialysis") > score_of(plain, "dialysis")
    hidden = (await base.retrieve(about, rerankingConfiguration=seeing(fieldsToExclude=[{"fieldName": "course"}])))[
        "retrievalResults"
    ]
    assert score_of(hidden, "dialysis") < score_of(shown, "dialysis")

    for wrong, words in (
        (by(numberOfRerankedResults=6), "numberOfRerankedResults"),
        ({"type": "BEDROCK_RERANKING_MODEL"}, "bedrockRerankingConfiguration"),
        (by(metadataConfiguration={"selectionMode": "SELECTIVE"}), "selectiveModeConfiguration"),
        (
            by(
                metadataConfiguration={
                    "selectionMode": "ALL",
                    "selectiveModeConfiguration": {"fieldsToInclude": [{"fieldName": "x"}]},
                }
            ),
            "selectiveModeConfiguration",
        ),
    ):
        with pytest.raises(ValidationException, match=words):
            await base.retrieve(about, rerankingConfiguration=wrong)
    other = by()
    other["bedrockRerankingConfiguration"]["modelConfiguration"]["modelArn"] = (
        "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2"
    )
    with pytest.raises(ValidationException, match="not supported for reranking"):
        await base.retrieve(about, rerankingConfiguration=other)


def score_of(results: list[dict], document: str) -> float:
    return next(one["score"] for one in results if one["location"]["customDocumentLocation"]["id"] == document)


async def test_implicit_filters_by_rule(base):
    attributes = [
        {"key": "course", "type": "STRING", "description": "Subject that is taught"},
        {"key": "week", "type": "NUMBER", "description": "Week of the term"},
        {"key": "draft", "type": "BOOLEAN", "description": "Whether it is unfinished"},
        {"key": "tags", "type": "STRING_LIST", "description": "Keywords"},
    ]
    implied = {"modelArn": "anthropic.claude-3-haiku-20240307-v1:0", "metadataAttributes": attributes}

    async def found(question, **more):
        return set(await base.found(question, implicitFilterConfiguration=implied, **more))

    assert await found("What does the geology course say about water?") == {"volcano"}
    assert json.loads(base.notes["implicit-filter"]) == {"equals": {"key": "course", "value": "geology"}}
    assert await found("water after week 1") == {"volcano", "dialysis"}
    assert await found("water in week 3") == {"dialysis"}
    assert await found("drafts about water") == {"volcano"}
    assert await found("What is tagged with blood?") == {"dialysis"}
    assert await found("How do particles behave?") == {"osmosis", "volcano", "dialysis"}
    assert json.loads(base.notes["implicit-filter"]) is None
    assert await found("water in week 3", filter=key("equals", "course", "geology")) == set()
    with pytest.raises(ValidationException, match="same key"):
        await base.found(
            "x", implicitFilterConfiguration={**implied, "metadataAttributes": [attributes[0], attributes[0]]}
        )
    with pytest.raises(ValidationException, match="model identifier"):
        await base.found("x", implicitFilterConfiguration={**implied, "modelArn": "no.such-model"})


async def test_what_aws_refuses_is_told_in_helpful_mode(base):
    deep = {"andAll": [{"orAll": [{"andAll": [key("equals", "week", 1)] * 2}] * 2}] * 2}
    assert await base.found(WATER, filter=deep) == ["osmosis"]
    assert "nested" in base.notes["filter-warnings"]
    await base.found(WATER, filter={"orAll": [key("equals", "week", week) for week in range(6)]})
    assert "maximum is 5" in base.notes["filter-warnings"]
    await base.found(WATER, filter=key("startsWith", "course", "b"))
    assert "startsWith" in base.notes["filter-warnings"]
    assert base.notes["search-type"] == "HYBRID"


async def test_strict_mode_refuses_what_aws_refuses(opened):
    async with opened(strict=True) as base:
        with pytest.raises(ValidationException, match=f"HYBRID search type is not supported .* index {base.id}"):
            await base.found(WATER, overrideSearchType="HYBRID")
        with pytest.raises(ValidationException, match="stringContains"):
            await base.found(WATER, filter=key("stringContains", "course", "b"))
        with pytest.raises(ValidationException, match="maximum is 5"):
            await base.found(WATER, filter={"orAll": [key("equals", "week", week) for week in range(6)]})
        await base.found(WATER)
        assert base.notes["search-type"] == "SEMANTIC"


async def test_strict_mode_lets_opensearch_search_both_ways(opened):
    async with opened("OPENSEARCH_SERVERLESS", strict=True) as base:
        await base.found(WATER, overrideSearchType="HYBRID", filter=key("startsWith", "course", "b"))
        assert base.notes["search-type"] == "HYBRID"


BAD_REQUESTS = [
    {"retrievalQuery": {"text": ""}},
    {"retrievalQuery": {"text": " \n"}},
    {"retrievalQuery": {}},
    {"retrievalQuery": {"text": "x" * 20001}},
    {"retrievalQuery": {"image": {"format": "png", "inlineContent": b"x"}}},
    {"retrievalQuery": {"type": "IMAGE", "text": "x"}},
    {"retrievalConfiguration": {"managedSearchConfiguration": {"numberOfResults": 1}}},
    {"retrievalConfiguration": {"vectorSearchConfiguration": {"numberOfResults": 0}}},
    {"retrievalConfiguration": {"vectorSearchConfiguration": {"numberOfResults": 101}}},
    {"retrievalConfiguration": {"vectorSearchConfiguration": {"overrideSearchType": "FUZZY"}}},
    {"retrievalConfiguration": {"vectorSearchConfiguration": {"filter": {}}}},
    {"retrievalConfiguration": {"vectorSearchConfiguration": {"filter": {"andAll": [key("equals", "a", 1)]}}}},
    {"retrievalConfiguration": {"vectorSearchConfiguration": {"filter": key("in", "a", "b")}}},
    {"retrievalConfiguration": {"vectorSearchConfiguration": {"filter": key("equals", "a", {"b": 1})}}},
    {"retrievalConfiguration": {"vectorSearchConfiguration": {"filter": key("lessThan", "a", float("nan"))}}},
    {"retrievalConfiguration": {"vectorSearchConfiguration": {"filter": key("listContains", "a", ["b"])}}},
]


async def test_bad_requests_are_refused(base):
    for request in BAD_REQUESTS:
        with pytest.raises(ServiceError) as caught:
            await base.call("retrieve", **{"knowledgeBaseId": base.id, "retrievalQuery": {"text": WATER}, **request})
        assert caught.value.code == "ValidationException", request


async def test_by_arn_and_unknown(base):
    arn = f"arn:aws:bedrock:us-east-1:000000000000:knowledge-base/{base.id}"
    answer = await base.call(
        "retrieve", knowledgeBaseId=arn, retrievalQuery={"text": WATER}, userContext={"userId": "u"}
    )
    assert answer["retrievalResults"]
    with pytest.raises(ResourceNotFoundException, match="Knowledge Base with id ZZZZZZZZZZ does not exist"):
        await base.call("retrieve", knowledgeBaseId="ZZZZZZZZZZ", retrievalQuery={"text": WATER})


async def test_numbers_of_results(base):
    for number in (1, 3, 100):
        assert len(await base.found(WATER, numberOfResults=number)) == min(number, 3)


async def test_hierarchical_chunks_give_way_to_their_parents(opened):
    levels = {"levelConfigurations": [{"maxTokens": 120}, {"maxTokens": 20}], "overlapTokens": 1}
    chunking = {"chunkingStrategy": "HIERARCHICAL", "hierarchicalChunkingConfiguration": levels}
    async with opened("OPENSEARCH_SERVERLESS", chunking=chunking) as base:
        await base.add(osmosis=OSMOSIS, volcano=VOLCANO)
        results = (await base.retrieve("What is lava and ash of a volcano?", numberOfResults=4))["retrievalResults"]
        texts = [one["content"]["text"] for one in results]
        assert 1 <= len(results) < 4, "several children of one parent collapse"
        assert " ".join(texts[0].split()) == VOLCANO
        assert len(set(texts)) == len(texts)
        assert [one["score"] for one in results] == sorted((one["score"] for one in results), reverse=True)
        answer = await base.ask("When did Mount Etna erupt?")
        assert "1669" in answer["output"]["text"]
