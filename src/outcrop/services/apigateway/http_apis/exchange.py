"""One request to an HTTP API on its way: what came in, what was found out, what goes back."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from outcrop.services.apigateway.http_apis.live import LiveRoute, LiveStage

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def clock(seconds: float) -> str:
    """`23/Nov/2026:10:00:00 +0000`."""
    t = time.gmtime(seconds)
    return f"{t.tm_mday:02d}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year}:{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} +0000"


@dataclass
class Incoming:
    """A request, apart from where it leads."""

    method: str
    domain: str
    """The host, without the port."""
    path: str
    """Decoded, without the stage; starts with a slash."""
    raw_query: str
    headers: Sequence[tuple[str, str]]
    """Names in lower case."""
    body: bytes = b""
    source_ip: str = "127.0.0.1"
    scheme: str = "http"
    port: int = 4566

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        """Decoded, in order."""
        return parse_qsl(self.raw_query, keep_blank_values=True)

    @cached_property
    def joined_headers(self) -> dict[str, str]:
        """Values of the same name joined by commas."""
        joined: dict[str, str] = {}
        for name, value in self.headers:
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        return joined

    @cached_property
    def joined_query(self) -> dict[str, str]:
        joined: dict[str, str] = {}
        for name, value in self.query:
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        return joined


@dataclass
class Reply:
    """An answer on its way back."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    """Names in lower case."""
    body: bytes = b""


class Failure(Exception):
    """The request ends here, with an answer that API Gateway itself gives."""

    def __init__(self, status: int, message: str, *, hint: str = "", headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint
        """What a person can do about it; shown in helpful mode."""
        self.headers = headers

    def reply(self) -> Reply:
        body = json.dumps({"message": self.message}, separators=(",", ":")).encode()
        return Reply(self.status, [("content-type", "application/json"), *self.headers], body)


class Exchange:
    """Everything known about one request."""

    def __init__(self, incoming: Incoming, stage: LiveStage) -> None:
        self.incoming = incoming
        self.stage = stage
        self.route: LiveRoute | None = None
        self.path_parameters: dict[str, str] = {}
        self.authorizer: Mapping[str, Any] = {}
        """What the integration sees as `requestContext.authorizer`."""
        self.authorizer_context: Mapping[str, Any] = {}
        """What `$context.authorizer.<name>` means."""
        self.request_id = base64.urlsafe_b64encode(os.urandom(11)).decode()
        self.at = time.time()
        self.started = time.perf_counter()
        self.integration_seconds: float | None = None
        self.integration_status: int | None = None
        self.integration_error = ""
        self.failure: Failure | None = None

    @property
    def route_key(self) -> str:
        return self.route.key.text if self.route else ""

    @property
    def staged_path(self) -> str:
        """The path with the stage in front, as functions see it."""
        name = self.stage.name
        return self.incoming.path if name == "$default" else f"/{name}{self.incoming.path}"

    @property
    def clock(self) -> str:
        return clock(self.at)

    @property
    def arn(self) -> str:
        """What the invocation is called in permissions."""
        stage, key = self.stage, self.route.key if self.route else None
        base = f"arn:aws:execute-api:{stage.region}:{stage.account}:{stage.api_id}/{stage.name}"
        return f"{base}/{self.incoming.method}{key.path}" if key and key.method else f"{base}/$default"

    def variable(self, name: str, reply: Reply | None = None) -> str | None:
        """The value of `$context.<name>`; None for what there is none of."""
        value = self._variable(name, reply)
        if value is None or isinstance(value, str):
            return value
        return json.dumps(value, separators=(",", ":"))

    def _variable(self, name: str, reply: Reply | None) -> Any:
        incoming, stage = self.incoming, self.stage
        if name.startswith("authorizer."):
            property_ = name.removeprefix("authorizer.").removeprefix("claims.")
            return self.authorizer_context.get(property_)
        milliseconds = None if self.integration_seconds is None else round(self.integration_seconds * 1000)
        match name:
            case "accountId":
                return stage.account
            case "apiId":
                return stage.api_id
            case "dataProcessed" | "responseLength":
                return len(reply.body) if reply else None
            case "domainName":
                return incoming.domain
            case "domainPrefix":
                return incoming.domain.partition(".")[0]
            case "error.message":
                return self.failure.message if self.failure else None
            case "error.messageString":
                return json.dumps(self.failure.message) if self.failure else None
            case "error.responseType":
                return _RESPONSE_TYPES.get(self.failure.status, "DEFAULT_5XX") if self.failure else None
            case "requestId" | "extendedRequestId" | "awsEndpointRequestId" | "integration.requestId":
                return self.request_id
            case "httpMethod":
                return incoming.method
            case "identity.sourceIp":
                return incoming.source_ip
            case "identity.userAgent":
                return incoming.joined_headers.get("user-agent")
            case "integrationErrorMessage" | "integration.error":
                return self.integration_error or None
            case "integrationLatency" | "integration.latency":
                return milliseconds
            case "integrationStatus" | "integration.integrationStatus":
                return self.integration_status
            case "integration.status":
                return reply.status if reply and milliseconds is not None else None
            case "path":
                return self.staged_path
            case "protocol":
                return "HTTP/1.1"
            case "requestTime":
                return self.clock
            case "requestTimeEpoch":
                return int(self.at)
            case "responseLatency":
                return round((time.perf_counter() - self.started) * 1000)
            case "routeKey":
                return self.route_key or None
            case "stage":
                return stage.name
            case "status":
                return reply.status if reply else None
        return None


_RESPONSE_TYPES = {
    401: "UNAUTHORIZED",
    403: "ACCESS_DENIED",
    404: "RESOURCE_NOT_FOUND",
    413: "REQUEST_TOO_LARGE",
    429: "THROTTLED",
    503: "INTEGRATION_FAILURE",
}
