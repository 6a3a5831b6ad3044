"""What a bucket's website configuration makes of a request: which key, or where to go instead."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from outcrop.services.contract import ServiceError


def key_of(config: Mapping[str, Any], path: str) -> str:
    """The key of the object to show."""
    return path + str(config["IndexDocument"]["Suffix"]) if path == "" or path.endswith("/") else path


def redirect_all(config: Mapping[str, Any], path: str, scheme: str) -> str | None:
    target = config.get("RedirectAllRequestsTo")
    if not target:
        return None
    return f"{target.get('Protocol') or scheme}://{target['HostName']}/{quote(path)}"


def redirect(
    config: Mapping[str, Any], path: str, status: int | None, scheme: str, host: str, base: str
) -> tuple[int, str] | None:
    """Status and URL of the first routing rule for a path: before it is looked up (`status` None) or after it failed
    with that status. `base` is the path in front of keys."""
    for rule in config.get("RoutingRules") or ():
        condition, target = rule.get("Condition") or {}, rule.get("Redirect") or {}
        wanted, prefix = condition.get("HttpErrorCodeReturnedEquals"), condition.get("KeyPrefixEquals") or ""
        if (str(wanted) if wanted else None) != (str(status) if status else None) or not path.startswith(prefix):
            continue
        if target.get("ReplaceKeyWith") is not None:
            path = target["ReplaceKeyWith"]
        elif target.get("ReplaceKeyPrefixWith") is not None:
            path = target["ReplaceKeyPrefixWith"] + path[len(prefix) :]
        place = f"{target['HostName']}/" if target.get("HostName") else f"{host}{base}"
        return int(target.get("HttpRedirectCode") or 301), f"{target.get('Protocol') or scheme}://{place}{quote(path)}"
    return None


def error_page(error: ServiceError, status: int, request_id: str, then: ServiceError | None = None) -> bytes:
    """S3's own page for an error, if need be with a second one from looking for the error document."""
    title = f"{status} {_TITLES.get(status, 'Error')}"
    members = {**error.members, "RequestId": request_id, "HostId": request_id.replace("-", "")}
    lines = [
        "<html>",
        f"<head><title>{title}</title></head>",
        "<body>",
        f"<h1>{title}</h1>",
        *_listed(error, members),
    ]
    if then is not None:
        lines.append("<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>")
        lines += _listed(then, then.members)
    return "\n".join([*lines, "<hr/>", "</body>", "</html>", ""]).encode()


_TITLES = {
    304: "Not Modified",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    412: "Precondition Failed",
    416: "Requested Range Not Satisfiable",
}


def _listed(error: ServiceError, members: Mapping[str, Any]) -> list[str]:
    shown = {"Code": error.code, "Message": error.message, **members}
    return ["<ul>", *(f"<li>{name}: {html.escape(str(value))}</li>" for name, value in shown.items()), "</ul>"]
