import pytest

from outcrop.engines.inference.engine import Generation, Message, Text
from outcrop.engines.inference.reading import read_prompt
from outcrop.engines.inference.tasks import Answering, Labelling, Phrasing, Summarizing, find_task


def task_of(text, system=""):
    reading = read_prompt(Generation("m", (Message("user", (Text(text),)),), system=system))
    return find_task(reading)


TEXT = "The cat sat on the mat. It was warm. The dog came by later and they played."


@pytest.mark.parametrize(
    ("request_", "task"),
    [
        ("Summarize this:", Summarizing()),
        ("Please summarise the following text in two sentences:", Summarizing(sentences=2)),
        ("Give me a summary of at most 20 words:", Summarizing(words=20)),
        ("Sum up the key points as bullet points:", Summarizing(bullets=True)),
        ("Extract the 5 most important key phrases:", Phrasing(5)),
        ("List the keywords:", Phrasing(8)),
    ],
)
def test_find_task_of_a_text(request_, task):
    assert task_of(f"{request_}\n\n{TEXT}") == task


def test_find_task_takes_a_question_for_one():
    assert task_of(f"{TEXT} Who played with the cat?") == Answering("Who played with the cat?")
    assert task_of("What is a summary judgment in law?") == Summarizing()


@pytest.mark.parametrize(
    ("text", "labels", "labelled"),
    [
        (
            'Classify the sentiment of this review as positive, negative or neutral: "I love this phone"',
            ("positive", "negative", "neutral"),
            "I love this phone",
        ),
        (
            "Classify the ticket into one of these categories: Billing, Technical Support, Sales.\n\n"
            "Ticket: My card was charged twice.",
            ("Billing", "Technical Support", "Sales"),
            "My card was charged twice.",
        ),
        (
            "What category does this text belong to?\nCategories:\n- sports\n- politics\nText: The team won the cup.",
            ("sports", "politics"),
            "The team won the cup.",
        ),
        (
            "Classify the message as [urgent, normal].\n\n<message>Where is my parcel? I need it today.</message>",
            ("urgent", "normal"),
            "Where is my parcel? I need it today.",
        ),
        (
            "Classify the tone as formal or casual.\nText: Hey you!\nTone: casual\nText: Dear Sir, good day.\nTone:",
            ("formal", "casual"),
            "Dear Sir, good day.",
        ),
        ("Is this review positive or negative?\n\nThe food was cold.", ("positive", "negative"), "The food was cold."),
        ("Classify this email as [spam, ham]: You won a prize! Click.", ("spam", "ham"), "You won a prize! Click."),
        (
            "What is the sentiment of the text?\nText: I am so happy.",
            ("positive", "negative", "neutral"),
            "I am so happy.",
        ),
    ],
)
def test_find_task_of_classification(text, labels, labelled):
    assert task_of(text) == Labelling(labels, labelled)


@pytest.mark.parametrize("text", ["I like it here.", "When will my card arrive?", "Fine. Thank you. Bye."])
def test_find_task_in_the_system_text(text):
    task = task_of(text, system="Classify each message as good, bad or unclear. One word only.")
    assert task == Labelling(("good", "bad", "unclear"), text)


def test_find_task_prefers_a_question_to_a_summary_in_the_system_text():
    system = "You summarize texts. Summarize what the user sends."
    assert task_of(TEXT, system) == Summarizing()
    assert task_of(f"{TEXT} Who played?", system) == Answering("Who played?")


PASSAGE = (
    "Photosynthesis takes place in the chloroplasts. The Calvin cycle uses ATP and NADPH to fix carbon dioxide. "
    "Photosynthesis is the basis of nearly all food chains."
)
STUFFED = (
    "Use the following pieces of context to answer the question at the end. If you don't know the answer, just say "
    f"that you don't know, don't try to make up an answer.\n\n{PASSAGE}\n\nQuestion: What does the Calvin cycle use?\n"
    "Helpful Answer:"
)


@pytest.mark.parametrize(
    ("prompt", "system", "said"),
    [
        (STUFFED, "", "The Calvin cycle uses ATP and NADPH to fix carbon dioxide."),
        (
            f"Given the passage: {PASSAGE}\nIs photosynthesis the basis of food chains? Answer yes or no.",
            "",
            "Photosynthesis is the basis of nearly all food chains.",
        ),
        ("I can't log in.", "You are a classifier. Reply with exactly one of: BILLING, LOGIN, SHIPPING.", "LOGIN"),
        ("Answer with one of these words: sport, politics, music.\n\nThe band played until midnight.", "", "music"),
        ("Is the following email spam or not spam?\n\nEmail: You won a free cruise! Click here!!!", "", "spam"),
    ],
)
async def test_prompts_as_people_write_them(models, ask, answer_of, prompt, system, said):
    engine = await models.text("amazon.nova-lite-v1:0")
    assert (await answer_of(engine, ask(prompt, system=system)))[0] == said
