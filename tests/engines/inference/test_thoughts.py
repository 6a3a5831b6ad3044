import itertools

import pytest

from outcrop.engines.inference.engine import ReasoningDelta
from outcrop.engines.inference.thoughts import Thoughts


def split(pieces):
    thoughts = Thoughts()
    events = [*itertools.chain.from_iterable(thoughts.split(piece) for piece in pieces), *thoughts.rest()]
    thought = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    return thought, "".join(event.text for event in events if not isinstance(event, ReasoningDelta))


@pytest.mark.parametrize(
    ("text", "thought", "said"),
    [
        ("<think>\nWell, 1 < 2.\n</think>\n\nYes.", "Well, 1 < 2.", "Yes."),
        ("<think></think>Yes.", "", "Yes."),
        ("  <think>a</think>b <think>c</think>", "a", "b <think>c</think>"),
        ("Yes <think>no</think>", "", "Yes <think>no</think>"),
        ("<thin", "", "<thin"),
        ("<think>never ends </thi", "never ends </thi", ""),
        ("", "", ""),
        ("\n\nText", "", "\n\nText"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_split(text, thought, said, size):
    found = split([text[at : at + size] for at in range(0, len(text), size)])
    assert (found[0].strip("\n"), found[1]) == (thought, said)
