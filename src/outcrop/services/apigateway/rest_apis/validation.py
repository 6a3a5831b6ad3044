"""Request validators: required parameters, and bodies by their models (JSON Schema, draft 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from outcrop.services.apigateway.rest_apis.exchange import RestExchange
from outcrop.services.apigateway.rest_apis.failures import RestFailure
from outcrop.services.apigateway.rest_apis.parameters import method_values

DRAFT_4 = "http://json-schema.org/draft-04/schema#"


def validate(exchange: RestExchange) -> None:
    """Raises RestFailure for a request that the method's validator refuses."""
    assert exchange.method is not None
    definition = exchange.method.definition
    validator = exchange.stage.snapshot["validators"].get(definition.get("requestValidatorId", ""))
    if not validator:
        return
    if validator.get("validateRequestParameters"):
        _check_parameters(exchange, definition.get("requestParameters", {}))
    if validator.get("validateRequestBody"):
        _check_body(exchange, definition.get("requestModels", {}))


def _check_parameters(exchange: RestExchange, parameters: Mapping[str, bool]) -> None:
    missing = [
        name.split(".", 3)[3]
        for name, required in parameters.items()
        if required and not any(method_values(exchange, name))
    ]
    if missing:
        raise RestFailure("BAD_REQUEST_PARAMETERS", f"Missing required request parameters: [{', '.join(missing)}]")


def _check_body(exchange: RestExchange, models: Mapping[str, str]) -> None:
    content_type = exchange.incoming.joined_headers.get("content-type", "application/json")
    kind = content_type.partition(";")[0].strip().lower()
    name = next((name for media, name in models.items() if media.lower() == kind), models.get("$default"))
    if name is None:
        return
    model = exchange.stage.snapshot["models"].get(name)
    if model is None or not model.get("schema"):
        return
    try:
        body = json.loads(exchange.incoming.body or b"{}")
    except (ValueError, RecursionError):
        raise RestFailure(
            "BAD_REQUEST_BODY", "Invalid request body", details={"validationErrorString": "The body is not JSON"}
        ) from None
    errors = [error.message for error in _schema(exchange, name).iter_errors(body)]
    if errors:
        shown = "[" + ", ".join(errors[:20]) + "]"
        exchange.note(f"Request body does not match model schema for content type {kind}: {shown[:1000]}")
        raise RestFailure(
            "BAD_REQUEST_BODY", "Invalid request body", hint=shown, details={"validationErrorString": shown}
        )


def _schema(exchange: RestExchange, name: str) -> Any:
    key = f"schema of {name}"
    if key not in exchange.stage.cache:
        models = exchange.stage.snapshot["models"]
        schemas = {other: json.loads(model["schema"]) for other, model in models.items() if model.get("schema")}
        exchange.stage.cache[key] = compile_schema(schemas, name)
    return exchange.stage.cache[key]


def compile_schema(schemas: Mapping[str, Any], name: str) -> Any:
    """A validator for one of an API's models. They name each other as
    `https://apigateway.amazonaws.com/restapis/{id}/models/{name}` or `#/definitions/{name}`."""
    from jsonschema import Draft4Validator

    localized = {other: _localized(schema) for other, schema in schemas.items()}
    schema = localized[name]
    if not isinstance(schema, dict):
        return Draft4Validator({})
    return Draft4Validator({**schema, "definitions": {**localized, **schema.get("definitions", {})}})


def _localized(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_localized(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {
        key: _localized(value) for key, value in schema.items() if key not in ("id", "$id") or isinstance(value, dict)
    }
    reference = schema.get("$ref")
    if isinstance(reference, str) and "/models/" in reference:
        result["$ref"] = f"#/definitions/{reference.rpartition('/models/')[2]}"
    return result
