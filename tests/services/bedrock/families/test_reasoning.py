"""What a model thinks, in each family's words."""

import pytest

from outcrop.testing.llm import Reply

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
THOUGHT = [{"reasoning_content": "One and "}, {"reasoning_content": "one."}, "It is ", "two."]
THINKING = {"type": "enabled", "budget_tokens": 1024}


def claude(**more):
    messages = [{"role": "user", "content": "1+1?"}]
    return {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 2000, "messages": messages, **more}


@pytest.mark.parametrize(
    ("model", "extra", "shown"),
    [
        (CLAUDE, {}, False),
        (CLAUDE, {"thinking": THINKING}, True),
        (CLAUDE, {"thinking": {"type": "disabled"}}, False),
        ("deepseek.r1-v1:0", {}, True),
        ("openai.gpt-oss-20b-1:0", {}, True),
        ("amazon.nova-2-lite-v1:0", {}, False),
        ("amazon.nova-2-lite-v1:0", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, True),
    ],
)
async def test_converse_shows_thoughts_of_models_that_do(scripted, model, extra, shown):
    client, _ = await scripted(Reply(THOUGHT))
    answer = await client.ask(model=model, additionalModelRequestFields=extra)
    content = answer["output"]["message"]["content"]
    assert content[-1] == {"text": "It is two."}
    if shown:
        thought = content[0]["reasoningContent"]["reasoningText"]
        assert thought["text"] == "One and one."
        assert thought["signature"]
    assert len(content) == 1 + shown


async def test_converse_stream(scripted):
    client, _ = await scripted(Reply(THOUGHT))
    events = await client.stream(model="deepseek.r1-v1:0")
    deltas = [event["contentBlockDelta"] for event in events if "contentBlockDelta" in event]
    assert [delta["delta"].get("text") for delta in deltas if delta["contentBlockIndex"] == 1] == ["It is ", "two."]
    thoughts = [delta["delta"]["reasoningContent"] for delta in deltas if delta["contentBlockIndex"] == 0]
    assert "".join(thought.get("text", "") for thought in thoughts) == "One and one."
    assert list(thoughts[-1]) == ["signature"]
    assert sum("contentBlockStop" in event for event in events) == 2
    hidden = await client.stream(model=CLAUDE)
    assert not any("reasoningContent" in str(event) for event in hidden)


async def test_thoughts_may_be_sent_back(scripted):
    client, endpoint = await scripted(Reply(THOUGHT))
    first = await client.ask(model="deepseek.r1-v1:0")
    messages = [
        {"role": "user", "content": [{"text": "1+1?"}]},
        first["output"]["message"],
        {"role": "user", "content": [{"text": "Sure?"}]},
    ]
    await client.converse(modelId="deepseek.r1-v1:0", messages=messages)
    assert endpoint.requests[1]["messages"][1] == {"role": "assistant", "content": "It is two."}


async def test_thoughts_between_tags_are_told_apart(scripted):
    client, _ = await scripted(Reply(["<thi", "nk>One and one.</", "think>\n\nIt is ", "two."]))
    answer = await client.ask(model="deepseek.r1-v1:0")
    thought, text = answer["output"]["message"]["content"]
    assert thought["reasoningContent"]["reasoningText"]["text"] == "One and one."
    assert text == {"text": "It is two."}


async def test_claude(scripted):
    client, _ = await scripted(Reply(THOUGHT))
    answer = await client.invoke(CLAUDE, claude(thinking=THINKING))
    thought, text = answer["content"]
    assert (thought["type"], thought["thinking"]) == ("thinking", "One and one.")
    assert text == {"type": "text", "text": "It is two."}
    chunks = await client.invoke_stream(CLAUDE, claude(thinking=THINKING))
    kinds = [chunk["delta"]["type"] for chunk in chunks if chunk["type"] == "content_block_delta"]
    assert kinds == ["thinking_delta", "thinking_delta", "signature_delta", "text_delta", "text_delta"]
    signature = next(chunk["delta"] for chunk in chunks if chunk.get("delta", {}).get("type") == "signature_delta")
    assert signature["signature"] == thought["signature"]
    back = [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": "Sure?"}]
    body = claude(thinking=THINKING)
    await client.invoke(CLAUDE, {**body, "messages": body["messages"] + back})


async def test_claude_wants_room_beside_its_thoughts(scripted):
    client, _ = await scripted()
    with pytest.raises(Exception, match="must be greater than"):
        await client.invoke(CLAUDE, claude(thinking={"type": "enabled", "budget_tokens": 2000}))


async def test_gpt_oss_tags_its_thoughts(scripted):
    client, _ = await scripted(Reply(THOUGHT))
    body = {"messages": [{"role": "user", "content": "1+1?"}]}
    answer = await client.invoke("openai.gpt-oss-20b-1:0", body)
    assert answer["choices"][0]["message"]["content"] == "<reasoning>One and one.</reasoning>It is two."
    chunks = await client.invoke_stream("openai.gpt-oss-20b-1:0", body)
    said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert said == "<reasoning>One and one.</reasoning>It is two."


async def test_others_have_a_member_for_it(scripted):
    client, _ = await scripted(Reply(THOUGHT))
    message = (await client.invoke("qwen.qwen3-32b-v1:0", {"messages": [{"role": "user", "content": "1+1?"}]}))[
        "choices"
    ][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("One and one.", "It is two.")


async def test_deepseek_prompts_continue_the_thought(scripted):
    client, _ = await scripted(Reply(THOUGHT))
    body = {"prompt": "<｜begin▁of▁sentence｜><｜User｜>1+1?<｜Assistant｜><think>\n"}
    answer = await client.invoke("us.deepseek.r1-v1:0", body)
    assert answer["choices"][0]["text"] == "One and one.</think>It is two."
    chunks = await client.invoke_stream("us.deepseek.r1-v1:0", body)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == "One and one.</think>It is two."
