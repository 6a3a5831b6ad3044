import pytest

from outcrop.engines.answering.units import squeeze, tidy, units_of

PAGE = """2.4 Optimizations

❒ Flash attention – Flash attention is an exact method. It saves memory.

There are two ways to approximate:

• Sparsity: attention looks at relevant tokens only.
• Low-rank: the formula becomes a product of matrices.

Remark: High temperatures lead to more creative outputs.

Position | Base Salary
CEO | 2,000,000

To set up a vector use the command

> x <- c(10.4, 5.6,
         3.1)

would create a vector."""


def seen(text, section=""):
    return [(unit.kind, unit.text) for unit in units_of(0, text, section)]


def test_units_of_a_page():
    assert seen(PAGE) == [
        ("heading", "2.4 Optimizations"),
        ("sentence", "Flash attention is an exact method."),
        ("sentence", "It saves memory."),
        ("sentence", "There are two ways to approximate:"),
        ("item", "Sparsity: attention looks at relevant tokens only."),
        ("item", "Low-rank: the formula becomes a product of matrices."),
        ("sentence", "High temperatures lead to more creative outputs."),
        ("row", "Position | Base Salary"),
        ("row", "CEO | 2,000,000"),
        ("sentence", "To set up a vector use the command"),
        ("code", "> x <- c(10.4, 5.6,\n         3.1)"),
        ("sentence", "would create a vector."),
    ]


def test_units_know_what_stands_above_them():
    units = {unit.text: unit.heading for unit in units_of(0, PAGE)}
    assert units["Flash attention is an exact method."] == "2.4 Optimizations: Flash attention"
    assert units["Low-rank: the formula becomes a product of matrices."].endswith("There are two ways to approximate:")
    assert units["CEO | 2,000,000"] == "2.4 Optimizations: Position | Base Salary"


def test_section_is_the_heading_of_a_passage_without_one():
    (unit,) = units_of(0, "Osmosis moves water.", "Biology › Cells › 1.2 Osmosis")
    assert unit.heading == "1.2 Osmosis"


def test_heading_right_above_its_paragraph():
    text = (
        "Summary\nThis article describes a hands-on introduction to the first steps in deep learning, for researchers."
    )
    assert [kind for kind, _ in seen(text)] == ["heading", "sentence"]


def test_sentence_that_goes_on_in_the_next_block():
    assert seen("A token is a unit of text, such as a word,\n\nand is part of a vocabulary.") == [
        ("sentence", "A token is a unit of text, such as a word, and is part of a vocabulary.")
    ]


def test_label_before_a_pronoun_stays():
    assert seen("❒ Random forest – It is a technique that uses many trees.") == [
        ("sentence", "Random forest – It is a technique that uses many trees.")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("•  An   item\nwith a break", "An item with a break"),
        ("**Bold** and plain", "Bold and plain"),
        ("soft\u00adhyphen and zero\u200bwidth", "softhyphen and zerowidth"),
        ("\uf0b7 symbol font bullet", "symbol font bullet"),
        ("- 5 degrees", "5 degrees"),
        ("-5 degrees", "-5 degrees"),
    ],
)
def test_tidy(text, expected):
    assert tidy(text) == expected


def test_words_broken_at_line_ends():
    text = "Neural net-\nworks learn. Many networks are deep. It is open-\nsource."
    assert [text for _, text in seen(text)] == [
        "Neural networks learn.",
        "Many networks are deep.",
        "It is open-source.",
    ]


def test_squeeze_ignores_white_space_and_markup():
    assert squeeze("A **b**\n• c-d") == squeeze("A b c d")


HOSTILE = [
    "x" * 1_000_000,
    "x " * 300_000,
    "\n" * 300_000,
    "- " * 150_000,
    "a-\n" * 100_000,
    "((((" * 80_000,
    "1. " * 100_000,
    "|" * 300_000,
    "語" * 300_000,
    "\0" * 300_000,
    "<-" * 150_000,
    "A: " * 100_000,
    "word " * 60_000 + ".",
    "A (B) " * 50_000,
    "\ud800" * 1000,
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_passages_take_linear_time(text):
    units = units_of(0, text)
    assert all(len(unit.text) <= 900 for unit in units)
