from __future__ import annotations

import pytest

from outcrop.engines.indexing.filters import AllOf, Compare
from outcrop.engines.retrieval.implied import Attribute, implied_filter

YEAR = Attribute("publicationYear", "number", "The year in which it was published")
COMPANY = Attribute("company", "string", "Name of the company")
TAGS = Attribute("tags", "strings", "Keywords")
ARCHIVED = Attribute("is_archived", "boolean", "Whether it was put away")
SAMPLES = [
    {"company": "Octank Financial", "tags": ["risk", "Annual"]},
    {"company": "Octank", "tags": ["audit"]},
    {"company": "AnyCompany"},
]


def implied(question: str, *attributes: Attribute):
    return implied_filter(question, attributes or (YEAR, COMPANY, TAGS, ARCHIVED), SAMPLES)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What did Octank Financial earn?", Compare("equals", "company", "Octank Financial")),
        ("Compare the revenue of Octank and AnyCompany", Compare("in", "company", ["Octank", "AnyCompany"])),
        ("Revenue of companies other than, not AnyCompany", Compare("not_equals", "company", "AnyCompany")),
        ("reports published in 2021", Compare("equals", "publicationYear", 2021)),
        ("reports since 2019", Compare("greater_than_or_equals", "publicationYear", 2019)),
        ("reports of the year before 2,019", Compare("less_than", "publicationYear", 2019)),
        (
            "revenue between the years 2019 and 2021",
            AllOf([
                Compare("greater_than_or_equals", "publicationYear", 2019),
                Compare("less_than_or_equals", "publicationYear", 2021),
            ]),
        ),
        ("papers from 2020 or later", Compare("greater_than_or_equals", "publicationYear", 2020)),
        ("Show archived reports", Compare("equals", "is_archived", True)),
        ("Show reports that are not archived", Compare("equals", "is_archived", False)),
        ("What is tagged audit?", Compare("list_contains", "tags", "audit")),
        (
            "What did AnyCompany publish in 2021?",
            AllOf([Compare("equals", "publicationYear", 2021), Compare("equals", "company", "AnyCompany")]),
        ),
    ],
)  # fmt: skip
def test_what_a_question_says(question, expected):
    assert implied(question) == expected


@pytest.mark.parametrize(
    "question",
    ["What is the risk?", "How many of 20 cats sleep?", "", "?", "What company is it?", "octan", "x " * 5000],
)
def test_what_it_does_not_say(question):
    assert implied(question) is None


def test_without_samples_no_value_is_known():
    assert implied_filter("What did AnyCompany earn?", [COMPANY], []) is None
