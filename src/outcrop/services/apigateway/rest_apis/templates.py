"""Mapping templates: `$input`, `$util`, `$context` and `$stageVariables` over a body."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from outcrop.engines.templating import Helper, Template, TemplateError, read_path
from outcrop.services.apigateway.rest_apis.exchange import RestExchange, titled
from outcrop.services.apigateway.rest_apis.failures import RestFailure

_ESCAPES = {
    '"': '\\"',
    "'": "\\'",
    "\\": "\\\\",
    "/": "\\/",
    "\b": "\\b",
    "\n": "\\n",
    "\t": "\\t",
    "\f": "\\f",
    "\r": "\\r",
}


def render(exchange: RestExchange, template: str, body: str) -> str:
    """Raises RestFailure for a template that can't be read or run."""
    try:
        compiled = exchange.stage.cache.get(template)
        if compiled is None:
            compiled = exchange.stage.cache[template] = Template(template, keep_unknown=False)
        rendered: str = compiled.render(
            {
                "input": _input(exchange, body),
                "util": _UTIL,
                "context": exchange.context(),
                "stageVariables": dict(exchange.stage.variables),
            }
        )
    except TemplateError as error:
        exchange.note(f"Execution failed due to configuration error: Unable to transform request: {error}")
        raise RestFailure("API_CONFIGURATION_ERROR", "Internal server error", hint=str(error)) from None
    return rendered


def _input(exchange: RestExchange, body: str) -> Helper:
    def path(expression: str) -> Any:
        return read_path(document(), expression)

    def json_(expression: str) -> str:
        found = read_path(document(), expression)
        return "" if found is None else json.dumps(found, separators=(",", ":"), ensure_ascii=False)

    parsed: list[Any] = []

    def document() -> Any:
        if not parsed:
            parsed.append(_document(body))
        return parsed[0]

    def params(name: str | None = None) -> Any:
        return _all_params(exchange) if name is None else _param(exchange, name)

    return Helper({"path": path, "json": json_, "params": params}, {"body": body})


def _document(body: str) -> Any:
    """An empty body is an empty object."""
    if not body.strip():
        return {}
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _all_params(exchange: RestExchange) -> dict[str, dict[str, str]]:
    headers: dict[str, str] = {}
    for name, value in exchange.forwarded_headers():
        headers[name] = value
    return {
        "path": dict(exchange.path_parameters),
        "querystring": dict(exchange.incoming.query),
        "header": headers,
    }


def _param(exchange: RestExchange, name: str) -> str:
    """Looks into the path, then the query string, then the headers."""
    everything = _all_params(exchange)
    for place in ("path", "querystring", "header"):
        if name in everything[place]:
            return everything[place][name]
    return everything["header"].get(titled(name.lower()), "")


def _escape(text: Any) -> str:
    if not isinstance(text, str):
        text = json.dumps(text)
    return "".join(_ESCAPES.get(sign) or (sign if " " <= sign <= "~" else _unicode(sign)) for sign in text)


def _unicode(sign: str) -> str:
    return json.dumps(sign)[1:-1]


def _parse(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


_UTIL = Helper(
    {
        "escapeJavaScript": _escape,
        "parseJson": _parse,
        "urlEncode": lambda text: quote_plus(str(text), safe="*-._"),
        "urlDecode": lambda text: unquote_plus(str(text)),
        "base64Encode": lambda text: base64.b64encode(_bytes(text)).decode(),
        "base64Decode": lambda text: base64.b64decode(str(text) + "=" * (-len(str(text)) % 4)).decode(
            "utf-8", "replace"
        ),
    }
)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def choose(templates: Mapping[str, str], content_type: str) -> str | None:
    """The template for a content type; `$default` serves all others."""
    kind = content_type.partition(";")[0].strip().lower()
    for name, template in templates.items():
        if name.partition(";")[0].strip().lower() == kind:
            return template
    return templates.get("$default")
