import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.engines.chunking.sentences import split_sentences


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    "expected",
    [
        ["Dr. Smith lives in the U.S.", "He is 3.5 years old.", "Done!"],
        ["See Fig. 3 and e.g. Amazon S3, i.e. storage.", "Version 1.2.3 of http://a.b/c?d is out."],
        ["J. R. Smith wrote it.", "The end."],
        ["1. Introduction to S3.", "It is big."],
        ['He said "Stop."', "Then he left.", "(See above.)", '"Really?" she asked.'],
        ["No. 5 is alive.", "I said no.", "Then yes."],
        ["It costs $0.50.", "Wait...", "What?"],
        ["Results are in [1].", "Others agree.[2]", "Nobody else does."],
        ["It closes at 5 p.m.", "We go home."],
        ["Use Amazon S3, Inc. storage, etc.", "The rest follows."],
        ["Das ist z.B. ein Test.", "Am 3. Oktober war es Nr. 5."],
        ["M. Dupont est là.", "Il part."],
        ["Es un p. ej. corto.", "¿Qué pasa?", "¡Nada!"],
        ["Он живёт на ул. Ленина.", "Это хорошо."],
        ["यह एक वाक्य है।", "यह दूसरा है।"],
    ],
    ids=lambda expected: expected[0],
)
def test_split_sentences(expected: list[str]) -> None:
    assert sentences(" ".join(expected)) == expected


def test_split_sentences_of_japanese_and_chinese() -> None:
    assert sentences("これは文です。「はい。」と言った。次！本当？") == [
        "これは文です。",
        "「はい。」と言った。",
        "次！",
        "本当？",
    ]
    assert sentences("我来了。你呢？“好！”他走了。") == ["我来了。", "你呢？", "“好！”", "他走了。"]


def test_split_sentences_keeps_wrapped_lines_together() -> None:
    wrapped = "This is a long line of wrapped text that goes on and on until\nAmazon breaks it. A second sentence."
    assert sentences(wrapped) == [wrapped[: wrapped.index(" A second")], "A second sentence."]


def test_split_sentences_at_items_rows_and_blank_lines() -> None:
    assert sentences("Heading\n\nText") == ["Heading", "Text"]
    assert sentences("• one\n• two. More\n2) three") == ["• one", "• two.", "More", "2) three"]
    row = "a | " + "wide cell " * 6
    assert sentences(f"{row.strip()}\nb | c") == [row.strip(), "b | c"]


@given(st.text(alphabet=st.sampled_from(list("aB1. !?\n\"')]。」…|é")), max_size=80))
def test_split_sentences_covers_everything_once(text: str) -> None:
    spans = split_sentences(text)
    assert [position for start, end in spans for position in range(start, end) if not text[position].isspace()] == [
        position for position, character in enumerate(text) if not character.isspace()
    ]
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["a", ".", " ", "\n", ". ", "\n ", "a. ", '"', ".[1", "a\n", "。", "A.", "!)"])
def test_split_sentences_takes_linear_time(unit: str) -> None:
    split_sentences(unit * (600_000 // len(unit)))
