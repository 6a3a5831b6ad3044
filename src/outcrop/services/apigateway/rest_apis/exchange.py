"""One request to a REST API on its way: what came in, what was found out, what is to go back."""

from __future__ import annotations

import base64
import json
import os
import time
import uuid
from collections.abc import Mapping
from typing import Any

from outcrop.services.apigateway.http_apis.exchange import Incoming, Reply, clock
from outcrop.services.apigateway.rest_apis.failures import RestFailure
from outcrop.services.apigateway.rest_apis.live import LiveMethod, LiveRestStage
from outcrop.services.contract import Principal

IDENTITY = (
    "cognitoIdentityPoolId",
    "accountId",
    "cognitoIdentityId",
    "caller",
    "sourceIp",
    "principalOrgId",
    "accessKey",
    "cognitoAuthenticationType",
    "cognitoAuthenticationProvider",
    "userArn",
    "userAgent",
    "user",
)
_TITLES = {"dnt": "DNT", "etag": "ETag", "te": "TE", "www-authenticate": "WWW-Authenticate"}
_STANDARD = frozenset(
    (
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-language",
        "content-length",
        "content-type",
        "cookie",
        "date",
        "dnt",
        "expect",
        "forwarded",
        "from",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "origin",
        "pragma",
        "range",
        "referer",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "upgrade-insecure-requests",
        "user-agent",
        "via",
        "x-amz-date",
        "x-amz-security-token",
        "x-amzn-trace-id",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-requested-with",
    )
)
_DROPPED = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


def titled(name: str) -> str:
    """A header's name as clients usually write it; the wire has lost its capitals. Unknown names stay in lower case."""
    return _TITLES.get(name) or (name.title() if name in _STANDARD else name)


class RestExchange:
    """Everything known about one request. `incoming.path` is without the stage."""

    def __init__(self, incoming: Incoming, stage: LiveRestStage) -> None:
        self.incoming = incoming
        self.stage = stage
        self.method: LiveMethod | None = None
        self.path_parameters: dict[str, str] = {}
        self.authorizer: Mapping[str, Any] = {}
        """What the integration sees as `requestContext.authorizer`."""
        self.principal: Principal | None = None
        """Who signed the request."""
        self.api_key: tuple[str, str] | None = None
        """The key's id and value."""
        self.usage_key = ""
        """What an authorizer says the API key is."""
        self.request_id = str(uuid.uuid4())
        self.extended_id = base64.urlsafe_b64encode(os.urandom(11)).decode()
        self.trace_id = f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()}"
        self.at = time.time()
        self.started = time.perf_counter()
        self.integration_seconds: float | None = None
        self.integration_status: int | None = None
        self.integration_error = ""
        self.failure: RestFailure | None = None
        self.overrides: dict[str, Any] = {"header": {}, "querystring": {}, "path": {}}
        """What templates set as `$context.requestOverride`."""
        self.response_overrides: dict[str, Any] = {"header": {}}
        self.log: list[str] = []
        """The execution log."""

    def note(self, line: str) -> None:
        """For the execution log."""
        self.log.append(f"({self.request_id}) {line}")

    @property
    def staged_path(self) -> str:
        return f"/{self.stage.name}{self.incoming.path}"

    @property
    def clock(self) -> str:
        return clock(self.at)

    @property
    def arn(self) -> str:
        """What the invocation is called in permissions and policies: with the path that was asked for."""
        stage = self.stage
        base = f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/{stage.name}"
        return f"{base}/{self.incoming.method}/{self.incoming.path.lstrip('/')}"

    @property
    def source_arn(self) -> str:
        """What Lambda's permissions compare: with the resource's path."""
        stage, method = self.stage, self.method
        assert method is not None
        path = method.path.lstrip("/")
        base = f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/{stage.name}"
        return f"{base}/{self.incoming.method}/{path}"

    def forwarded_headers(self) -> list[tuple[str, str]]:
        """What goes to the integration: the client's headers and where they came from."""
        incoming = self.incoming
        kept = [
            (titled(name), value)
            for name, value in incoming.headers
            if name not in _DROPPED and not name.startswith("x-forwarded-") and name != "x-amzn-trace-id"
        ]
        before = incoming.joined_headers.get("x-forwarded-for")
        trace = incoming.joined_headers.get("x-amzn-trace-id", self.trace_id)
        return [
            *kept,
            ("X-Amzn-Trace-Id", trace if "Root=" in trace else f"{trace};{self.trace_id}"),
            ("X-Forwarded-For", f"{before}, {incoming.source_ip}" if before else incoming.source_ip),
            ("X-Forwarded-Port", str(incoming.port)),
            ("X-Forwarded-Proto", incoming.scheme),
        ]

    def identity(self) -> dict[str, Any]:
        identity: dict[str, Any] = dict.fromkeys(IDENTITY)
        identity["sourceIp"] = self.incoming.source_ip
        identity["userAgent"] = self.incoming.joined_headers.get("user-agent")
        if caller := self.principal:
            identity |= {
                "accountId": caller.arn.split(":")[4] if caller.arn.count(":") >= 5 else None,
                "accessKey": caller.access_key_id,
                "caller": caller.user_id,
                "user": caller.user_id,
                "userArn": caller.arn,
            }
        if self.api_key:
            identity |= {"apiKeyId": self.api_key[0], "apiKey": self.api_key[1]}
        return identity

    def request_context(self) -> dict[str, Any]:
        """What functions get as `requestContext`."""
        stage, method, incoming = self.stage, self.method, self.incoming
        context: dict[str, Any] = {
            "resourceId": method.resource_id if method else None,
            "resourcePath": method.path if method else None,
        }
        if method and method.definition.get("operationName"):
            context["operationName"] = method.definition["operationName"]
        if self.authorizer:
            context["authorizer"] = dict(self.authorizer)
        return context | {
            "httpMethod": incoming.method,
            "extendedRequestId": self.extended_id,
            "requestTime": self.clock,
            "path": self.staged_path,
            "accountId": stage.account,
            "protocol": "HTTP/1.1",
            "stage": stage.name,
            "domainPrefix": incoming.domain.partition(".")[0],
            "requestTimeEpoch": int(self.at * 1000),
            "requestId": self.request_id,
            "identity": self.identity(),
            "domainName": incoming.domain,
            "deploymentId": stage.deployment_id,
            "apiId": stage.api_id,
        }

    def context(self) -> dict[str, Any]:
        """What templates see as `$context`."""
        context = self.request_context()
        if failure := self.failure:
            context["error"] = {
                "message": failure.message,
                "messageString": json.dumps(failure.message),
                "responseType": failure.kind,
                "validationErrorString": failure.details.get("validationErrorString"),
            }
        context["identity"] = {key: value for key, value in context["identity"].items() if value is not None}
        context["requestOverride"] = self.overrides
        context["responseOverride"] = self.response_overrides
        context["isCanaryRequest"] = "false"
        return context

    def variable(self, name: str, reply: Reply | None = None) -> str | None:
        """The value of `$context.<name>` for logs, parameters and gateway responses; None for what there is none of."""
        milliseconds = None if self.integration_seconds is None else round(self.integration_seconds * 1000)
        flat: dict[str, Any] = {
            "status": reply.status if reply else None,
            "responseLength": len(reply.body) if reply else None,
            "responseLatency": round((time.perf_counter() - self.started) * 1000),
            "integrationLatency": milliseconds,
            "integration.latency": milliseconds,
            "integrationStatus": self.integration_status,
            "integration.status": self.integration_status,
            "integration.integrationStatus": self.integration_status,
            "integrationErrorMessage": self.integration_error or None,
            "integration.error": self.integration_error or None,
            "xrayTraceId": self.trace_id.removeprefix("Root="),
            "awsEndpointRequestId": self.request_id,
        }
        value: Any = flat[name] if name in flat else self.context()
        if name not in flat:
            for step in name.split("."):
                value = value.get(step) if isinstance(value, Mapping) else None
        if value is None or isinstance(value, str):
            return value
        return json.dumps(value, separators=(",", ":"))
