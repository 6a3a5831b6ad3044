"""AWS's words for inputs that break the model, and bounded time for hostile strings."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from outcrop.services.hooks import Hooks
from outcrop.wire.models import routes, source
from outcrop.wire.models.shapes import Model
from outcrop.wire.validation import _compile, _matches, unknown_members, violations

SHAPES = {
    "Input": {
        "type": "structure",
        "required": ["Name"],
        "members": {
            "Name": {"shape": "Name"},
            "Count": {"shape": "Count"},
            "Color": {"shape": "Color"},
            "Colors": {"shape": "Colors"},
            "Tags": {"shape": "Tags"},
            "Things": {"shape": "Things"},
            "Choice": {"shape": "Choice"},
            "Secret": {"shape": "Secret"},
            "Data": {"shape": "Data"},
            "When": {"shape": "When"},
            "Free": {"shape": "Free"},
        },
    },
    "Name": {"type": "string", "min": 2, "max": 5, "pattern": "[a-z-]*"},
    "Count": {"type": "integer", "min": 1, "max": 10},
    "Color": {"type": "string", "enum": ["RED", "BLUE"]},
    "Colors": {"type": "list", "member": {"shape": "Color"}, "min": 1, "max": 3},
    "Tags": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Color"}},
    "Things": {"type": "list", "member": {"shape": "Thing"}},
    "Thing": {"type": "structure", "required": ["Key"], "members": {"Key": {"shape": "Name"}}},
    "Choice": {"type": "structure", "union": True, "members": {"One": {"shape": "Name"}, "Two": {"shape": "Count"}}},
    "Secret": {"type": "string", "min": 8, "sensitive": True},
    "Data": {"type": "blob", "max": 3},
    "When": {"type": "timestamp"},
    "Free": {"type": "structure", "members": {}, "document": True},
}
SHAPE = Model({"metadata": {}, "operations": {}, "shapes": SHAPES}).shape("Input")


def said(**value) -> list[str]:
    value.setdefault("Name", "abc")
    text = Hooks().invalid("x", found).message if (found := violations(SHAPE, value)) else ""
    return text.partition(" detected: ")[2].split("; ") if text else []


LONG, SHORT = "Member must have length less than or equal to ", "Member must have length greater than or equal to "
PATTERN = "Member must satisfy regular expression pattern: [a-z-]*"
COLOR = "Member must satisfy enum value set: [RED, BLUE]"
NULL = "Member must not be null"
ONE = "Exactly one of the members [One, Two] must be set, but"


@pytest.mark.parametrize(
    ("value", "shown", "path", "constraint"),
    [
        ({"Name": None}, "null", "name", NULL),
        ({"Name": "a"}, "'a'", "name", f"{SHORT}2"),
        ({"Name": "abcdef"}, "'abcdef'", "name", f"{LONG}5"),
        ({"Name": "ABC"}, "'ABC'", "name", PATTERN),
        ({"Name": "abc\n"}, "'abc\n'", "name", PATTERN),
        ({"Count": 11}, "'11'", "count", "Member must have value less than or equal to 10"),
        ({"Count": 0}, "'0'", "count", "Member must have value greater than or equal to 1"),
        ({"Color": "red"}, "'red'", "color", COLOR),
        ({"Colors": []}, "'[]'", "colors", f"{SHORT}1"),
        ({"Colors": ["RED", "x"]}, "'[RED, x]'", "colors", f"Member must satisfy constraint: [{COLOR}]"),
        ({"Colors": ["RED", None]}, "null", "colors.2.member", NULL),
        (
            {"Tags": {"A": "RED"}},
            "'{A=RED}'",
            "tags",
            f"Map keys must satisfy constraint: [{LONG}5, {SHORT}2, {PATTERN}]",
        ),
        ({"Tags": {"ab": "x"}}, "'{ab=x}'", "tags", f"Map value must satisfy constraint: [{COLOR}]"),
        ({"Things": [{"Key": "ab"}, {}]}, "null", "things.2.member.key", NULL),
        ({"Secret": "abc"}, "'***Sensitive Data Redacted***'", "secret", f"{SHORT}8"),
        ({"Data": b"1234"}, "'java.nio.HeapByteBuffer[pos=0 lim=4 cap=4]'", "data", f"{LONG}3"),
        ({"Choice": {}}, "'{}'", "choice", f"{ONE} 0 are"),
        ({"Choice": {"One": "ab", "Two": 1}}, "'{One=ab, Two=1}'", "choice", f"{ONE} 2 are"),
    ],
)
def test_texts(value, shown, path, constraint):
    assert said(**value) == [f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"]


def test_valid_input():
    everything = {
        "Count": 10,
        "Color": "RED",
        "Colors": ["RED", "BLUE"],
        "Tags": {"ab": "RED"},
        "Things": [{"Key": "ab"}],
        "Choice": {"Two": 1},
        "Secret": "12345678",
        "Data": b"123",
        "When": datetime.now(UTC),
        "Free": {"any": [None]},
    }
    assert said(**everything) == []


def test_several_at_once():
    error = Hooks().invalid("x", violations(SHAPE, {"Name": "ABCDEF", "Count": 0}))
    assert error.message.startswith("3 validation errors detected: Value 'ABCDEF' at 'name'")


def test_many_are_cut():
    assert len(violations(SHAPE, {"Name": "abc", "Things": [{}] * 1000})) == 10


def test_long_values_are_cut():
    assert len(said(Color="x" * 100_000)[0]) < 1200


def test_unknown_members():
    assert unknown_members(SHAPE, {"Name": "abc", "Nmae": "x"}) == ["Nmae"]
    assert unknown_members(None, {"a": 1}) == ["a"]


PATTERNS = sorted(
    {
        shape["pattern"]
        for entry in routes.load().values()
        for shape in source.read(entry.name, entry.version)["shapes"].values()
        if "pattern" in shape
    }
)


def test_every_pattern_is_understood():
    assert [pattern for pattern in PATTERNS if _compile(pattern) is None] == []


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+", "Üöä 1_@", "a*b"),
        (r"^\P{C}*$", "ok", "a\x07"),
        (r"[\w-_]*", "a-b_c", "a b"),
        (r"[a-zA-Z0-9](-*[a-zA-Z0-9\+\-\.])*", "a--b.c", "-a"),
    ],
)
def test_patterns_of_java(pattern, good, bad):
    assert _matches(pattern, good)
    assert not _matches(pattern, bad)


@pytest.mark.parametrize("length", [60, 250, 1000, 4000])
def test_hostile_strings_take_no_time(length):
    beginnings = (
        "",
        "-",
        "arn:aws:bedrock:us-east-1:123456789012:custom-model/a",
        "arn:aws:bedrock:us-east-1::foundation-model/",
    )
    strings = [
        (start + filler * length)[:length] + "\n!"
        for start in beginnings
        for filler in ("a", "a.", "-", "a:", ".", "/", " ")
    ]
    slowest = 0.0
    for pattern in PATTERNS:
        for text in strings:
            began = time.perf_counter()
            _matches(pattern, text)
            slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 0.25
