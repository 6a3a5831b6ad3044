"""HTTP APIs as OpenAPI documents, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outcrop.services.apigateway.http_apis.apis import HttpApis, endpoint_of, find_api
from outcrop.services.apigateway.http_apis.authorizers import Authorizers
from outcrop.services.apigateway.http_apis.errors import BadRequestException, NotFoundException
from outcrop.services.apigateway.http_apis.integrations import Integrations
from outcrop.services.apigateway.http_apis.routes import Routes
from outcrop.services.apigateway.http_apis.store import Api, ApiStore, is_websocket
from outcrop.services.apigateway.rest_apis.openapi.documents import METHODS, follow, read_document, write_document
from outcrop.services.contract import Context, Request, Result

PREFIX = "x-amazon-apigateway-"
DEFAULT_PATH = "/$default"
_NAMES = {method: name for name, method in METHODS.items()}
_INTEGRATION = {
    "type": "IntegrationType",
    "uri": "IntegrationUri",
    "httpMethod": "IntegrationMethod",
    "payloadFormatVersion": "PayloadFormatVersion",
    "connectionType": "ConnectionType",
    "timeoutInMillis": "TimeoutInMillis",
    "requestParameters": "RequestParameters",
    "responseParameters": "ResponseParameters",
    "credentials": "CredentialsArn",
}
"""A document's names, and the service's."""
_AUTHORIZER = {
    "authorizerUri": "AuthorizerUri",
    "authorizerCredentials": "AuthorizerCredentialsArn",
    "authorizerPayloadFormatVersion": "AuthorizerPayloadFormatVersion",
    "authorizerResultTtlInSeconds": "AuthorizerResultTtlInSeconds",
    "enableSimpleResponses": "EnableSimpleResponses",
}


class OpenApi:
    def __init__(
        self, store: ApiStore, apis: HttpApis, routes: Routes, integrations: Integrations, authorizers: Authorizers
    ) -> None:
        self._store = store
        self._apis = apis
        self._routes = routes
        self._integrations = integrations
        self._authorizers = authorizers

    async def import_api(self, ctx: Context, request: Request) -> Result:
        document = read_document(request["Body"].encode())
        api = await self._apis.create_api(ctx, {**_settings(document), "ProtocolType": "HTTP"})
        try:
            warnings = await self._build(ctx, api["ApiId"], document)
            _check_warnings(warnings, request)
        except (BadRequestException, NotFoundException):
            await self._apis.delete_api(ctx, {"ApiId": api["ApiId"]})
            raise
        return {**api, "Warnings": warnings} if warnings else api

    async def reimport_api(self, ctx: Context, request: Request) -> Result:
        document = read_document(request["Body"].encode())
        api = find_api(self._store, ctx, request["ApiId"])
        if is_websocket(api.definition):
            raise BadRequestException("WebSocket APIs can't be imported")
        trial = await self._apis.create_api(ctx, {**_settings(document), "ProtocolType": "HTTP"})
        try:
            _check_warnings(await self._build(ctx, trial["ApiId"], document), request)
        finally:
            await self._apis.delete_api(ctx, {"ApiId": trial["ApiId"]})
        for kind in ("route", "integration", "authorizer"):
            for part in self._store.parts(api.id, kind):
                self._store.delete_part(part)
        warnings = await self._build(ctx, api.id, document)
        result = await self._apis.update_api(ctx, {**_settings(document), "ApiId": api.id})
        return {**result, "Warnings": warnings} if warnings else result

    async def export_api(self, ctx: Context, request: Request) -> Result:
        api = find_api(self._store, ctx, request["ApiId"])
        if request["Specification"] != "OAS30":
            raise BadRequestException("Specification must be OAS30")
        kind = request["OutputType"]
        if kind not in ("JSON", "YAML"):
            raise BadRequestException("OutputType must be JSON or YAML")
        if is_websocket(api.definition):
            raise BadRequestException("WebSocket APIs can't be exported")
        document = _describe(ctx, api, self._snapshot(api, request.get("StageName")), request)
        return {"body": write_document(document, "application/yaml" if kind == "YAML" else "application/json")}

    def _snapshot(self, api: Api, stage_name: str | None) -> Mapping[str, Any]:
        """What a stage serves, or the API as it is now."""
        if stage_name is None:
            kinds: Mapping[str, Any] = {"routes": "route", "integrations": "integration", "authorizers": "authorizer"}
            parts = {
                name: {p.id: p.definition for p in self._store.parts(api.id, kind)} for name, kind in kinds.items()
            }
            return {"api": api.definition, **parts}
        stage = self._store.stage(api.id, stage_name)
        deployment = self._store.deployment(api.id, stage.definition.get("DeploymentId", "")) if stage else None
        if deployment is None:
            raise NotFoundException(f"Unable to find Stage by name {stage_name} within the provided API {api.id}")
        return deployment.snapshot

    async def _build(self, ctx: Context, api_id: str, document: Mapping[str, Any]) -> list[str]:
        """What there was to warn of. Raises BadRequestException."""
        try:
            authorizers = await self._add_authorizers(ctx, api_id, document)
            warnings = []
            for path, item in document["paths"].items():
                for name, method in METHODS.items():
                    operation = (item or {}).get(name)
                    if operation is None:
                        continue
                    key = "$default" if path == DEFAULT_PATH else f"{method} {path}"
                    route: dict[str, Any] = {"ApiId": api_id, "RouteKey": key}
                    integration = follow(document, operation.get(f"{PREFIX}integration") or {})
                    if integration:
                        made = await self._integrations.create_integration(ctx, _integration(api_id, integration))
                        route["Target"] = f"integrations/{made['IntegrationId']}"
                    else:
                        warnings.append(f"No integration defined for {key}")
                    route |= _security(document, operation, authorizers)
                    await self._routes.create_route(ctx, route)
        except (AttributeError, TypeError, KeyError, ValueError) as error:
            raise BadRequestException(f"The OpenAPI document has a part of the wrong type ({error})") from None
        return warnings

    async def _add_authorizers(
        self, ctx: Context, api_id: str, document: Mapping[str, Any]
    ) -> dict[str, tuple[str, str]]:
        """By name: the id, and the type of authorization."""
        found = {}
        for name, scheme in _schemes(document).items():
            given = scheme.get(f"{PREFIX}authorizer")
            if not given:
                continue
            kind = "JWT" if str(given.get("type", "")).lower() == "jwt" else "REQUEST"
            source = given.get("identitySource", ())
            sources = [one.strip() for one in source.split(",")] if isinstance(source, str) else list(source)
            authorizer: dict[str, Any] = {
                "ApiId": api_id,
                "Name": name,
                "AuthorizerType": kind,
                "IdentitySource": sources,
            }
            if kind == "JWT":
                jwt = given.get("jwtConfiguration") or {}
                authorizer["JwtConfiguration"] = {"Issuer": jwt.get("issuer", ""), "Audience": jwt.get("audience", [])}
            authorizer |= {ours: given[theirs] for theirs, ours in _AUTHORIZER.items() if theirs in given}
            made = await self._authorizers.create_authorizer(ctx, authorizer)
            found[name] = (made["AuthorizerId"], "JWT" if kind == "JWT" else "CUSTOM")
        return found


def _check_warnings(warnings: list[str], request: Request) -> None:
    if warnings and request.get("FailOnWarnings"):
        raise BadRequestException("Warnings found during import:\n\t" + "\n\t".join(warnings))


def _schemes(document: Mapping[str, Any]) -> Mapping[str, Any]:
    components = document.get("components") or {}
    schemes: Mapping[str, Any] = components.get("securitySchemes") or document.get("securityDefinitions") or {}
    return schemes


def _settings(document: Mapping[str, Any]) -> dict[str, Any]:
    info = document["info"]
    settings: dict[str, Any] = {"Name": str(info.get("title") or "Untitled")}
    for key, name in (("description", "Description"), ("version", "Version")):
        if info.get(key):
            settings[name] = str(info[key])
    cors = document.get(f"{PREFIX}cors")
    if isinstance(cors, dict):
        settings["CorsConfiguration"] = {name[:1].upper() + name[1:]: value for name, value in cors.items()}
    return settings


def _integration(api_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
    integration = {ours: given[theirs] for theirs, ours in _INTEGRATION.items() if theirs in given}
    integration["IntegrationType"] = str(integration.get("IntegrationType", "")).upper()
    if integration["IntegrationType"] == "AWS_PROXY":
        integration.setdefault("PayloadFormatVersion", "1.0")
    if isinstance(integration.get("PayloadFormatVersion"), float):
        integration["PayloadFormatVersion"] = str(integration["PayloadFormatVersion"])
    return {"ApiId": api_id, **integration}


def _security(
    document: Mapping[str, Any], operation: Mapping[str, Any], authorizers: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    for requirement in operation.get("security", document.get("security")) or ():
        for name, scopes in requirement.items():
            if name in authorizers:
                authorizer_id, kind = authorizers[name]
                secured: dict[str, Any] = {"AuthorizerId": authorizer_id, "AuthorizationType": kind}
                return {**secured, "AuthorizationScopes": list(scopes)} if scopes and kind == "JWT" else secured
            if _schemes(document).get(name, {}).get(f"{PREFIX}authtype") == "awsSigv4":
                return {"AuthorizationType": "AWS_IAM"}
    return {}


def _describe(ctx: Context, api: Api, snapshot: Mapping[str, Any], request: Request) -> dict[str, Any]:
    extensions = request.get("IncludeExtensions", True)
    definition = snapshot["api"]
    info = {"title": definition["Name"], "version": definition.get("Version", "1.0")}
    if definition.get("Description"):
        info["description"] = definition["Description"]
    stage = request.get("StageName") or "$default"
    server: dict[str, Any] = {"url": f"{endpoint_of(ctx, api.id)}/{{basePath}}"}
    server["variables"] = {"basePath": {"default": "" if stage == "$default" else stage}}
    document: dict[str, Any] = {"openapi": "3.0.1", "info": info, "servers": [server], "paths": {}}
    schemes: dict[str, Any] = {}
    for route in sorted(snapshot["routes"].values(), key=lambda route: str(route["RouteKey"])):
        method, _, path = route["RouteKey"].partition(" ")
        place = document["paths"].setdefault(path or DEFAULT_PATH, {})
        place[_NAMES.get(method, _NAMES["ANY"])] = _operation(route, snapshot, schemes, extensions=extensions)
    if schemes:
        document["components"] = {"securitySchemes": schemes}
    if extensions:
        if cors := definition.get("CorsConfiguration"):
            document[f"{PREFIX}cors"] = {name[:1].lower() + name[1:]: value for name, value in cors.items()}
        document[f"{PREFIX}importexport-version"] = "1.0"
    return document


def _operation(
    route: Mapping[str, Any], snapshot: Mapping[str, Any], schemes: dict[str, Any], *, extensions: bool
) -> dict[str, Any]:
    operation: dict[str, Any] = {"responses": {"default": {"description": f"Default response for {route['RouteKey']}"}}}
    names = [part[1:-1].rstrip("+") for part in route["RouteKey"].split("/") if part.startswith("{")]
    if names:
        base = {"in": "path", "required": True, "schema": {"type": "string"}}
        operation["parameters"] = [{"name": name, **base} for name in names]
    if route["RouteKey"] == "$default":
        operation["isDefaultRoute"] = True
    authorizer = snapshot["authorizers"].get(route.get("AuthorizerId", ""))
    if authorizer:
        operation["security"] = [{authorizer["Name"]: list(route.get("AuthorizationScopes", ()))}]
        schemes[authorizer["Name"]] = _scheme(authorizer, extensions=extensions)
    if route.get("AuthorizationType") == "AWS_IAM":
        operation["security"] = [{"sigv4": []}]
        base_scheme = {"type": "apiKey", "name": "Authorization", "in": "header"}
        schemes["sigv4"] = {**base_scheme, f"{PREFIX}authtype": "awsSigv4"}
    integration = snapshot["integrations"].get(route.get("Target", "").removeprefix("integrations/"))
    if integration and extensions:
        described = {theirs: integration[ours] for theirs, ours in _INTEGRATION.items() if integration.get(ours)}
        operation[f"{PREFIX}integration"] = {**described, "type": integration["IntegrationType"].lower()}
    return operation


def _scheme(authorizer: Mapping[str, Any], *, extensions: bool) -> dict[str, Any]:
    if authorizer["AuthorizerType"] == "JWT":
        jwt = authorizer["JwtConfiguration"]
        scheme: dict[str, Any] = {"type": "oauth2", "flows": {}}
        described: dict[str, Any] = {
            "type": "jwt",
            "jwtConfiguration": {"issuer": jwt["Issuer"], "audience": jwt["Audience"]},
        }
    else:
        scheme = {"type": "apiKey", "name": "Authorization", "in": "header"}
        described = {"type": "request"}
        described |= {theirs: authorizer[ours] for theirs, ours in _AUTHORIZER.items() if ours in authorizer}
    described["identitySource"] = ", ".join(authorizer.get("IdentitySource", ()))
    return {**scheme, f"{PREFIX}authorizer": described} if extensions else scheme
