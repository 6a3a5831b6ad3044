from __future__ import annotations

import json

import pytest

from outcrop.engines.parsing.document import Records
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
        (b"[]", "no JSON object"),
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
        (sidecar({"a": {"value": {"type": "STRING", "stringValue": 1}}}), "its stringValue is none"),
        (sidecar({"a": {"value": {"type": "NUMBER", "numberValue": True}}}), "its numberValue is none"),
        (sidecar({"a": {"value": {"type": ["STRING"], "stringValue": "x"}}}), "needs a value"),
        (sidecar({"a": {"value": {"type": "STRING", "stringValue": "x"}, "includeForEmbedding": 1}}), "true or false"),
        (b'{"metadataAttributes": {"a": NaN}}', "must be a string"),
        (sidecar({"a": "x" * 2000, "b": "y" * 2000}) + b" " * 10240, "at most"),
    ],
)
def test_a_wrong_sidecar_says_what_is_wrong(data: bytes, says: str):
    with pytest.raises(sidecars.InvalidAttributes, match=says):
        sidecars.parse(data)


def structure(content: object, **chosen: object) -> dict[str, object]:
    given = {"contentFields": content, "metadataFieldsSpecification": chosen}
    return {"type": "RECORD_BASED_STRUCTURE_METADATA", "recordBasedStructureMetadata": given}


def names(*fields: str) -> list[dict[str, str]]:
    return [{"fieldName": field} for field in fields]


def test_the_structure_of_a_csv_says_what_its_columns_are():
    chosen = structure(names("body"), fieldsToInclude=names("unit", "week"), fieldsToExclude=names("internal"))
    parsed = sidecars.parse(json.dumps({"documentStructureConfiguration": chosen}).encode())
    assert parsed.records == Records("body", ("unit", "week"), ("internal",))
    data = json.dumps({"metadataAttributes": {"a": 1}, "documentStructureConfiguration": structure(names("body"))})
    assert sidecars.parse(data.encode()).records == Records("body")
    assert sidecars.parse(data.encode()).filterable == {"a": 1}
    assert sidecars.parse(sidecar({"a": 1})).records is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (3, "needs the type"),
        ({"type": "OTHER"}, "needs the type"),
        ({"type": "RECORD_BASED_STRUCTURE_METADATA"}, "no object recordBased"),
        (structure([]), "exactly one field; it names 0"),
        (structure(None), "exactly one field"),
        (structure(names("a", "b")), "exactly one field; it names 2"),
        (structure("body"), "contentFields must be a list"),
        (structure([{"fieldName": 3}]), "contentFields must be a list"),
        (structure(["body"]), "contentFields must be a list"),
        (structure(names("a"), fieldsToInclude=3), "fieldsToInclude must be a list"),
        (structure(names("a"), fieldsToInclude=names("b"), fieldsToExclude=names("b")), "in both"),
    ],
)
def test_a_wrong_structure_says_what_is_wrong(given: object, says: str):
    with pytest.raises(sidecars.InvalidAttributes, match=says):
        sidecars.parse(json.dumps({"documentStructureConfiguration": given}).encode())
