"""Documentation parts and their versions."""

from __future__ import annotations

import json
from typing import Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException
from outcrop.services.apigateway.http_apis.store import new_id
from outcrop.services.apigateway.rest_apis.finding import find_api, find_part, page, when
from outcrop.services.apigateway.rest_apis.patching import patched
from outcrop.services.apigateway.rest_apis.store import Part, RestStore
from outcrop.services.contract import Context, Request, Result


class DocumentationParts:
    def __init__(self, store: RestStore) -> None:
        self._store = store

    async def create_documentation_part(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        definition = {"location": dict(request["location"]), "properties": request["properties"]}
        _check(definition["properties"])
        for other in self._store.parts(api.id, "documentation_part"):
            if other.definition["location"] == definition["location"]:
                raise ConflictException(
                    "Documentation part already exists for the specified location: "
                    + json.dumps(definition["location"])
                )
        part = Part(api.id, "documentation_part", new_id(6), definition)
        self._store.put(part)
        return {"id": part.id, **definition}

    async def get_documentation_part(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        part = find_part(self._store, api.id, "documentation_part", request["documentationPartId"])
        return {"id": part.id, **part.definition}

    async def get_documentation_parts(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        parts = [
            part
            for part in self._store.parts(api.id, "documentation_part")
            if request.get("type") in (None, part.definition["location"].get("type"))
            and request.get("nameQuery", "") in part.definition["location"].get("name", "")
            and part.definition["location"].get("path", "").startswith(request.get("path", ""))
        ]
        return page(request, parts, lambda part: {"id": part.id, **part.definition})

    async def update_documentation_part(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        part = find_part(self._store, api.id, "documentation_part", request["documentationPartId"])
        definition = patched(part.definition, request.get("patchOperations", ()), {"/properties": "text"})
        _check(definition.get("properties", ""))
        self._store.put(Part(api.id, "documentation_part", part.id, definition))
        return {"id": part.id, **definition}

    async def delete_documentation_part(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        self._store.delete(find_part(self._store, api.id, "documentation_part", request["documentationPartId"]))
        return {}

    async def import_documentation_parts(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        parts = _read_parts(request["body"])
        existing = {
            json.dumps(part.definition["location"], sort_keys=True): part
            for part in self._store.parts(api.id, "documentation_part")
        }
        if request.get("mode") == "overwrite":
            self._store.delete(*existing.values())
            existing = {}
        ids = []
        for definition in parts:
            before = existing.get(json.dumps(definition["location"], sort_keys=True))
            part = Part(api.id, "documentation_part", before.id if before else new_id(6), definition)
            self._store.put(part)
            ids.append(part.id)
        return {"ids": ids, "warnings": []}

    async def create_documentation_version(self, ctx: Context, request: Request) -> Result:
        api, version = find_api(self._store, ctx, request["restApiId"]), request["documentationVersion"]
        if self._store.part(api.id, "documentation_version", version):
            raise ConflictException(f"Documentation version already exists: {version}")
        stage_name = request.get("stageName")
        stage = find_part(self._store, api.id, "stage", stage_name) if stage_name else None
        parts = {part.id: part.definition for part in self._store.parts(api.id, "documentation_part")}
        definition: dict[str, Any] = {"parts": parts}
        if "description" in request:
            definition["description"] = request["description"]
        self._store.put(Part(api.id, "documentation_version", version, definition))
        if stage:
            self._store.put(Part(api.id, "stage", stage.id, {**stage.definition, "documentationVersion": version}))
        return _describe(find_part(self._store, api.id, "documentation_version", version))

    async def get_documentation_version(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        return _describe(find_part(self._store, api.id, "documentation_version", request["documentationVersion"]))

    async def get_documentation_versions(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        return page(request, self._store.parts(api.id, "documentation_version"), _describe)

    async def update_documentation_version(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        part = find_part(self._store, api.id, "documentation_version", request["documentationVersion"])
        definition = patched(part.definition, request.get("patchOperations", ()), {"/description": "text"})
        self._store.put(Part(api.id, "documentation_version", part.id, definition))
        return _describe(find_part(self._store, api.id, "documentation_version", part.id))

    async def delete_documentation_version(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        self._store.delete(find_part(self._store, api.id, "documentation_version", request["documentationVersion"]))
        return {}


def _describe(part: Part) -> Result:
    described = {"version": part.id, "createdDate": when(part.created_at)}
    return {**described, **{key: value for key, value in part.definition.items() if key == "description"}}


def _check(properties: str) -> None:
    try:
        if isinstance(json.loads(properties), dict):
            return
    except (ValueError, RecursionError):
        pass
    raise BadRequestException("Documentation part properties must be a JSON object")


def _read_parts(body: bytes) -> list[dict[str, Any]]:
    """The parts in an OpenAPI document's `x-amazon-apigateway-documentation`."""
    try:
        found = json.loads(body)["x-amazon-apigateway-documentation"]["documentationParts"]
        return [{"location": one["location"], "properties": json.dumps(one["properties"])} for one in found]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise BadRequestException(
            "Unable to import documentation parts: x-amazon-apigateway-documentation.documentationParts is missing"
        ) from None
