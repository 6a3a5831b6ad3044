"""Methods of resources, their integrations, and the answers of both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException
from outcrop.services.apigateway.rest_apis.finding import find_api, find_part
from outcrop.services.apigateway.rest_apis.patching import Fields, patched
from outcrop.services.apigateway.rest_apis.resources import describe_method
from outcrop.services.apigateway.rest_apis.store import Definition, Part, RestStore
from outcrop.services.contract import Context, Request, Result

HTTP_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
AUTHORIZATIONS = ("NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS")
MAX_TIMEOUT = 29_000
METHOD_KEPT = (
    "authorizationScopes",
    "authorizationType",
    "authorizerId",
    "operationName",
    "requestModels",
    "requestParameters",
    "requestValidatorId",
)
INTEGRATION_KEPT = (
    "cacheKeyParameters",
    "cacheNamespace",
    "connectionId",
    "connectionType",
    "contentHandling",
    "credentials",
    "integrationTarget",
    "passthroughBehavior",
    "requestParameters",
    "requestTemplates",
    "responseTransferMode",
    "timeoutInMillis",
    "tlsConfig",
    "type",
    "uri",
)
METHOD_FIELDS: Fields = {
    "/authorizationType": "text",
    "/authorizerId": "text",
    "/apiKeyRequired": "bool",
    "/operationName": "text",
    "/requestValidatorId": "text",
    "/requestParameters/{}": "bool",
    "/requestModels/{}": "text",
    "/authorizationScopes/{}": "member",
}
INTEGRATION_FIELDS: Fields = {
    "/uri": "text",
    "/httpMethod": "text",
    "/credentials": "text",
    "/connectionId": "text",
    "/connectionType": "text",
    "/contentHandling": "text",
    "/passthroughBehavior": "text",
    "/timeoutInMillis": "int",
    "/cacheNamespace": "text",
    "/responseTransferMode": "text",
    "/tlsConfig/insecureSkipVerification": "bool",
    "/requestParameters/{}": "text",
    "/requestTemplates/{}": "text",
    "/cacheKeyParameters/{}": "member",
}
METHOD_RESPONSE_FIELDS: Fields = {"/responseParameters/{}": "bool", "/responseModels/{}": "text"}
INTEGRATION_RESPONSE_FIELDS: Fields = {
    "/selectionPattern": "text",
    "/contentHandling": "text",
    "/responseParameters/{}": "text",
    "/responseTemplates/{}": "text",
}
_AWS_URI = re.compile(r"arn:aws[\w-]*:apigateway:[\w-]+:(?P<service>[\w.-]+):(?:path/.*|action/.+)", re.DOTALL)
_REQUEST_PARAMETER = re.compile(
    r"method\.request\.(?:path|querystring|header|multivalueheader|multivaluequerystring)\..+"
)
_RESPONSE_PARAMETER = re.compile(r"method\.response\.header\.[\w!#$%&'*+.^`|~-]+")


class Methods:
    def __init__(self, store: RestStore) -> None:
        self._store = store

    # Methods

    async def put_method(self, ctx: Context, request: Request) -> Result:
        resource = self._resource(ctx, request)
        name = request["httpMethod"]
        if name not in HTTP_METHODS:
            raise BadRequestException(f"Invalid HttpMethod specified. Valid options are {','.join(HTTP_METHODS)}")
        if name in resource.definition["resourceMethods"]:
            raise ConflictException("Method already exists for this resource")
        method: dict[str, Any] = {
            "httpMethod": name,
            "apiKeyRequired": bool(request.get("apiKeyRequired")),
            **{key: request[key] for key in METHOD_KEPT if key in request},
        }
        self._check_method(resource.api_id, method)
        self._keep(resource, name, method)
        return describe_method(method)

    async def get_method(self, ctx: Context, request: Request) -> Result:
        return describe_method(self._method(ctx, request)[1])

    async def update_method(self, ctx: Context, request: Request) -> Result:
        resource, method = self._method(ctx, request)
        changed = patched(method, request.get("patchOperations", ()), METHOD_FIELDS)
        if changed["authorizationType"] == "NONE":
            changed.pop("authorizerId", None)
        for key in ("authorizerId", "requestValidatorId"):
            if not changed.get(key):
                changed.pop(key, None)
        self._check_method(resource.api_id, changed)
        self._keep(resource, method["httpMethod"], changed)
        return describe_method(changed)

    async def delete_method(self, ctx: Context, request: Request) -> Result:
        resource, method = self._method(ctx, request)
        methods = {k: v for k, v in resource.definition["resourceMethods"].items() if k != method["httpMethod"]}
        self._store.put(
            Part(resource.api_id, "resource", resource.id, {**resource.definition, "resourceMethods": methods})
        )
        return {}

    # Answers of methods

    async def put_method_response(self, ctx: Context, request: Request) -> Result:
        resource, method = self._method(ctx, request)
        status = _status(request)
        if status in method.get("methodResponses", {}):
            raise ConflictException("Response already exists for this resource")
        response = {key: request[key] for key in ("responseModels", "responseParameters") if key in request}
        self._check_method_response(resource.api_id, response)
        response = {"statusCode": status, **response}
        self._keep_response(resource, method, status, response)
        return response

    async def get_method_response(self, ctx: Context, request: Request) -> Result:
        return self._method_response(ctx, request)[2]

    async def update_method_response(self, ctx: Context, request: Request) -> Result:
        resource, method, response = self._method_response(ctx, request)
        changed = patched(response, request.get("patchOperations", ()), METHOD_RESPONSE_FIELDS)
        self._check_method_response(resource.api_id, changed)
        self._keep_response(resource, method, response["statusCode"], changed)
        return changed

    async def delete_method_response(self, ctx: Context, request: Request) -> Result:
        resource, method, response = self._method_response(ctx, request)
        kept = {key: value for key, value in method["methodResponses"].items() if key != response["statusCode"]}
        self._keep(resource, method["httpMethod"], {**method, "methodResponses": kept})
        return {}

    # Integrations

    async def put_integration(self, ctx: Context, request: Request) -> Result:
        resource, method = self._method(ctx, request)
        integration: dict[str, Any] = {
            "passthroughBehavior": "WHEN_NO_MATCH",
            "timeoutInMillis": MAX_TIMEOUT,
            "cacheNamespace": resource.id,
            "cacheKeyParameters": [],
            **{key: request[key] for key in INTEGRATION_KEPT if key in request},
        }
        if "integrationHttpMethod" in request:
            integration["httpMethod"] = request["integrationHttpMethod"]
        check_integration(integration)
        if responses := method.get("methodIntegration", {}).get("integrationResponses"):
            integration["integrationResponses"] = responses
        self._keep(resource, method["httpMethod"], {**method, "methodIntegration": integration})
        return integration

    async def get_integration(self, ctx: Context, request: Request) -> Result:
        return self._integration(ctx, request)[2]

    async def update_integration(self, ctx: Context, request: Request) -> Result:
        resource, method, integration = self._integration(ctx, request)
        changed = patched(integration, request.get("patchOperations", ()), INTEGRATION_FIELDS)
        check_integration(changed)
        self._keep(resource, method["httpMethod"], {**method, "methodIntegration": changed})
        return changed

    async def delete_integration(self, ctx: Context, request: Request) -> Result:
        resource, method, _ = self._integration(ctx, request)
        kept = {key: value for key, value in method.items() if key != "methodIntegration"}
        self._keep(resource, method["httpMethod"], kept)
        return {}

    # Answers of integrations

    async def put_integration_response(self, ctx: Context, request: Request) -> Result:
        resource, method, integration = self._integration(ctx, request)
        status = _status(request)
        if status not in method.get("methodResponses", {}):
            raise NotFoundException("Invalid Response status code specified")
        names = ("contentHandling", "responseParameters", "responseTemplates", "selectionPattern")
        response = {"statusCode": status, **{key: request[key] for key in names if key in request}}
        _check_integration_response(method["methodResponses"][status], response)
        self._keep_integration_response(resource, method, integration, response)
        return response

    async def get_integration_response(self, ctx: Context, request: Request) -> Result:
        return self._integration_response(ctx, request)[3]

    async def update_integration_response(self, ctx: Context, request: Request) -> Result:
        resource, method, integration, response = self._integration_response(ctx, request)
        changed = patched(response, request.get("patchOperations", ()), INTEGRATION_RESPONSE_FIELDS)
        _check_integration_response(method.get("methodResponses", {}).get(response["statusCode"], {}), changed)
        self._keep_integration_response(resource, method, integration, changed)
        return changed

    async def delete_integration_response(self, ctx: Context, request: Request) -> Result:
        resource, method, integration, response = self._integration_response(ctx, request)
        kept = {k: v for k, v in integration["integrationResponses"].items() if k != response["statusCode"]}
        changed = {**integration, "integrationResponses": kept}
        if not kept:
            del changed["integrationResponses"]
        self._keep(resource, method["httpMethod"], {**method, "methodIntegration": changed})
        return {}

    # Finding and keeping

    def _resource(self, ctx: Context, request: Request) -> Part:
        api = find_api(self._store, ctx, request["restApiId"])
        return find_part(self._store, api.id, "resource", request["resourceId"])

    def _method(self, ctx: Context, request: Request) -> tuple[Part, Definition]:
        resource = self._resource(ctx, request)
        method = resource.definition["resourceMethods"].get(request["httpMethod"])
        if method is None:
            raise NotFoundException("Invalid Method identifier specified")
        return resource, method

    def _method_response(self, ctx: Context, request: Request) -> tuple[Part, Definition, Definition]:
        resource, method = self._method(ctx, request)
        response = method.get("methodResponses", {}).get(request["statusCode"])
        if response is None:
            raise NotFoundException("Invalid Response status code specified")
        return resource, method, response

    def _integration(self, ctx: Context, request: Request) -> tuple[Part, Definition, Definition]:
        resource, method = self._method(ctx, request)
        if "methodIntegration" not in method:
            raise NotFoundException("Invalid Integration identifier specified")
        return resource, method, method["methodIntegration"]

    def _integration_response(self, ctx: Context, request: Request) -> tuple[Part, Definition, Definition, Definition]:
        resource, method, integration = self._integration(ctx, request)
        response = integration.get("integrationResponses", {}).get(request["statusCode"])
        if response is None:
            raise NotFoundException("Invalid Response status code specified")
        return resource, method, integration, response

    def _keep(self, resource: Part, name: str, method: Definition) -> None:
        methods = {**resource.definition["resourceMethods"], name: method}
        definition = {**resource.definition, "resourceMethods": methods}
        self._store.put(Part(resource.api_id, "resource", resource.id, definition))

    def _keep_response(self, resource: Part, method: Definition, status: str, response: Definition) -> None:
        responses = {**method.get("methodResponses", {}), status: response}
        self._keep(resource, method["httpMethod"], {**method, "methodResponses": responses})

    def _keep_integration_response(
        self, resource: Part, method: Definition, integration: Definition, response: Definition
    ) -> None:
        responses = {**integration.get("integrationResponses", {}), response["statusCode"]: response}
        changed = {**integration, "integrationResponses": responses}
        self._keep(resource, method["httpMethod"], {**method, "methodIntegration": changed})

    # Checks

    def _check_method(self, api_id: str, method: Definition) -> None:
        kind = method["authorizationType"]
        if kind not in AUTHORIZATIONS:
            raise BadRequestException(
                f"Invalid authorization type specified: {kind}. Valid values are: {', '.join(AUTHORIZATIONS)}"
            )
        if kind in ("CUSTOM", "COGNITO_USER_POOLS"):
            authorizer = self._store.part(api_id, "authorizer", method.get("authorizerId", ""))
            if authorizer is None:
                raise BadRequestException(
                    "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS "
                    "requires a valid authorizer."
                )
        validator = method.get("requestValidatorId")
        if validator and self._store.part(api_id, "validator", validator) is None:
            raise BadRequestException("Invalid Request Validator identifier specified")
        self._check_models(api_id, method.get("requestModels", {}))
        for name in method.get("requestParameters", {}):
            if not _REQUEST_PARAMETER.fullmatch(name):
                raise _bad_mapping(name)

    def _check_method_response(self, api_id: str, response: Definition) -> None:
        self._check_models(api_id, response.get("responseModels", {}))
        for name in response.get("responseParameters", {}):
            if not _RESPONSE_PARAMETER.fullmatch(name):
                raise _bad_mapping(name)

    def _check_models(self, api_id: str, models: Mapping[str, str]) -> None:
        for name in models.values():
            if self._store.part(api_id, "model", name) is None:
                raise BadRequestException(f"Invalid model identifier specified: {name}")


def check_integration(integration: Definition) -> None:
    """Raises BadRequestException for one that can't work."""
    kind, uri, method = integration["type"], integration.get("uri", ""), integration.get("httpMethod", "")
    if kind == "MOCK":
        pass
    elif not method:
        raise BadRequestException("Enumeration value for HttpMethod must be non-empty")
    elif kind in ("AWS", "AWS_PROXY"):
        found = _AWS_URI.fullmatch(uri)
        if not uri.startswith("arn:"):
            raise BadRequestException("Invalid ARN specified in the request")
        if not found:
            raise BadRequestException("AWS ARN for integration must contain path or action")
        if kind == "AWS_PROXY" and found["service"] != "lambda":
            raise BadRequestException(
                "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream "
                "invocations."
            )
    elif integration.get("connectionType") != "VPC_LINK" and not _is_web_url(uri):
        raise BadRequestException("Invalid HTTP endpoint specified for URI")
    if method and method not in HTTP_METHODS:
        raise BadRequestException(f"Invalid HttpMethod specified. Valid options are {','.join(HTTP_METHODS)}")
    if not 50 <= integration["timeoutInMillis"] <= MAX_TIMEOUT:
        raise BadRequestException("Timeout should be between 50 ms and 29000 ms")
    if integration["passthroughBehavior"] not in ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"):
        raise BadRequestException(
            "Invalid passthrough behavior specified. Valid options are WHEN_NO_MATCH, WHEN_NO_TEMPLATES and NEVER"
        )
    _check_content_handling(integration)
    for name, source in integration.get("requestParameters", {}).items():
        if not re.fullmatch(r"integration\.request\.(?:path|querystring|header)\..+", name) or not source:
            raise _bad_mapping(name)


def _is_web_url(uri: str) -> bool:
    try:
        parts = urlsplit(re.sub(r"\$\{stageVariables\.\w+\}|\{[^}]*\}", "variable", uri))
        return (parts.scheme in ("http", "https") and bool(parts.hostname)) or uri.startswith("${stageVariables.")
    except ValueError:
        return False


def _check_integration_response(method_response: Definition, response: Definition) -> None:
    _check_content_handling(response)
    try:
        re.compile(response.get("selectionPattern") or "")
    except re.error:
        raise BadRequestException("Invalid selection pattern specified: it is not a regular expression") from None
    for name, source in response.get("responseParameters", {}).items():
        if not _RESPONSE_PARAMETER.fullmatch(name):
            raise _bad_mapping(name)
        if name not in method_response.get("responseParameters", {}):
            raise BadRequestException(f"Invalid mapping expression parameter specified: {name}")
        if not re.fullmatch(r"'[^']*'|(?:integration\.response|context|stageVariables)\..+", source, re.DOTALL):
            raise _bad_mapping(source)


def _check_content_handling(definition: Definition) -> None:
    if definition.get("contentHandling") not in (None, "", "CONVERT_TO_BINARY", "CONVERT_TO_TEXT"):
        raise BadRequestException(
            "Invalid content handling specified. Valid options are CONVERT_TO_BINARY and CONVERT_TO_TEXT"
        )


def _status(request: Request) -> str:
    status: str = request["statusCode"]
    if not re.fullmatch(r"[1-5]\d\d", status, re.ASCII):
        raise BadRequestException(f"Invalid status code specified: {status}")
    return status


def _bad_mapping(what: str) -> BadRequestException:
    return BadRequestException(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression "
        f"specified: {what}]"
    )
