"""Joins services' methods to the models' operations, once at start-up. What doesn't fit stops the start."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outcrop.services.contract import Context, Service
from outcrop.services.hooks import Hooks
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


@dataclass(eq=False)
class Bound:
    """A service joined to its model."""

    entry: ServiceEntry
    hooks: Hooks
    handlers: Mapping[str, Handler]
    """By boto3's names."""
    protocols: Mapping[str, WireProtocol]
    _model: Model | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def model(self) -> Model:
        """Read when first asked for."""
        if self._model is None:
            self._model = source.load(self.entry.name, self.entry.version)
        return self._model

    @property
    def default_protocol(self) -> WireProtocol:
        return next(iter(self.protocols.values()))

    def operation(self, name: str) -> Operation:
        return self.model.operation(self.entry.operations[name].operation)

    def find(self, operation: str) -> Entry | None:
        """The operation of that model name, `PutObject`."""
        return self._by_operation.get(operation)

    def __post_init__(self) -> None:
        self._by_operation = {entry.operation: entry for entry in self.entry.operations.values()}


def bind(services: Sequence[Service], known: Mapping[str, ServiceEntry]) -> dict[str, Bound]:
    """All services, joined, by name. Raises `BindingError` naming what doesn't fit."""
    bound: dict[str, Bound] = {}
    for service in services:
        entry = known.get(service.name)
        if entry is None:
            raise BindingError(
                f"the service {service.name!r} is not in wire/models/routes.json: add its botocore name to "
                "tools/generate_routes.py and run `make types`"
            )
        if service.name in bound:
            raise BindingError(f"two services call themselves {service.name!r}")
        hooks = service.hooks or Hooks()
        bound[service.name] = Bound(entry, hooks, _handlers(service, entry), _protocols(entry, hooks))
    return bound


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
