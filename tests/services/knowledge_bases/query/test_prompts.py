from __future__ import annotations

import re

import pytest

from outcrop.services.knowledge_bases.errors import ValidationException
from outcrop.services.knowledge_bases.query.prompts import (
    check_generation,
    check_orchestration,
    generation_prompt,
    lint_generation,
    lint_orchestration,
    orchestration_prompt,
    read_queries,
)

GOOD = "Answer from: $search_results$\n$output_format_instructions$"
CLAUDE_2, CLAUDE_3 = "anthropic.claude-v2:1", "anthropic.claude-3-haiku-20240307-v1:0"


def test_placeholders_are_filled_once():
    prompt = generation_prompt(
        "R: $search_results$ Q: $query$ X: $unknown$", "why $search_results$?", ["one $query$", "two"]
    )
    assert prompt == "R: [1] one $query$\n\n[2] two Q: why $search_results$? X: $unknown$"


def test_the_default_prompts_hold_everything():
    assert "[1] one" in generation_prompt(None, "why?", ["one"])
    prompt = orchestration_prompt(None, "why?", [("a?", "b.")])
    assert "User: a?\nAssistant: b." in prompt
    assert "<query>" in prompt


def test_templates_without_what_they_need_are_refused():
    check_generation(None)
    check_orchestration(None)
    with pytest.raises(ValidationException, match=r"\$search_results\$"):
        check_generation("Answer: $query$")
    with pytest.raises(ValidationException, match=r"\$conversation_history\$"):
        check_orchestration("$output_format_instructions$")


@pytest.mark.parametrize(
    ("template", "model", "words"),
    [
        ("$search_results$", CLAUDE_3, "no citations"),
        (GOOD + " Be brief.", CLAUDE_3, "last thing"),
        (GOOD, CLAUDE_2, r"needs \$query\$"),
        ("$conversation_history$ " + GOOD, CLAUDE_3, "orchestration"),
        ("$context$ " + GOOD, CLAUDE_3, r"\$context\$ is no placeholder"),
        ("{query} " + GOOD, CLAUDE_3, r"between dollar signs: \$query\$"),
        ("$search_results$ " + GOOD, CLAUDE_3, "2 times"),
        ("Cite your sources. " + GOOD, CLAUDE_3, "about citations"),
    ],
)
def test_what_its_users_regret(template, model, words):
    found = lint_generation(template, model)
    assert len(found) == 1
    assert re.search(words, found[0])


def test_a_good_template_is_praised_by_silence():
    assert lint_generation(GOOD, CLAUDE_3) == lint_generation(None, CLAUDE_2) == []
    assert lint_orchestration("$conversation_history$ $output_format_instructions$") == []
    assert "only filled in generation" in lint_orchestration("$search_results$ $conversation_history$")[0]


def test_queries_are_read_from_tags_alone():
    said = "Sure!\n<query>What is\n lava?</query> <query></query><QUERY>ash</QUERY><query>ash</query>"
    assert read_queries(said) == ["What is lava?", "ash"]
    assert read_queries("What is lava?") == []
    assert len(read_queries("".join(f"<query>{n}</query>" for n in range(9)))) == 5
