import pytest

from outcrop.services.bedrock.async_invokes.segments import segments


@pytest.mark.parametrize(
    ("text", "characters", "pieces"),
    [
        ("One. Two. Three.", 100, ["One. Two. Three."]),
        ("One one. Two two. Three.", 18, ["One one. Two two. ", "Three."]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("", 4, []),
        ("   ", 4, []),
    ],
)
def test_segments(text, characters, pieces):
    found = [text[start:end] for start, end in segments(text, characters)]
    assert [piece.strip() for piece in found] == [piece.strip() for piece in pieces]
    assert all(len(piece) <= characters for piece in found)
