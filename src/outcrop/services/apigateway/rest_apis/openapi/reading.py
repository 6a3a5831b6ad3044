"""What an OpenAPI document says about an API."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException
from outcrop.services.apigateway.http_apis.store import new_id
from outcrop.services.apigateway.rest_apis.authorization import DEFAULT_TTL
from outcrop.services.apigateway.rest_apis.methods import INTEGRATION_KEPT, MAX_TIMEOUT, check_integration
from outcrop.services.apigateway.rest_apis.openapi.documents import METHODS, follow

PREFIX = "x-amazon-apigateway-"


@dataclass
class Blueprint:
    """An API as a document describes it; methods name authorizers and validators by name."""

    definition: dict[str, Any]
    methods: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By path and method."""
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    authorizers: dict[str, dict[str, Any]] = field(default_factory=dict)
    validators: dict[str, dict[str, Any]] = field(default_factory=dict)
    gateway_responses: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_blueprint(document: Mapping[str, Any], base_path: str = "ignore") -> Blueprint:
    """Raises BadRequestException."""
    try:
        return _Reader(document).read(base_path)
    except (AttributeError, TypeError, KeyError, IndexError) as error:
        raise BadRequestException(
            f"Failed to parse the uploaded OpenAPI document due to: a part of it has the wrong type ({error})"
        ) from None


class _Reader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._is_3 = "openapi" in document
        self._blueprint = Blueprint(_definition(document))

    def read(self, base_path: str) -> Blueprint:
        document, blueprint = self._document, self._blueprint
        schemas = document.get("components", {}).get("schemas", {}) if self._is_3 else document.get("definitions", {})
        for name, schema in schemas.items():
            blueprint.models[name] = _model(schema)
        for name, validator in (document.get(f"{PREFIX}request-validators") or {}).items():
            names = ("validateRequestBody", "validateRequestParameters")
            blueprint.validators[name] = {"name": name, **{key: bool(validator.get(key)) for key in names}}
        for kind, response in (document.get(f"{PREFIX}gateway-responses") or {}).items():
            blueprint.gateway_responses[kind] = {
                key: str(value) if key == "statusCode" else value
                for key, value in response.items()
                if key in ("statusCode", "responseParameters", "responseTemplates")
            }
        self._read_authorizers()
        prefix = self._prefix(base_path)
        for path, item in document["paths"].items():
            if not path.startswith("/"):
                raise BadRequestException(f"Failed to parse the uploaded OpenAPI document due to: the path {path}")
            item = follow(document, item) or {}
            for name, http_method in METHODS.items():
                if name in item:
                    method = self._method(path, item, item[name] or {}, http_method)
                    blueprint.methods.setdefault(prefix + path if path != "/" else prefix or "/", {})[http_method] = (
                        method
                    )
            blueprint.methods.setdefault(prefix + path if path != "/" else prefix or "/", {})
        return blueprint

    def _prefix(self, mode: str) -> str:
        base = self._document.get("basePath", "")
        if self._is_3:
            servers = self._document.get("servers") or [{}]
            base = servers[0].get("variables", {}).get("basePath", {}).get("default", "")
        parts = [part for part in str(base).split("/") if part]
        if mode == "prepend":
            return "".join(f"/{part}" for part in parts)
        return "".join(f"/{part}" for part in parts[1:]) if mode == "split" else ""

    def _schemes(self) -> Mapping[str, Any]:
        if self._is_3:
            found: Mapping[str, Any] = self._document.get("components", {}).get("securitySchemes") or {}
        else:
            found = self._document.get("securityDefinitions") or {}
        return found

    def _read_authorizers(self) -> None:
        for name, scheme in self._schemes().items():
            given = scheme.get(f"{PREFIX}authorizer")
            if not given:
                continue
            kind = str(given.get("type", "token")).upper()
            authorizer = {
                "name": name,
                "type": kind,
                "authType": scheme.get(f"{PREFIX}authtype", "custom"),
                "authorizerResultTtlInSeconds": int(given.get("authorizerResultTtlInSeconds", DEFAULT_TTL)),
                "identitySource": given.get("identitySource") or f"method.request.header.{scheme.get('name')}",
            }
            for key in ("authorizerCredentials", "authorizerUri", "identityValidationExpression", "providerARNs"):
                if key in given:
                    authorizer[key] = given[key]
            self._blueprint.authorizers[name] = authorizer

    def _method(self, path: str, item: Mapping[str, Any], operation: Mapping[str, Any], name: str) -> dict[str, Any]:
        document = self._document
        method: dict[str, Any] = {"httpMethod": name, "apiKeyRequired": False, "authorizationType": "NONE"}
        if operation.get("operationId"):
            method["operationName"] = operation["operationId"]
        self._secure(method, operation.get("security", document.get("security") or []))
        validator = operation.get(f"{PREFIX}request-validator", document.get(f"{PREFIX}request-validator"))
        if validator:
            if validator not in self._blueprint.validators:
                raise BadRequestException(f"Invalid request validator specified: {validator}")
            method["requestValidator"] = validator
        self._read_parameters(method, [*item.get("parameters", ()), *operation.get("parameters", ())], operation)
        self._read_body(method, operation)
        method["methodResponses"] = self._responses(operation)
        integration = operation.get(f"{PREFIX}integration", item.get(f"{PREFIX}integration"))
        if integration:
            method["methodIntegration"] = _integration(integration)
            for answer in method["methodIntegration"].get("integrationResponses", {}):
                method["methodResponses"].setdefault(answer, {"statusCode": answer})
        return method

    def _secure(self, method: dict[str, Any], requirements: list[Mapping[str, Any]]) -> None:
        schemes = self._schemes()
        for requirement in requirements:
            for name, scopes in requirement.items():
                scheme = schemes.get(name, {})
                if name in self._blueprint.authorizers:
                    kind = self._blueprint.authorizers[name]["type"]
                    method["authorizationType"] = kind if kind == "COGNITO_USER_POOLS" else "CUSTOM"
                    method["authorizer"] = name
                    if scopes:
                        method["authorizationScopes"] = scopes
                elif scheme.get(f"{PREFIX}authtype") == "awsSigv4":
                    method["authorizationType"] = "AWS_IAM"
                elif scheme.get("type") == "apiKey" and str(scheme.get("name", "")).lower() == "x-api-key":
                    method["apiKeyRequired"] = True

    def _read_parameters(self, method: dict[str, Any], given: list[Any], operation: Mapping[str, Any]) -> None:
        parameters = {}
        for parameter in given:
            parameter = follow(self._document, parameter) or {}
            place = {"path": "path", "query": "querystring", "header": "header"}.get(str(parameter.get("in")))
            if place:
                parameters[f"method.request.{place}.{parameter['name']}"] = bool(parameter.get("required"))
            elif parameter.get("in") == "body" and "schema" in parameter:
                for media in operation.get("consumes") or self._document.get("consumes") or ["application/json"]:
                    method.setdefault("requestModels", {})[media] = self._model_name(parameter["schema"])
        if parameters:
            method["requestParameters"] = parameters

    def _read_body(self, method: dict[str, Any], operation: Mapping[str, Any]) -> None:
        body = follow(self._document, operation.get("requestBody")) or {}
        for media, content in body.get("content", {}).items():
            if "schema" in content:
                method.setdefault("requestModels", {})[media] = self._model_name(content["schema"])

    def _responses(self, operation: Mapping[str, Any]) -> dict[str, Any]:
        responses: dict[str, Any] = {}
        for status, given in (operation.get("responses") or {}).items():
            if not re.fullmatch(r"[1-5]\d\d", status):
                self._blueprint.warnings.append(f"Unable to put the response '{status}': it is not a status code")
                continue
            given = follow(self._document, given) or {}
            response: dict[str, Any] = {"statusCode": status}
            models = {media: one["schema"] for media, one in given.get("content", {}).items() if "schema" in one}
            if "schema" in given:
                models = dict.fromkeys(
                    operation.get("produces") or self._document.get("produces") or ["application/json"], given["schema"]
                )
            if models:
                response["responseModels"] = {media: self._model_name(schema) for media, schema in models.items()}
            if given.get("headers"):
                response["responseParameters"] = {f"method.response.header.{name}": False for name in given["headers"]}
            responses[status] = response
        return responses

    def _model_name(self, schema: Any) -> str:
        """The model that a schema is; an inline one becomes a model of its own."""
        reference = schema.get("$ref", "") if isinstance(schema, dict) else ""
        if reference:
            return str(reference).rpartition("/")[2]
        name = f"MODEL{new_id(6)}"
        self._blueprint.models[name] = _model(schema)
        return name


def _definition(document: Mapping[str, Any]) -> dict[str, Any]:
    info = document["info"]
    definition: dict[str, Any] = {"name": str(info.get("title") or "Untitled")}
    for key in ("description", "version"):
        if info.get(key):
            definition[key] = str(info[key])
    for extension, key in (
        ("binary-media-types", "binaryMediaTypes"),
        ("minimum-compression-size", "minimumCompressionSize"),
    ):
        if f"{PREFIX}{extension}" in document:
            definition[key] = document[f"{PREFIX}{extension}"]
    if policy := document.get(f"{PREFIX}policy"):
        definition["policy"] = json.dumps(policy)
    if source := document.get(f"{PREFIX}api-key-source"):
        definition["apiKeySource"] = str(source).upper()
    endpoint = document.get(f"{PREFIX}endpoint-configuration") or {}
    for server in document.get("servers") or ():
        endpoint = endpoint or server.get(f"{PREFIX}endpoint-configuration") or {}
    if endpoint.get("types"):
        definition["endpointConfiguration"] = {"types": endpoint["types"]}
    if "disableExecuteApiEndpoint" in endpoint:
        definition["disableExecuteApiEndpoint"] = bool(endpoint["disableExecuteApiEndpoint"])
    return definition


def _model(schema: Any) -> dict[str, Any]:
    model = {"contentType": "application/json", "schema": json.dumps(_renamed(schema))}
    if isinstance(schema, dict) and isinstance(schema.get("description"), str):
        model["description"] = schema["description"]
    return model


def _renamed(schema: Any) -> Any:
    """References between schemas as references between models."""
    if isinstance(schema, list):
        return [_renamed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _renamed(value) for key, value in schema.items()}
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith(("#/definitions/", "#/components/schemas/")):
        result["$ref"] = f"https://apigateway.amazonaws.com/restapis/api/models/{reference.rpartition('/')[2]}"
    return result


def _integration(given: Mapping[str, Any]) -> dict[str, Any]:
    integration: dict[str, Any] = {
        "passthroughBehavior": "WHEN_NO_MATCH",
        "timeoutInMillis": MAX_TIMEOUT,
        "cacheKeyParameters": [],
        **{key: value for key, value in given.items() if key in INTEGRATION_KEPT},
    }
    for key in ("type", "passthroughBehavior", "connectionType", "contentHandling"):
        if isinstance(integration.get(key), str):
            integration[key] = integration[key].upper()
    if "httpMethod" in given:
        integration["httpMethod"] = str(given["httpMethod"]).upper()
        integration["httpMethod"] = "ANY" if "ANY-METHOD" in integration["httpMethod"] else integration["httpMethod"]
    responses = {}
    for pattern, answer in (given.get("responses") or {}).items():
        status = str(answer["statusCode"])
        response: dict[str, Any] = {"statusCode": status}
        if pattern != "default":
            response["selectionPattern"] = pattern
        for key in ("contentHandling", "responseParameters", "responseTemplates"):
            if key in answer:
                response[key] = answer[key]
        responses[status] = response
    if responses:
        integration["integrationResponses"] = responses
    if integration.get("type") not in ("AWS", "AWS_PROXY", "HTTP", "HTTP_PROXY", "MOCK"):
        raise BadRequestException(f"Invalid integration type specified: {given.get('type')}")
    check_integration(integration)
    return integration
