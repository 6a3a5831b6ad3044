"""Decides whether a request may take its route: by a JSON Web Token, or by asking a Lambda function."""

from __future__ import annotations

import fnmatch
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outcrop.services.apigateway.http_apis.exchange import Exchange, Failure
from outcrop.services.apigateway.http_apis.functions import FunctionFailed, Functions
from outcrop.services.apigateway.http_apis.jwt import BadToken, KeySets, Token, read_token
from outcrop.services.apigateway.http_apis.mapping import render_variables, resolve
from outcrop.services.apigateway.http_apis.payloads import event
from outcrop.services.apigateway.http_apis.store import Definition
from outcrop.services.apigateway.http_apis.targets import function_arn
from outcrop.services.contract import Principal

MAX_CACHED = 10_000
SECONDS = 10.0
"""How long an authorizer's function may take."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a function said."""

    answer: Mapping[str, Any]
    until: float
    """By `time.monotonic()`."""


class Authorization:
    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._keys = KeySets()
        self._verdicts: dict[tuple[str, ...], Verdict] = {}

    def forget(self, api_id: str) -> None:
        """The cached verdicts of an API's authorizers."""
        for key in [key for key in self._verdicts if key[0] == api_id]:
            del self._verdicts[key]

    async def check(self, exchange: Exchange, identify: Callable[[bytes], Principal | None]) -> None:
        """Fill in the exchange's authorizer. Raises Failure for a request that may not pass."""
        route = exchange.route
        if route is None:
            return
        if route.by_signature:
            _check_signature(exchange, identify)
        if not route.authorizer_id:
            return
        if route.authorizer is None:
            raise Failure(500, "Internal Server Error", hint=f"The authorizer {route.authorizer_id} isn't deployed")
        if route.authorizer["AuthorizerType"] == "JWT":
            await self._check_token(exchange, route.authorizer, route.scopes)
        else:
            await self._ask_function(exchange, route.authorizer_id, route.authorizer)

    async def _check_token(self, exchange: Exchange, authorizer: Definition, scopes: Sequence[str]) -> None:
        text = resolve(authorizer["IdentitySource"][0], exchange)
        if not text:
            raise Failure(
                401,
                "Unauthorized",
                headers=[("www-authenticate", "Bearer")],
                hint=f"The request carries no token in {authorizer['IdentitySource'][0]}",
            )
        configuration = authorizer["JwtConfiguration"]
        try:
            token = read_token(text)
            token.check(configuration["Issuer"], configuration["Audience"], time.time())
            key = await self._keys.key(configuration["Issuer"], token.key_id)
            if not key.verifies(token.algorithm, token.signed, token.signature):
                raise BadToken("the signature is wrong")
        except BadToken as error:
            challenge = f'Bearer scope="" error="invalid_token" error_description="{_plain(str(error))}"'
            raise Failure(
                401, "Unauthorized", headers=[("www-authenticate", challenge)], hint=f"The token was refused: {error}"
            ) from None
        if scopes and not set(scopes) & set(token.scopes):
            challenge = f'Bearer scope="{_plain(" ".join(scopes))}" error="insufficient_scope"'
            raise Failure(
                403,
                "Forbidden",
                headers=[("www-authenticate", challenge)],
                hint=f"The token has none of the scopes {', '.join(scopes)}",
            )
        self._pass_token(exchange, token)

    def _pass_token(self, exchange: Exchange, token: Token) -> None:
        claims = {name: _claim(value) for name, value in token.claims.items()}
        described = {"claims": claims, "scopes": token.scopes or None}
        exchange.authorizer_context = claims
        exchange.authorizer = {"jwt": described} if _version(exchange) == "2.0" else described

    async def _ask_function(self, exchange: Exchange, authorizer_id: str, authorizer: Definition) -> None:
        sources = authorizer.get("IdentitySource", ())
        identity = [resolve(source, exchange) or "" for source in sources]
        if not all(identity):
            missing = ", ".join(source for source, value in zip(sources, identity, strict=True) if not value)
            raise Failure(401, "Unauthorized", hint=f"The request lacks {missing}, which the authorizer asks for")
        stage = exchange.stage
        key = (stage.api_id, stage.name, authorizer_id, *identity)
        ttl = authorizer.get("AuthorizerResultTtlInSeconds", 0)
        verdict = self._verdicts.get(key) if ttl else None
        if verdict is None or verdict.until < time.monotonic():
            answer = await self._invoke(exchange, authorizer_id, authorizer, identity)
            verdict = Verdict(answer, time.monotonic() + ttl)
            if ttl:
                if len(self._verdicts) >= MAX_CACHED:
                    self._verdicts.clear()
                self._verdicts[key] = verdict
        self._judge(exchange, authorizer, verdict.answer)

    async def _invoke(
        self, exchange: Exchange, authorizer_id: str, authorizer: Definition, identity: Sequence[str]
    ) -> Mapping[str, Any]:
        stage = exchange.stage
        arn = function_arn(authorizer["AuthorizerUri"])
        assert arn is not None, "the control plane lets only functions through"
        try:
            payload = await self._functions.invoke(
                exchange,
                render_variables(arn, stage.variables),
                _question(exchange, authorizer["AuthorizerPayloadFormatVersion"], identity),
                source_arn=f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/authorizers/{authorizer_id}",
                role=authorizer.get("AuthorizerCredentialsArn"),
                seconds=SECONDS,
            )
            answer = json.loads(payload)
        except FunctionFailed as failed:
            if _error_message(failed.payload) == "Unauthorized":
                raise Failure(401, "Unauthorized", hint="The authorizer's function says Unauthorized") from None
            raise
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise Failure(500, "Internal Server Error", hint=f"The authorizer {arn} didn't answer with an object")
        exchange.integration_status, exchange.integration_error = None, ""
        return answer

    def _judge(self, exchange: Exchange, authorizer: Definition, answer: Mapping[str, Any]) -> None:
        if answer.get("errorMessage") == "Unauthorized":
            raise Failure(401, "Unauthorized", hint="The authorizer's function says Unauthorized")
        if authorizer.get("EnableSimpleResponses"):
            if answer.get("isAuthorized") is not True:
                raise Failure(403, "Forbidden", hint="The authorizer's function didn't answer isAuthorized: true")
        elif not allows(answer.get("policyDocument"), exchange.arn):
            raise Failure(403, "Forbidden", hint=f"The authorizer's policy doesn't allow {exchange.arn}")
        context = answer.get("context")
        exchange.authorizer_context = context if isinstance(context, dict) else {}
        if _version(exchange) == "2.0":
            exchange.authorizer = {"lambda": exchange.authorizer_context}
        else:
            exchange.authorizer = {"principalId": answer.get("principalId"), **exchange.authorizer_context}


def _check_signature(exchange: Exchange, identify: Callable[[bytes], Principal | None]) -> None:
    """AWS_IAM: the request must be signed for execute-api."""
    try:
        caller = identify(exchange.incoming.body)
    except PermissionError as error:
        raise Failure(403, "Forbidden", hint=str(error)) from None
    if caller is None:
        raise Failure(403, "Forbidden", hint="The route asks for a request signed for execute-api (AWS_IAM)")
    account = caller.arn.split(":")[4] if caller.arn.count(":") >= 5 else ""
    described = {
        "accessKey": caller.access_key_id,
        "accountId": account,
        "callerId": caller.user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": caller.arn,
        "userId": caller.user_id,
    }
    exchange.authorizer = {"iam": described} if _version(exchange) == "2.0" else {}


def allows(policy: Any, arn: str) -> bool:
    """Whether a policy that an authorizer made lets someone call `arn`. A statement with a condition counts only if
    it denies: what can't be checked here must not let anyone in."""
    allowed = False
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, dict):
            continue
        if not _any_matches(statement.get("Action"), "execute-api:Invoke", ignore_case=True):
            continue
        if not _any_matches(statement.get("Resource"), arn):
            continue
        if statement.get("Effect") == "Deny":
            return False
        allowed = allowed or (statement.get("Effect") == "Allow" and not statement.get("Condition"))
    return allowed


def _any_matches(patterns: Any, text: str, *, ignore_case: bool = False) -> bool:
    for pattern in patterns if isinstance(patterns, list) else [patterns]:
        if not isinstance(pattern, str):
            continue
        if ignore_case:
            pattern, text = pattern.lower(), text.lower()
        if fnmatch.fnmatchcase(text, pattern.replace("[", "[[]")):
            return True
    return False


def _question(exchange: Exchange, version: str, identity: Sequence[str]) -> dict[str, Any]:
    """What the function is asked."""
    asked = event(exchange, exchange.incoming, version)
    asked.pop("body", None)
    asked.pop("isBase64Encoded", None)
    joined = ",".join(identity)
    if version == "2.0":
        return asked | {"type": "REQUEST", "routeArn": exchange.arn, "identitySource": list(identity)}
    return asked | {
        "type": "REQUEST",
        "methodArn": exchange.arn,
        "identitySource": joined,
        "authorizationToken": joined,
    }


def _version(exchange: Exchange) -> str:
    integration = exchange.route.integration if exchange.route else None
    return str((integration or {}).get("PayloadFormatVersion", "2.0"))


def _claim(value: Any) -> str:
    """Claims reach functions as text."""
    if isinstance(value, list):
        return "[" + " ".join(_claim(one) for one in value) + "]"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _error_message(payload: bytes) -> str:
    try:
        return str(json.loads(payload).get("errorMessage", ""))
    except (ValueError, AttributeError, RecursionError):
        return ""


def _plain(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]|[\"\\]", " ", text)
