from __future__ import annotations

import json

import pytest

from outcrop.services.knowledge_bases import sidecars


def sidecar(attributes: object) -> bytes:
    return json.dumps({"metadataAttributes": attributes}).encode()


def test_the_simple_form_is_filterable_and_not_embedded():
    parsed = sidecars.parse(sidecar({"course": "bio101", "week": 3, "open": True, "tags": ["a", "b"]}))
    assert parsed.filterable == {"course": "bio101", "week": 3, "open": True, "tags": ["a", "b"]}
    assert parsed.prefix() == ""


def test_the_full_form_says_what_is_embedded():
    parsed = sidecars.parse(
        sidecar(
            {
                "course": {"value": {"type": "STRING", "stringValue": "bio101"}, "includeForEmbedding": True},
                "week": {"value": {"type": "NUMBER", "numberValue": 3}, "includeForEmbedding": False},
                "tags": {
                    "value": {"type": "STRING_LIST", "stringListValue": ["a", "b"]},
                    "includeForEmbedding": True,
                },
                "open": {"value": {"type": "BOOLEAN", "booleanValue": False}, "includeForEmbedding": True},
            }
        )
    )
    assert parsed.filterable == {"course": "bio101", "week": 3, "tags": ["a", "b"], "open": False}
    assert parsed.prefix() == "course: bio101\ntags: a, b\nopen: false\n\n"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{not json", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "no object"),
        (b'{"metadataAttributes": 3}', "no object"),
        (b"[" * 5000, "not JSON"),
        (sidecar({"a": None}), "must be a string"),
        (sidecar({"a": []}), "must be a string"),
        (sidecar({"a": [1]}), "must be a string"),
        (sidecar({"a": "x" * 3000}), "must be a string"),
        (sidecar({"": 1}), "characters"),
        (sidecar({"x-amz-bedrock-kb-x": 1}), "reserved"),
        (sidecar({"a": {"value": {"type": "DATE"}}}), "needs a value"),
        (sidecar({"a": {"value": {"type": "STRING", "numberValue": 1}}}), "without stringValue"),
        (b'{"metadataAttributes": {"a": NaN}}', "must be a string"),
        (sidecar({"a": "x" * 2000, "b": "y" * 2000}) + b" " * 10240, "at most"),
    ],
)
def test_a_wrong_sidecar_says_what_is_wrong(data: bytes, says: str):
    with pytest.raises(sidecars.InvalidAttributes, match=says):
        sidecars.parse(data)
