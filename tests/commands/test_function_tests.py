"""`outcrop function events` and `outcrop function test`."""

from __future__ import annotations

import base64
import gzip
import io
import json

import pytest
from tests.commands.functions import create

from outcrop.cli import main
from outcrop.commands.expectations import Expectation, recorded
from outcrop.commands.function_tests import template, templates
from outcrop.commands.stored_events import EXPECT, REGISTRY

UUID = "11111111-2222-4333-8444-555555555555"
CODE = """
import json, time, uuid

def handler(event, context):
    if event.get("fail"):
        raise ValueError("asked to fail")
    body = {"id": str(uuid.uuid4()), "at": time.time(), "echo": event, "n": event.get("n", 1)}
    return {"statusCode": 200, "body": json.dumps(body)}
"""


def differences(expected, actual, exact=False):
    return Expectation.of(expected, exact).differences(actual, failed=False)


@pytest.mark.parametrize(
    ("matcher", "good", "bad"),
    [
        ("{{any}}", ["", 0, None, [], {}], []),
        ("{{string}}", ["", "a"], [1, None, []]),
        ("{{number}}", [1, -2.5], [True, "1", None]),
        ("{{uuid}}", [UUID, UUID.upper()], [UUID[1:], f"{UUID}0", 1, UUID.replace("1", "g")]),
        (
            "{{time}}",
            ["2026-01-15T12:00:00Z", "2026-01-15T12:00:00.123+01:00", 1768478400, 1768478400000, 1768478400.5],
            ["2026-01-15", "2026-13-15T12:00:00Z", "soon", 3, True, None],
        ),
        ("{{regex:a+(b|c)}}", ["ab", "aac"], ["xab", "abx", "", 1]),
        ("{{regex:.*lava.*}}", ["hot\nlava"], ["cold"]),
        ("{{other}}", ["{{other}}"], ["a"]),
        (True, [True], [1, False]),
        (1, [1, 1.0], [True, "1"]),
        (None, [None], [0, ""]),
    ],
)
def test_matchers(matcher, good, bad):
    assert [value for value in good if differences(matcher, value)] == []
    assert [value for value in bad if not differences(matcher, value)] == []
    assert differences({"a": [matcher]}, {"a": []}) == [f"a[0]: missing, expected {json.dumps(matcher)}"]


def test_subset_and_exact():
    expected, actual = {"a": {"b": 1}, "c": [1]}, {"a": {"b": 1, "more": 2}, "c": [1], "d": 3}
    assert differences(expected, actual) == []
    assert differences(expected, actual, exact=True) == ["a.more: not expected, got 2", "d: not expected, got 3"]
    assert differences(expected, {"a": {}, "c": [1, 2]}) == ["a.b: missing, expected 1", "c[1]: not expected, got 2"]
    assert differences({"a": 1}, [1]) == ['the answer: expected {"a": 1}, got [1]']
    (long,) = differences("a", "b" * 1000)
    assert (len(long) < 300, "(1,002 characters)" in long) == (True, True)


def test_bodies_that_are_json():
    assert differences({"body": {"a": "{{number}}"}}, {"body": '{"a": 1, "b": 2}'}) == []
    assert differences({"body": {"a": 1}}, {"body": '{"a": 2}'}) == ["body.a: expected 1, got 2"]
    assert differences({"body": {"a": 1}}, {"body": "no json"}) == ['body: expected {"a": 1}, got "no json"']
    assert differences({"body": '{"a": 1}'}, {"body": '{"a":1}'}) != []
    assert differences({"x": {"body": {"a": 1}}}, {"x": {"body": '{"a": 1}'}}) != []


def test_expected_errors():
    expected = Expectation.of({"errorType": "ValueError", "errorMessage": "{{regex:asked.*}}"}, exact=False)
    error = {"errorType": "ValueError", "errorMessage": "asked to fail", "stackTrace": []}
    assert expected.differences(error, failed=True) == []
    assert expected.differences({**error, "errorType": "KeyError"}, failed=True) != []
    assert "the function answered" in expected.differences(error, failed=False)[0]
    assert "the function failed" in Expectation("{{any}}").differences(error, failed=True)[0]


def test_a_regular_expression_that_is_none_is_refused():
    with pytest.raises(ValueError, match="is no regular expression"):
        Expectation.of({"a": [{"b": "{{regex:(}}"}]}, exact=False)


def test_what_is_recorded_takes_the_next_answer():
    def answer(uuid, at):
        return {"statusCode": 200, "body": json.dumps({"id": uuid, "at": [at], "n": 1})}

    kept = recorded(answer(UUID, "2026-01-15T12:00:00Z"), exact=True, failed=False)
    assert kept.output["body"] == {"id": "{{uuid}}", "at": ["{{time}}"], "n": 1}
    assert kept == Expectation.read(json.loads(json.dumps(kept.stored())))
    assert kept.differences(answer(UUID.replace("1", "a"), "2027-01-15T12:00:00Z"), failed=False) == []
    error = {"errorType": "E", "requestId": UUID, "stackTrace": ["line 3"]}
    kept = recorded(error, exact=True, failed=True)
    assert kept.output == {"errorType": "E", "requestId": "{{uuid}}"}
    assert kept.differences({**error, "stackTrace": ["line 4"]}, failed=True) == []


def test_templates():
    assert len(templates()) == 14
    events = {name: json.loads(template(name)) for name in templates()}
    packed = base64.b64decode(events["cloudwatch-logs"]["awslogs"]["data"])
    assert json.loads(gzip.decompress(packed))["messageType"] == "DATA_MESSAGE"
    assert events["s3-delete"]["Records"][0]["eventName"] == "ObjectRemoved:Delete"
    assert "size" not in events["s3-delete"]["Records"][0]["s3"]["object"]


@pytest.fixture(scope="module")
def function(outcrop_stack):
    return create(outcrop_stack, "tested", CODE)


@pytest.fixture
def outcrop(outcrop_stack, capsys):
    """Runs `outcrop function …` on the stack: (status, what it said)."""

    def run(action, *arguments):
        status = main(["function", action, *map(str, arguments), "--data", str(outcrop_stack.data)])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def examples(stack, name):
    described = stack.client("schemas").describe_schema(RegistryName=REGISTRY, SchemaName=f"_{name}-schema")
    return json.loads(described["Content"])["components"]["examples"]


def test_the_whole_flow(outcrop_stack, outcrop, function, tmp_path, monkeypatch):
    status, said = outcrop("test", function)
    assert (status, "has no events" in said) == (1, True)
    event, expected, private = tmp_path / "event.json", tmp_path / "expected.json", ("--private",)
    event.write_text('{"n": 2}')
    body = {"id": "{{uuid}}", "at": "{{time}}", "n": 2}
    expected.write_text(json.dumps({"statusCode": 200, "body": body}))
    assert outcrop("events", function, "--add", "two", "--from", event, "--expect", expected) == (
        0,
        "added two (shared)\n",
    )
    assert outcrop("events", function, "--add", "hello", "--template", "hello-world", *private)[0] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO('{"fail": true}'))
    assert outcrop("events", function, "--add", "fails", "--from", "-")[0] == 0
    shared = examples(outcrop_stack, function)
    assert shared["two"]["value"] == {"n": 2}
    assert shared["two"][EXPECT]["comparison"] == "subset"
    assert list(shared) == ["two", "fails"]

    status, said = outcrop("test", function)
    assert (status, "✓ two" in said, "✓ hello" in said, "✗ fails" in said) == (1, True, True, True)
    assert "the function failed" in said
    assert "2 of 3 as expected" in said
    assert outcrop("events", function, "--record", "fails")[0] == 0
    assert outcrop("events", function, "--record", "hello")[0] == 0
    status, said = outcrop("events", function)
    assert "expects an error" in next(line for line in said.splitlines() if line.startswith("fails"))
    assert "private" in next(line for line in said.splitlines() if line.startswith("hello"))
    assert outcrop("test", function, "--event", "fails")[0] == 0
    status, said = outcrop("test", function, "--event", "hello")
    assert (status, "body.at: expected 1" in said) == (1, True), "a number is no time to whoever records it"

    event.write_text('{"n": 3}')
    outcrop("events", function, "--add", "two", "--from", event, "--expect", expected, "--exact")
    status, said = outcrop("test", function, "--event", "two")
    assert (status, "body.n: expected 2, got 3" in said) == (1, True)
    assert 'body.echo: not expected, got {"n": 3}' in said

    assert outcrop("events", function, "--add", "two", "--from", event, *private) == (0, "replaced two (private)\n")
    assert list(examples(outcrop_stack, function)) == ["fails"]
    for name in ("two", "fails", "hello"):
        assert outcrop("events", function, "--remove", name)[0] == 0
    assert "no events yet" in outcrop("events", function)[1]
    schemas = outcrop_stack.client("schemas")
    with pytest.raises(schemas.exceptions.NotFoundException):
        examples(outcrop_stack, function)


def test_events_of_others_are_run_and_kept(outcrop_stack, outcrop, function):
    schemas = outcrop_stack.client("schemas")
    content = json.loads(schemas.get_discovered_schema(Type="OpenApi3", Events=['{"n": 4}'])["Content"])
    content["components"]["examples"] = {"theirs": {"value": {"n": 4}, "summary": "of SAM"}}
    where = {"RegistryName": REGISTRY, "SchemaName": f"_{function}-schema"}
    if not schemas.list_registries(RegistryNamePrefix=REGISTRY)["Registries"]:
        schemas.create_registry(RegistryName=REGISTRY)
    schemas.create_schema(**where, Type="OpenApi3", Content=json.dumps(content))
    assert outcrop("test", function)[0] == 0
    for number in range(6):
        assert outcrop("events", function, "--add", f"e{number % 2}", "--template", "hello-world")[0] == 0
    assert examples(outcrop_stack, function)["theirs"] == {"value": {"n": 4}, "summary": "of SAM"}
    assert len(schemas.list_schema_versions(**where)["SchemaVersions"]) == 5
    schemas.delete_schema(**where)


def test_refusals(outcrop, function, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    for arguments, words in (
        (["--add", "a"], "takes the event --from FILE"),
        (["--add", "a", "--from", broken], "is not JSON"),
        (["--add", "a", "--from", tmp_path / "none"], "No such file"),
        (["--remove", "a"], "has no event a"),
        (["--record", "a"], "has no event a"),
        (["--private"], "go with --add EVENT"),
    ):
        status, said = outcrop("events", function, *arguments)
        assert (status, words in said) == (1, True), said
    assert "ResourceNotFoundException" in outcrop("test", "nobody")[1]
    assert "say whose events" in outcrop("events")[1]
    assert json.loads(outcrop("events", "--template", "hello-world")[1]) == {
        "key1": "value1",
        "key2": "value2",
        "key3": "value3",
    }
