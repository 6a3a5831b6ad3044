"""Registries of schemas."""

from __future__ import annotations

from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.schemas.errors import BadRequestException, ConflictException, NotFoundException
from outcrop.services.schemas.names import Place, page, registry_place, writable
from outcrop.services.schemas.store import NotEmpty, Registry, SchemaStore, Taken
from outcrop.services.schemas.tags import check_tags


class Registries:
    def __init__(self, store: SchemaStore) -> None:
        self._store = store

    async def create_registry(self, ctx: Context, request: Request) -> Result:
        place = writable(registry_place(ctx, request))
        tags = request.get("Tags") or {}
        check_tags(tags)
        try:
            self._store.add_registry(place, request.get("Description"), tags)
        except Taken:
            raise ConflictException(f"Registry with name {place.registry} already exists.") from None
        return _shown(find_registry(self._store, place))

    async def describe_registry(self, ctx: Context, request: Request) -> Result:
        return _shown(find_registry(self._store, registry_place(ctx, request)))

    async def update_registry(self, ctx: Context, request: Request) -> Result:
        place = writable(registry_place(ctx, request))
        registry = find_registry(self._store, place)
        if "Description" in request:
            self._store.describe_registry(registry, request["Description"])
        return _shown(find_registry(self._store, place))

    async def delete_registry(self, ctx: Context, request: Request) -> Result:
        registry = find_registry(self._store, writable(registry_place(ctx, request)))
        try:
            self._store.delete_registry(registry)
        except NotEmpty:
            raise BadRequestException(
                f"Registry {registry.place.registry} still has schemas. Delete them before the registry."
            ) from None
        return {}

    async def list_registries(self, ctx: Context, request: Request) -> Result:
        scope = (request.get("Scope") or "LOCAL").upper()
        if scope not in ("LOCAL", "AWS"):
            raise BadRequestException("Scope must be LOCAL or AWS")
        prefix = request.get("RegistryNamePrefix") or ""
        found, token = page(
            request,
            lambda after, limit: (
                self._store.registries(ctx.account, ctx.region, prefix, after, limit) if scope == "LOCAL" else []
            ),
            lambda registry: registry.place.registry,
        )
        return {"Registries": [_summary(registry) for registry in found], **token}


def find_registry(store: SchemaStore, place: Place) -> Registry:
    found = store.registry(place)
    if found is None:
        raise NotFoundException(f"Registry with name {place.registry} does not exist.")
    return found


def _summary(registry: Registry) -> dict[str, Any]:
    return {
        "RegistryName": registry.place.registry,
        "RegistryArn": registry.place.arn,
        "Tags": dict(registry.tags),
    }


def _shown(registry: Registry) -> dict[str, Any]:
    described = {} if registry.description is None else {"Description": registry.description}
    return {**_summary(registry), **described}
