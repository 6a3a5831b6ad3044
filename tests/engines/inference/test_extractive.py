import pytest

from outcrop.engines.inference.engine import (
    Document,
    EngineUnsupported,
    Generation,
    Image,
    Message,
    Text,
    TextDelta,
    Tool,
)
from outcrop.engines.inference.extractive import NO_ANSWER, NO_TEXT

BEDROCK = (
    "Amazon Bedrock is a fully managed service that offers a choice of foundation models through a single API. "
    "Models can be customised privately with fine-tuning. Knowledge Bases connect the models to a company's own "
    "documents. The documents are split into chunks and turned into vectors. Guardrails filter harmful content from "
    "prompts and answers. The weather in Seattle is often rainy. Pricing depends on the number of tokens that go in "
    "and come out. Provisioned throughput reserves capacity for a fixed price per hour."
)
LAMBDA = "A Lambda function can run for up to fifteen minutes. Its memory can be set from 128 MB to 10,240 MB."


@pytest.fixture
async def engine(models):
    return await models.text("anthropic.claude-3-haiku-20240307-v1:0")


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("What does the price depend on?", "number of tokens"),
        ("What do guardrails do?", "harmful content"),
        ("How can documents be used with the models?", "Knowledge Bases connect"),
    ],
)
async def test_generate_answers_from_the_context(engine, ask, answer_of, question, words):
    text, finish = await answer_of(engine, ask(f"<context>\n{BEDROCK}\n</context>\n\n{question}"))
    assert words in text
    assert "Seattle" not in text
    assert finish.reason == "end_turn"


async def test_generate_answers_from_a_document(engine, answer_of):
    blocks = (Document("limits", "txt", LAMBDA.encode()), Text("How long may a Lambda function run?"))
    text, _ = await answer_of(engine, Generation("m", (Message("user", blocks),)))
    assert "fifteen minutes" in text


async def test_generate_answers_from_what_was_said(engine, answer_of):
    messages = (
        Message("user", (Text("I work as a nurse in Oslo. I have two cats."),)),
        Message("assistant", (Text("Nice to meet you."),)),
        Message("user", (Text("Where do I work?"),)),
    )
    assert "Oslo" in (await answer_of(engine, Generation("m", messages)))[0]


async def test_generate_answers_from_a_long_text(engine, ask, answer_of):
    filler = "Chapter {0} speaks of gardens. The roses of garden {0} bloom in June. "
    text = "".join(filler.format(at) for at in range(1500))
    hidden = "The treasure was buried under the old lighthouse in 1731. "
    middle = len(text) // 2
    prompt = f"<book>{text[:middle]} {hidden}{text[middle:]}</book> Where was the treasure buried?"
    answer, _ = await answer_of(engine, ask(prompt))
    assert "lighthouse" in answer


async def test_generate_without_text_says_how_to_get_a_model(engine, ask, answer_of):
    assert (await answer_of(engine, ask("What is the capital of France?")))[0] == NO_TEXT
    assert "--llm" in NO_TEXT


async def test_generate_refuses_what_the_text_does_not_hold(engine, ask, answer_of):
    text, _ = await answer_of(engine, ask(f"<context>{BEDROCK}</context> Who won the world cup in 1998?"))
    assert text == NO_ANSWER


async def test_generate_summarizes_in_so_many_sentences(engine, ask, answer_of):
    text, _ = await answer_of(engine, ask(f"Summarize this in 3 sentences:\n\n{BEDROCK}"))
    sentences = [sentence.strip() + "." for sentence in text.rstrip(".").split(".")]
    assert len(sentences) == 3
    positions = [BEDROCK.index(sentence) for sentence in sentences]
    assert positions == sorted(positions)
    assert "Seattle" not in text


async def test_generate_summarizes_in_so_many_words(engine, ask, answer_of):
    text, _ = await answer_of(engine, ask(f"Summarize this in 30 words:\n\n{BEDROCK}"))
    assert 5 < len(text.split()) <= 30


async def test_generate_summarizes_in_bullets(engine, ask, answer_of):
    text, _ = await answer_of(engine, ask(f"Summarize this in two bullet points:\n\n{BEDROCK}"))
    assert [line[:2] for line in text.splitlines()] == ["- ", "- "]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love this phone, the camera is wonderful!", "positive"),
        ("Terrible. It broke after a day and nobody answered me.", "negative"),
        ("The staff were kind and the room was spotless.", "positive"),
        ("I want my money back, what a waste.", "negative"),
    ],
)
async def test_generate_classifies_sentiment(engine, ask, answer_of, text, label):
    said, _ = await answer_of(engine, ask(f"Classify the review as positive or negative.\n\nReview: {text}"))
    assert said == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("My card was charged twice this month.", "Billing"),
        ("The app crashes whenever I open the settings.", "Technical Support"),
        ("We would like to buy your product. Could somebody from sales call us?", "Sales"),
    ],
)
async def test_generate_classifies_into_categories(engine, ask, answer_of, text, label):
    prompt = f"Classify the ticket into one of these categories: Billing, Technical Support, Sales.\n\nTicket: {text}"
    assert (await answer_of(engine, ask(prompt)))[0] == label


async def test_generate_extracts_key_phrases(engine, ask, answer_of):
    text, _ = await answer_of(engine, ask(f"Extract the 6 most important key phrases:\n\n{BEDROCK}"))
    phrases = text.split(", ")
    assert len(phrases) == 6
    assert all(phrase in BEDROCK for phrase in phrases)
    assert any(phrase in ("Amazon Bedrock", "Knowledge Bases") for phrase in phrases)


async def test_generate_is_deterministic(engine, ask, answer_of):
    prompt = ask(f"Summarize:\n\n{BEDROCK}")
    assert await answer_of(engine, prompt) == await answer_of(engine, prompt)


async def test_generate_stops_at_max_tokens(engine, ask, answer_of):
    text, finish = await answer_of(engine, ask(f"Summarize:\n\n{BEDROCK}", max_tokens=6))
    assert (finish.reason, finish.output_tokens) == ("max_tokens", 6)
    assert BEDROCK.startswith(text)


async def test_generate_stops_at_a_stop_sequence(engine, ask, answer_of):
    text, finish = await answer_of(engine, ask(f"Summarize in 9 sentences:\n\n{BEDROCK}", stop=("foundation",)))
    assert (finish.reason, finish.stop_sequence) == ("stop_sequence", "foundation")
    assert text == "Amazon Bedrock is a fully managed service that offers a choice of "


async def test_generate_streams_word_by_word(engine, ask):
    events = [event async for event in engine.generate(ask(f"Summarize in 9 sentences:\n\n{BEDROCK}"))]
    words = [event.text for event in events if isinstance(event, TextDelta)]
    assert "".join(words) == BEDROCK
    assert all(word.strip() and " " not in word.strip() for word in words)


async def test_count_is_what_generate_reports(engine, ask, answer_of):
    prompt = ask(f"Summarize:\n\n{BEDROCK}", system="Be kind.")
    assert await engine.count(prompt) == (await answer_of(engine, prompt))[1].input_tokens


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"json_schema": {"type": "object"}}, "JSON"),
        ({"tools": (Tool("t", "", {}),), "tool_choice": "any"}, "tools"),
    ],
)
async def test_generate_refuses_what_it_cannot_do(engine, ask, answer_of, more, why):
    with pytest.raises(EngineUnsupported, match=why):
        await answer_of(engine, ask("hi", **more))


async def test_generate_refuses_images(engine, answer_of):
    with pytest.raises(EngineUnsupported, match="images"):
        await answer_of(engine, Generation("m", (Message("user", (Image("png", b""), Text("What is it?"))),)))
