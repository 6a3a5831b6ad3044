"""Guardrails over questions and answers. Answers of ApplyGuardrail are in AWS's shape."""

from __future__ import annotations

import pytest
from tests.services.knowledge_bases.conftest import DIALYSIS, OSMOSIS

from outcrop.services.contract import ResourceNotFoundException
from outcrop.services.knowledge_bases.query.guarding import Guard

NAMED = {"guardrailId": "abc123", "guardrailVersion": "1"}
PASSED = {"action": "NONE", "outputs": [], "assessments": []}
BLOCKED = {
    "action": "GUARDRAIL_INTERVENED",
    "outputs": [{"text": "I can't talk about this."}],
    "assessments": [{"topicPolicy": {"topics": [{"name": "Water", "type": "DENY", "action": "BLOCKED"}]}}],
}


def masked(text):
    findings = [{"match": "x", "type": "EMAIL", "action": "ANONYMIZED"}]
    return {
        "action": "GUARDRAIL_INTERVENED",
        "outputs": [{"text": text}],
        "assessments": [{"sensitiveInformationPolicy": {"piiEntities": findings, "regexes": []}}],
    }


class Guardrails:
    """Answers ApplyGuardrail: by `question` for INPUT, by `answer` for OUTPUT."""

    def __init__(self, question=PASSED, answer=PASSED):
        self.requests = []
        self._answers = {"INPUT": question, "OUTPUT": answer}

    async def __call__(self, ctx, request):
        self.requests.append(request)
        return self._answers[request["source"]]

    def serve(self, base):
        base.stack.gateway.services["bedrock-runtime"].handlers["apply_guardrail"] = self


def guarded(**more):
    return {"generationConfiguration": {"guardrailConfiguration": NAMED, **more}}


async def retrieve(base, text="What is osmosis?"):
    return await base.call(
        "retrieve", knowledgeBaseId=base.id, retrievalQuery={"text": text}, guardrailConfiguration=NAMED
    )


async def test_retrieve_has_its_question_judged(base):
    Guardrails().serve(base)
    answer = await retrieve(base)
    assert answer["guardrailAction"] == "NONE"
    assert answer["retrievalResults"]
    Guardrails(BLOCKED).serve(base)
    assert await retrieve(base) == {"retrievalResults": [], "guardrailAction": "INTERVENED"}
    Guardrails(masked("How long does {NAME} stay at dialysis?")).serve(base)
    answer = await retrieve(base)
    assert answer["guardrailAction"] == "INTERVENED"
    assert answer["retrievalResults"][0]["content"]["text"] == DIALYSIS


async def test_a_blocked_question_is_answered_by_the_guardrail(base):
    guardrails = Guardrails(BLOCKED)
    guardrails.serve(base)
    answer = await base.ask("What is osmosis?", **guarded())
    assert answer["guardrailAction"] == "INTERVENED"
    assert answer["output"]["text"] == "I can't talk about this."
    assert [citation["retrievedReferences"] for citation in answer["citations"]] == [[]]
    assert [request["source"] for request in guardrails.requests] == ["INPUT"]
    events = await base.stream("What is osmosis?", **guarded())
    assert events[0] == {"output": {"text": "I can't talk about this."}}
    assert events[-1] == {"guardrail": {"action": "INTERVENED"}}


async def test_a_blocked_answer_is_replaced(base):
    guardrails = Guardrails(answer=BLOCKED)
    guardrails.serve(base)
    answer = await base.ask("What is osmosis?", **guarded())
    assert answer["guardrailAction"] == "INTERVENED"
    assert answer["output"]["text"] == "I can't talk about this."
    assert answer["citations"][0]["retrievedReferences"] == []
    sent = guardrails.requests[1]["content"]
    assert [block["text"]["qualifiers"] for block in sent] == [["grounding_source"], ["query"], ["guard_content"]]
    assert OSMOSIS in sent[0]["text"]["text"]
    events = await base.stream("What is osmosis?", **guarded())
    assert "".join(event.get("output", {}).get("text", "") for event in events) == "I can't talk about this."
    assert events[-1] == {"guardrail": {"action": "INTERVENED"}}


async def test_a_masked_answer_keeps_its_references(base):
    Guardrails(answer=masked("Osmosis moves {SUBSTANCE}.")).serve(base)
    answer = await base.ask("What is osmosis?", **guarded())
    assert answer["output"]["text"] == "Osmosis moves {SUBSTANCE}."
    (citation,) = answer["citations"]
    assert citation["generatedResponsePart"]["textResponsePart"]["span"] == {"start": 0, "end": 25}
    assert citation["retrievedReferences"]
    assert answer["guardrailAction"] == "INTERVENED"


async def test_what_passes_is_cited_as_without_a_guardrail(base):
    Guardrails().serve(base)
    guarded_answer = await base.ask("What is osmosis?", **guarded())
    answer = await base.ask("What is osmosis?")
    assert guarded_answer["citations"] == answer["citations"]
    assert guarded_answer["guardrailAction"] == "NONE"


async def test_a_guardrail_that_is_not_there_is_an_error(base):
    async def missing(ctx, request):
        raise ResourceNotFoundException("The guardrail identifier or version provided in the request does not exist.")

    base.stack.gateway.services["bedrock-runtime"].handlers["apply_guardrail"] = missing
    with pytest.raises(ResourceNotFoundException, match="guardrail"):
        await retrieve(base)


async def test_nothing_is_asked_for_an_empty_text(base):
    assert (await Guard(base.stack.context("0" * 12, "us-east-1", None), NAMED).answer(" ", "q", [])).text == " "
