import pytest

from outcrop.engines.inference.engine import Document, Generation, Message, Text, ToolResult, ToolUse
from outcrop.engines.inference.reading import read_prompt


def read(*texts, system="", blocks=()):
    roles = ("user", "assistant")
    messages = [Message(roles[at % 2], (Text(text),)) for at, text in enumerate(texts)]
    messages[-1] = Message("user", (*blocks, *messages[-1].content))
    reading = read_prompt(Generation("m", tuple(messages), system=system), ignore=("The built-in",))
    return reading.request, [section.text for section in reading.material]


OSMOSIS = "Osmosis is the movement of water across a membrane."


@pytest.mark.parametrize(
    "text",
    [
        f"<context>{OSMOSIS}</context>\n\nWhat is osmosis?",
        f"<documents><document><source>a.pdf</source>{OSMOSIS}</document></documents>\n"
        "<question>What is osmosis?</question>",
        f"Context: {OSMOSIS}\n\nQuestion: What is osmosis?\nAnswer:",
        f"### Context:\n{OSMOSIS}\n\n### Question:\nWhat is osmosis?\n### Answer:",
        f"Context:\n{OSMOSIS}\n\nWhat is osmosis?",
        f"```\n{OSMOSIS}\n```\nWhat is osmosis?",
        f"{OSMOSIS} What is osmosis?",
        f"What is osmosis?\n\n{OSMOSIS}",
    ],
)
def test_material_and_question_are_told_apart(text):
    request, material = read(text)
    assert request == "What is osmosis?"
    assert [" ".join(piece.split()) for piece in material] == [OSMOSIS]


def test_a_bare_question_has_no_material():
    assert read("What is the capital of France?") == ("What is the capital of France?", [])


def test_documents_and_tool_results_are_material():
    document = Document("notes", "txt", OSMOSIS.encode())
    result = ToolResult("t1", (Text("It rains in Oslo."),))
    _, material = read("And now?", blocks=(document, result))
    assert material == [OSMOSIS, "It rains in Oslo."]


def test_earlier_messages_are_material_but_not_refusals():
    request, material = read("I live in the city of Oslo.", "The built-in engine knows nothing.", "Where do I live?")
    assert (request, material) == ("Where do I live?", ["I live in the city of Oslo."])
    assert read("Tell me.", "Water boils at 100 degrees.", "At what temperature?")[1] == ["Water boils at 100 degrees."]


def test_system_statements_are_material_and_its_orders_are_not():
    reading = read_prompt(
        Generation(
            "m",
            (Message("user", (Text("When do you open?"),)),),
            system="You are kind. The shop opens at nine o'clock.",
        )
    )
    assert reading.instructions == "You are kind."
    assert [section.text for section in reading.material] == ["The shop opens at nine o'clock."]


def test_names_of_sources_are_kept():
    found = "<search_result><title>Water</title><content>It is wet and clear.</content></search_result>"
    text = f"<search_results>{found}</search_results> Is it wet?"
    reading = read_prompt(Generation("m", (Message("user", (Text(text),)),)))
    assert [(section.name, section.text) for section in reading.material] == [("Water", "It is wet and clear.")]


def test_tool_uses_are_no_material():
    messages = (
        Message("user", (Text("What is the weather?"),)),
        Message("assistant", (ToolUse("t", "weather", {}),)),
        Message("user", (ToolResult("t", (Text("Sunny, 20 degrees."),)),)),
    )
    reading = read_prompt(Generation("m", messages))
    assert [section.text for section in reading.material] == ["Sunny, 20 degrees."]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "<a>" * 60_000,
        "</a>" * 60_000,
        "<a><b>" * 20_000 + "</a>" * 20_000,
        "```" * 60_000,
        "Context:" * 40_000,
        "x" * 300_000,
        "< " * 90_000,
    ],
)
def test_hostile_text_takes_no_long_time(text):
    read(text)
