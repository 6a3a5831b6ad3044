"""Resources: the paths of a REST API, as a tree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException
from outcrop.services.apigateway.http_apis.store import new_id
from outcrop.services.apigateway.rest_apis.finding import find_api, find_part, page
from outcrop.services.apigateway.rest_apis.store import Definition, Part, RestStore
from outcrop.services.contract import Context, Request, Result

MAX_RESOURCES = 300
_PART = re.compile(r"[\w.:$~-]+|\{[\w.:-]+\+?\}", re.ASCII)


class Resources:
    def __init__(self, store: RestStore) -> None:
        self._store = store

    async def create_resource(self, ctx: Context, request: Request) -> Result:
        api, path_part = find_api(self._store, ctx, request["restApiId"]), request["pathPart"]
        parent = find_part(self._store, api.id, "resource", request["parentId"])
        others = self._store.parts(api.id, "resource")
        check_path_part(path_part)
        check_place(parent, path_part, others)
        if len(others) >= MAX_RESOURCES:
            raise BadRequestException(f"The API has {MAX_RESOURCES} resources, which is as many as it may have")
        resource = Part(api.id, "resource", new_id(6), new_definition(parent, path_part))
        self._store.put(resource)
        return describe(resource)

    async def get_resource(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        resource = find_part(self._store, api.id, "resource", request["resourceId"])
        return describe(resource, embed="methods" in request.get("embed", ()))

    async def get_resources(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        embed = "methods" in request.get("embed", ())
        return page(request, self._store.parts(api.id, "resource"), lambda part: describe(part, embed=embed))

    async def update_resource(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        resource = find_part(self._store, api.id, "resource", request["resourceId"])
        for operation in request.get("patchOperations", ()):
            resource = self._change(resource, operation.get("op", ""), operation.get("path", ""), operation)
        return describe(resource)

    async def delete_resource(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        resource = find_part(self._store, api.id, "resource", request["resourceId"])
        if resource.definition["path"] == "/":
            raise BadRequestException("Root resource cannot be deleted")
        self._store.delete(resource, *below(resource, self._store.parts(api.id, "resource")))
        return {}

    def _change(self, resource: Part, op: str, path: str, operation: Any) -> Part:
        value = operation.get("value", "")
        if path not in ("/pathPart", "/parentId"):
            raise BadRequestException(
                f"Invalid patch path  '{path}' specified for op '{op}'. Must be one of: [/parentId, /pathPart]"
            )
        if op != "replace":
            raise BadRequestException(
                f"Invalid patch path  '{path}' specified for op '{op}'. Please choose supported operations"
            )
        if resource.definition["path"] == "/":
            raise BadRequestException("Root resource cannot be updated")
        all_parts = self._store.parts(resource.api_id, "resource")
        beneath = below(resource, all_parts)
        parent_id = value if path == "/parentId" else resource.definition["parentId"]
        path_part = value if path == "/pathPart" else resource.definition["pathPart"]
        check_path_part(path_part)
        parent = find_part(self._store, resource.api_id, "resource", parent_id)
        if parent.id == resource.id or parent.id in {part.id for part in beneath}:
            raise BadRequestException("Resource cannot be moved beneath itself")
        check_place(parent, path_part, [part for part in all_parts if part.id != resource.id])
        changed = _moved(resource, parent, path_part)
        self._store.put(changed)
        self._refresh(changed, beneath)
        return changed

    def _refresh(self, parent: Part, beneath: Sequence[Part]) -> None:
        for part in beneath:
            if part.definition["parentId"] == parent.id:
                moved = _moved(part, parent, part.definition["pathPart"])
                self._store.put(moved)
                self._refresh(moved, beneath)


def new_definition(parent: Part, path_part: str) -> dict[str, Any]:
    path = f"{parent.definition['path'].rstrip('/')}/{path_part}"
    return {"parentId": parent.id, "pathPart": path_part, "path": path, "resourceMethods": {}}


def _moved(resource: Part, parent: Part, path_part: str) -> Part:
    definition = {**resource.definition, **new_definition(parent, path_part)}
    definition["resourceMethods"] = resource.definition["resourceMethods"]
    return Part(resource.api_id, "resource", resource.id, definition)


def check_path_part(path_part: str) -> None:
    if not _PART.fullmatch(path_part):
        raise BadRequestException(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the "
            "beginning and the end."
        )


def check_place(parent: Part, path_part: str, others: Sequence[Part]) -> None:
    path = parent.definition["path"]
    if path.endswith("+}"):
        raise BadRequestException(
            f"Cannot create a child of a resource with a greedy path variable: {parent.definition['pathPart']}"
        )
    for other in others:
        if other.definition.get("parentId") != parent.id:
            continue
        taken = other.definition["pathPart"]
        if taken == path_part:
            raise ConflictException("Another resource with the same parent already has this name: " + path_part)
        if taken.startswith("{") and path_part.startswith("{") and taken.endswith("+}") == path_part.endswith("+}"):
            raise BadRequestException(
                f"A sibling ({taken}) of this resource already has a variable path part -- only one is allowed"
            )
    if path_part.startswith("{") and f"/{path_part.replace('+}', '}')}/" in f"{path}/":
        raise BadRequestException(f"The path variable {path_part} is there already in {path}")


def below(resource: Part, parts: Sequence[Part]) -> list[Part]:
    """All resources beneath one."""
    found: list[Part] = []
    for part in parts:
        if part.definition.get("parentId") == resource.id:
            found += [part, *below(part, parts)]
    return found


def describe(resource: Part, *, embed: bool = False) -> Result:
    definition = dict(resource.definition)
    methods = definition.pop("resourceMethods")
    if methods:
        definition["resourceMethods"] = (
            {name: describe_method(method) for name, method in methods.items()}
            if embed
            else {name: {} for name in methods}
        )
    return {"id": resource.id, **definition}


def describe_method(method: Definition) -> dict[str, Any]:
    return {key: value for key, value in method.items() if value not in ({}, None)}
