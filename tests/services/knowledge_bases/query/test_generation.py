from __future__ import annotations

import json
import time

import pytest
from tests.services.knowledge_bases.conftest import DIALYSIS, OSMOSIS, VOLCANO

from outcrop.services.contract import ResourceNotFoundException, ServiceError
from outcrop.services.knowledge_bases.errors import DependencyFailedException, ValidationException
from outcrop.services.knowledge_bases.query.prompts import REFUSAL
from outcrop.testing.llm import Reply, ScriptedEndpoint

DOCUMENTS = {"osmosis": OSMOSIS, "volcano": VOLCANO, "dialysis": DIALYSIS}
MARKDOWN = b"# Lava\n\nLava is molten rock that has reached the surface of a planet.\n\n# Ash\n\nAsh is fine dust.\n"


def parts(answer):
    """(text, span, documents) of each citation; checks that spans fit the text, don't overlap and go on."""
    text, last, found = answer["output"]["text"], -1, []
    for citation in answer["citations"]:
        part = citation["generatedResponsePart"]["textResponsePart"]
        span = part["span"]
        assert text[span["start"] : span["end"] + 1] == part["text"]
        assert span["start"] > last
        last = span["end"]
        for reference in citation["retrievedReferences"]:
            assert set(reference) == {"content", "location", "metadata"}
        found.append((part["text"], documents(citation)))
    return found


def documents(citation):
    return [one["location"]["customDocumentLocation"]["id"] for one in citation["retrievedReferences"]]


def generation(**configuration):
    return {"generationConfiguration": configuration}


def template(text):
    return {"promptTemplate": {"textPromptTemplate": text}}


# answers without a model


async def test_an_answer_of_the_built_in_engine_cites(base):
    answer = await base.ask("What is osmosis?")
    assert "semipermeable membrane" in answer["output"]["text"]
    assert all(cited == ["osmosis"] for _, cited in parts(answer))
    assert answer["guardrailAction"] == "NONE"
    assert base.notes["served-by"] == "extractive"


async def test_a_conversation_goes_on(base):
    first = await base.ask("When did Mount Etna erupt?")
    second = await base.ask("and what did it destroy?", session=first["sessionId"])
    assert second["sessionId"] == first["sessionId"]
    assert "Catania" in second["output"]["text"]
    assert "Etna" in base.notes["query"]


async def test_sessions_are_made_by_the_service_for_one_knowledge_base(base):
    with pytest.raises(ValidationException, match=r"Session with Id mine is not valid\. Please check and try again\."):
        await base.ask("What is osmosis?", session="mine")
    asked = base.question("What is osmosis?")
    key = f"arn:aws:kms:us-east-1:000000000000:key/{'a' * 36}"
    answer = await base.call("retrieve_and_generate", **asked, sessionConfiguration={"kmsKeyArn": key})
    external = external_request(byteContent=content())
    with pytest.raises(ValidationException, match="is not valid"):
        await base.call("retrieve_and_generate", **external, sessionId=answer["sessionId"])
    base.stack.database("knowledge_bases").write("UPDATE session SET used_at = used_at - 90000")
    with pytest.raises(ValidationException, match="is not valid"):
        await base.ask("And why?", session=answer["sessionId"])


async def test_a_compound_question_is_taken_apart(base):
    question = "What is lava and how long does a dialysis session take?"
    transformation = {"queryTransformationConfiguration": {"type": "QUERY_DECOMPOSITION"}}
    answer = await base.ask(question, orchestrationConfiguration=transformation)
    assert json.loads(base.notes["query"])[1:] == ["What is lava?", "how long does a dialysis session take?"]
    text = answer["output"]["text"]
    assert "lava" in text
    assert "four hours" in text
    assert {document for _, cited in parts(answer) for document in cited} == {"volcano", "dialysis"}
    one = {"retrievalConfiguration": {"vectorSearchConfiguration": {"numberOfResults": 1}}}
    answer = await base.ask(question, orchestrationConfiguration=transformation, **one)
    assert {document for _, cited in parts(answer) for document in cited} == {"volcano", "dialysis"}
    model = {"modelConfiguration": {"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.rerank-v1:0"}}
    vector = one["retrievalConfiguration"]["vectorSearchConfiguration"]
    vector["rerankingConfiguration"] = {
        "type": "BEDROCK_RERANKING_MODEL",
        "bedrockRerankingConfiguration": {**model, "numberOfRerankedResults": 5},
    }
    answer = await base.ask(question, orchestrationConfiguration=transformation, **one)
    assert {document for _, cited in parts(answer) for document in cited} == {"volcano", "dialysis"}
    with pytest.raises(ValidationException, match="numberOfRerankedResults"):
        await base.ask(question, **one)


async def test_the_built_in_engine_keeps_to_limits(base):
    def limited(**config):
        return generation(inferenceConfig={"textInferenceConfig": config})

    whole = (await base.ask("What is osmosis?"))["output"]["text"]
    answer = await base.ask("What is osmosis?", **limited(maxTokens=5))
    assert whole.startswith(answer["output"]["text"])
    assert 0 < len(answer["output"]["text"].split()) <= 5
    parts(answer)
    answer = await base.ask("What is osmosis?", **limited(stopSequences=["membrane"]))
    assert answer["output"]["text"] == whole.partition("membrane")[0].rstrip()
    parts(answer)


async def test_a_question_that_nothing_answers_is_refused(base):
    answer = await base.ask("Who won the football world cup in 1974?")
    assert answer["output"]["text"] == REFUSAL
    assert answer["citations"] == [
        {"generatedResponsePart": {"textResponsePart": {"text": REFUSAL, "span": {}}}, "retrievedReferences": []}
    ]
    events = await base.stream("Who won the football world cup in 1974?")
    assert events[0] == {"output": {"text": REFUSAL}}
    assert events[1]["citation"]["retrievedReferences"] == []
    assert events[2] == {"guardrail": {"action": "NONE"}}


# answers by a model


async def test_what_a_model_is_sent(opened):
    async with (
        ScriptedEndpoint(Reply(("Osmosis moves water [1].",))) as endpoint,
        opened(llm=(endpoint.url + "#m",)) as base,
    ):
        await base.add(**DOCUMENTS)
        asked = template("Now $current_time$. Q: $query$ R: $search_results$ X: $other$\n$output_format_instructions$")
        answer = await base.ask(
            "What is osmosis?",
            **generation(
                **asked,
                inferenceConfig={
                    "textInferenceConfig": {"temperature": 0.5, "topP": 0.25, "maxTokens": 50, "stopSequences": ["END"]}
                },
                additionalModelRequestFields={"top_k": 7},
                performanceConfig={"latency": "standard"},
            ),
        )
        assert base.notes["served-by"].startswith("openai:m@")
        assert json.loads(base.notes["prompt-warnings"]) == ["$other$ is no placeholder: it stays as it is."]
        sent = endpoint.requests[0]
        system, user = sent["messages"]
        assert system["content"].startswith("Now 20")
        assert "Q: What is osmosis? R: [1] Osmosis is the movement" in system["content"]
        assert "X: $other$" in system["content"]
        assert "square brackets" in system["content"]
        assert user == {"role": "user", "content": "What is osmosis?"}
        assert (sent["temperature"], sent["top_p"], sent["max_tokens"]) == (0.5, 0.25, 50)
        await base.ask("Why?", session=answer["sessionId"])
        roles = [message["role"] for message in endpoint.requests[1]["messages"]]
        assert roles == ["system", "user", "assistant", "user"]
        assert endpoint.requests[1]["messages"][2]["content"] == "Osmosis moves water."


async def test_citations_are_what_the_passages_support(opened):
    said = (
        "Osmosis is the movement of water through a membrane [1]. It costs 500 dollars [1]. It was found by Napoleon "
        "Bonaparte [1][9]. Plant roots take up water by osmosis [1, 2]. Etna erupted in 1669 [1][2][3]."
    )
    pieces = [said[at : at + 3] for at in range(0, len(said), 3)]
    async with ScriptedEndpoint(Reply(pieces)) as endpoint, opened(llm=(endpoint.url + "#m",)) as base:
        await base.add(**DOCUMENTS)
        answer = await base.ask("What is osmosis?")
        found = parts(answer)
        assert "[" not in answer["output"]["text"]
        assert found == [
            ("Osmosis is the movement of water through a membrane.", ["osmosis"]),
            ("It costs 500 dollars.", []),
            ("It was found by Napoleon Bonaparte.", []),
            ("Plant roots take up water by osmosis.", ["osmosis"]),
            ("Etna erupted in 1669.", ["volcano"]),
        ]
        uncited = await base.ask("What is osmosis?", **generation(**template("$search_results$")))
        assert uncited["output"]["text"] == answer["output"]["text"]
        assert all(not cited for _, cited in parts(uncited))
        assert "no citations" in base.notes["prompt-warnings"]


async def test_a_stream_comes_as_it_is_made(opened):
    pieces = ["Osmosis is ", "the movement of water", " [1", "]. ", "It needs no", " energy [1].", " The", " end."]
    async with (
        ScriptedEndpoint(Reply(pieces, delay=0.05)) as endpoint,
        opened(llm=(endpoint.url + "#m",)) as base,
    ):
        await base.add(**DOCUMENTS)
        answer = await base.call("retrieve_and_generate_stream", **base.question("What is osmosis?"))
        events, sent, times = [], [], []
        async for event in answer["stream"]:
            events.append(event)
            sent.append(endpoint.sent)
            times.append(time.monotonic())
        assert events[0] == {"output": {"text": "Osmosis is"}}
        assert sent[0] < len(pieces), "the first words came before the last were made"
        first = next(at for at, event in enumerate(events) if "citation" in event)
        assert sent[first] < len(pieces), "so did the first citation"
        text = ""
        for event in events:
            text += event.get("output", {}).get("text", "")
            if "citation" in event:
                part = event["citation"]["generatedResponsePart"]["textResponsePart"]
                assert text[part["span"]["start"] : part["span"]["end"] + 1] == part["text"]
                assert event["citation"]["citation"] == {
                    name: event["citation"][name] for name in ("generatedResponsePart", "retrievedReferences")
                }
        assert text == "Osmosis is the movement of water. It needs no energy. The end."
        assert [len(event["citation"]["retrievedReferences"]) for event in events if "citation" in event] == [1, 1, 0]
        assert events[-1] == {"guardrail": {"action": "NONE"}}
        follow_up = await base.ask("Why?", session=answer["sessionId"])
        assert follow_up["sessionId"] == answer["sessionId"]


async def test_a_client_that_leaves_stops_the_model(opened):
    pieces = ["word "] * 200
    async with ScriptedEndpoint(Reply(pieces, delay=0.02)) as endpoint, opened(llm=(endpoint.url + "#m",)) as base:
        await base.add(**DOCUMENTS)
        answer = await base.call("retrieve_and_generate_stream", **base.question("What is osmosis?"))
        await anext(answer["stream"])
        await answer["stream"].aclose()
        deadline = time.monotonic() + 5
        while not endpoint.abandoned and time.monotonic() < deadline:
            await base.found("x")
        assert endpoint.abandoned == 1
        assert endpoint.sent < len(pieces)


async def test_a_model_that_fails_names_itself(opened):
    async with ScriptedEndpoint(Reply(status=500)) as endpoint, opened(llm=(endpoint.url + "#m",)) as base:
        await base.add(**DOCUMENTS)
        with pytest.raises(DependencyFailedException) as caught:
            await base.ask("What is osmosis?")
        assert "claude" in caught.value.members["resourceName"]


async def test_a_model_that_breaks_off_names_itself(opened):
    broken = Reply(("Osmosis is ", "water ", "that"), broken_after=2)
    async with ScriptedEndpoint(broken) as endpoint, opened(llm=(endpoint.url + "#m",)) as base:
        await base.add(**DOCUMENTS)
        with pytest.raises(DependencyFailedException):
            await base.stream("What is osmosis?")


async def test_a_model_may_say_that_there_is_no_answer(opened):
    async with (
        ScriptedEndpoint(Reply(("NO_", "ANSWER", " at all"))) as endpoint,
        opened(llm=(endpoint.url + "#m",)) as base,
    ):
        await base.add(**DOCUMENTS)
        answer = await base.ask("What is osmosis?")
        assert answer["output"]["text"] == REFUSAL
        assert answer["citations"][0]["generatedResponsePart"]["textResponsePart"]["span"] == {}


async def test_orchestration_by_a_model(opened):
    queries = Reply(("<query>What is lava?</query>\n<query>duration of dialysis</query>",))
    async with (
        ScriptedEndpoint(queries, Reply(("Lava [1].",))) as endpoint,
        opened(llm=(endpoint.url + "#m",)) as base,
    ):
        await base.add(**DOCUMENTS)
        orchestration = {
            "queryTransformationConfiguration": {"type": "QUERY_DECOMPOSITION"},
            "inferenceConfig": {"textInferenceConfig": {"temperature": 0.0}},
            **template("History: $conversation_history$ Ask: $query$ $output_format_instructions$"),
        }
        await base.ask("Lava and dialysis?", orchestrationConfiguration=orchestration)
        assert json.loads(base.notes["query"]) == ["What is lava?", "duration of dialysis"]
        asked = endpoint.requests[0]["messages"][0]["content"]
        assert asked.startswith("History: (none) Ask: Lava and dialysis? Write each search")
        assert endpoint.requests[0]["temperature"] == 0
        assert "four hours" in endpoint.requests[1]["messages"][0]["content"]


async def test_orchestration_that_keeps_to_no_format(opened):
    transformation = {"queryTransformationConfiguration": {"type": "QUERY_DECOMPOSITION"}}
    replies = Reply(("I would search for lava.",)), Reply(("Lava [1].",))
    async with ScriptedEndpoint(*replies) as endpoint, opened(llm=(endpoint.url + "#m",)) as base:
        await base.add(**DOCUMENTS)
        answer = await base.ask("What is lava?", orchestrationConfiguration=transformation)
        assert answer["output"]["text"] == "Lava."
        assert "no query" in base.notes["orchestration"]


async def test_strict_orchestration_that_keeps_to_no_format_is_refused(opened):
    transformation = {"queryTransformationConfiguration": {"type": "QUERY_DECOMPOSITION"}}
    async with (
        ScriptedEndpoint(Reply(("I would search for lava.",))) as endpoint,
        opened(llm=(endpoint.url + "#m",), strict=True) as base,
    ):
        await base.add(**DOCUMENTS)
        answer = await base.ask("What is lava?", orchestrationConfiguration=transformation)
        assert answer["output"]["text"] == REFUSAL


async def test_implicit_filters_by_a_model(opened):
    call = {"name": "restrict_search", "arguments": json.dumps({"conditions": CONDITIONS})}
    delta = {"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": call}]}
    async with (
        ScriptedEndpoint(Reply((delta,), finish="tool_calls")) as endpoint,
        opened(llm=(endpoint.url + "#m",)) as base,
    ):
        await base.add(volcano=(VOLCANO, {"week": 2}), osmosis=(OSMOSIS, {"week": 1}))
        attributes = [{"key": "week", "type": "NUMBER", "description": "Week of the term"}]
        implied = {"modelArn": "anthropic.claude-3-haiku-20240307-v1:0", "metadataAttributes": attributes}
        assert await base.found("something", implicitFilterConfiguration=implied) == ["volcano"]
        assert json.loads(base.notes["implicit-filter"]) == {"greaterThan": {"key": "week", "value": 1}}
        assert "Values: " in endpoint.requests[0]["messages"][0]["content"]


CONDITIONS = [
    {"attribute": "week", "operator": "greaterThan", "value": 1},
    {"attribute": "week", "operator": "startsWith", "value": "x"},
    {"attribute": "week", "operator": "equals", "value": "two"},
    {"attribute": "made up", "operator": "equals", "value": 2},
    "nonsense",
]


# external sources


def content(data=MARKDOWN, kind="text/markdown", identifier="notes.md"):
    return {"identifier": identifier, "contentType": kind, "data": data}


def external_request(question="What is lava?", model="anthropic.claude-3-haiku-20240307-v1:0", **source):
    kind = "S3" if "s3Location" in source else "BYTE_CONTENT"
    return {
        "input": {"text": question},
        "retrieveAndGenerateConfiguration": {
            "type": "EXTERNAL_SOURCES",
            "externalSourcesConfiguration": {"modelArn": model, "sources": [{"sourceType": kind, **source}]},
        },
    }


async def test_a_document_that_is_sent_is_answered_from(base):
    answer = await base.call("retrieve_and_generate", **external_request(byteContent=content()))
    assert "molten rock" in answer["output"]["text"]
    assert parts(answer)[0][1] == ["notes.md"]
    follow_up = external_request("And what is ash?", byteContent=content())
    again = await base.call("retrieve_and_generate", **follow_up, sessionId=answer["sessionId"])
    assert "fine dust" in again["output"]["text"]
    events = await base.call("retrieve_and_generate_stream", **external_request(byteContent=content()))
    text = "".join([event.get("output", {}).get("text", "") async for event in events["stream"]])
    assert text == answer["output"]["text"]


async def test_a_document_in_s3_is_answered_from(base):
    await base.call("create_bucket", "s3", Bucket="papers")
    await base.call("put_object", "s3", Bucket="papers", Key="a/lava.md", Body=MARKDOWN)
    answer = await base.call("retrieve_and_generate", **external_request(s3Location={"uri": "s3://papers/a/lava.md"}))
    assert "molten rock" in answer["output"]["text"]
    reference = answer["citations"][0]["retrievedReferences"][0]
    assert reference["location"] == {"type": "S3", "s3Location": {"uri": "s3://papers/a/lava.md"}}
    with pytest.raises(ResourceNotFoundException, match="s3://papers/none"):
        await base.call("retrieve_and_generate", **external_request(s3Location={"uri": "s3://papers/none.md"}))
    await base.call("put_object", "s3", Bucket="papers", Key="big.txt", Body=b"x" * (10 * 1024 * 1024 + 1))
    with pytest.raises(ValidationException, match="10 MB"):
        await base.call("retrieve_and_generate", **external_request(s3Location={"uri": "s3://papers/big.txt"}))


UNREADABLE = [
    ({"byteContent": content(kind="image/png")}, "content type image/png"),
    ({"byteContent": content(b"%PDF-1.7 nonsense", "application/pdf", "x.pdf")}, "can't be read"),
    ({"byteContent": content(b"  \n ", "text/plain", "x.txt")}, "no text"),
    ({"sourceType": "S3", "byteContent": content()}, "s3Location"),
    ({"byteContent": content(), "s3Location": {"uri": "s3://bucket/key"}, "sourceType": "S3"}, "no other member"),
    ({"byteContent": {**content(), "data": b""}}, "validation error"),
]


async def test_documents_that_cannot_be_read_are_refused(base):
    for source, words in UNREADABLE:
        with pytest.raises(ServiceError, match=words) as caught:
            await base.call("retrieve_and_generate", **external_request(**source))
        assert caught.value.code == "ValidationException"


# errors


BAD_CONFIGURATIONS = [
    (generation(**template("no results")), r"\$search_results\$"),
    (
        {"orchestrationConfiguration": template("$query$ only")},
        r"\$conversation_history\$ and \$output_format_instructions\$",
    ),
    (
        generation(inferenceConfig={"textInferenceConfig": {"topP": 0.5}}, additionalModelRequestFields={"top_p": 0.1}),
        "topP is set in textInferenceConfig",
    ),
    (generation(inferenceConfig={"textInferenceConfig": {"temperature": 1.5}}), "validation error"),
    (generation(**template("x" * 4001)), "validation error"),
    ({"model": "no.such-model"}, "model identifier is invalid"),
    ({"model": ""}, "validation error"),
    ({"model": "cohere.rerank-v3-5:0"}, "does not write text"),
    ({"model": "amazon.titan-embed-text-v2:0"}, "does not write text"),
    ({"model": "arn:aws:bedrock:us-east-1:000000000000:provisioned-model/abcdefghijkl"}, "model identifier"),
    ({"model": "arn:aws:sagemaker:us-east-1:000000000000:endpoint/abc"}, "not a Bedrock model"),
    ({"knowledgeBaseId": "ZZZZZZZZZZ"}, "does not exist"),
    ({"retrievalConfiguration": {"managedSearchConfiguration": {}}}, "managed"),
]


async def test_bad_configurations_are_refused(base):
    for configuration, words in BAD_CONFIGURATIONS:
        with pytest.raises(ServiceError, match=words) as caught:
            await base.ask("What is osmosis?", **configuration)
        assert caught.value.code in ("ValidationException", "ResourceNotFoundException")
        with pytest.raises(ServiceError):
            await base.stream("What is osmosis?", **configuration)


BAD_REQUESTS = [
    {"input": {"text": "x"}},
    {"input": {"text": ""}},
    {"input": {"text": "x" * 1001}},
    {"input": {"text": "x"}, "retrieveAndGenerateConfiguration": {"type": "KNOWLEDGE_BASE"}},
    {"input": {"text": "x"}, "retrieveAndGenerateConfiguration": {"type": "EXTERNAL_SOURCES"}},
    {"input": {"text": "x"}, "retrieveAndGenerateConfiguration": {"type": "OTHER"}},
    {**external_request(byteContent=content()), "sessionId": "no spaces allowed"},
]


async def test_bad_requests_are_refused(base):
    for request in BAD_REQUESTS:
        with pytest.raises(ValidationException):
            await base.call("retrieve_and_generate", **request)


MODELS = [
    "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
    "us.anthropic.claude-3-haiku-20240307-v1:0",
    "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.anthropic.claude-3-haiku-20240307-v1:0",
]


async def test_forms_of_model_identifiers(base):
    for model in MODELS:
        assert "membrane" in (await base.ask("What is osmosis?", model=model))["output"]["text"]
