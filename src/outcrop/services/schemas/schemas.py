"""Schemas and their versions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.schemas import content
from outcrop.services.schemas.errors import BadRequestException, ConflictException, NotFoundException
from outcrop.services.schemas.names import page, registry_place, schema_place, writable
from outcrop.services.schemas.registries import find_registry
from outcrop.services.schemas.store import Schema, SchemaStore, Taken, Version
from outcrop.services.schemas.tags import check_tags


class Schemas:
    def __init__(self, store: SchemaStore) -> None:
        self._store = store

    async def create_schema(self, ctx: Context, request: Request) -> Result:
        place = writable(schema_place(ctx, request))
        registry = find_registry(self._store, place)
        tags = request.get("Tags") or {}
        check_tags(tags)
        content.check(request["Type"], request["Content"])
        try:
            self._store.add_schema(
                registry, place.schema, request["Type"], request["Content"], request.get("Description"), tags
            )
        except Taken:
            raise ConflictException(f"Schema with name {place.schema} already exists.") from None
        schema = self._find(ctx, request)
        return _shown(schema, self._version(schema))

    async def describe_schema(self, ctx: Context, request: Request) -> Result:
        schema = self._find(ctx, request)
        version = self._version(schema, request.get("SchemaVersion"))
        return {**_shown(schema, version), "Content": version.content}

    async def update_schema(self, ctx: Context, request: Request) -> Result:
        writable(schema_place(ctx, request))
        schema = self._find(ctx, request)
        newest = self._version(schema)
        if "Content" in request:
            type_ = request.get("Type", newest.type)
            content.check(type_, request["Content"])
            self._store.add_version(schema, type_, request["Content"])
        elif request.get("Type", newest.type) != newest.type:
            raise BadRequestException("Another Type needs a Content of that type")
        if "Description" in request:
            self._store.describe_schema(schema, request["Description"])
        schema = self._find(ctx, request)
        return _shown(schema, self._version(schema))

    async def delete_schema(self, ctx: Context, request: Request) -> Result:
        self._store.delete_schema(self._find(ctx, request))
        return {}

    async def list_schemas(self, ctx: Context, request: Request) -> Result:
        registry = find_registry(self._store, registry_place(ctx, request))
        prefix = request.get("SchemaNamePrefix") or ""
        found, token = page(
            request,
            lambda after, limit: self._store.schemas(registry, prefix, after, limit),
            lambda schema: schema.place.schema,
        )
        return {"Schemas": [_summary(schema) for schema in found], **token}

    async def list_schema_versions(self, ctx: Context, request: Request) -> Result:
        schema = self._find(ctx, request)
        found, token = page(
            request,
            lambda after, limit: self._store.versions(schema, _number(after or "0") or 0, limit),
            lambda version: str(version.number),
        )
        return {
            "SchemaVersions": [
                {
                    "SchemaName": schema.place.schema,
                    "SchemaArn": schema.place.arn,
                    "SchemaVersion": str(version.number),
                    "Type": version.type,
                }
                for version in found
            ],
            **token,
        }

    async def delete_schema_version(self, ctx: Context, request: Request) -> Result:
        schema = self._find(ctx, request)
        version = self._version(schema, request["SchemaVersion"])
        if schema.versions == 1:
            raise BadRequestException("A schema's only version can't be deleted. Delete the schema.")
        self._store.delete_version(schema, version)
        return {}

    async def get_discovered_schema(self, ctx: Context, request: Request) -> Result:
        return {"Content": content.discover(request["Type"], request["Events"])}

    def _find(self, ctx: Context, request: Request) -> Schema:
        place = schema_place(ctx, request)
        find_registry(self._store, place)
        found = self._store.schema(place)
        if found is None:
            raise NotFoundException(f"Schema with name {place.schema} does not exist.")
        return found

    def _version(self, schema: Schema, number: str | None = None) -> Version:
        found = None if number and _number(number) is None else self._store.version(schema, _number(number or ""))
        if found is None:
            raise NotFoundException(f"Version {number} of schema {schema.place.schema} does not exist.")
        return found


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _summary(schema: Schema) -> dict[str, Any]:
    return {
        "SchemaName": schema.place.schema,
        "SchemaArn": schema.place.arn,
        "LastModified": _when(schema.changed_at),
        "VersionCount": schema.versions,
        "Tags": dict(schema.tags),
    }


def _shown(schema: Schema, version: Version) -> dict[str, Any]:
    described = {} if schema.description is None else {"Description": schema.description}
    return {
        "SchemaName": schema.place.schema,
        "SchemaArn": schema.place.arn,
        "SchemaVersion": str(version.number),
        "Type": version.type,
        "LastModified": _when(schema.changed_at),
        "VersionCreatedDate": _when(version.created_at),
        "Tags": dict(schema.tags),
        **described,
    }
