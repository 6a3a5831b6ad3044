"""An API's deployed snapshot as an OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from typing import Any

from outcrop.services.apigateway.rest_apis.openapi.documents import METHODS
from outcrop.services.apigateway.rest_apis.openapi.reading import PREFIX
from outcrop.services.apigateway.rest_apis.store import Definition

EVERYTHING = frozenset({"integrations", "authorizers", "validators", "gatewayresponses", "documentation"})
_NAMES = {method: name for name, method in METHODS.items()}
_PLACES = {"path": "path", "querystring": "query", "header": "header"}


def describe_api(
    snapshot: Definition, url: str, stage: str, version: str, extensions: Set[str], *, swagger: bool
) -> dict[str, Any]:
    """`extensions`: which of API Gateway's own parts are in it; `url`: of the API, without the stage."""
    return _Writer(snapshot, extensions, swagger).write(url, stage, version)


class _Writer:
    def __init__(self, snapshot: Definition, extensions: Set[str], swagger: bool) -> None:
        self._snapshot = snapshot
        self._extensions = extensions
        self._swagger = swagger
        self._schemes: dict[str, Any] = {}

    def write(self, url: str, stage: str, version: str) -> dict[str, Any]:
        api = self._snapshot["api"]
        info = {"title": api["name"], "version": api.get("version") or version}
        if api.get("description"):
            info["description"] = api["description"]
        document: dict[str, Any] = (
            {"swagger": "2.0", "info": info} if self._swagger else {"openapi": "3.0.1", "info": info}
        )
        if self._swagger:
            scheme, _, host = url.partition("://")
            document |= {"host": host, "basePath": f"/{stage}", "schemes": [scheme]}
        else:
            variables = {"basePath": {"default": f"/{stage}"}}
            document["servers"] = [{"url": f"{url}/{{basePath}}", "variables": variables}]
        document["paths"] = {
            resource["path"]: {
                _NAMES[name]: self._operation(method) for name, method in resource["resourceMethods"].items()
            }
            for resource in sorted(self._snapshot["resources"].values(), key=lambda resource: str(resource["path"]))
            if resource["resourceMethods"]
        }
        self._add_components(document)
        self._add_extensions(document)
        return document

    def _add_components(self, document: dict[str, Any]) -> None:
        schemas = {name: self._schema(model) for name, model in self._snapshot["models"].items() if model.get("schema")}
        if self._swagger:
            document |= {"definitions": schemas}
            if self._schemes:
                document["securityDefinitions"] = self._schemes
            return
        document["components"] = {"schemas": schemas}
        if self._schemes:
            document["components"]["securitySchemes"] = self._schemes

    def _add_extensions(self, document: dict[str, Any]) -> None:
        snapshot, api = self._snapshot, self._snapshot["api"]
        if "validators" in self._extensions and snapshot["validators"]:
            document[f"{PREFIX}request-validators"] = {
                one.get("name") or name: {key: value for key, value in one.items() if key != "name"}
                for name, one in snapshot["validators"].items()
            }
        if "gatewayresponses" in self._extensions and snapshot["gatewayResponses"]:
            document[f"{PREFIX}gateway-responses"] = dict(snapshot["gatewayResponses"])
        if "integrations" not in self._extensions:
            return
        for key, name in (
            ("binaryMediaTypes", "binary-media-types"),
            ("minimumCompressionSize", "minimum-compression-size"),
        ):
            if key in api:
                document[f"{PREFIX}{name}"] = api[key]
        if api.get("policy"):
            document[f"{PREFIX}policy"] = json.loads(api["policy"])
        if api.get("apiKeySource", "HEADER") != "HEADER":
            document[f"{PREFIX}api-key-source"] = api["apiKeySource"]

    def _operation(self, method: Definition) -> dict[str, Any]:
        operation: dict[str, Any] = {}
        if method.get("operationName"):
            operation["operationId"] = method["operationName"]
        parameters = [self._parameter(name, required) for name, required in method.get("requestParameters", {}).items()]
        models = method.get("requestModels", {})
        if self._swagger:
            operation["produces"] = ["application/json"]
            if models:
                operation["consumes"] = list(models)
                body = {"in": "body", "name": next(iter(models.values())), "required": True}
                parameters.append({**body, "schema": self._reference(next(iter(models.values())))})
        elif models:
            content = {media: {"schema": self._reference(name)} for media, name in models.items()}
            operation["requestBody"] = {"content": content, "required": True}
        if parameters:
            operation["parameters"] = [parameter for parameter in parameters if parameter]
        responses = method.get("methodResponses", {})
        operation["responses"] = {status: self._response(one) for status, one in responses.items()}
        if security := self._security(method):
            operation["security"] = security
        validator = self._snapshot["validators"].get(method.get("requestValidatorId", ""))
        if validator and "validators" in self._extensions:
            operation[f"{PREFIX}request-validator"] = validator.get("name") or method["requestValidatorId"]
        if "integrations" in self._extensions and "methodIntegration" in method:
            operation[f"{PREFIX}integration"] = _integration(method["methodIntegration"])
        return operation

    def _parameter(self, text: str, required: bool) -> dict[str, Any]:
        _, _, place, name = text.split(".", 3)
        if place not in _PLACES:
            return {}
        parameter: dict[str, Any] = {"name": name, "in": _PLACES[place]}
        if required or place == "path":
            parameter["required"] = True
        return {**parameter, "type": "string"} if self._swagger else {**parameter, "schema": {"type": "string"}}

    def _response(self, response: Definition) -> dict[str, Any]:
        described: dict[str, Any] = {"description": f"{response['statusCode']} response"}
        text = {"type": "string"} if self._swagger else {"schema": {"type": "string"}}
        if names := response.get("responseParameters"):
            described["headers"] = {name.removeprefix("method.response.header."): dict(text) for name in names}
        models = response.get("responseModels") or {}
        if models and self._swagger:
            described["schema"] = self._reference(next(iter(models.values())))
        elif models:
            described["content"] = {media: {"schema": self._reference(name)} for media, name in models.items()}
        return described

    def _security(self, method: Definition) -> list[dict[str, list[str]]]:
        requirements: list[dict[str, list[str]]] = []
        if method.get("apiKeyRequired"):
            self._schemes["api_key"] = {"type": "apiKey", "name": "x-api-key", "in": "header"}
            requirements.append({"api_key": []})
        if method["authorizationType"] == "AWS_IAM":
            base = {"type": "apiKey", "name": "Authorization", "in": "header"}
            self._schemes["sigv4"] = {**base, f"{PREFIX}authtype": "awsSigv4"}
            requirements.append({"sigv4": []})
        authorizer = self._snapshot["authorizers"].get(method.get("authorizerId", ""))
        if authorizer:
            self._schemes[authorizer["name"]] = self._scheme(authorizer)
            requirements.append({authorizer["name"]: list(method.get("authorizationScopes", ()))})
        return requirements

    def _scheme(self, authorizer: Definition) -> dict[str, Any]:
        source = authorizer.get("identitySource", "")
        header = source.rpartition("method.request.header.")[2] if authorizer["type"] == "TOKEN" else "Unused"
        scheme: dict[str, Any] = {"type": "apiKey", "name": header or "Unused", "in": "header"}
        scheme[f"{PREFIX}authtype"] = authorizer.get("authType", "custom")
        if "authorizers" in self._extensions:
            kept = {key: value for key, value in authorizer.items() if key not in ("name", "authType")}
            scheme[f"{PREFIX}authorizer"] = {**kept, "type": authorizer["type"].lower()}
        return scheme

    def _reference(self, name: str) -> dict[str, str]:
        return {"$ref": f"#/{'definitions' if self._swagger else 'components/schemas'}/{name}"}

    def _schema(self, model: Definition) -> Any:
        return self._localized(json.loads(model["schema"]))

    def _localized(self, schema: Any) -> Any:
        if isinstance(schema, list):
            return [self._localized(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        reference = schema.get("$ref")
        if isinstance(reference, str) and "/models/" in reference:
            return self._reference(reference.rpartition("/models/")[2])
        return {key: self._localized(value) for key, value in schema.items() if key != "$schema"}


def _integration(integration: Mapping[str, Any]) -> dict[str, Any]:
    kept = {
        key: value
        for key, value in integration.items()
        if key not in ("integrationResponses", "cacheNamespace", "cacheKeyParameters") and value not in ({}, None)
    }
    if kept.get("timeoutInMillis") == 29_000:
        del kept["timeoutInMillis"]
    kept["type"] = str(integration["type"]).lower()
    kept["passthroughBehavior"] = str(integration["passthroughBehavior"]).lower()
    responses = {}
    for response in (integration.get("integrationResponses") or {}).values():
        answer = {key: value for key, value in response.items() if key != "selectionPattern"}
        responses[response.get("selectionPattern") or "default"] = answer
    return {**kept, "responses": responses} if responses else kept
