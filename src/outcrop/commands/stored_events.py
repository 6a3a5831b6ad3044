"""Test events that are stored with a function: shared ones where AWS keeps them, private ones in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from outcrop.commands.expectations import Expectation

REGISTRY = "lambda-testevent-schemas"
EXPECT = "x-outcrop-expect"
MAX_VERSIONS = 5


@dataclass(frozen=True, slots=True)
class StoredEvent:
    value: Any
    expectation: Expectation | None = None

    @staticmethod
    def read(example: Mapping[str, Any]) -> StoredEvent:
        return StoredEvent(example.get("value"), Expectation.read(example.get(EXPECT)))

    def example(self) -> dict[str, Any]:
        """An example of OpenAPI; members that begin with x- are extensions, which AWS leaves alone."""
        expected = {EXPECT: self.expectation.stored()} if self.expectation else {}
        return {"value": self.value, **expected}


class Events(Protocol):
    """Events of one function by name."""

    kind: str

    def load(self) -> dict[str, StoredEvent]: ...

    def put(self, name: str, event: StoredEvent) -> None: ...

    def remove(self, name: str) -> None: ...


class PrivateEvents:
    """In a file of the data directory."""

    kind = "private"

    def __init__(self, data: Path, function: str) -> None:
        self._path = data / "function-events" / f"{function}.json"

    def load(self) -> dict[str, StoredEvent]:
        try:
            stored = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ValueError(f"{self._path} is not readable: {error}. Mend or delete it.") from None
        return {name: StoredEvent.read(example) for name, example in stored.items()}

    def put(self, name: str, event: StoredEvent) -> None:
        self._write({**self.load(), name: event})

    def remove(self, name: str) -> None:
        self._write({other: event for other, event in self.load().items() if other != name})

    def _write(self, events: Mapping[str, StoredEvent]) -> None:
        if not events:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({name: event.example() for name, event in events.items()}, indent=2))
        os.replace(fresh, self._path)


class SharedEvents:
    """In the registry where Lambda's console and `sam remote test-event` keep them: as examples of a schema."""

    kind = "shared"

    def __init__(self, client: Any, function: str) -> None:
        self._client = client
        self._where = {"RegistryName": REGISTRY, "SchemaName": f"_{function}-schema"}

    def load(self) -> dict[str, StoredEvent]:
        examples = _examples(self._document() or {})
        return {name: StoredEvent.read(example) for name, example in examples.items() if isinstance(example, dict)}

    def put(self, name: str, event: StoredEvent) -> None:
        document = self._document()
        is_new = document is None
        if document is None:
            document = self._discovered(event)
        components = document.setdefault("components", {})
        components["examples"] = {**_examples(document), name: event.example()}
        if is_new:
            self._client.create_schema(**self._where, Type="OpenApi3", Content=json.dumps(document))
        else:
            self._update(document)

    def remove(self, name: str) -> None:
        document = self._document() or {}
        examples = {other: example for other, example in _examples(document).items() if other != name}
        if examples:
            document["components"]["examples"] = examples
            self._update(document)
        else:
            self._client.delete_schema(**self._where)

    def _document(self) -> dict[str, Any] | None:
        try:
            content = self._client.describe_schema(**self._where)["Content"]
        except self._client.exceptions.NotFoundException:
            return None
        document: dict[str, Any] = json.loads(content)
        return document

    def _discovered(self, event: StoredEvent) -> dict[str, Any]:
        try:
            self._client.create_registry(RegistryName=REGISTRY)
        except self._client.exceptions.ConflictException:
            pass
        found = self._client.get_discovered_schema(Type="OpenApi3", Events=[json.dumps(event.value)])
        document: dict[str, Any] = json.loads(found["Content"])
        return document

    def _update(self, document: dict[str, Any]) -> None:
        self._client.update_schema(**self._where, Type="OpenApi3", Content=json.dumps(document))
        versions = self._client.list_schema_versions(**self._where)["SchemaVersions"]
        for version in versions[:-MAX_VERSIONS]:
            self._client.delete_schema_version(**self._where, SchemaVersion=version["SchemaVersion"])


def _examples(document: Mapping[str, Any]) -> dict[str, Any]:
    """None where whoever wrote the document keeps something else there."""
    found = document.get("components", {}).get("examples")
    return found if isinstance(found, dict) else {}
