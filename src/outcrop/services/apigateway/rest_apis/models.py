"""Models (JSON schemas) and request validators of a REST API."""

from __future__ import annotations

import json
import re
from typing import Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException
from outcrop.services.apigateway.http_apis.store import new_id
from outcrop.services.apigateway.rest_apis.finding import find_api, find_part, page
from outcrop.services.apigateway.rest_apis.patching import patched
from outcrop.services.apigateway.rest_apis.store import Part, RestStore
from outcrop.services.contract import Context, Request, Result


class Models:
    def __init__(self, store: RestStore) -> None:
        self._store = store

    async def create_model(self, ctx: Context, request: Request) -> Result:
        api, name = find_api(self._store, ctx, request["restApiId"]), request["name"]
        if not re.fullmatch(r"[A-Za-z0-9]+", name):
            raise BadRequestException(f"Model name must be alphanumeric: {name}")
        if self._store.part(api.id, "model", name):
            raise ConflictException("Model name already exists for this REST API")
        definition = {key: request[key] for key in ("contentType", "description", "schema") if key in request}
        _check_schema(definition.get("schema"))
        model = Part(api.id, "model", name, {**definition, "id": new_id(6)})
        self._store.put(model)
        return _describe(model)

    async def get_model(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        model = find_part(self._store, api.id, "model", request["modelName"])
        described = _describe(model)
        if request.get("flatten"):
            schemas = {part.id: part.definition.get("schema", "") for part in self._store.parts(api.id, "model")}
            described["schema"] = json.dumps(_flat(json.loads(model.definition.get("schema") or "{}"), schemas, 0))
        return described

    async def get_models(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        return page(request, self._store.parts(api.id, "model"), _describe)

    async def update_model(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        model = find_part(self._store, api.id, "model", request["modelName"])
        fields = {"/description": "text", "/schema": "text"}
        definition = patched(model.definition, request.get("patchOperations", ()), fields)
        _check_schema(definition.get("schema"))
        changed = Part(api.id, "model", model.id, definition)
        self._store.put(changed)
        return _describe(changed)

    async def delete_model(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        model = find_part(self._store, api.id, "model", request["modelName"])
        for resource in self._store.parts(api.id, "resource"):
            for method in resource.definition["resourceMethods"].values():
                if model.id in method.get("requestModels", {}).values():
                    raise ConflictException(
                        f"Cannot delete model '{model.id}', is referenced in method request: "
                        f"{resource.definition['path']}/{method['httpMethod']}"
                    )
        self._store.delete(model)
        return {}

    async def get_model_template(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        model = find_part(self._store, api.id, "model", request["modelName"])
        return {"value": template_for(json.loads(model.definition.get("schema") or "{}"))}


class RequestValidators:
    def __init__(self, store: RestStore) -> None:
        self._store = store

    async def create_request_validator(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        definition: dict[str, Any] = {
            "validateRequestBody": bool(request.get("validateRequestBody")),
            "validateRequestParameters": bool(request.get("validateRequestParameters")),
        }
        if "name" in request:
            definition["name"] = request["name"]
        validator = Part(api.id, "validator", new_id(6), definition)
        self._store.put(validator)
        return {"id": validator.id, **definition}

    async def get_request_validator(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        validator = find_part(self._store, api.id, "validator", request["requestValidatorId"])
        return {"id": validator.id, **validator.definition}

    async def get_request_validators(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        validators = self._store.parts(api.id, "validator")
        return page(request, validators, lambda part: {"id": part.id, **part.definition})

    async def update_request_validator(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        validator = find_part(self._store, api.id, "validator", request["requestValidatorId"])
        fields = {"/name": "text", "/validateRequestBody": "bool", "/validateRequestParameters": "bool"}
        definition = patched(validator.definition, request.get("patchOperations", ()), fields)
        self._store.put(Part(api.id, "validator", validator.id, definition))
        return {"id": validator.id, **definition}

    async def delete_request_validator(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        validator = find_part(self._store, api.id, "validator", request["requestValidatorId"])
        for resource in self._store.parts(api.id, "resource"):
            for method in resource.definition["resourceMethods"].values():
                if method.get("requestValidatorId") == validator.id:
                    raise ConflictException(
                        f"Cannot delete validator '{validator.id}', is referenced in method request: "
                        f"{resource.definition['path']}/{method['httpMethod']}"
                    )
        self._store.delete(validator)
        return {}


def _describe(model: Part) -> dict[str, Any]:
    return {**model.definition, "name": model.id}


def _check_schema(schema: str | None) -> None:
    if schema is None:
        return
    if schema == "":
        raise BadRequestException("Model schema must have at least 1 property or array items defined")
    from jsonschema import Draft4Validator
    from jsonschema.exceptions import SchemaError

    try:
        parsed = json.loads(schema)
        if not isinstance(parsed, dict):
            raise BadRequestException("Invalid model schema specified. Unsupported keyword(s)")
        Draft4Validator.check_schema(parsed)
    except (ValueError, RecursionError, SchemaError) as error:
        raise BadRequestException(f"Invalid model schema specified. {error.args[0]}") from None


def _flat(schema: Any, schemas: dict[str, str], depth: int) -> Any:
    """The schema with what it refers to in its place."""
    if isinstance(schema, list):
        return [_flat(item, schemas, depth) for item in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).rpartition("/models/")[2]
    if name in schemas and depth < 10:
        return _flat(json.loads(schemas[name] or "{}"), schemas, depth + 1)
    return {key: _flat(value, schemas, depth) for key, value in schema.items()}


def template_for(schema: Any) -> str:
    """A mapping template that passes on what the schema describes."""
    return "#set($inputRoot = $input.path('$'))\n" + _template(schema, "$inputRoot", 0)


def _template(schema: Any, place: str, depth: int) -> str:
    pad = "  " * depth
    if not isinstance(schema, dict) or depth > 20:
        return f'"{place}"'
    if schema.get("type") == "array":
        item = f"$elem{depth}" if depth else "$elem"
        inner = _template(schema.get("items", {}), item, depth + 1)
        return f"[\n#foreach({item} in {place})\n{pad}  {inner}#if($foreach.hasNext),#end\n#end\n{pad}]"
    if schema.get("type") == "object" or "properties" in schema:
        members = [
            f'{pad}  "{name}" : {_template(inner, f"{place}.{name}", depth + 1)}'
            for name, inner in schema.get("properties", {}).items()
        ]
        return "{\n" + ",\n".join(members) + f"\n{pad}}}"
    return place if schema.get("type") in ("integer", "number", "boolean") else f'"{place}"'
