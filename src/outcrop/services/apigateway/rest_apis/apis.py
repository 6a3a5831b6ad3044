"""REST APIs themselves, and the tags of all that has any."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from outcrop.services.apigateway.http_apis.apis import api_id_for
from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException
from outcrop.services.apigateway.http_apis.store import new_id
from outcrop.services.apigateway.rest_apis.finding import find_api, find_part, find_thing, page, when
from outcrop.services.apigateway.rest_apis.patching import Fields, patched
from outcrop.services.apigateway.rest_apis.store import Definition, Part, PartKind, RestApi, RestStore, Thing, ThingKind
from outcrop.services.contract import Context, Request, Result

if TYPE_CHECKING:
    from outcrop.services.apigateway.rest_apis.live import LiveRestApis

KEPT = (
    "apiKeySource",
    "binaryMediaTypes",
    "description",
    "disableExecuteApiEndpoint",
    "endpointConfiguration",
    "minimumCompressionSize",
    "name",
    "policy",
    "tags",
    "version",
)
FIELDS: Fields = {
    "/name": "text",
    "/description": "text",
    "/version": "text",
    "/policy": "text",
    "/apiKeySource": "text",
    "/disableExecuteApiEndpoint": "bool",
    "/minimumCompressionSize": "int",
    "/binaryMediaTypes/{}": "member",
    "/endpointConfiguration/types/{}": "member",
    "/endpointConfiguration/vpcEndpointIds/{}": "member",
    "/endpointConfiguration/ipAddressType": "text",
    "/securityPolicy": "text",
    "/endpointAccessMode": "text",
}
COPIED: tuple[PartKind, ...] = ("authorizer", "validator", "gateway_response")
"""What a clone gets beside resources and models."""
MODELS: Mapping[str, Definition] = {
    "Empty": {
        "description": "This is a default empty schema model",
        "contentType": "application/json",
        "schema": '{\n  "$schema": "http://json-schema.org/draft-04/schema#",\n  "title" : "Empty Schema",\n'
        '  "type" : "object"\n}',
    },
    "Error": {
        "description": "This is a default error schema model",
        "contentType": "application/json",
        "schema": '{\n  "$schema" : "http://json-schema.org/draft-04/schema#",\n  "title" : "Error Schema",\n'
        '  "type" : "object",\n  "properties" : {\n    "message" : { "type" : "string" }\n  }\n}',
    },
}
"""What every API has from the start."""


class RestApis:
    def __init__(self, store: RestStore, live: LiveRestApis, *, strict: bool) -> None:
        self._store = store
        self._live = live
        self._strict = strict

    async def create_rest_api(self, ctx: Context, request: Request) -> Result:
        definition = {name: request[name] for name in KEPT if name in request}
        source = request.get("cloneFrom")
        if source:
            definition = {**find_api(self._store, ctx, source).definition, **definition}
        check_api(definition)
        api = self.make(ctx, definition)
        if source:
            self._clone(source, api)
        return self._describe(api)

    async def get_rest_api(self, ctx: Context, request: Request) -> Result:
        return self._describe(find_api(self._store, ctx, request["restApiId"]))

    async def get_rest_apis(self, ctx: Context, request: Request) -> Result:
        return page(request, self._store.apis(ctx.account, ctx.region), self._describe)

    async def update_rest_api(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        operations = request.get("patchOperations", ())
        definition = patched(api.definition, operations, FIELDS)
        if any(o.get("op") == "remove" and o.get("path") == "/minimumCompressionSize" for o in operations):
            definition.pop("minimumCompressionSize", None)
        check_api(definition)
        self._store.set_api(api.id, definition)
        self._live.forget(api.id)
        return self._describe(find_api(self._store, ctx, api.id))

    async def delete_rest_api(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["restApiId"])
        if any(
            thing.definition["restApiId"] == api.id
            for thing in self._store.things(ctx.account, ctx.region, "base_path_mapping")
        ):
            raise BadRequestException("Please remove all base path mappings related to the API")
        self._store.delete_api(api.id)
        self._live.forget(api.id)
        return {}

    def make(self, ctx: Context, definition: Definition) -> RestApi:
        """A new API with its root and the models that all have."""
        api = RestApi(
            api_id_for(definition.get("tags", {}), strict=self._strict),
            ctx.account,
            ctx.region,
            definition,
            time.time(),
        )
        if not self._store.add_api(api):
            raise ConflictException(f"An API with the id {api.id} exists already")
        root = Part(api.id, "resource", new_id(10), {"path": "/", "resourceMethods": {}})
        models = [Part(api.id, "model", name, {**model, "id": new_id(6)}) for name, model in MODELS.items()]
        self._store.put(root, *models)
        return api

    def _clone(self, source_id: str, api: RestApi) -> None:
        """What the source has; parts keep their ids, which are unique inside an API."""
        made: tuple[PartKind, ...] = ("resource", "model")
        for kind in made:
            self._store.delete(*self._store.parts(api.id, kind))
        for kind in (*made, *COPIED):
            parts = self._store.parts(source_id, kind)
            self._store.put(*(Part(api.id, kind, part.id, part.definition) for part in parts))

    def _describe(self, api: RestApi) -> Result:
        return describe_api(self._store, api)


def describe_api(store: RestStore, api: RestApi) -> dict[str, Any]:
    root = next(part for part in store.parts(api.id, "resource") if part.definition["path"] == "/")
    endpoint = {"types": ["EDGE"], "ipAddressType": "ipv4", **api.definition.get("endpointConfiguration", {})}
    return {
        "apiKeySource": "HEADER",
        "disableExecuteApiEndpoint": False,
        **{key: value for key, value in api.definition.items() if value not in ("", [])},
        "name": api.definition["name"],
        "endpointConfiguration": endpoint,
        "id": api.id,
        "createdDate": when(api.created_at),
        "rootResourceId": root.id,
        "tags": dict(api.definition.get("tags", {})),
    }


def check_api(definition: Definition) -> None:
    if not definition.get("name"):
        raise BadRequestException("API Name cannot be empty")
    if definition.get("apiKeySource", "HEADER") not in ("HEADER", "AUTHORIZER"):
        raise BadRequestException(
            "1 validation error detected: Value '"
            f"{definition['apiKeySource']}' at 'createRestApiInput.apiKeySource' failed to satisfy constraint: Member "
            "must satisfy enum value set: [AUTHORIZER, HEADER]"
        )
    types: Sequence[str] = definition.get("endpointConfiguration", {}).get("types", ["EDGE"])
    if any(kind not in ("EDGE", "REGIONAL", "PRIVATE") for kind in types):
        raise BadRequestException(
            f"1 validation error detected: Value '{list(types)}' at 'createRestApiInput.endpointConfiguration.types' "
            "failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: "
            "[PRIVATE, EDGE, REGIONAL]]"
        )
    if len(types) > 1:
        raise BadRequestException("Cannot create an api with multiple Endpoint Types.")
    size = definition.get("minimumCompressionSize")
    if size is not None and not 0 <= size <= 10_485_760:
        raise BadRequestException("Invalid minimum compression size, must be between 0 and 10485760")


_ARN = re.compile(r"arn:aws[\w-]*:apigateway:(?P<region>[\w-]+)::/(?P<path>.+)")
_TAGGED: Mapping[str, ThingKind] = {
    "apikeys": "api_key",
    "domainnames": "domain_name",
    "usageplans": "usage_plan",
    "vpclinks": "vpc_link",
}


class RestTags:
    """Tags by ARN: `arn:aws:apigateway:us-east-1::/restapis/abc`."""

    def __init__(self, store: RestStore) -> None:
        self._store = store

    async def tag_resource(self, ctx: Context, request: Request) -> Result:
        tags, place = self._find(ctx, request["resourceArn"])
        self._keep(place, {**tags, **request["tags"]})
        return {}

    async def untag_resource(self, ctx: Context, request: Request) -> Result:
        tags, place = self._find(ctx, request["resourceArn"])
        self._keep(place, {key: value for key, value in tags.items() if key not in request["tagKeys"]})
        return {}

    async def get_tags(self, ctx: Context, request: Request) -> Result:
        return {"tags": dict(self._find(ctx, request["resourceArn"])[0])}

    def _find(self, ctx: Context, arn: str) -> tuple[Mapping[str, str], RestApi | Part | Thing]:
        found = _ARN.fullmatch(arn)
        parts = found["path"].split("/") if found else []
        place: RestApi | Part | Thing
        match parts:
            case ["restapis", api_id]:
                place = find_api(self._store, ctx, api_id)
            case ["restapis", api_id, "stages", name]:
                place = find_part(self._store, find_api(self._store, ctx, api_id).id, "stage", name)
            case [kind, thing_id] if kind in _TAGGED:
                place = find_thing(self._store, ctx, _TAGGED[kind], thing_id)
            case _:
                raise NotFoundException("Invalid Resource ARN specified in the request")
        return place.definition.get("tags", {}), place

    def _keep(self, place: RestApi | Part | Thing, tags: Mapping[str, str]) -> None:
        if len(tags) > 50:
            raise BadRequestException("A resource may have 50 tags")
        definition = {**place.definition, "tags": dict(tags)}
        match place:
            case RestApi():
                self._store.set_api(place.id, definition)
            case Part():
                self._store.put(Part(place.api_id, place.kind, place.id, definition))
            case Thing():
                self._store.put_thing(Thing(place.account, place.region, place.kind, place.id, definition))
