"""Parameter mappings: `integration.request.header.x` from `method.request.querystring.y`, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from outcrop.engines.templating import read_path
from outcrop.services.apigateway.http_apis.exchange import Reply
from outcrop.services.apigateway.rest_apis.exchange import RestExchange


def method_value(exchange: RestExchange, source: str) -> str | None:
    """The value of `method.request.…`, `context.…`, `stageVariables.…` or `'text'`; None if there is none."""
    values = method_values(exchange, source)
    return values[-1] if values else None


def method_values(exchange: RestExchange, source: str) -> list[str]:
    """All values, for `multivalueheader` and `multivaluequerystring`."""
    if (common := _common(exchange, source)) is not None:
        return common
    incoming = exchange.incoming
    place, _, name = source.removeprefix("method.request.").partition(".")
    match place:
        case "path":
            value = exchange.path_parameters.get(name)
            return [] if value is None else [value]
        case "querystring":
            return [value for key, value in incoming.query if key == name][-1:]
        case "multivaluequerystring":
            return [value for key, value in incoming.query if key == name]
        case "header":
            return [value for key, value in incoming.headers if key == name.lower()][-1:]
        case "multivalueheader":
            return [value for key, value in incoming.headers if key == name.lower()]
        case "body":
            return _from_body(incoming.body, name)
    return []


def response_values(exchange: RestExchange, source: str, reply: Reply) -> list[str]:
    """The values of `integration.response.…` and what else a response parameter may come from."""
    if (common := _common(exchange, source)) is not None:
        return common
    place, _, name = source.removeprefix("integration.response.").partition(".")
    match place:
        case "header":
            return [value for key, value in reply.headers if key == name.lower()][-1:]
        case "multivalueheader":
            return [value for key, value in reply.headers if key == name.lower()]
        case "body":
            return _from_body(reply.body, name)
    return []


def _common(exchange: RestExchange, source: str) -> list[str] | None:
    if len(source) >= 2 and source[0] == source[-1] == "'":
        return [source[1:-1]]
    root, _, name = source.partition(".")
    if root == "context":
        value = exchange.variable(name)
    elif root == "stageVariables":
        value = exchange.stage.variables.get(name)
    else:
        return None
    return [] if value is None else [value]


def _from_body(body: bytes, path: str) -> list[str]:
    if not path:
        return [body.decode("utf-8", "replace")]
    try:
        found = read_path(json.loads(body), f"$.{path}")
    except (ValueError, RecursionError):
        return []
    if found is None:
        return []
    return [found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))]


def mapped_request(exchange: RestExchange, mapping: Mapping[str, str]) -> dict[str, dict[str, list[str]]]:
    """Values for the integration by place (`header`, `querystring`, `path`) and name, with overrides."""
    places: dict[str, dict[str, list[str]]] = {"header": {}, "querystring": {}, "path": {}}
    for target, source in mapping.items():
        place, _, name = target.removeprefix("integration.request.").partition(".")
        values = method_values(exchange, source)
        if values and place in places:
            places[place][name] = values
    return places


def apply_overrides(exchange: RestExchange, places: dict[str, dict[str, list[str]]]) -> None:
    """What a template set as `$context.requestOverride` wins."""
    for place, values in places.items():
        given: Any = exchange.overrides.get(place)
        if isinstance(given, Mapping):
            for name, value in given.items():
                values[name] = [str(one) for one in value] if isinstance(value, list) else [str(value)]
