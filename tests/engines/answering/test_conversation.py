import pytest

from outcrop.engines.answering.conversation import resolve

FLASH = [("What is flash attention?", "Flash attention is an exact method.")]
SALARY = [("What is the base salary of the CEO?", "2,000,000")]
STEPS = [
    ("How is an LLM trained?", "An LLM is trained in 3 steps:\n1. Pretraining\n2. Finetuning\n3. Preference tuning")
]
BOTH = [("What is the difference between an encoder and a decoder?", "…")]


@pytest.mark.parametrize(
    ("question", "history", "expected"),
    [
        ("How does it reduce memory usage?", FLASH, "How does flash attention reduce memory usage?"),
        ("and its cost?", FLASH, "flash attention's cost?"),
        ("who invented it?", FLASH, "who invented flash attention?"),
        ("Why is this important?", FLASH, "Why is flash attention important?"),
        ("What are the advantages of this method?", FLASH, "What are the advantages of this method (flash attention)?"),
        ("tell me more", FLASH, "Explain flash attention in detail."),
        ("why?", [("Is dropout used at test time?", "No.")], "why is dropout used at test time?"),
        ("What about LoRA?", FLASH, "What is LoRA?"),
        ("and of the CFO?", SALARY, "What is the base salary of the CFO?"),
        ("what about the CFO?", SALARY, "What is the base salary of the CFO?"),
        ("what about 2022?", [("How many were held in 2021?", "7")], "How many were held in 2022?"),
        ("what is the second one?", STEPS, "what is Finetuning?"),
        ("explain the last one", STEPS, "explain Preference tuning"),
        ("when should I use the latter?", BOTH, "when should I use a decoder?"),
        ("which is better?", BOTH, "which is better (encoder and a decoder)?"),
        ("and how does it work?", [*FLASH, ("and its cost?", "…")], "how does flash attention work?"),
        ("and its cost?", [*FLASH, ("thanks!", "…")], "flash attention's cost?"),
    ],
)
def test_follow_up(question, history, expected):
    assert resolve(question, history) == expected


@pytest.mark.parametrize(
    "question",
    [
        "What is a token?",
        "What is dropout and how does it work?",
        "Does it matter if I use R?",
        "thanks!",
        "hello",
        "",
        "How do I install R?",
    ],
)
def test_question_that_stands_alone(question):
    assert resolve(question, FLASH) == question


def test_without_history():
    assert resolve("and its cost?", []) == "and its cost?"
    assert resolve("and its cost?", [("", "hello")]) == "and its cost?"


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text", ["it " * 5000, "and " * 5000, "what about " * 2000, "x" * 50_000, "?" * 50_000, "the second " * 3000]
)
def test_hostile_turns(text):
    assert len(resolve(text, [(text, text)] * 10)) <= max(1000, len(text))
