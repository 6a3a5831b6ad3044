from __future__ import annotations

import pytest

from outcrop.engines.answering.support import Support

PASSAGES = [
    "Osmosis is the movement of water through a semipermeable membrane. It needs no energy from the cell.",
    "Mount Etna erupted in 1669 and destroyed parts of Catania. About 20,000 people died.",
]


@pytest.mark.parametrize(
    ("statement", "supported"),
    [
        ("Osmosis moves water through a membrane.", (0,)),
        ("Osmosis needs energy worth 500 dollars.", ()),
        ("Mount Etna erupted in 1669.", (1,)),
        ("Mount Etna erupted in 1670.", ()),
        ("Some 20000 people died when Etna erupted.", (1,)),
        ("In 1669, Mount Etna destroyed parts of Messina.", ()),
        ("Photosynthesis feeds plants.", ()),
        ("—", (0, 1)),
    ],
)
async def test_what_passages_support(hashing, statement, supported):
    assert await Support(hashing, "What is osmosis?", PASSAGES).supporting(statement, (0, 1)) == supported


async def test_names_of_the_question_need_not_be_in_the_passage(hashing):
    statement = "According to Lavoisier, osmosis is the movement of water."
    assert await Support(hashing, "What is osmosis?", PASSAGES).supporting(statement, (0,)) == ()
    assert await Support(hashing, "What did Lavoisier say?", PASSAGES).supporting(statement, (0,)) == (0,)
