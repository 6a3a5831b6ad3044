import json

import pytest

from outcrop.services.bedrock.customization.data import (
    FINE_TUNING,
    PRE_TRAINING,
    DataError,
    Limits,
    convert,
    limits_of,
)

TURNS = [{"role": "user", "content": [{"text": "Hi"}]}, {"role": "assistant", "content": [{"text": "Hello"}]}]
CONVERSATION = {"schemaVersion": "bedrock-conversation-2024", "system": [{"text": "Be brief."}], "messages": TURNS}
PAIR = {"prompt": "Hi", "completion": "Hello"}


@pytest.fixture
def check(tmp_path):
    """Converts lines; answers the examples."""

    def run(*records, kind=FINE_TUNING, limits=None):
        source, target = tmp_path / "train.jsonl", tmp_path / "examples.jsonl"
        written = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
        source.write_bytes(b"\n".join(written))
        count = convert(source, target, "train.jsonl", kind, limits or Limits())
        examples = [json.loads(line) for line in target.read_text().splitlines()]
        assert len(examples) == count
        return examples

    return run


def test_every_form_becomes_turns(check):
    plain = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    claude = {"system": "Be brief.", "messages": plain}
    system = {"role": "system", "content": "Be brief."}
    examples = check(PAIR, CONVERSATION, claude)
    assert examples == [{"turns": plain}, {"turns": [system, *plain]}, {"turns": [system, *plain]}]
    assert check({"input": "Some text."}, kind=PRE_TRAINING) == [{"text": "Some text."}]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{'prompt': 1}", "the line is not JSON"),
        (b"", "the line is empty"),
        (b"\xff\xfe", "the line is not"),
        (b"[" * 100_000, "the line is not JSON"),
        (b"[1]", "the line is not a JSON object"),
        ({"prompt": "Hi"}, "the key 'completion' must be there"),
        ({"prompt": "Hi", "completion": " "}, "the key 'completion' must be there and hold a text that is not empty"),
        ({"prompt": 3, "completion": "x"}, "the key 'prompt' must be there"),
        ({**PAIR, "label": 1}, "the key 'label' is not expected. The record must have: completion, prompt."),
        ({"input": "x"}, "the key 'input' is not expected"),
        ({**CONVERSATION, "schemaVersion": "1"}, "the schemaVersion must be 'bedrock-conversation-2024'"),
        ({**CONVERSATION, "messages": TURNS[:1]}, "messages must be a list of at least two"),
        ({**CONVERSATION, "messages": [*TURNS, TURNS[0]]}, "the last message must have the role 'assistant'"),
        ({**CONVERSATION, "messages": TURNS[::-1]}, "messages[0] must have the role 'user'"),
        ({**CONVERSATION, "system": [{"image": {}}]}, "system must be a text"),
        (
            {**CONVERSATION, "messages": [{"role": "user", "content": 7}, TURNS[1]]},
            "messages[0].content must be a text",
        ),
    ],
)
def test_the_seventh_line_is_named(check, line, said):
    with pytest.raises(DataError) as raised:
        check(*[PAIR] * 6, line, PAIR)
    assert str(raised.value).startswith(
        "Unable to parse Amazon S3 file: train.jsonl. Data files must conform to JSONL format. Line 7: "
    )
    assert said in str(raised.value)


def test_numbers_of_records_and_tokens_are_limited(check):
    with pytest.raises(DataError, match="more than the 2 records"):
        check(PAIR, PAIR, PAIR, limits=Limits(most=2))
    with pytest.raises(DataError, match=r"has 1 records\. At least 32 are needed"):
        check(PAIR, limits=limits_of("anthropic.claude-3-haiku", validation=False, strict=True))
    long = {"prompt": "x" * 60, "completion": "y" * 600}
    with pytest.raises(DataError, match=r"token length 110 exceeds total limit of 100 in file train.jsonl, line 2"):
        check(PAIR, long, limits=Limits(tokens=100))
    assert limits_of("anthropic.claude-3-haiku", validation=False, strict=False).least == 1
    assert limits_of("meta.llama3-1-8b", validation=False, strict=True).least == 100
