"""What routes and integrations of a WebSocket API must be like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException
from outcrop.services.apigateway.http_apis.targets import function_arn, is_web_url


def check_websocket_route(definition: Mapping[str, Any]) -> None:
    """Raises BadRequestException."""
    key = definition["RouteKey"]
    if key.startswith("$") and key not in ("$connect", "$disconnect", "$default"):
        raise BadRequestException("Route keys that begin with $ are $connect, $disconnect and $default")
    if key != "$connect" and definition.get("AuthorizationType", "NONE") != "NONE":
        raise BadRequestException("Currently, authorization is only supported for the $connect route")
    if definition.get("ApiKeyRequired"):
        raise BadRequestException("API keys of WebSocket APIs aren't supported by Outcrop. Use an authorizer.")


def check_selection(expression: str) -> None:
    """Raises BadRequestException for a route selection expression that can't choose."""
    if not re.fullmatch(r"(?:\$\{request\.body(?:\.[\w-]+)+\}|\$request\.body(?:\.[\w-]+)+)", expression):
        raise BadRequestException(
            f"Invalid route selection expression: {expression}. Use one such as $request.body.action"
        )


def check_websocket_integration(definition: Mapping[str, Any]) -> None:
    """Raises BadRequestException."""
    kind, uri = definition["IntegrationType"], definition.get("IntegrationUri", "")
    if kind not in ("AWS_PROXY", "HTTP_PROXY", "MOCK"):
        raise BadRequestException(
            f"Integration type {kind} of WebSocket APIs is not supported by Outcrop: use AWS_PROXY, HTTP_PROXY or MOCK"
        )
    if kind == "AWS_PROXY" and not function_arn(uri):
        raise BadRequestException(f"Invalid integration URI specified: '{uri}'. Give the URI of a Lambda function")
    if kind == "HTTP_PROXY" and not is_web_url(uri):
        raise BadRequestException("HttpProxy integration uri should be a valid HTTP endpoint URL")
    if not 50 <= definition["TimeoutInMillis"] <= 29_000:
        raise BadRequestException("Timeout should be between 50 and 29000 milliseconds")
