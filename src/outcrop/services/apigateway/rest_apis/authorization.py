"""Decides whether a request may take its method: by an IAM signature, or by asking a Lambda function."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outcrop.services.apigateway.http_apis.authorization import allows
from outcrop.services.apigateway.http_apis.mapping import render_variables
from outcrop.services.apigateway.http_apis.targets import function_arn
from outcrop.services.apigateway.invoker import Invoker, permission_hint
from outcrop.services.apigateway.rest_apis.events import many
from outcrop.services.apigateway.rest_apis.exchange import RestExchange
from outcrop.services.apigateway.rest_apis.failures import RestFailure
from outcrop.services.apigateway.rest_apis.parameters import method_value
from outcrop.services.apigateway.rest_apis.store import Definition
from outcrop.services.contract import ServiceError

MAX_CACHED = 10_000
SECONDS = 29.0
DEFAULT_TTL = 300
DENIED = "User is not authorized to access this resource"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a function said."""

    answer: Mapping[str, Any]
    until: float
    """By `time.monotonic()`."""


class RestAuthorization:
    def __init__(self, invoker: Invoker) -> None:
        self._invoker = invoker
        self._verdicts: dict[tuple[str, ...], Verdict] = {}

    def forget(self, api_id: str) -> None:
        """The cached verdicts of an API's authorizers."""
        for key in [key for key in self._verdicts if key[0] == api_id]:
            del self._verdicts[key]

    async def check(self, exchange: RestExchange) -> None:
        """Fill in the exchange's authorizer. Raises RestFailure for a request that may not pass."""
        assert exchange.method is not None
        definition = exchange.method.definition
        match definition["authorizationType"]:
            case "NONE":
                self._check_policy(exchange)
            case "AWS_IAM":
                self._check_signature(exchange)
            case "CUSTOM":
                authorizer_id = definition["authorizerId"]
                authorizer = exchange.stage.snapshot["authorizers"].get(authorizer_id)
                if authorizer is None:
                    raise RestFailure("AUTHORIZER_CONFIGURATION_ERROR", hint=f"There is no authorizer {authorizer_id}")
                await self.ask(exchange, authorizer_id, authorizer)
                self._check_policy(exchange)
            case kind:
                raise RestFailure(
                    "AUTHORIZER_CONFIGURATION_ERROR",
                    hint=f"{kind} authorizers need Amazon Cognito, which Outcrop hasn't. Use a Lambda authorizer, "
                    "or a JWT authorizer of an HTTP API.",
                )

    # Signatures and resource policies

    def _check_signature(self, exchange: RestExchange) -> None:
        if exchange.principal is None or exchange.principal.kind == "anonymous":
            raise RestFailure(
                "MISSING_AUTHENTICATION_TOKEN", hint="The method asks for a request signed for execute-api (AWS_IAM)"
            )
        self._check_policy(exchange)

    def _check_policy(self, exchange: RestExchange) -> None:
        """The API's resource policy; without one everything passes."""
        text = exchange.stage.api.get("policy")
        if not text:
            return
        try:
            policy = json.loads(text)
        except (ValueError, RecursionError):
            return
        arn = exchange.arn
        if not allows(_filled(policy, arn, exchange), arn):
            who = exchange.principal.arn if exchange.principal else "anonymous"
            raise RestFailure(
                "ACCESS_DENIED",
                f"User: {who} is not authorized to perform: execute-api:Invoke on resource: {_masked(arn)}",
                hint="The API's resource policy doesn't allow this request",
            )

    # Functions

    async def ask(self, exchange: RestExchange, authorizer_id: str, authorizer: Definition) -> Mapping[str, Any]:
        """The function's answer, once it has let the request pass. Raises RestFailure."""
        identity = _identity(exchange, authorizer)
        ttl = authorizer.get("authorizerResultTtlInSeconds", DEFAULT_TTL)
        key = (exchange.stage.api_id, exchange.stage.name, authorizer_id, *identity)
        verdict = self._verdicts.get(key) if ttl and identity else None
        if verdict is None or verdict.until < time.monotonic():
            answer = await self._invoke(exchange, authorizer_id, authorizer, identity)
            verdict = Verdict(answer, time.monotonic() + ttl)
            if ttl and identity:
                if len(self._verdicts) >= MAX_CACHED:
                    self._verdicts.clear()
                self._verdicts[key] = verdict
        self._judge(exchange, verdict.answer)
        return verdict.answer

    async def _invoke(
        self, exchange: RestExchange, authorizer_id: str, authorizer: Definition, identity: tuple[str, ...]
    ) -> Mapping[str, Any]:
        stage = exchange.stage
        arn = function_arn(render_variables(authorizer.get("authorizerUri", ""), stage.variables))
        if arn is None:
            raise RestFailure("AUTHORIZER_CONFIGURATION_ERROR", hint="The authorizer's URI doesn't name a function")
        source = f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/authorizers/{authorizer_id}"
        event = _question(exchange, authorizer, identity)
        try:
            found = await self._invoker.invoke(
                stage.owner,
                arn,
                json.dumps(event, separators=(",", ":")).encode(),
                source_arn=source,
                role=authorizer.get("authorizerCredentials"),
                seconds=SECONDS,
            )
        except TimeoutError:
            raise RestFailure(
                "AUTHORIZER_FAILURE", hint=f"The authorizer {arn} took longer than {SECONDS:g} s"
            ) from None
        except ServiceError as error:
            denied = error.code == "AccessDeniedException"
            hint = permission_hint(arn, stage.region, stage.account, stage.api_id) if denied else error.message
            raise RestFailure("AUTHORIZER_CONFIGURATION_ERROR", hint=hint) from None
        try:
            answer = json.loads(found.payload)
        except (ValueError, RecursionError):
            answer = None
        if found.failed:
            if isinstance(answer, dict) and answer.get("errorMessage") == "Unauthorized":
                raise RestFailure("UNAUTHORIZED", hint="The authorizer's function says Unauthorized")
            raise RestFailure("AUTHORIZER_FAILURE", hint=f"The authorizer {arn} failed: {found.summary}")
        if not isinstance(answer, dict) or not isinstance(answer.get("policyDocument"), dict):
            raise RestFailure(
                "AUTHORIZER_CONFIGURATION_ERROR",
                hint=f"The authorizer {arn} didn't answer with a principalId and a policyDocument",
            )
        context = answer.get("context")
        if isinstance(context, dict) and any(isinstance(value, dict | list) for value in context.values()):
            raise RestFailure(
                "AUTHORIZER_CONFIGURATION_ERROR",
                hint="The authorizer's context has lists or objects, which it must not",
            )
        return answer

    def _judge(self, exchange: RestExchange, answer: Mapping[str, Any]) -> None:
        if not allows(answer["policyDocument"], exchange.arn):
            explicit = _denies(answer["policyDocument"])
            raise RestFailure(
                "ACCESS_DENIED",
                f"{DENIED} with an explicit deny" if explicit else DENIED,
                hint=f"The authorizer's policy doesn't allow {exchange.arn}",
            )
        context = answer.get("context") if isinstance(answer.get("context"), dict) else {}
        assert isinstance(context, dict)
        exchange.authorizer = {
            **{name: _as_text(value) for name, value in context.items()},
            "principalId": answer.get("principalId"),
            "integrationLatency": 0,
        }
        exchange.usage_key = str(answer.get("usageIdentifierKey") or "")


def _as_text(value: Any) -> Any:
    return value if isinstance(value, str) or value is None else json.dumps(value)


def _denies(policy: Mapping[str, Any]) -> bool:
    statements = policy.get("Statement")
    return any(
        isinstance(one, dict) and one.get("Effect") == "Deny"
        for one in (statements if isinstance(statements, list) else [statements])
    )


def _masked(arn: str) -> str:
    """AWS hides most of the account in this message."""
    return re.sub(r":(\d{8})(\d{4}):", r":********\2:", arn)


def _filled(policy: Any, arn: str, exchange: RestExchange) -> Any:
    """A resource policy with its short resources (`execute-api:/stage/GET/path`) written out, without the statements
    that are for other principals or whose condition on the caller's address doesn't hold."""
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    base = ":".join(arn.split(":")[:5]) + ":" + exchange.stage.api_id
    kept = []
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, dict) or not _for_caller(statement.get("Principal"), exchange):
            continue
        holds = _address_holds(statement.get("Condition"), exchange.incoming.source_ip)
        if holds is False:
            continue
        resources = statement.get("Resource", [])
        resources = resources if isinstance(resources, list) else [resources]
        full = [
            f"{base}/{one.removeprefix('execute-api:').lstrip('/')}" if str(one).startswith("execute-api:") else one
            for one in resources
        ]
        kept.append({**statement, "Resource": full, **({"Condition": None} if holds else {})})
    return {"Statement": kept}


def _for_caller(principal: Any, exchange: RestExchange) -> bool:
    named = principal.get("AWS") if isinstance(principal, dict) else principal
    names = named if isinstance(named, list) else [named]
    if "*" in names:
        return True
    caller = exchange.principal
    if caller is None:
        return False
    account = caller.arn.split(":")[4] if caller.arn.count(":") >= 5 else ""
    return any(name in (caller.arn, account, f"arn:aws:iam::{account}:root") for name in names)


def _address_holds(condition: Any, address: str) -> bool | None:
    """Whether a condition on `aws:SourceIp` holds; None for a condition on anything else."""
    if not condition:
        return True
    if not isinstance(condition, dict) or not set(condition) <= {"IpAddress", "NotIpAddress"}:
        return None
    for operator, tests in condition.items():
        if not isinstance(tests, dict) or {name.lower() for name in tests} != {"aws:sourceip"}:
            return None
        (given,) = tests.values()
        try:
            networks = [
                ipaddress.ip_network(one, strict=False) for one in (given if isinstance(given, list) else [given])
            ]
            inside = any(ipaddress.ip_address(address) in network for network in networks)
        except ValueError:
            return None
        if inside != (operator == "IpAddress"):
            return False
    return True


def _identity(exchange: RestExchange, authorizer: Definition) -> tuple[str, ...]:
    """The values that the authorizer looks at. Raises RestFailure if one is missing."""
    sources = [source.strip() for source in authorizer.get("identitySource", "").split(",") if source.strip()]
    values = []
    for source in sources:
        value = method_value(exchange, source)
        if not value:
            raise RestFailure("UNAUTHORIZED", hint=f"The request lacks {source}, which the authorizer asks for")
        values.append(value)
    expression = authorizer.get("identityValidationExpression")
    if authorizer["type"] == "TOKEN" and expression and values:
        try:
            fits = re.fullmatch(expression, values[0]) is not None
        except re.error:
            fits = False
        if not fits:
            raise RestFailure("UNAUTHORIZED", hint="The token doesn't fit the authorizer's validation expression")
    return tuple(values)


def _question(exchange: RestExchange, authorizer: Definition, identity: tuple[str, ...]) -> dict[str, Any]:
    """What the function is asked."""
    if authorizer["type"] == "TOKEN":
        return {"type": "TOKEN", "methodArn": exchange.arn, "authorizationToken": identity[0] if identity else ""}
    incoming, method = exchange.incoming, exchange.method
    assert method is not None
    headers = many(exchange.forwarded_headers())
    query = many(incoming.query)
    return {
        "type": "REQUEST",
        "methodArn": exchange.arn,
        "resource": method.path,
        "path": incoming.path,
        "httpMethod": incoming.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()},
        "multiValueQueryStringParameters": query,
        "pathParameters": exchange.path_parameters,
        "stageVariables": dict(exchange.stage.variables),
        "requestContext": exchange.request_context(),
    }
