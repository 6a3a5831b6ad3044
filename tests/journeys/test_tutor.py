"""The journey that everything serves: PDFs in a bucket, a knowledge base, a function, an HTTP API, a cited answer."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pypdfium2
import pytest

from outcrop.testing import StackProcess

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    subprocess.run([sys.executable, ROOT / "tools/build_course.py", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def walkthrough(outcrop_stack: StackProcess, course: Path) -> str:
    """What the walkthrough prints."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples/walkthrough.py", course],
        env={**outcrop_stack.environment, "PATH": "/usr/bin:/bin", "HOME": str(course)},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(walkthrough: str, question: str) -> dict:
    url = next(line.split()[-1] for line in walkthrough.splitlines() if line.strip().startswith("POST "))
    request = urllib.request.Request(url, json.dumps({"question": question}).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def page_text(course: Path, uri: str, page: float) -> str:
    document = pypdfium2.PdfDocument(course / uri.rsplit("/", 1)[-1])
    try:
        return document[int(page) - 1].get_textpage().get_text_range()
    finally:
        document.close()


def squeeze(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


@pytest.mark.parametrize(
    ("question", "document", "words"),
    [
        ("What is retrieval-augmented generation?", "03-", ["retrieve"]),
        ("Why is the first call of a Lambda function slower?", "06-", ["environment"]),
        ("How large may a metadata sidecar file be?", "04-", ["10 KB"]),
        ("What are the steps of a multipart upload?", "05-", ["complete it"]),
        ("Which error does a second ingestion job get while one is running?", "04-", ["ConflictException"]),
    ],
)
def test_a_question_is_answered_from_the_right_document_and_page(walkthrough, course, question, document, words):
    reply = ask(walkthrough, question)
    sources = [source for citation in reply["citations"] for source in citation["sources"]]
    assert any(source["document"].rsplit("/", 1)[-1].startswith(document) for source in sources), reply
    for word in words:
        assert word.lower() in reply["answer"].lower(), reply["answer"]
    for citation in reply["citations"]:
        source = citation["sources"][0]
        for fragment in citation["text"].split():
            assert squeeze(fragment) in squeeze(page_text(course, source["document"], source["page"])), citation


@pytest.mark.parametrize("question", ["What is the capital of Australia?", "How do I bake a sourdough bread?"])
def test_a_question_off_the_topic_is_refused(walkthrough, question):
    reply = ask(walkthrough, question)
    assert reply["answer"] == "Sorry, I am unable to assist you with this request."
    assert [citation["sources"] for citation in reply["citations"]] == [[]]


def test_a_malformed_question_gets_the_functions_own_error(walkthrough):
    url = next(line.split()[-1] for line in walkthrough.splitlines() if line.strip().startswith("POST "))
    request = urllib.request.Request(url, b"not json", method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    with caught.value as error:
        assert error.code == 400
        assert b"question" in error.read()
