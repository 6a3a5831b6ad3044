"""Joins services' methods to the models' operations. A service is joined when it is built: at once, or, in a `Room`, at
its first request. What doesn't fit is a `BindingError`; `tests/house/` joins all."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from outcrop.services.contract import Context, Service
from outcrop.services.hooks import Hooks
from outcrop.services.room import Room
from outcrop.wire.models import source
from outcrop.wire.models.routes import Entry, ServiceEntry
from outcrop.wire.models.shapes import Model, Operation
from outcrop.wire.protocols.base import WireProtocol
from outcrop.wire.protocols.cbor import Cbor
from outcrop.wire.protocols.json import Json
from outcrop.wire.protocols.query import Query
from outcrop.wire.protocols.rest_json import RestJson
from outcrop.wire.protocols.rest_xml import RestXml

Handler = Callable[[Context, Mapping[str, Any]], Awaitable[Mapping[str, Any] | None]]


class BindingError(Exception):
    """A service doesn't fit its model."""


class Bound:
    """A service joined to its model. `entry` is known from the start; the rest is built when first asked for."""

    def __init__(self, entry: ServiceEntry, service: Callable[[], Service]) -> None:
        self.entry = entry
        self._service = service

    @property
    def name(self) -> str:
        return self.entry.name

    @cached_property
    def hooks(self) -> Hooks:
        return self._service().hooks or Hooks()

    @cached_property
    def handlers(self) -> Mapping[str, Handler]:
        """By boto3's names."""
        return _handlers(self._service(), self.entry)

    @cached_property
    def protocols(self) -> Mapping[str, WireProtocol]:
        return _protocols(self.entry, self.hooks)

    @cached_property
    def model(self) -> Model:
        return source.load(self.entry.name, self.entry.version)

    @property
    def default_protocol(self) -> WireProtocol:
        return next(iter(self.protocols.values()))

    def operation(self, name: str) -> Operation:
        return self.model.operation(self.entry.operations[name].operation)

    def find(self, operation: str) -> Entry | None:
        """The operation of that model name, `PutObject`."""
        return self._by_operation.get(operation)

    @cached_property
    def _by_operation(self) -> Mapping[str, Entry]:
        return {entry.operation: entry for entry in self.entry.operations.values()}


def bind(parts: Sequence[Service | Room], known: Mapping[str, ServiceEntry]) -> dict[str, Bound]:
    """All services by name, those outside of rooms joined at once. Raises `BindingError` naming what doesn't fit."""
    bound: dict[str, Bound] = {}
    for part in parts:
        for name in part.names if isinstance(part, Room) else (part.name,):
            entry = known.get(name)
            if entry is None:
                raise BindingError(
                    f"the service {name!r} is not in wire/models/routes.json: add its botocore name to "
                    "tools/generate_routes.py and run `make types`"
                )
            if name in bound:
                raise BindingError(f"two services call themselves {name!r}")
            bound[name] = Bound(entry, partial(_built, part, name))
            if isinstance(part, Service):
                bound[name].handlers  # noqa: B018 - a service that doesn't fit shall not start
    return bound


def _built(part: Service | Room, name: str) -> Service:
    return part.services[name] if isinstance(part, Room) else part


def operation_names(resource: type) -> list[str]:
    """A resource class's public async methods: its operations."""
    return [
        name for name, member in inspect.getmembers(resource, inspect.iscoroutinefunction) if not name.startswith("_")
    ]


def _handlers(service: Service, entry: ServiceEntry) -> dict[str, Handler]:
    handlers: dict[str, Handler] = {}
    owners: dict[str, str] = {}
    for resource in service.resources:
        owner = type(resource).__name__
        for name in operation_names(type(resource)):
            if name not in entry.operations:
                raise BindingError(
                    f"{owner}.{name} is a public async method, but {service.name} has no such operation; "
                    "begin a helper's name with an underscore"
                )
            if name in handlers:
                raise BindingError(f"{service.name}: both {owners[name]} and {owner} have {name}")
            handlers[name] = getattr(resource, name)
            owners[name] = owner
    return handlers


def _protocols(entry: ServiceEntry, hooks: Hooks) -> dict[str, WireProtocol]:
    roots = {entry.operations[name].operation: root for name, root in hooks.xml_roots.items()}
    makers: Mapping[str, Callable[[], WireProtocol]] = {
        "rest-json": RestJson,
        "rest-xml": lambda: RestXml(hooks.error_wrapper, roots, hooks.xml_namespace),
        "json": Json,
        "query": Query,
        "smithy-rpc-v2-cbor": Cbor,
    }
    return {name: makers[name]() for name in entry.protocols}
