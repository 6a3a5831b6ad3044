"""Shapes what an integration answered into what the client gets: integration responses and gateway responses."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from typing import Any

from outcrop.services.apigateway.http_apis.exchange import Reply
from outcrop.services.apigateway.rest_apis.exchange import RestExchange
from outcrop.services.apigateway.rest_apis.failures import RestFailure
from outcrop.services.apigateway.rest_apis.parameters import method_values, response_values
from outcrop.services.apigateway.rest_apis.store import Definition
from outcrop.services.apigateway.rest_apis.templates import render


def choose_response(exchange: RestExchange, integration: Definition, text: str | None) -> Definition:
    """The integration response whose pattern matches a status or an error's message, or else the default one, which
    has no pattern. Raises RestFailure if there is none."""
    responses: list[Definition] = list((integration.get("integrationResponses") or {}).values())
    default = next((one for one in responses if not one.get("selectionPattern")), None)
    if text is not None:
        for response in responses:
            pattern = response.get("selectionPattern")
            if pattern and _pattern(pattern).fullmatch(text.strip()):
                return response
    if default is None:
        exchange.note(
            "Execution failed due to configuration error: No match for output mapping and no default output mapping "
            "configured. Endpoint Response Status Code: " + str(exchange.integration_status)
        )
        raise RestFailure(
            "API_CONFIGURATION_ERROR",
            "Internal server error",
            hint=f"No integration response fits {'the answer' if text is None else repr(text[:100])}, and there is no "
            "default one (one without a selectionPattern)",
        )
    return default


@functools.lru_cache(maxsize=256)
def _pattern(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.DOTALL if pattern.startswith("(?s)") else 0)
    except re.error:
        return re.compile(re.escape(pattern))


def shape_reply(exchange: RestExchange, chosen: Definition, reply: Reply) -> Reply:
    """Raises RestFailure for a template that fails."""
    body = reply.body
    content_type = next((value for name, value in reply.headers if name == "content-type"), "application/json")
    templates: dict[str, str] = chosen.get("responseTemplates") or {}
    accept = exchange.incoming.joined_headers.get("accept", "").partition(",")[0]
    name = _template_name(templates, accept)
    if name is not None:
        content_type = name
        if templates[name]:
            text = render(exchange, templates[name], body.decode("utf-8", "replace"))
            body = text.encode("utf-8", "surrogatepass")
    elif not templates:
        content_type = "application/json" if content_type.startswith("application/json") else content_type
    body = convert(body, chosen.get("contentHandling"))
    result = Reply(int(chosen["statusCode"]), [("content-type", content_type)], body)
    for target, source in (chosen.get("responseParameters") or {}).items():
        header = target.removeprefix("method.response.header.").lower()
        if values := response_values(exchange, source, reply):
            result.headers = [pair for pair in result.headers if pair[0] != header]
            result.headers += [(header, value) for value in values]
    _override(exchange, result)
    exchange.note(f"Method response body after transformations: {body[:1000].decode('utf-8', 'replace')}")
    return result


def _template_name(templates: dict[str, str], accept: str) -> str | None:
    """By the Accept header; else JSON's, else the first."""
    if not templates:
        return None
    wanted = accept.partition(";")[0].strip().lower()
    for name in templates:
        if name.lower() == wanted:
            return name
    return "application/json" if "application/json" in templates else next(iter(templates))


def convert(body: bytes, handling: str | None) -> bytes:
    """As `contentHandling` says."""
    if handling == "CONVERT_TO_TEXT":
        return base64.b64encode(body)
    if handling == "CONVERT_TO_BINARY":
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            return body
    return body


def _override(exchange: RestExchange, reply: Reply) -> None:
    """What the template set as `$context.responseOverride`."""
    overrides = exchange.response_overrides
    status = overrides.get("status")
    if status is not None and re.fullmatch(r"[1-5]\d\d", str(status)):
        reply.status = int(status)
    headers: Any = overrides.get("header")
    if isinstance(headers, dict):
        for name, value in headers.items():
            values = value if isinstance(value, list) else [value]
            reply.headers = [pair for pair in reply.headers if pair[0] != name.lower()]
            reply.headers += [(name.lower(), str(one)) for one in values]


def failure_reply(exchange: RestExchange | None, failure: RestFailure) -> Reply:
    """The answer to a failure, as the API's gateway responses shape it."""
    custom: Definition = {}
    if exchange is not None:
        exchange.failure = failure
        custom = _custom(exchange.stage.snapshot.get("gatewayResponses", {}), failure)
    status = failure.status
    if re.fullmatch(r"[1-5]\d\d", str(custom.get("statusCode") or "")):
        status = int(custom["statusCode"])
    headers = [("x-amzn-errortype", failure.error_type)]
    body, content_type = _failure_body(exchange, failure, custom)
    headers.append(("content-type", content_type))
    if exchange is not None:
        for target, source in (custom.get("responseParameters") or {}).items():
            name = target.removeprefix("gatewayresponse.header.").lower()
            if values := _gateway_values(exchange, source):
                headers = [pair for pair in headers if pair[0] != name] + [(name, value) for value in values]
    return Reply(status, headers, body)


def _custom(responses: Any, failure: RestFailure) -> Definition:
    default = "DEFAULT_5XX" if failure.status >= 500 else "DEFAULT_4XX"
    found: Definition = responses.get(failure.kind) or responses.get(default) or {}
    return found


def _failure_body(exchange: RestExchange | None, failure: RestFailure, custom: Definition) -> tuple[bytes, str]:
    templates: dict[str, str] = custom.get("responseTemplates") or {}
    if exchange is None or not templates:
        template, content_type = failure.default_template, "application/json"
    else:
        accept = exchange.incoming.joined_headers.get("accept", "").partition(",")[0]
        content_type = _template_name(templates, accept) or "application/json"
        template = templates[content_type]
    if exchange is None:
        return template.replace("$context.error.messageString", json.dumps(failure.message)).encode(), content_type
    return _simple(exchange, template).encode("utf-8", "surrogatepass"), content_type


def _simple(exchange: RestExchange, template: str) -> str:
    """Gateway responses know variables only, no directives."""

    def fill(found: re.Match[str]) -> str:
        path = found["braced"] or found["plain"]
        root, _, name = path.partition(".")
        if root == "stageVariables":
            return exchange.stage.variables.get(name, "")
        return exchange.variable(name) or ""

    return re.sub(
        r"\$\{(?P<braced>(?:context|stageVariables)\.[\w.-]*\w)\}|\$(?P<plain>(?:context|stageVariables)\.[\w.-]*\w)",
        fill,
        template,
    )


def _gateway_values(exchange: RestExchange, source: str) -> list[str]:
    if source.startswith("method.request."):
        return method_values(exchange, source)
    return response_values(exchange, source, Reply(0))
