import math

import pytest

from outcrop.evaluation import configurations, questions, requirements
from outcrop.evaluation.asking import Base
from outcrop.evaluation.configurations import Configuration
from outcrop.evaluation.questions import Question
from outcrop.evaluation.report import Run, as_html, as_json, flaws_of, table
from outcrop.evaluation.scores import Outcome, Place, judge, overlap, summarize

ASKED = Question("How deep is it?", ("guide.pdf",), (3, 7), "12 metres")


def outcome(*places, question=ASKED, answer=None, cited=(), seconds=0.5):
    made = Outcome(
        question, [Place(*place, "text") for place in places], 0.1, answer, cited, seconds if answer else None
    )
    made.marks = judge(made)
    return made


def test_ranking_counts_the_first_right_page():
    marks = outcome(("guide.pdf", 1), ("other.pdf", 3), ("guide.pdf", 7), ("guide.pdf", 7)).marks
    assert (marks["hit"], marks["page@1"], marks["page@5"]) == (1, 0, 1)
    assert marks["mrr"] == pytest.approx(1 / 3)
    assert marks["ndcg"] == pytest.approx((1 / math.log2(4)) / (1 + 1 / math.log2(3)))


def test_a_right_page_beyond_the_fifth_is_a_hit_but_not_page_5():
    marks = outcome(*[("guide.pdf", page) for page in (1, 2, 4, 5, 6, 3)]).marks
    assert (marks["hit"], marks["page@5"]) == (1, 0)


def test_nothing_found_is_worth_nothing():
    marks = outcome().marks
    assert (marks["hit"], marks["mrr"], marks["ndcg"]) == (0, 0, 0)


def test_a_document_alone_may_be_expected_and_found_in_a_folder():
    asked = Question("?", ("guide.pdf",))
    assert outcome(("manuals/guide.pdf", 9), question=asked).marks["page@1"] == 1
    assert outcome(("notguide.pdf", 9), question=asked).marks["page@1"] == 0


def test_answers_are_compared_with_what_is_expected():
    cited = [Place("guide.pdf", 3, ""), Place("guide.pdf", 4, "")]
    marks = outcome(answer="It is 12  Metres deep.", cited=cited).marks
    assert (marks["overlap"], marks["exact"], marks["citations"], marks["wrongly_refused"]) == (1, 1, 0.5, 0)
    assert overlap("1,200 brown bears", "There are 1,200 bears.") == pytest.approx(2 / 3)
    assert overlap("<-", "x <- 3") == 1


@pytest.mark.parametrize(
    ("said", "cited", "refused"),
    [
        ("Sorry, I am unable to assist you with this request.", (), 1),
        ("I could not find an exact answer to the question.", (), 1),
        ("Sorry, I am unable to assist you with this request.", (Place("guide.pdf", 3, ""),), 0),
        ("It is blue.", (), 0),
    ],
)
def test_a_refusal_says_so_and_cites_nothing(said, cited, refused):
    marks = outcome(question=Question("?", unanswerable=True), answer=said, cited=cited).marks
    assert marks["refused"] == refused
    assert "wrongly_refused" not in marks
    assert "hit" not in marks


def test_a_summary_takes_means_and_percentiles_and_counts_errors():
    failed = Outcome(ASKED, error="ThrottlingException")
    failed.marks = judge(failed)
    summary = summarize([outcome(("guide.pdf", 3), answer="12 metres"), outcome(answer="no", seconds=2.0), failed])
    assert summary["hit"] == 0.5
    assert (summary["answer_p50"], summary["answer_p95"], summary["errors"]) == (0.5, 2.0, 1)
    assert "refused" not in summary


def test_requirements_compare_and_complain():
    assert not requirements.parse("page@5>=90%").complaint({"page@5": 0.9})
    assert "0.899" in requirements.parse("page@5 >= 0.9").complaint({"page@5": 0.899})
    assert requirements.parse("wrongly_refused<0.1").complaint({"wrongly_refused": 0.1})
    assert "nothing was measured" in requirements.parse("refused>=0").complaint({})
    for wrong in ("page@5", "page@7>=1", "hit=1", "hit>=x", ""):
        with pytest.raises(ValueError, match="is not a condition"):
            requirements.parse(wrong)


def test_questions_are_read_or_refused_with_their_line(tmp_path):
    file = tmp_path / "set.jsonl"
    file.write_text('{"question": "a", "document": "x.pdf", "page": 2}\n\n{"question": "b", "unanswerable": true}\n')
    assert questions.load(file) == [Question("a", ("x.pdf",), (2,)), Question("b", unanswerable=True)]
    for wrong, why in (
        ("[]", "a question is an object"),
        ('{"question": ""}', "must be a text"),
        ('{"question": "a", "page": 1}', "without `document`"),
        ('{"question": "a", "document": "x", "page": "1"}', "whole number"),
        ('{"question": "a", "expected": "x"}', "unknown member 'expected'"),
        ('{"question": "a", "answer": "b", "unanswerable": true}', "neither"),
        ("{", "line 2"),
    ):
        file.write_text('{"question": "a"}\n' + wrong)
        with pytest.raises(ValueError, match=why):
            questions.load(file)
    file.write_text("\n")
    with pytest.raises(ValueError, match="holds no questions"):
        questions.load(file)


def test_configurations_are_read_or_refused(tmp_path):
    file = tmp_path / "compare.toml"
    file.write_text('[[configuration]]\nname = "a"\n[[configuration]]\nchunking = "fixed"\nmax_tokens = 100\n')
    first, second = configurations.load(file, {"results": 7})
    assert (first.name, second.name, second.results, first.base == second.base) == ("a", "configuration 2", 7, False)
    assert second.chunking_configuration() == {
        "chunkingStrategy": "FIXED_SIZE",
        "fixedSizeChunkingConfiguration": {"maxTokens": 100, "overlapPercentage": 20},
    }
    for wrong, why in (
        ("[[configuration]]\nchunks = 3", "unknown option 'chunks'"),
        ('[[configuration]]\nresults = "3"', "must be a whole number"),
        ('[[configuration]]\nsearch = "magic"', "none of hybrid"),
        ('[[configuration]]\nname = "a"\n[[configuration]]\nname = "a"', "name of its own"),
        ("x = 1", "no list"),
        ("[", "compare.toml"),
    ):
        file.write_text(wrong)
        with pytest.raises(ValueError, match=why):
            configurations.load(file, {})


def test_reports_show_every_configuration_and_escape_what_they_quote():
    wrong = outcome(("other.pdf", 1), answer="<script>alert(1)</script>")
    right = outcome(("guide.pdf", 3), answer="12 metres")
    base = Base("KB", "DS", 1.5, {"numberOfDocumentsScanned": 1}, ["a.pdf: it is damaged"])
    runs = [
        Run(Configuration(name), base, [one], summarize([one]), complaints)
        for name, one, complaints in (("plain", wrong, ["hit>=1: it is 0.000"]), ("better", right, []))
    ]
    assert flaws_of(wrong) == ["not found", "other answer"]
    assert flaws_of(right) == []
    lines = table(runs).splitlines()
    assert lines[0].split() == ["plain", "better"]
    assert ["page@1", "0.0", "%", "100.0", "%"] in [line.split() for line in lines]
    page = as_html(runs, "a & b")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page
    assert "it is damaged" in page
    assert "not found" in page
    data = as_json(runs)["configurations"]
    assert data[0]["unmet"] == ["hit>=1: it is 0.000"]
    assert data[1]["questions"][0]["marks"]["hit"] == 1
