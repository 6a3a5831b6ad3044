import pytest

from outcrop.engines.indexing.stemming import stem
from outcrop.engines.indexing.terms import LONGEST, query_terms, terms, words


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("caresses", "caress"),
        ("ponies", "poni"),
        ("cats", "cat"),
        ("agreed", "agre"),
        ("plastered", "plaster"),
        ("motoring", "motor"),
        ("hopping", "hop"),
        ("falling", "fall"),
        ("filing", "file"),
        ("happy", "happi"),
        ("sky", "sky"),
        ("relational", "relat"),
        ("conditional", "condit"),
        ("digitizer", "digit"),
        ("operator", "oper"),
        ("feudalism", "feudal"),
        ("hopefulness", "hope"),
        ("formative", "form"),
        ("electrical", "electr"),
        ("adjustment", "adjust"),
        ("adoption", "adopt"),
        ("effective", "effect"),
        ("rate", "rate"),
        ("controlling", "control"),
        ("roll", "roll"),
        ("is", "is"),
        ("naïve", "naïve"),
        ("b2b", "b2b"),
    ],
)
def test_stem(word, expected):
    assert stem(word) == expected


def test_terms_fold_case_accents_and_forms():
    assert terms("Crème BRÛLÉES") == terms("creme brulee")
    assert terms("Straße") == terms("STRASSE")
    assert terms("ﬁne ｆｉｎｅ") == ["fine", "fine"]


def test_terms_of_possessives_and_contractions():
    assert terms("the model’s weights") == ["the", "model", "weight"]
    assert query_terms("don't they learn?") == ["learn"]


def test_terms_of_numbers():
    assert terms("1,234,567 and 12,5") == ["1234567", "and", "12", "5"]


def test_scripts_without_spaces_become_pairs():
    assert terms("学習率とは") == ["学習", "習率", "率と", "とは"]
    assert terms("字") == ["字"]
    assert terms("GPTモデル2") == ["gpt", "モデ", "デル", "2"]


def test_question_words_are_dropped_unless_alone():
    assert query_terms("What is the learning rate of the model?") == ["learn", "rate", "model"]
    assert query_terms("What is it?") == ["what", "is", "it"]
    assert query_terms("?!") == []


@pytest.mark.timeout(60)
def test_hostile_text():
    assert terms("a" * 1_000_000) == ["a" * LONGEST]
    assert len(terms("語" * 200_000)) == 199_999
    assert terms("x\0y \ud800 z") == ["x", "y", "z"]
    assert len(query_terms(" ".join(f"word{n}" for n in range(5000)))) == 64


def test_words_keep_offsets():
    text = "Naïve  Bayes’ rule"
    assert [(word, text[start:end]) for word, start, end in words(text)] == [
        ("naive", "Naïve"),
        ("bayes", "Bayes"),
        ("rule", "rule"),
    ]
