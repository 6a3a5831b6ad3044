from __future__ import annotations

import pytest

from outcrop.engines.answering.decomposition import MOST, decompose


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is osmosis?", ["What is osmosis?"]),
        ("What is osmosis and how does dialysis work?", ["What is osmosis?", "how does dialysis work?"]),
        ("What is osmosis? And when did Etna erupt?", ["What is osmosis?", "when did Etna erupt?"]),
        ("What is S3 and how does it store objects?", ["What is S3?", "how does S3 store objects?"]),
        (
            "What is the difference between osmosis and diffusion?",
            ["What is the difference between osmosis and diffusion?", "What is osmosis?", "What is diffusion?"],
        ),
        (
            "Compare S3 with EFS in terms of price",
            ["Compare S3 with EFS in terms of price", "S3 in terms of price?", "EFS in terms of price?"],
        ),
        (
            "What are the limits of Lambda, API Gateway and S3?",
            ["What are the limits of Lambda?", "What are the limits of API Gateway?", "What are the limits of S3?"],
        ),
        ("Which is faster: S3 or EFS?", ["Which is faster: S3 or EFS?", "S3 faster?", "EFS faster?"]),
        ("What are pros and cons of RAG?", ["What are pros and cons of RAG?"]),
        ("How does salt and water move?", ["How does salt and water move?"]),
        ("", [""]),
    ],
)
def test_what_a_question_is_made_of(question, expected):
    assert decompose(question) == expected


@pytest.mark.parametrize(
    "question", ["and " * 500, "what is " * 300, "between a and " * 100, "compare a and " * 100, ", " * 900, "?" * 900]
)
def test_whatever_is_asked_comes_apart_into_few(question):
    assert 1 <= len(decompose(question)) <= MOST
