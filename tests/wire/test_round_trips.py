"""Every operation of every known service, there and back: botocore's client makes the request from random valid input,
the gateway must hand the handler equal input; what the handler returns, botocore must read as equal output."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Set
from types import MappingProxyType
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.eventstream import EventStream
from botocore.response import StreamingBody
from tests.wire.asgi import KEYS, connect
from tests.wire.examples import Examples

from outcrop.services.contract import Context, Service
from outcrop.services.hooks import Hooks
from outcrop.settings import Settings
from outcrop.wire.gateway import Gateway
from outcrop.wire.models import routes
from outcrop.wire.models.shapes import Shape

KNOWN = routes.load()
_SAME_PATH = "bedrock-agent has the same path, and nothing else tells the two apart on one port"
_POLICY = "botocore decodes policy documents, which are random text here"
_ELSEWHERE = "goes to Outposts or S3 Express, which are other endpoints"
_DEPRECATED = "deprecated, with the path of its successor"
SKIPPED = {
    "s3.write_get_object_response": "goes to a host of its own",
    "s3.select_object_content": "its events are XML: the vectors cover those",
    "s3.list_directory_buckets": "goes to S3 Express, which is another endpoint",
    "s3.get_bucket_lifecycle": _DEPRECATED,
    "s3.put_bucket_lifecycle": _DEPRECATED,
    "s3.get_bucket_notification": _DEPRECATED,
    "s3.put_bucket_notification": _DEPRECATED,
    "s3control.create_bucket": _ELSEWHERE,
    "s3control.delete_access_point_scope": _ELSEWHERE,
    "s3control.get_access_point_scope": _ELSEWHERE,
    "s3control.get_data_access": "its model has a pattern that isn't Python's",
    "s3control.list_access_points_for_directory_buckets": _ELSEWHERE,
    "s3control.list_regional_buckets": _ELSEWHERE,
    "s3control.put_access_point_scope": _ELSEWHERE,
    "bedrock-agent-runtime.list_tags_for_resource": _SAME_PATH,
    "bedrock-agent-runtime.tag_resource": _SAME_PATH,
    "bedrock-agent-runtime.untag_resource": _SAME_PATH,
    "bedrock-runtime.invoke_model_with_bidirectional_stream": "HTTP/2 only: botocore has no method for it",
    "iam.create_role": _POLICY,
    "iam.list_instance_profiles": _POLICY,
    "iam.list_instance_profiles_for_role": _POLICY,
    "iam.simulate_custom_policy": _POLICY,
}
OPERATIONS = [
    pytest.param(service, name, id=f"{service}.{name}")
    for service in sorted(KNOWN)
    for name in KNOWN[service].operations
    if f"{service}.{name}" not in SKIPPED
]
UNSENT = frozenset(
    {
        *("SSECustomerKey", "SSECustomerKeyMD5", "CopySourceSSECustomerKey", "CopySourceSSECustomerKeyMD5"),
        *("ChecksumAlgorithm", "ChecksumMode"),
    }
)
"""Members that botocore's S3 client computes others from."""
CHECKED = frozenset(
    f"Checksum{name}"
    for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128")
)
"""What botocore compares bodies with."""
DEFAULTS = frozenset(
    {"contentType", "ContentLength", "ResponseStreamContentType", "ExpiresString", "LocationConstraint"}
)
"""What answers carry although the handler didn't say it, or what botocore makes up."""
ADDED = frozenset(
    {"ContentMD5", "ChecksumAlgorithm", "ChecksumCRC32", "ChecksumMode", "ContentLength", "EncodingType", "ContentType"}
)
"""Members that botocore adds to requests."""


class Recorder:
    """Handlers of all operations of a service: keep the input, return what they are told to."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}
        self.result: dict[str, Any] = {}


def recorder(service: str) -> Recorder:
    def handler(name: str) -> Any:
        async def method(self: Recorder, ctx: Context, request: Any) -> Any:
            self.seen = {key: await _whole(value) for key, value in request.items()}
            return self.result

        return method

    return type(
        "All",
        (Recorder,),
        {name: handler(name) for name in KNOWN[service].operations if f"{service}.{name}" not in SKIPPED},
    )()


async def _whole(value: Any) -> Any:
    return b"".join([piece async for piece in value]) if hasattr(value, "__aiter__") else value


class Stage:
    """One gateway with all services, and botocore clients on it."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.recorders = {service: recorder(service) for service in KNOWN}
        hooks = {"s3": S3()}
        services = [Service(name, one, hooks=hooks.get(name)) for name, one in self.recorders.items()]
        self.gateway = Gateway(services, settings=Settings(strict=True), lookup=KEYS.get)
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            client = boto3.client(
                service,
                endpoint_url="http://localhost:4566",
                region_name="eu-central-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(
                    retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, inject_host_prefix=False
                ),
            )
            connect(client, self.gateway, self.runner)
            self._clients[service] = client
        return self._clients[service]


class S3(Hooks):
    error_wrapper = False
    xml_roots = MappingProxyType({"get_bucket_location": "LocationConstraint"})


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with asyncio.Runner() as runner:
        yield Stage(runner)


@pytest.mark.parametrize(("service", "name"), OPERATIONS)
def test_round_trip(stage: Stage, service: str, name: str):
    operation = stage.gateway.services[service].operation(name)
    client, kept = stage.client(service), stage.recorders[service]
    examples = Examples(f"{service}.{name}")
    sent = examples.structure(operation.input, skip=UNSENT) if operation.input else {}
    sent |= {key: value for key, value in FIXED.items() if key in sent}
    shape = operation.output
    kept.result = _returned(examples.structure(shape, skip=CHECKED | {"ContentLength"}), shape) if shape else {}
    answer = getattr(client, name)(**sent)
    tokens = {m.name for m in operation.input.members.values() if m.idempotency_token} if operation.input else set()
    assert _unlike(kept.seen, sent, ADDED | tokens) == _unlike(sent, kept.seen, set())
    answer.pop("ResponseMetadata")
    read = {key: _read(value) for key, value in answer.items()}
    returned = {key: _plain(value) for key, value in kept.result.items()}
    assert _unlike(read, returned, DEFAULTS) == _unlike(returned, read, set())


def _unlike(value: dict[str, Any], other: dict[str, Any], extra: Set[str]) -> dict[str, Any]:
    """Without what the client adds, and without empty payloads, which look like none."""
    return {key: item for key, item in value.items() if key in other or (key not in extra and item != {})}


FIXED = {"Bucket": "a-bucket", "CopySource": "a/b"}


def _returned(value: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """Event streams as iterators."""
    return {key: Events(item) if shape.members[key].shape.eventstream else item for key, item in value.items()}


class Events:
    """An event stream of one event, and that event for the comparison."""

    def __init__(self, event: dict[str, Any]) -> None:
        self.events = [event]

    async def __aiter__(self) -> Any:
        for event in self.events:
            yield event


def _plain(value: Any) -> Any:
    return value.events if isinstance(value, Events) else value


def _read(value: Any) -> Any:
    if isinstance(value, StreamingBody):
        return value.read()
    return list(value) if isinstance(value, EventStream) else value
