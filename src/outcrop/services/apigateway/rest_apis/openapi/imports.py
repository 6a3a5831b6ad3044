"""Imports and exports of REST APIs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from outcrop.services.apigateway.http_apis.apis import endpoint_of
from outcrop.services.apigateway.http_apis.errors import BadRequestException
from outcrop.services.apigateway.http_apis.store import new_id
from outcrop.services.apigateway.rest_apis.apis import RestApis, check_api, describe_api
from outcrop.services.apigateway.rest_apis.finding import find_api, find_part
from outcrop.services.apigateway.rest_apis.gateway_responses import check_gateway_response
from outcrop.services.apigateway.rest_apis.openapi import writing
from outcrop.services.apigateway.rest_apis.openapi.documents import read_document, write_document
from outcrop.services.apigateway.rest_apis.openapi.reading import Blueprint, read_blueprint
from outcrop.services.apigateway.rest_apis.resources import check_path_part, check_place, new_definition
from outcrop.services.apigateway.rest_apis.store import Part, PartKind, RestApi, RestStore
from outcrop.services.contract import Context, Request, Result


class RestImports:
    def __init__(self, store: RestStore, apis: RestApis) -> None:
        self._store = store
        self._apis = apis

    async def import_rest_api(self, ctx: Context, request: Request) -> Result:
        blueprint = self._read(request)
        if types := request.get("parameters", {}).get("endpointConfigurationTypes"):
            blueprint.definition["endpointConfiguration"] = {"types": types.split(",")}
        check_api(blueprint.definition)
        api = self._apis.make(ctx, blueprint.definition)
        try:
            _Builder(self._store, api).build(blueprint)
        except BadRequestException:
            self._store.delete_api(api.id)
            raise
        return {**describe_api(self._store, api), "warnings": blueprint.warnings}

    async def put_rest_api(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        mode = request.get("mode", "merge")
        blueprint = self._read(request)
        kept = api.definition if mode == "merge" else {"tags": api.definition.get("tags", {})}
        definition = {**kept, **blueprint.definition}
        check_api(definition)
        builder = _Builder(self._store, api)
        builder.check(blueprint)
        if mode == "overwrite":
            builder.clear()
        builder.build(blueprint)
        self._store.set_api(api.id, definition)
        api = find_api(self._store, ctx, api.id)
        return {**describe_api(self._store, api), "warnings": blueprint.warnings}

    async def get_export(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        kind = request["exportType"]
        if kind not in ("swagger", "oas30"):
            raise BadRequestException(f"No API exporter for type '{kind}'")
        stage = find_part(self._store, api.id, "stage", request["stageName"])
        deployment = find_part(self._store, api.id, "deployment", stage.definition["deploymentId"])
        wanted = {name.strip() for name in request.get("parameters", {}).get("extensions", "").split(",")}
        extensions = writing.EVERYTHING if "apigateway" in wanted else wanted & writing.EVERYTHING
        document = writing.describe_api(
            deployment.definition["snapshot"],
            endpoint_of(ctx, api.id),
            stage.id,
            f"{datetime.fromtimestamp(deployment.created_at, UTC):%Y-%m-%dT%H:%M:%SZ}",
            extensions,
            swagger=kind == "swagger",
        )
        media_type = request.get("accepts") or "application/json"
        if media_type not in ("application/json", "application/yaml"):
            raise BadRequestException(f"Invalid accept type specified: {media_type}")
        ending = "yaml" if "yaml" in media_type else "json"
        name = f"{kind}_{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.{ending}"
        return {
            "contentType": "application/octet-stream" if ending == "json" else media_type,
            "contentDisposition": f'attachment; filename="{name}"',
            "body": write_document(document, media_type),
        }

    def _read(self, request: Request) -> Blueprint:
        document = read_document(bytes(request["body"]))
        base_path = request.get("parameters", {}).get(
            "basepath", request.get("parameters", {}).get("basePath", "ignore")
        )
        blueprint = read_blueprint(document, base_path)
        if blueprint.warnings and request.get("failOnWarnings"):
            raise BadRequestException("Warnings found during import:\n\t" + "\n\t".join(blueprint.warnings))
        return blueprint


class _Builder:
    """Makes the parts of an API that a blueprint has."""

    def __init__(self, store: RestStore, api: RestApi) -> None:
        self._store = store
        self._api = api

    def check(self, blueprint: Blueprint) -> None:
        for kind, response in blueprint.gateway_responses.items():
            check_gateway_response(kind, response)
        for path in blueprint.methods:
            for part in filter(None, path.split("/")):
                check_path_part(part)

    def clear(self) -> None:
        kinds: tuple[PartKind, ...] = ("model", "authorizer", "validator", "gateway_response")
        for kind in kinds:
            self._store.delete(*self._store.parts(self._api.id, kind))
        for resource in self._store.parts(self._api.id, "resource"):
            if resource.definition["path"] == "/":
                self._store.put(Part(self._api.id, "resource", resource.id, {"path": "/", "resourceMethods": {}}))
            else:
                self._store.delete(resource)

    def build(self, blueprint: Blueprint) -> None:
        """Raises BadRequestException."""
        self.check(blueprint)
        api_id = self._api.id
        for name, model in blueprint.models.items():
            schema = model["schema"].replace("/restapis/api/models/", f"/restapis/{api_id}/models/")
            self._store.put(Part(api_id, "model", name, {**model, "schema": schema, "id": new_id(6)}))
        for kind, response in blueprint.gateway_responses.items():
            self._store.put(Part(api_id, "gateway_response", kind, response))
        ids = self._named("authorizer", blueprint.authorizers), self._named("validator", blueprint.validators)
        resources = {part.definition["path"]: part for part in self._store.parts(api_id, "resource")}
        for path, methods in blueprint.methods.items():
            resource = self._resource(resources, path)
            made = {name: _linked(method, resource.id, *ids) for name, method in methods.items()}
            merged = {**resource.definition["resourceMethods"], **made}
            resources[path] = Part(api_id, "resource", resource.id, {**resource.definition, "resourceMethods": merged})
            self._store.put(resources[path])

    def _named(self, kind: PartKind, definitions: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        """The ids of parts by their names; those that are there keep theirs."""
        known = {part.definition.get("name", ""): part.id for part in self._store.parts(self._api.id, kind)}
        ids = {name: known.get(name) or new_id(6) for name in definitions}
        self._store.put(*(Part(self._api.id, kind, ids[name], one) for name, one in definitions.items()))
        return ids

    def _resource(self, resources: dict[str, Part], path: str) -> Part:
        path = "/" + path.strip("/")
        if path in resources:
            return resources[path]
        above, _, part = path.rpartition("/")
        parent = self._resource(resources, above or "/")
        check_path_part(part)
        check_place(parent, part, list(resources.values()))
        resources[path] = Part(self._api.id, "resource", new_id(6), new_definition(parent, part))
        self._store.put(resources[path])
        return resources[path]


def _linked(
    method: Mapping[str, Any], resource_id: str, authorizers: Mapping[str, str], validators: Mapping[str, str]
) -> dict[str, Any]:
    """A method with ids for the names of what it refers to."""
    linked = {key: value for key, value in method.items() if key not in ("authorizer", "requestValidator")}
    if "authorizer" in method:
        linked["authorizerId"] = authorizers[method["authorizer"]]
    if "requestValidator" in method:
        linked["requestValidatorId"] = validators[method["requestValidator"]]
    if "methodIntegration" in method:
        linked["methodIntegration"] = {"cacheNamespace": resource_id, **method["methodIntegration"]}
    return linked
