"""Every operation with members of the wrong type: an error of the client's, or none; never one of ours."""

from __future__ import annotations

import json
import random
from typing import Any
from urllib.parse import quote, urlencode

import cbor2
import pytest
from tests.wire.asgi import KEYS, Reply, call

from outcrop.services.contract import Service
from outcrop.services.hooks import Hooks
from outcrop.settings import Settings
from outcrop.wire.gateway import Gateway
from outcrop.wire.models import routes
from outcrop.wire.models.shapes import Operation, Shape

KNOWN = routes.load()
ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, 10**30, 1e308, "", "x", "ü\u0000\n", "9" * 50, "x" * 5000, [], {}, [None], [[]]),
    *([1, "a", None], {"a": None}, {"": {}}, {"a": [{}]}, "2020-01-01T00:00:00Z", "1e999", "%s%d{0}", "NaN"),
]
SAFE = [value for value in ODD if isinstance(value, str | int) and not isinstance(value, bool)]


async def handler(self: Any, ctx: Any, request: Any) -> Any:
    for value in request.values():
        if hasattr(value, "__aiter__"):
            [piece async for piece in value]


def everything(service: str) -> Service:
    resource = type("All", (), dict.fromkeys(KNOWN[service].operations, handler))
    return Service(service, resource(), hooks=Claiming() if service == "s3" else None)


class Claiming(Hooks):
    error_wrapper = False

    def claims(self, *request: Any) -> bool:
        return True


GATEWAY = Gateway([everything(name) for name in KNOWN], settings=Settings(), lookup=KEYS.get)


def odd(shape: Shape, chance: random.Random, depth: int = 0) -> Any:
    """A value of the shape's form down to a random depth, and anything at all below."""
    if depth > 4 or chance.random() < 0.25:
        return chance.choice(ODD)
    if shape.kind == "structure":
        return {m.wire: odd(m.shape, chance, depth + 1) for m in shape.by_wire.values() if chance.random() < 0.7}
    if shape.kind == "list":
        return [odd(shape.element.shape, chance, depth + 1) for _ in range(chance.randint(0, 2))]
    if shape.kind == "map":
        return {str(chance.choice(SAFE)): odd(shape.value.shape, chance, depth + 1)}
    return chance.choice(ODD)


def address(operation: Operation, chance: random.Random) -> tuple[str, dict[str, str]]:
    """A URL and headers with odd values in all labels, parameters and headers."""
    path, _, query = operation.uri.partition("?")
    headers, parameters = {}, []
    for member in operation.input.bound if operation.input else ():
        text = quote(str(chance.choice(SAFE))[:200], safe="") or "a"
        if member.location == "uri":
            path = path.replace(f"{{{member.wire}}}", text).replace(f"{{{member.wire}+}}", text)
        elif chance.random() < 0.7 and member.location == "querystring":
            parameters.append(f"{quote(member.wire)}={text}")
        elif chance.random() < 0.7 and member.location == "header":
            headers[member.wire.lower()] = text
    return "http://localhost:4566" + path + "?" + "&".join([*filter(None, [query]), *parameters]), headers


def form(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in form(f"{prefix}.{key}".strip("."), item)]
    if isinstance(value, list):
        return [pair for index, item in enumerate(value, 1) for pair in form(f"{prefix}.member.{index}", item)]
    return [(prefix, str(value))]


def xml(name: str, value: Any) -> str:
    inner = "".join(xml(key or "a", item) for key, item in value.items()) if isinstance(value, dict) else ""
    if isinstance(value, list):
        inner = "".join(xml("member", item) for item in value)
    if not inner:
        inner = str(value).replace("\0", "").replace("<", "&lt;").replace("&", "&amp;")
    return f"<{name}>{inner}</{name}>"


async def send(service: str, name: str, chance: random.Random) -> Reply:
    bound = GATEWAY.services[service]
    operation = bound.operation(name)
    protocol = chance.choice(bound.entry.protocols)
    shape = operation.input
    url, headers = address(operation, chance)
    if protocol == "smithy-rpc-v2-cbor":
        url = f"http://localhost:4566/service/{bound.entry.target}/operation/{operation.name}"
        headers = {"smithy-protocol": "rpc-v2-cbor"}
        return await call(GATEWAY, "POST", url, headers, cbor2.dumps(odd(shape, chance) if shape else {}))
    if protocol == "query":
        fields = form("", odd(shape, chance) if shape else {})
        fields += [("Action", operation.name), ("Version", bound.entry.version)]
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return await call(GATEWAY, "POST", "http://localhost:4566/", headers, urlencode(fields).encode())
    if shape is not None and shape.payload:
        member = shape.members[shape.payload]
        value = odd(member.shape, chance)
        name, shape = member.wire, member.shape
    else:
        value = odd(shape, chance) if shape else {}
    if protocol == "rest-xml":
        document = xml(name, value).encode()
        return await call(GATEWAY, operation.method, url, headers, document)
    if protocol == "json":
        headers = {"x-amz-target": f"{bound.entry.target}.{operation.name}"}
    return await call(GATEWAY, operation.method, url, headers, json.dumps(value).encode())


STREAMS = ("bedrock-runtime.invoke_model_with_bidirectional_stream", "logs.get_log_object")
"""They must answer with a stream, and the handler here answers nothing."""
OPERATIONS = [
    pytest.param(service, name, id=f"{service}.{name}")
    for service in KNOWN
    for name in KNOWN[service].operations
    if f"{service}.{name}" not in STREAMS
]


@pytest.mark.parametrize(("service", "name"), OPERATIONS)
async def test_mistyped(service, name):
    chance = random.Random(f"{service}.{name}")
    for _ in range(4):
        reply = await send(service, name, chance)
        assert reply.status < 500, reply.body
