import pytest

from outcrop.engines.answering.questions import Question, language


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("What is a token?", "definition"),
        ("Define osmosis", "definition"),
        ("What does RAG stand for?", "definition"),
        ("トークンとは何ですか？", "definition"),
        ("How many workshops were held?", "count"),
        ("How much is the rent?", "amount"),
        ("What is the price of the book?", "amount"),
        ("When was it founded?", "date"),
        ("In which year did it start?", "date"),
        ("Who wrote the lesson?", "person"),
        ("Where is the headquarters?", "place"),
        ("How do I quit R?", "method"),
        ("How does k-means work?", "mechanism"),
        ("Why is dropout used?", "reason"),
        ("What is the difference between A and B?", "difference"),
        ("Which datasets are used?", "list"),
        ("What are the types of tokenizers?", "list"),
        ("Is it possible to stop early?", "fact"),
    ],
)
def test_kind(text, kind):
    assert Question(text).kind == kind


def test_terms_leave_the_asking_out():
    assert Question("Can you please explain how flash attention works?").terms == ["flash", "attent"]
    assert Question("Was ist ein Token?").terms == ["token"]
    assert Question("What is it?").terms == ["what", "is", "it"]


def test_subjects():
    assert Question("What is a factor in R?").subjects == [["factor", "r"], ["factor"]]
    assert Question("Who are you?").subjects == []


def test_head():
    assert Question("What is the phone number of Octank?").head == ["phone", "number"]
    assert Question("What is the purpose of the lesson?").head == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the capital of Australia?", "en"),
        ("Was ist die Hauptstadt von Australien?", "de"),
        ("Quelle est la capitale de l'Australie ?", "fr"),
        ("¿Cuál es la capital de Australia?", "es"),
        ("オーストラリアの首都はどこですか？", "cjk"),
        ("token embedding", ""),
    ],
)
def test_language(text, expected):
    assert language(text) == expected
