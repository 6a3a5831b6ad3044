"""What routing knows of every service without having read its model: `routes.json`, and its typed form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation, bound or not."""

    name: str
    """boto3's name, `put_object`."""
    operation: str
    """The model's name, `PutObject`."""
    method: str
    uri: str
    query: tuple[str, ...]
    """Query parameters that the input requires."""
    headers: tuple[str, ...]
    """Headers that the input requires, in lower case."""


@dataclass(frozen=True)
class ServiceEntry:
    name: str
    """botocore's name, `bedrock-runtime`."""
    version: str
    protocols: tuple[str, ...]
    """As the model lists them: `rest-json`, `json`, `query`, `rest-xml`, `smithy-rpc-v2-cbor`."""
    signing: str
    """The service's name in signatures."""
    target: str
    """What stands before the dot in `X-Amz-Target`; empty where none does."""
    stored: Mapping[str, Sequence[Any]]
    """The operations as they stand in the file."""

    @cached_property
    def operations(self) -> Mapping[str, Entry]:
        """By boto3's names."""
        return {
            python: Entry(python, operation, method, uri, tuple(query), tuple(headers))
            for python, (operation, method, uri, query, headers) in self.stored.items()
        }


def load() -> dict[str, ServiceEntry]:
    """All known services, by botocore's names."""
    content = json.loads(files(__package__).joinpath("routes.json").read_bytes())
    return {name: _entry(name, fields) for name, fields in content.items()}


def _entry(name: str, fields: Mapping[str, object]) -> ServiceEntry:
    operations = fields["operations"]
    assert isinstance(operations, dict)
    protocols = fields["protocols"]
    assert isinstance(protocols, list)
    return ServiceEntry(
        name=name,
        version=str(fields["version"]),
        protocols=tuple(protocols),
        signing=str(fields["signing"]),
        target=str(fields["target"]),
        stored=operations,
    )
