"""Guardrails around Converse, InvokeModel and their streams."""

import json

import pytest

from outcrop.services.contract import ValidationException
from outcrop.testing.llm import Reply

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
MESSAGES = {"blockedInputMessaging": "No such questions.", "blockedOutputsMessaging": "No such answers."}
POLICIES = {
    "wordPolicyConfig": {"wordsConfig": [{"text": "acme"}]},
    "sensitiveInformationPolicyConfig": {"piiEntitiesConfig": [{"type": "EMAIL", "action": "ANONYMIZE"}]},
}


async def config(client, trace="enabled", **more):
    made = await client.create_guardrail(name="guard", **MESSAGES, **POLICIES)
    return {"guardrailIdentifier": made["guardrailId"], "guardrailVersion": "DRAFT", "trace": trace, **more}


def texts(answer):
    return [block.get("text") for block in answer["output"]["message"]["content"]]


async def test_lets_pass(scripted):
    client, _ = await scripted(Reply(["fine"]))
    guardrail = await config(client)
    answer = await client.ask("A question", guardrailConfig=guardrail)
    assert (texts(answer), answer["stopReason"]) == (["fine"], "end_turn")
    told = answer["trace"]["guardrail"]
    assert told["modelOutput"] == ["fine"]
    assert list(told["inputAssessment"][guardrail["guardrailIdentifier"]]) == ["invocationMetrics"]
    assert told["actionReason"] == "No action."


async def test_blocks_a_prompt_before_the_model_is_asked(scripted):
    client, endpoint = await scripted(Reply(["never"]))
    guardrail = await config(client)
    answer = await client.ask("About Acme", guardrailConfig=guardrail)
    assert (texts(answer), answer["stopReason"]) == (["No such questions."], "guardrail_intervened")
    assert answer["usage"]["totalTokens"] == 0
    assert "modelOutput" not in answer["trace"]["guardrail"]
    assert not endpoint.requests


async def test_masks_a_prompt(scripted):
    client, endpoint = await scripted(Reply(["fine"]))
    await client.ask("I am bob@example.com", guardrailConfig=await config(client))
    assert endpoint.requests[0]["messages"][-1]["content"] == "I am {EMAIL}"


async def test_blocks_and_masks_answers(scripted):
    client, _ = await scripted(Reply(["Ac", "me!"]), Reply(["Ask bob@", "example.com"]))
    guardrail = await config(client, trace="disabled")
    blocked = await client.ask(guardrailConfig=guardrail)
    assert (texts(blocked), blocked["stopReason"]) == (["No such answers."], "guardrail_intervened")
    assert blocked["usage"]["outputTokens"] == 7
    assert "trace" not in blocked
    masked = await client.ask(guardrailConfig=guardrail)
    assert (texts(masked), masked["stopReason"]) == (["Ask {EMAIL}"], "guardrail_intervened")


async def test_only_marked_blocks_are_judged(scripted):
    client, endpoint = await scripted(Reply(["fine"]), Reply(["never"]))
    guardrail = await config(client)

    async def ask(guarded):
        content = [{"text": "Acme says:"}, {"guardContent": {"text": {"text": guarded}}}]
        return await client.converse(
            modelId=CLAUDE, messages=[{"role": "user", "content": content}], guardrailConfig=guardrail
        )

    assert texts(await ask("hello bob@example.com")) == ["fine"]
    assert "hello {EMAIL}" in json.dumps(endpoint.requests[0])
    assert texts(await ask("hello acme")) == ["No such questions."]


async def test_grounding_in_a_conversation(scripted):
    client, _ = await scripted(Reply(["The capital of Japan is Kyoto."]))
    filters = [{"type": "GROUNDING", "threshold": 0.7}]
    made = await client.create_guardrail(
        name="grounded", **MESSAGES, contextualGroundingPolicyConfig={"filtersConfig": filters}
    )

    def marked(text, qualifier):
        return {"guardContent": {"text": {"text": text, "qualifiers": [qualifier]}}}

    content = [
        marked("Tokyo is the capital of Japan.", "grounding_source"),
        marked("What is the capital of Japan?", "query"),
    ]
    answer = await client.converse(
        modelId=CLAUDE,
        messages=[{"role": "user", "content": content}],
        guardrailConfig={"guardrailIdentifier": made["guardrailId"], "guardrailVersion": "DRAFT"},
    )
    assert texts(answer) == ["No such answers."]


def said(events):
    return [e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e]


def last(events, name):
    return next(event[name] for event in events if name in event)


@pytest.mark.parametrize(
    ("mode", "reply", "shown"),
    [
        ("sync", ["Ac", "me!"], ["No such answers."]),
        ("sync", ["bob@", "example.com is it"], ["{EMAIL} is it"]),
        ("async", ["Ac", "me!"], ["Ac", "me!"]),
    ],
)
async def test_streams(scripted, mode, reply, shown):
    client, _ = await scripted(Reply(reply))
    guardrail = await config(client, streamProcessingMode=mode)
    events = await client.stream(guardrailConfig=guardrail)
    assert said(events) == shown
    assert last(events, "messageStop")["stopReason"] == "guardrail_intervened"
    assert last(events, "metadata")["trace"]["guardrail"]["modelOutput"] == ["".join(reply)]
    assert [next(iter(event)) for event in events][-2:] == ["messageStop", "metadata"]


async def test_stream_that_passes_keeps_its_pieces(scripted):
    client, _ = await scripted(Reply(["one ", "two ", "three"]))
    events = await client.stream(guardrailConfig=await config(client))
    assert said(events) == ["one ", "two ", "three"]


async def test_stream_of_a_blocked_prompt(scripted):
    client, endpoint = await scripted(Reply(["never"]))
    events = await client.stream("acme", guardrailConfig=await config(client))
    assert said(events) == ["No such questions."]
    assert last(events, "metadata")["usage"]["totalTokens"] == 0
    assert not endpoint.requests


@pytest.mark.parametrize(("mode", "sent"), [("async", 1), ("sync", 2)])
async def test_sync_holds_the_answer_and_async_does_not(scripted, mode, sent):
    client, endpoint = await scripted(Reply(["first ", "second"], delay=0.2))
    guardrail = await config(client, streamProcessingMode=mode)
    answer = await client.converse_stream(
        modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": "Hi"}]}], guardrailConfig=guardrail
    )
    stream = aiter(answer["stream"])
    event = await anext(stream)
    while "contentBlockDelta" not in event:
        event = await anext(stream)
    assert endpoint.sent == sent
    await answer["stream"].aclose()


def body(text, **more):
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": text}],
        **more,
    }


async def invoke(client, guardrail, given, operation="invoke_model"):
    return await getattr(client, operation)(
        modelId=CLAUDE,
        body=json.dumps(given).encode(),
        guardrailIdentifier=guardrail["guardrailIdentifier"],
        guardrailVersion="DRAFT",
        trace="ENABLED",
    )


async def test_invoke_model(scripted):
    client, _ = await scripted(Reply(["fine"]), Reply(["Acme"]))
    guardrail = await config(client)
    fine = json.loads((await invoke(client, guardrail, body("Hi")))["body"])
    assert fine["amazon-bedrock-guardrailAction"] == "NONE"
    answer = json.loads((await invoke(client, guardrail, body("Hi")))["body"])
    assert answer["content"] == [{"type": "text", "text": "No such answers."}]
    assert answer["amazon-bedrock-guardrailAction"] == "INTERVENED"
    told = answer["amazon-bedrock-trace"]["guardrail"]
    assert told["outputs"][0][guardrail["guardrailIdentifier"]]["wordPolicy"]["customWords"][0]["match"] == "Acme"
    blocked = json.loads((await invoke(client, guardrail, body("Acme")))["body"])
    assert blocked["content"][0]["text"] == "No such questions."


async def test_invoke_model_judges_what_is_tagged(scripted):
    client, endpoint = await scripted(Reply(["fine"]))
    guardrail = await config(client)
    tag = "amazon-bedrock-guardrails-guardContent_xyz"
    given = body(
        f"Acme asks: <{tag}>I am bob@example.com</{tag}> Thanks.",
        **{"amazon-bedrock-guardrailConfig": {"tagSuffix": "xyz"}},
    )
    answer = json.loads((await invoke(client, guardrail, given))["body"])
    assert answer["content"][0]["text"] == "fine"
    assert "Acme asks: I am {EMAIL} Thanks." in json.dumps(endpoint.requests[0])


async def test_invoke_model_stream(scripted):
    client, _ = await scripted(Reply(["Ac", "me"]))
    answer = await invoke(client, await config(client), body("Hi"), "invoke_model_with_response_stream")
    chunks = [json.loads(event["chunk"]["bytes"]) async for event in answer["body"]]
    assert [c["delta"]["text"] for c in chunks if c.get("delta", {}).get("text")] == ["No such answers."]
    assert chunks[-1]["amazon-bedrock-guardrailAction"] == "INTERVENED"


async def test_refuses(scripted):
    client, _ = await scripted(Reply(["never"]))
    for given, text in (
        ({"guardrailIdentifier": "nothere", "guardrailVersion": "1"}, "does not exist"),
        ({"guardrailIdentifier": "nothere"}, "both"),
    ):
        with pytest.raises(ValidationException, match=text):
            await client.ask(guardrailConfig=given)
    with pytest.raises(ValidationException, match="needs a guardrail"):
        await client.invoke(CLAUDE, body("Hi", **{"amazon-bedrock-guardrailConfig": {"tagSuffix": "x"}}))
