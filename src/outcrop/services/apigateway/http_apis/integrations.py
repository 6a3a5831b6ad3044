"""Integrations of an HTTP API: what routes lead to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outcrop.services.apigateway.http_apis.apis import find_api
from outcrop.services.apigateway.http_apis.deployments import Deployer
from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException
from outcrop.services.apigateway.http_apis.mapping import BadMapping, read_request_mapping, read_response_mapping
from outcrop.services.apigateway.http_apis.paging import page
from outcrop.services.apigateway.http_apis.store import Api, ApiStore, Part, is_websocket, new_id
from outcrop.services.apigateway.http_apis.targets import function_arn, is_web_url
from outcrop.services.apigateway.http_apis.websocket_rules import check_websocket_integration
from outcrop.services.contract import Context, Request, Result

KEPT = (
    "ConnectionId",
    "ConnectionType",
    "CredentialsArn",
    "Description",
    "IntegrationMethod",
    "IntegrationSubtype",
    "IntegrationType",
    "IntegrationUri",
    "PassthroughBehavior",
    "PayloadFormatVersion",
    "RequestParameters",
    "ResponseParameters",
    "TimeoutInMillis",
    "TlsConfig",
)
METHODS = ("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
SHORTEST, LONGEST = 50, 30_000


class Integrations:
    def __init__(self, store: ApiStore, deployer: Deployer) -> None:
        self._store = store
        self._deployer = deployer

    async def create_integration(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        definition = _completed(api, {name: request[name] for name in KEPT if name in request})
        _check(api, definition)
        integration = Part(api.id, "integration", new_id(7), definition)
        self._store.put_part(integration)
        self._deployer.changed(api)
        return _describe(integration)

    async def get_integration(self, ctx: Context, request: Request) -> Result:
        return _describe(self._find(find_api(self._store, ctx, request["ApiId"]), request["IntegrationId"]))

    async def get_integrations(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        return page(request, self._store.parts(api.id, "integration"), _describe)

    async def update_integration(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        integration = self._find(api, request["IntegrationId"])
        definition = {**integration.definition, **{name: request[name] for name in KEPT if name in request}}
        for name in ("RequestParameters", "ResponseParameters"):
            if name in request:
                merged = {**integration.definition.get(name, {}), **request[name]}
                definition[name] = {key: value for key, value in merged.items() if value}
        _check(api, definition)
        integration = Part(api.id, "integration", integration.id, definition)
        self._store.put_part(integration)
        self._deployer.changed(api)
        return _describe(integration)

    async def delete_integration(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        integration = self._find(api, request["IntegrationId"])
        target = f"integrations/{integration.id}"
        if any(route.definition.get("Target") == target for route in self._store.parts(api.id, "route")):
            raise ConflictException(f"Cannot delete Integration '{integration.id}' because it is used by a route")
        self._store.delete_part(integration)
        self._deployer.changed(api)
        return {}

    def _find(self, api: Api, integration_id: str) -> Part:
        if not (integration := self._store.part(api.id, "integration", integration_id)):
            raise NotFoundException(f"Invalid Integration identifier specified {integration_id}")
        return integration


def _completed(api: Api, definition: Mapping[str, Any]) -> Mapping[str, Any]:
    if is_websocket(api.definition):
        given = {"ConnectionType": "INTERNET", "TimeoutInMillis": 29_000, "PayloadFormatVersion": "1.0", **definition}
        return {"PassthroughBehavior": "WHEN_NO_MATCH", **given}
    defaults = {"ConnectionType": "INTERNET", "TimeoutInMillis": LONGEST}
    if definition["IntegrationType"] == "AWS_PROXY":
        defaults["IntegrationMethod"] = "POST"
    if definition["IntegrationType"] == "HTTP_PROXY":
        defaults["PayloadFormatVersion"] = "1.0"
    return {**defaults, **definition}


def _check(api: Api, definition: Mapping[str, Any]) -> None:
    if is_websocket(api.definition):
        check_websocket_integration(definition)
        return
    kind, uri = definition["IntegrationType"], definition.get("IntegrationUri", "")
    if kind not in ("AWS_PROXY", "HTTP_PROXY"):
        raise BadRequestException(
            f"Integration type {kind} is not supported for HTTP APIs: use AWS_PROXY or HTTP_PROXY"
        )
    if definition["ConnectionType"] != "INTERNET" or definition.get("ConnectionId"):
        raise BadRequestException("VPC links are not supported by Outcrop. Use ConnectionType INTERNET and a URL.")
    if definition.get("IntegrationSubtype"):
        raise BadRequestException(
            f"Integration subtype {definition['IntegrationSubtype']} is not supported by Outcrop. Call the service "
            "from a Lambda function instead."
        )
    if not SHORTEST <= definition["TimeoutInMillis"] <= LONGEST:
        raise BadRequestException(f"Timeout should be between {SHORTEST} and {LONGEST} milliseconds")
    if kind == "AWS_PROXY":
        _check_lambda(definition, uri)
    else:
        _check_http(definition, uri)
    try:
        read_request_mapping(definition.get("RequestParameters", {}))
        read_response_mapping(definition.get("ResponseParameters", {}))
    except BadMapping as error:
        raise BadRequestException(str(error)) from None


def _check_lambda(definition: Mapping[str, Any], uri: str) -> None:
    if not function_arn(uri):
        raise BadRequestException(
            f"Invalid integration URI specified: '{uri}'. Give the ARN of a Lambda function, or "
            "arn:aws:apigateway:<region>:lambda:path/2015-03-31/functions/<ARN>/invocations"
        )
    version = definition.get("PayloadFormatVersion")
    if version is None:
        raise BadRequestException("PayloadFormatVersion is a required parameter for integration")
    if version not in ("1.0", "2.0"):
        raise BadRequestException(
            f"PayloadFormatVersion '{version}' is not supported. Supported values are 1.0 and 2.0"
        )


def _check_http(definition: Mapping[str, Any], uri: str) -> None:
    if not is_web_url(uri):
        raise BadRequestException("HttpProxy integration uri should be a valid HTTP endpoint URL")
    if definition.get("IntegrationMethod") not in METHODS:
        raise BadRequestException(f"IntegrationMethod is required for HTTP_PROXY: one of {', '.join(METHODS)}")
    if definition["PayloadFormatVersion"] != "1.0":
        raise BadRequestException("PayloadFormatVersion must be 1.0 for HTTP_PROXY integrations")


def _describe(integration: Part) -> Result:
    return {**integration.definition, "IntegrationId": integration.id}
