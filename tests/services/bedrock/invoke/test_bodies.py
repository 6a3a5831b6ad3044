import pytest

from outcrop.services.bedrock.invoke.bodies import check, decode
from outcrop.services.contract import ValidationException

SCHEMA = {
    "type": "object",
    "required": ["messages"],
    "additionalProperties": False,
    "properties": {
        "messages": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "object", "required": ["role"]}},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "name": {"type": "string", "minLength": 2, "maxLength": 3},
        "count": {"type": "integer"},
        "kind": {"enum": ["a", "b"]},
    },
}
ONE = [{"role": "user"}]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({}, "#: required key [messages] not found"),
        ({"messages": ONE, "x": 1}, "#: extraneous key [x] is not permitted"),
        ({"messages": "hi"}, "#/messages: expected type: JSONArray, found: String"),
        ({"messages": []}, "#/messages: expected minimum item count: 1, found: 0"),
        ({"messages": ONE * 3}, "#/messages: expected maximum item count: 2, found: 3"),
        ({"messages": [{}]}, "#/messages/0: required key [role] not found"),
        ({"messages": ONE, "temperature": 1.5}, "#/temperature: 1.5 is not less or equal to 1"),
        ({"messages": ONE, "temperature": -1}, "#/temperature: -1 is not greater or equal to 0"),
        ({"messages": ONE, "temperature": True}, "#/temperature: expected type: Number, found: Boolean"),
        ({"messages": ONE, "count": 1.5}, "#/count: expected type: Integer, found: BigDecimal"),
        ({"messages": ONE, "name": "x"}, "#/name: expected minLength: 2, actual: 1"),
        ({"messages": ONE, "name": "xxxx"}, "#/name: expected maxLength: 3, actual: 4"),
        ({"messages": ONE, "kind": "c"}, "#/kind: c is not a valid enum value"),
    ],
)
def test_check_tells_the_fault(body, fault):
    with pytest.raises(ValidationException) as raised:
        check(body, SCHEMA)
    assert raised.value.message == f"Malformed input request: {fault}, please reformat your input and try again."


def test_check_counts_several_faults():
    with pytest.raises(ValidationException, match="2 schema violations found"):
        check({"temperature": 2}, SCHEMA)


def test_check_passes_what_fits():
    check({"messages": ONE, "temperature": 1, "name": "abc", "kind": "a"}, SCHEMA)


@pytest.mark.parametrize("body", [b"", None, b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000])
def test_decode_refuses_what_is_not_json(body):
    with pytest.raises(ValidationException, match="Malformed input request, please reformat"):
        decode(body)


def test_decode_refuses_what_is_no_object():
    with pytest.raises(ValidationException, match="#: expected type: JSONObject, found: JSONArray"):
        decode(b"[]")
