"""Parameter mapping: `{"overwrite:header.x-user": "${request.path.id}"}` changes requests before an integration sees
them, and answers before the client does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from outcrop.services.apigateway.http_apis.exchange import Exchange, Incoming, Reply

_KEY = re.compile(r"(?P<action>append|overwrite|remove):(?P<place>header|querystring)\.(?P<name>.+)")
_RESERVED = re.compile(
    r"access-control-.*|apigw-.*|authorization|connection|content-encoding|content-length|content-location|forwarded"
    r"|keep-alive|origin|proxy-authenticate|proxy-authorization|te|trailers|transfer-encoding|upgrade|x-amz-.*|x-amzn-.*"
    r"|x-forwarded-for|x-forwarded-host|x-forwarded-proto|via"
)
_VARIABLE = r"(?:request|response|context|stageVariables)[.\w\[\]'\"*-]*"
_PARTS = re.compile(rf"\$\{{(?P<braced>{_VARIABLE})\}}|\$(?P<plain>{_VARIABLE})")
_STEP = re.compile(r"\.(?P<key>[\w-]+)|\[(?P<index>\d{1,9})\]|\[['\"](?P<quoted>[^'\"]*)['\"]\]")
MAX_BODY = 100_000


class BadMapping(ValueError):
    """A mapping that isn't one; the message says which."""


@dataclass(frozen=True, slots=True)
class Change:
    action: str
    """append, overwrite or remove."""
    place: str
    """header, querystring, path or statuscode."""
    name: str
    value: str


def read_request_mapping(parameters: Mapping[str, str]) -> tuple[Change, ...]:
    """Raises BadMapping."""
    return tuple(_read_change(key, value, "path") for key, value in parameters.items())


def read_response_mapping(parameters: Mapping[str, Mapping[str, str]]) -> dict[int, tuple[Change, ...]]:
    """Changes by the status of the integration's answer. Raises BadMapping."""
    changes = {}
    for status, mapping in parameters.items():
        if not re.fullmatch(r"[2-5]\d\d", status, re.ASCII):
            raise BadMapping(f"Invalid response parameter key: {status} is not a status code from 200 to 599")
        changes[int(status)] = tuple(_read_change(key, value, "statuscode") for key, value in mapping.items())
        if any(change.place == "querystring" for change in changes[int(status)]):
            raise BadMapping("Invalid mapping expression specified: responses have no query string")
    return changes


def _read_change(key: str, value: str, whole: str) -> Change:
    if key == f"overwrite:{whole}":
        return Change("overwrite", whole, "", value)
    found = _KEY.fullmatch(key)
    if not found:
        raise BadMapping(f"Invalid mapping expression specified: {key}")
    name = found["name"].lower() if found["place"] == "header" else found["name"]
    if found["place"] == "header":
        if _RESERVED.fullmatch(name):
            raise BadMapping(f"Operations on header {name} are restricted")
        if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII):
            raise BadMapping(f"Invalid header name: {name}")
    return Change(found["action"], found["place"], name, value)


def change_request(changes: Sequence[Change], exchange: Exchange) -> Incoming:
    """The request as the integration sees it."""
    incoming = exchange.incoming
    if not changes:
        return incoming
    headers, query, path = list(incoming.headers), list(incoming.query), incoming.path
    for change in changes:
        value = _render(change.value, exchange, None)
        if change.place == "path":
            path = value if value.startswith("/") else f"/{value}"
        elif change.place == "header":
            headers = _changed(headers, change, value)
        else:
            query = _changed(query, change, value)
    raw_query = incoming.raw_query if query == incoming.query else urlencode(query)
    return replace(incoming, headers=headers, raw_query=raw_query, path=path)


def change_reply(changes: Mapping[int, Sequence[Change]], exchange: Exchange, reply: Reply) -> None:
    status = reply.status
    for change in changes.get(status, ()):
        value = _render(change.value, exchange, reply)
        if change.place == "header":
            reply.headers = _changed(reply.headers, change, value)
        elif re.fullmatch(r"[2-5]\d\d", value, re.ASCII):
            reply.status = int(value)


def _changed(pairs: list[tuple[str, str]], change: Change, value: str) -> list[tuple[str, str]]:
    if change.action in ("overwrite", "remove"):
        pairs = [pair for pair in pairs if pair[0] != change.name]
    if change.action == "remove" or not value:
        return pairs
    return [*pairs, (change.name, value)]


def _render(template: str, exchange: Exchange, reply: Reply | None) -> str:
    text = _PARTS.sub(lambda found: _resolve(found["braced"] or found["plain"], exchange, reply) or "", template)
    return re.sub(r"[\r\n\x00]", " ", text)


def render_context(template: str, exchange: Exchange, reply: Reply) -> str:
    """Fill in `$context.x`, a hyphen where there is no value."""
    return re.sub(
        r"\$context\.([A-Za-z0-9_.-]*[A-Za-z0-9_])", lambda f: exchange.variable(f[1], reply) or "-", template
    )


def render_variables(template: str, variables: Mapping[str, str]) -> str:
    """Fill in `${stageVariables.x}`."""
    return re.sub(r"\$\{stageVariables\.(\w+)\}", lambda found: variables.get(found[1], ""), template)


def resolve(selector: str, exchange: Exchange) -> str | None:
    """The value of `$request.header.x`, `$context.x` and the like; None if there is none."""
    return _resolve(selector.removeprefix("$"), exchange, None)


def _resolve(selector: str, exchange: Exchange, reply: Reply | None) -> str | None:
    incoming = exchange.incoming
    root, _, rest = selector.partition(".")
    if root == "stageVariables":
        return exchange.stage.variables.get(rest)
    if root == "context":
        return exchange.variable(rest, reply)
    place, _, name = rest.partition(".")
    if root == "response":
        if reply and place == "header":
            return ",".join(value for key, value in reply.headers if key == name.lower()) or None
        return _from_body(reply.body, rest.removeprefix("body")) if reply and rest.startswith("body") else None
    if place == "header":
        return incoming.joined_headers.get(name.lower())
    if place == "querystring":
        return incoming.joined_query.get(name)
    if place == "path":
        return exchange.path_parameters.get(name) if name else incoming.path
    return _from_body(incoming.body, rest.removeprefix("body")) if rest.startswith("body") else None


def _from_body(body: bytes, path: str) -> str | None:
    if not path:
        return body.decode("utf-8", "replace")
    try:
        value: Any = json.loads(body[:MAX_BODY])
    except (ValueError, RecursionError):
        return None
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if not step:
            return None
        position = step.end()
        try:
            value = value[int(step["index"])] if step["index"] else value[step["key"] or step["quoted"]]
        except (KeyError, IndexError, TypeError):
            return None
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
