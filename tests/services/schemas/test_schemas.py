"""EventBridge Schemas by boto3 against a running stack."""

from __future__ import annotations

import json
import uuid

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from outcrop.testing import StackProcess

DRAFT_4 = json.dumps({"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"})


def open_api(**examples: object) -> str:
    return json.dumps(
        {
            "openapi": "3.0.0",
            "info": {"version": "1.0.0", "title": "Event"},
            "paths": {},
            "components": {"schemas": {"Event": {"type": "object"}}, "examples": examples},
        }
    )


@pytest.fixture(scope="module")
def client(outcrop_stack: StackProcess):
    return outcrop_stack.client("schemas")


@pytest.fixture
def registry(client) -> str:
    name = f"registry-{uuid.uuid4().hex[:12]}"
    client.create_registry(RegistryName=name, Description="Of tests", Tags={"room": "one"})
    return name


def refusal(call, **arguments) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Message"]
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_the_life_of_a_registry(client, registry) -> None:
    shown = client.describe_registry(RegistryName=registry)
    assert shown["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert shown["RegistryArn"] == f"arn:aws:schemas:us-east-1:000000000000:registry/{registry}"
    assert (shown["Description"], shown["Tags"]) == ("Of tests", {"room": "one"})
    assert client.update_registry(RegistryName=registry, Description="")["Description"] == ""
    listed = client.list_registries(RegistryNamePrefix=registry[:-1])["Registries"]
    assert [one["RegistryName"] for one in listed] == [registry]
    assert client.list_registries(Scope="AWS")["Registries"] == []
    assert refusal(client.create_registry, RegistryName=registry) == ("ConflictException", 409)
    client.delete_registry(RegistryName=registry)
    for call in (client.describe_registry, client.delete_registry, client.update_registry, client.list_schemas):
        assert refusal(call, RegistryName=registry) == ("NotFoundException", 404)


def test_the_life_of_a_schema(client, registry) -> None:
    where = {"RegistryName": registry, "SchemaName": "_ask-schema"}
    created = client.create_schema(**where, Type="OpenApi3", Content=open_api(one=1), Description="Events")
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert created["SchemaVersion"] == "1"
    assert created["SchemaArn"] == f"arn:aws:schemas:us-east-1:000000000000:schema/{registry}/_ask-schema"
    assert refusal(client.create_schema, **where, Type="OpenApi3", Content=open_api()) == ("ConflictException", 409)

    updated = client.update_schema(**where, Content=open_api(two=2))
    assert (updated["SchemaVersion"], updated["Type"], updated["Description"]) == ("2", "OpenApi3", "Events")
    assert updated["VersionCreatedDate"] > created["VersionCreatedDate"]
    assert client.update_schema(**where, Description="Others")["SchemaVersion"] == "2"
    assert json.loads(client.describe_schema(**where)["Content"])["components"]["examples"] == {"two": 2}
    first = client.describe_schema(**where, SchemaVersion="1")
    assert json.loads(first["Content"])["components"]["examples"] == {"one": 1}

    versions = client.list_schema_versions(**where)["SchemaVersions"]
    assert [(one["SchemaVersion"], one["Type"]) for one in versions] == [("1", "OpenApi3"), ("2", "OpenApi3")]
    (listed,) = client.list_schemas(RegistryName=registry)["Schemas"]
    assert (listed["SchemaName"], listed["VersionCount"]) == ("_ask-schema", 2)

    client.delete_schema_version(**where, SchemaVersion="2")
    assert refusal(client.describe_schema, **where, SchemaVersion="2") == ("NotFoundException", 404)
    assert refusal(client.delete_schema_version, **where, SchemaVersion="1") == ("BadRequestException", 400)
    assert client.update_schema(**where, Content=DRAFT_4, Type="JSONSchemaDraft4")["SchemaVersion"] == "3"
    assert refusal(client.delete_registry, RegistryName=registry) == ("BadRequestException", 400)
    client.delete_schema(**where)
    for call in (client.describe_schema, client.delete_schema, client.list_schema_versions):
        assert refusal(call, **where) == ("NotFoundException", 404)


def test_pages(client, registry) -> None:
    for name in ("a", "b@c", "d"):
        client.create_schema(RegistryName=registry, SchemaName=name, Type="JSONSchemaDraft4", Content=DRAFT_4)
    pages = client.get_paginator("list_schemas").paginate(RegistryName=registry, PaginationConfig={"PageSize": 2})
    assert [[one["SchemaName"] for one in page["Schemas"]] for page in pages] == [["a", "b@c"], ["d"]]
    only = client.list_schemas(RegistryName=registry, SchemaNamePrefix="b")["Schemas"]
    assert [one["SchemaName"] for one in only] == ["b@c"]
    where = {"RegistryName": registry, "SchemaName": "a"}
    for _ in range(10):
        client.update_schema(**where, Content=DRAFT_4)
    pages = client.get_paginator("list_schema_versions").paginate(**where, PaginationConfig={"PageSize": 4})
    numbers = [one["SchemaVersion"] for page in pages for one in page["SchemaVersions"]]
    assert numbers == [str(number) for number in range(1, 12)]
    for wrong in ({"Limit": 0}, {"Limit": 101}, {"NextToken": "no token"}, {"NextToken": "é"}, {"NextToken": "/w=="}):
        assert refusal(client.list_schemas, RegistryName=registry, **wrong) == ("BadRequestException", 400)


def test_tags(client, registry) -> None:
    where = {"RegistryName": registry, "SchemaName": "a"}
    arn = client.create_schema(**where, Type="JSONSchemaDraft4", Content=DRAFT_4, Tags={"a": "1"})["SchemaArn"]
    owner = client.describe_registry(RegistryName=registry)["RegistryArn"]
    client.tag_resource(ResourceArn=arn, Tags={"b": "2"})
    client.untag_resource(ResourceArn=arn, TagKeys=["a", "none"])
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"b": "2"}
    assert client.list_tags_for_resource(ResourceArn=owner)["Tags"] == {"room": "one"}
    assert client.describe_schema(**where)["Tags"] == {"b": "2"}
    assert refusal(client.list_tags_for_resource, ResourceArn=f"{arn}x") == ("NotFoundException", 404)
    assert refusal(client.list_tags_for_resource, ResourceArn="arn:aws:s3:::a") == ("BadRequestException", 400)
    many = {str(number): "" for number in range(51)}
    assert refusal(client.tag_resource, ResourceArn=arn, Tags=many) == ("BadRequestException", 400)


@pytest.mark.parametrize(
    ("type_", "content"),
    [
        ("OpenApi3", "{"),
        ("OpenApi3", "[]"),
        ("OpenApi3", "{}"),
        ("OpenApi3", '{"openapi": "3.0.0", "info": {"title": "no version"}, "paths": {}}'),
        ("OpenApi3", '{"openapi": "3.0.0", "info": {"title": "a", "version": "1"}}'),
        ("OpenApi3", '{"openapi": "2.0", "info": {"title": "a", "version": "1"}, "paths": {}}'),
        ("OpenApi3", "[" * 50_000),
        ("OpenApi3", " " * 100_001),
        ("JSONSchemaDraft4", '{"$schema": "http://json-schema.org/draft-07/schema#"}'),
        ("JSONSchemaDraft4", '{"$schema": 4}'),
        ("Avro", "{}"),
    ],
)
def test_wrong_content(client, outcrop_stack, registry, type_, content) -> None:
    free = outcrop_stack.client("schemas", config=Config(parameter_validation=False))
    where = {"RegistryName": registry, "SchemaName": "a"}
    assert refusal(free.create_schema, **where, Type=type_, Content=content) == ("BadRequestException", 400)
    assert refusal(client.describe_schema, **where) == ("NotFoundException", 404)


def test_wrong_names(client, registry) -> None:
    good = {"Type": "JSONSchemaDraft4", "Content": DRAFT_4}
    for name in ("a b", "a/b", "ä", "x" * 386):
        wrong = {"RegistryName": registry, "SchemaName": name}
        assert refusal(client.create_schema, **wrong, **good) == ("BadRequestException", 400)
    assert refusal(client.create_registry, RegistryName="x" * 65) == ("BadRequestException", 400)
    assert refusal(client.create_registry, RegistryName="aws.events") == ("ForbiddenException", 403)
    assert refusal(client.list_registries, Scope="MOON") == ("BadRequestException", 400)
    assert refusal(client.create_schema, RegistryName="none", SchemaName="a", **good) == ("NotFoundException", 404)


def test_a_schema_is_found_from_events(client) -> None:
    events = ['{"id": 1, "tags": ["a"], "who": {"name": "Ada"}}', '{"id": 1.5, "tags": [], "more": null}']
    found = json.loads(client.get_discovered_schema(Type="OpenApi3", Events=events)["Content"])
    assert found["components"]["schemas"]["Event"] == {
        "type": "object",
        "required": ["id", "tags"],
        "properties": {
            "id": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "who": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            "more": {},
        },
    }
    plain = json.loads(client.get_discovered_schema(Type="JSONSchemaDraft4", Events=["true"])["Content"])
    assert plain["type"] == "boolean"
    assert refusal(client.get_discovered_schema, Type="OpenApi3", Events=["{"]) == ("BadRequestException", 400)
    deep = "[" * 40_000 + "]" * 40_000
    assert refusal(client.get_discovered_schema, Type="OpenApi3", Events=[deep]) == ("BadRequestException", 400)
