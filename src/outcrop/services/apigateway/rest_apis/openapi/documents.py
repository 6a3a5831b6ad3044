"""OpenAPI documents as bytes: JSON or YAML, Swagger 2.0 or OpenAPI 3.0."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException

MAX_SIZE = 6 * 1024 * 1024
METHODS: Mapping[str, str] = {
    **{name: name.upper() for name in ("get", "put", "post", "delete", "options", "head", "patch")},
    "x-amazon-apigateway-any-method": "ANY",
}
"""A document's names of methods, and API Gateway's."""


def read_document(body: bytes) -> dict[str, Any]:
    """Raises BadRequestException for what isn't one."""
    if len(body) > MAX_SIZE:
        raise BadRequestException(f"The OpenAPI document has more than {MAX_SIZE} bytes")
    document = _parse(body)
    if not isinstance(document, dict):
        raise _unreadable("it is not an object")
    version = str(document.get("openapi") or document.get("swagger") or "")
    if not version.startswith(("2.", "3.0")):
        raise _unreadable("it is neither Swagger 2.0 nor OpenAPI 3.0")
    for name in ("info", "paths"):
        if not isinstance(document.get(name), dict):
            raise _unreadable(f"'{name}' is a required property")
    return document


def _unreadable(why: str) -> BadRequestException:
    return BadRequestException(f"Failed to parse the uploaded OpenAPI document due to: {why}")


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except RecursionError:
        raise _unreadable("it is nested too deep") from None
    except ValueError:
        pass
    import yaml

    try:
        text = body.decode()
        if text.count("&") and text.count("*") > 1_000:
            raise _unreadable("it has too many YAML aliases")
        return _plain(yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise _unreadable(str(error)[:200]) from None


def _plain(value: Any) -> Any:
    """YAML's numbers as keys (`200:`) and dates become text, as JSON has them."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def write_document(document: Mapping[str, Any], media_type: str) -> bytes:
    if "yaml" in media_type:
        import yaml

        text: str = yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False, allow_unicode=True)
        return text.encode()
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def follow(document: Mapping[str, Any], value: Any) -> Any:
    """What `{"$ref": "#/components/parameters/x"}` refers to."""
    for _ in range(10):
        reference = value.get("$ref") if isinstance(value, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return value
        value = document
        for step in reference[2:].split("/"):
            value = value.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(value, dict) else None
    return None
