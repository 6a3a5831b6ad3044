"""Every protocol against botocore's own cases, in both directions."""

from __future__ import annotations

import base64
import math
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import NoShapeFoundError, OperationModel, ServiceModel
from botocore.parsers import create_parser
from botocore.response import StreamingBody
from tests.wire.vectors import cases

from outcrop.services.contract import ServiceError
from outcrop.wire.errors import describe
from outcrop.wire.models.shapes import Model, Shape
from outcrop.wire.protocols.base import Answer, Parts
from outcrop.wire.protocols.cbor import Cbor
from outcrop.wire.protocols.json import Json
from outcrop.wire.protocols.query import Query, read_form
from outcrop.wire.protocols.rest_json import RestJson
from outcrop.wire.protocols.rest_xml import RestXml
from outcrop.wire.routing import Path, Template

PROTOCOLS = {
    "json": Json(),
    "rest-json": RestJson(),
    "rest-xml": RestXml(),
    "query": Query(),
    "smithy-rpc-v2-cbor": Cbor(),
}
SKIPPED = {
    "SDKAppl": "compressed bodies are unpacked in the pipeline, before any protocol",
    "SDKAppend": "compressed bodies are unpacked in the pipeline, before any protocol",
    "UnsetUnion": "botocore itself can't read an empty union",
    "MediaTypeHeader": "botocore's own runner leaves it out: the case means a string where botocore takes any JSON",
    "QuotedStringHeaders": "botocore's parser doesn't unquote",
    "rest-json:RestJsonInputAndOutputWithTimestampHeaders": "botocore's parser splits dates at their commas",
    "HttpPrefixHeadersResponse": "with an empty prefix all headers count, and we send Content-Type",
    "IgnoreQueryParamsInResponse": "a shape for input and output at once; the models don't have such",
    "rest-xml:XmlLists": "botocore's parser reads flattened lists by the names of their elements",
    "query:QueryXmlLists": "botocore's parser reads flattened lists by the names of their elements",
    "rest-xml:InputAndOutputWithTimestampHeaders": "botocore's parser splits dates at their commas",
    "legacy-rest-json:Supports header maps": "with an empty prefix all headers count, and we send Content-Type",
    "legacy-rest-json:Content-Type and JSON body": "the client's Content-Type is an input member here",
    "legacy-json:Lists-3:1": "a list of nulls in a list of maps, which no handler returns",
    "rest-xml:BodyWithXmlName": "botocore takes a structure's own name for its members' names too",
    "legacy-rest-json:No parameters": "has no parameters to compare",
    "Tagged Unions-17:2": "an unknown union member, which no handler can return",
    "Unions-16:2": "an unknown union member, which no handler can return",
    "legacy-rest-json:Blob payload": "the model puts `payload` into the operation, as no real model does",
    "legacy-rest-json:String payload": "the model puts `payload` into the operation, as no real model does",
    "legacy-rest-json:Structure payload": "the model puts `payload` into the operation, as no real model does",
}


def chosen(direction: str) -> list:
    return [
        pytest.param(suite, case, id=name)
        for name, suite, case in cases(direction, tuple(PROTOCOLS))
        if not any(part in name for part in SKIPPED)
    ]


def build(suite: dict, case: dict) -> tuple[Model, Any, Any, dict]:
    """The case's model, operation and protocol of ours, and the description that botocore reads."""
    name = case["given"].get("name", "OperationName")
    given = {"name": name} | case["given"]
    given["http"] = {"method": "POST", "requestUri": "/"} | given.get("http", {})
    description = {"metadata": suite["metadata"], "shapes": suite["shapes"], "operations": {name: given}}
    model = Model(description)
    operation = model.operation(name)
    if suite["metadata"]["protocol"] == "query" and operation.output is not None and operation.output.members:
        operation.result_wrapper = f"{name}Result"
    return model, operation, PROTOCOLS[suite["metadata"]["protocol"]], description


async def content(body: Any) -> bytes:
    return body if isinstance(body, bytes) else b"".join([piece async for piece in body])


def plain(value: Any, shape: Shape | None) -> Any:
    """A parsed value in the notation of the cases: epoch numbers, text for bytes, names for special floats."""
    if shape is None or shape.document or value is None:
        return value
    if shape.eventstream and not isinstance(value, dict):
        return [plain(event, shape) for event in value]
    if shape.kind == "structure":
        known = {name: item for name, item in value.items() if name in shape.members and item is not None}
        return {name: plain(item, shape.members[name].shape) for name, item in known.items()}
    if shape.kind == "list":
        return [plain(item, shape.element.shape) for item in value]
    if shape.kind == "map":
        return {key: plain(item, shape.value.shape) for key, item in value.items()}
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, StreamingBody):
        return value.read().decode()
    if isinstance(value, bytes):
        return value.decode()
    if shape.kind == "float" and isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def present(value: dict, shape: Shape | None) -> dict:
    """Without what looks the same on the wire as its absence: empty lists and maps in headers and queries, an empty
    payload."""
    members = shape.members if shape else {}
    taken = {member.wire for member in members.values() if member.location == "querystring"}
    kept = {}
    for name, item in value.items():
        member = members[name]
        if member.location == "querystring" and member.shape.kind == "map":
            item = {key: inner for key, inner in item.items() if key not in taken}
        if item not in ([], {}, "") or not (member.location or name == shape.payload or member.shape.kind == "map"):
            kept[name] = item
    return kept


def native(value: Any, shape: Shape) -> Any:
    """A case's value as handlers would return it."""
    if shape.document or value is None:
        return value
    if shape.eventstream:
        return events(value, shape)
    if shape.kind == "structure":
        return {name: native(item, shape.members[name].shape) for name, item in value.items()}
    if shape.kind == "list":
        return [native(item, shape.element.shape) for item in value]
    if shape.kind == "map":
        return {key: native(item, shape.value.shape) for key, item in value.items()}
    if shape.kind == "timestamp":
        return datetime.fromtimestamp(value, UTC)
    if shape.kind == "blob":
        return value.encode()
    return float(value) if shape.kind == "float" else value


async def events(value: list, shape: Shape):
    for event in value:
        yield {name: native(item, shape.members[name].shape) for name, item in event.items()}


@pytest.mark.parametrize(("suite", "case"), chosen("input"))
def test_parse(suite, case):
    model, operation, protocol, _ = build(suite, case)
    sent = case["serialized"]
    url = urlsplit(sent["uri"])
    body = sent.get("body", "").encode()
    if protocol.name == "smithy-rpc-v2-cbor":
        body = base64.b64decode(body)
    parts = Parts(
        Template.read(operation.uri).match(Path.read(url.path)) or {},
        read_form(url.query.encode()),
        {name.lower(): value for name, value in sent.get("headers", {}).items()},
        body,
    )
    parsed = present(plain(protocol.parse(model, operation, parts), operation.input), operation.input)
    expected = present(plain(case["params"], operation.input), operation.input)
    for member in operation.input.members.values() if operation.input else ():
        if member.idempotency_token and member.name not in expected:
            parsed.pop(member.name)  # the client's invention
    assert parsed == expected


@pytest.mark.parametrize(("suite", "case"), chosen("output"))
async def test_serialize(suite, case):
    model, operation, protocol, description = build(suite, case)
    service = ServiceModel(description, "vectors")
    given = OperationModel(description["operations"][operation.name], service)
    if "error" in case:
        answer = refuse(model, operation, protocol, case)
        expected = case["error"] | {"Error": {"Code": case["errorCode"], "Message": case.get("errorMessage", "")}}
    else:
        result = native(case["result"], operation.output) if operation.output else {}
        answer = protocol.serialize(model, operation, result, "id")
        expected = case["result"]
    answer.body = await content(answer.body)
    parsed = read_answer(given, protocol, answer)
    if "error" in case:
        parsed |= plain_error(protocol, answer, service, case)
        said = parsed["Error"]
        assert {"Code": said["Code"], "Message": said.get("Message") or ""} == expected.pop("Error")
        assert {name: value for name, value in parsed.items() if name in expected} == expected
    else:
        shape = operation.output
        assert present(plain(parsed, shape), shape) == present(plain(expected, shape), shape)


def plain_error(protocol: Any, answer: Answer, service: ServiceModel, case: dict) -> dict:
    """The error's members, as botocore puts them into a modelled exception."""
    try:
        shape = service.shape_for_error_code(case["errorCode"])
    except NoShapeFoundError:
        return {}
    if shape is None:
        return {}
    parsed = create_parser(protocol.name).parse(response_of(answer, "x"), shape)
    ours = Model(service._service_description | {"operations": {}}).shape(shape.name)
    return plain({name: value for name, value in parsed.items() if name in ours.members}, ours)


def refuse(model: Model, operation: Any, protocol: Any, case: dict) -> Answer:
    kind = type("Raised", (ServiceError,), {"code": case["errorCode"], "status": case["response"]["status_code"]})
    shape = model.error(case["errorCode"])
    members = native(case["error"], shape) if shape else case["error"]
    members = {name: value for name, value in members.items() if name.lower() != "message"}
    error = kind(case.get("errorMessage", ""), **members)
    return protocol.error(model, describe(error, model, operation), "id")


def read_answer(given: OperationModel, protocol: Any, answer: Answer) -> dict:
    """What botocore's parser makes of an answer."""
    shape = given.output_shape
    if protocol.name == "query" and shape is not None and shape.members:
        shape.serialization["resultWrapper"] = f"{given.name}Result"
    response = response_of(answer, given.name)
    if given.has_event_stream_output:
        response["body"] = Stream(answer.body)
    parsed = create_parser(protocol.name).parse(response, shape)
    parsed.pop("ResponseMetadata")
    return parsed


def response_of(answer: Answer, name: str) -> dict:
    context = {"operation_name": name}
    return {
        "status_code": answer.status,
        "headers": HeadersDict(answer.headers),
        "body": answer.body,
        "context": context,
    }


class Stream:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self):
        yield self._content
