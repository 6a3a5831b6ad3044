"""An OpenAPI document as a Postman collection (v2.1) that checks what each operation answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
ANY = "x-amazon-apigateway-any-method"
METHODS = ("get", "post", "put", "patch", "delete", "head", "options", ANY)
MAX_DEPTH = 8


def collection(document: Mapping[str, Any], base_url: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """`variables` are those that requests use beside `baseUrl`: `apiKey`, `accessKey`, `secretKey`, `region`."""
    info = document["info"]
    items = [
        _item(document, path, name, item[name])
        for path, item in document["paths"].items()
        for name in METHODS
        if name in item
    ]
    return {
        "info": {"name": info["title"], "description": info.get("description", ""), "schema": SCHEMA},
        "variable": [{"key": key, "value": value} for key, value in {"baseUrl": base_url, **variables}.items()],
        "item": items,
    }


def _item(document: Mapping[str, Any], path: str, name: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    method = "GET" if name == ANY else name.upper()
    path = "/" if path == "/$default" else path
    parameters = operation.get("parameters", ())
    segments = [_segment(part) for part in path.strip("/").split("/") if part]
    url: dict[str, Any] = {
        "raw": "{{baseUrl}}/" + "/".join(segments),
        "host": ["{{baseUrl}}"],
        "path": segments,
        "variable": [{"key": part[1:], "value": "1"} for part in segments if part.startswith(":")],
    }
    query = [_pair(document, one) for one in parameters if one["in"] == "query" and one.get("required")]
    if query:
        url["query"] = query
        url["raw"] += "?" + "&".join(f"{quote(pair['key'])}={quote(pair['value'])}" for pair in query)
    headers = [_pair(document, one) for one in parameters if one["in"] == "header" and one.get("required")]
    request: dict[str, Any] = {"method": method, "header": headers, "url": url}
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        headers.append({"key": "Content-Type", "value": media})
        sample = json.dumps(_sample(document, content.get("schema", {}), 0), indent=2)
        request["body"] = {"mode": "raw", "raw": sample}
        break
    _secure(document, operation, request)
    script = {"type": "text/javascript", "exec": _checks(operation)}
    return {"name": f"{method} {path}", "request": request, "event": [{"listen": "test", "script": script}]}


def _segment(part: str) -> str:
    return f":{part[1:-1].rstrip('+')}" if part.startswith("{") else part


def _pair(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> dict[str, str]:
    value = _sample(document, parameter.get("schema", {}), 0)
    return {"key": parameter["name"], "value": value if isinstance(value, str) else json.dumps(value)}


def _secure(document: Mapping[str, Any], operation: Mapping[str, Any], request: dict[str, Any]) -> None:
    schemes = document.get("components", {}).get("securitySchemes", {})
    for requirement in operation.get("security", ()):
        for name in requirement:
            scheme = schemes.get(name, {})
            if scheme.get("name") == "x-api-key":
                request["header"].append({"key": "x-api-key", "value": "{{apiKey}}"})
            elif scheme.get("x-amazon-apigateway-authtype") == "awsSigv4":
                keys = ("accessKey", "secretKey", "region")
                values = [{"key": key, "value": f"{{{{{key}}}}}", "type": "string"} for key in keys]
                values.append({"key": "service", "value": "execute-api", "type": "string"})
                request["auth"] = {"type": "awsv4", "awsv4": values}
            else:
                request["header"].append({"key": "Authorization", "value": "{{authorization}}"})


def _checks(operation: Mapping[str, Any]) -> list[str]:
    """An answer is one that the document names; without names, or behind an authorizer, at least no failure."""
    statuses = [int(status) for status in operation.get("responses", {}) if status.isdigit()]
    if statuses and not operation.get("security"):
        check = f"pm.expect(pm.response.code).to.be.oneOf({json.dumps(statuses)});"
        return ["pm.test('answers as documented', function () {", f"    {check}", "});"]
    return ["pm.test('answers', function () {", "    pm.expect(pm.response.code).to.be.below(500);", "});"]


def _sample(document: Mapping[str, Any], schema: Any, depth: int) -> Any:
    """A value that fits a schema, as simple as it can be."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return {}
    reference = schema.get("$ref", "")
    if reference:
        schemas = document.get("components", {}).get("schemas", {})
        return _sample(document, schemas.get(reference.rpartition("/")[2], {}), depth + 1)
    for key in ("example", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "array":
        return [_sample(document, schema.get("items", {}), depth + 1)] * max(int(schema.get("minItems", 1)), 1)
    if kind == "string":
        return "string".ljust(int(schema.get("minLength", 0)), "x")[: int(schema.get("maxLength", 100))]
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 1), min(1, schema.get("maximum", 1)))
    if kind == "boolean":
        return True
    properties: Mapping[str, Any] = schema.get("properties", {})
    return {name: _sample(document, inner, depth + 1) for name, inner in properties.items()}
