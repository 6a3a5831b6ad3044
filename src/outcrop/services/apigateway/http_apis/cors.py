"""Cross-origin requests: API Gateway answers the browser's questions from the API's configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from outcrop.services.apigateway.http_apis.exchange import Incoming, Reply


class Cors:
    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self._origins = [
            re.compile(re.escape(origin.lower()).replace(r"\*", ".*"))
            for origin in configuration.get("AllowOrigins", ())
        ]
        self._any_origin = "*" in configuration.get("AllowOrigins", ())
        self._methods = ",".join(configuration.get("AllowMethods", ()))
        self._headers = ",".join(header.lower() for header in configuration.get("AllowHeaders", ()))
        self._exposed = ",".join(header.lower() for header in configuration.get("ExposeHeaders", ()))
        self._max_age = configuration.get("MaxAge")
        self._credentials = bool(configuration.get("AllowCredentials"))

    def preflight(self, incoming: Incoming) -> Reply | None:
        """The answer to a browser's question whether it may ask; None if the request isn't one."""
        asked = incoming.joined_headers
        if incoming.method != "OPTIONS" or "origin" not in asked or "access-control-request-method" not in asked:
            return None
        headers = self._allowed(asked["origin"])
        if headers:
            if self._methods:
                headers.append(("access-control-allow-methods", self._methods))
            if self._headers == "*" and self._credentials:
                headers.append(("access-control-allow-headers", asked.get("access-control-request-headers", "*")))
            elif self._headers:
                headers.append(("access-control-allow-headers", self._headers))
            if self._max_age is not None:
                headers.append(("access-control-max-age", str(self._max_age)))
        return Reply(204, headers)

    def apply(self, incoming: Incoming, reply: Reply) -> None:
        """Replace what the integration says about origins by what the API says."""
        reply.headers = [(name, value) for name, value in reply.headers if not name.startswith("access-control-")]
        origin = incoming.joined_headers.get("origin")
        if origin and (headers := self._allowed(origin)):
            reply.headers += headers
            if self._exposed:
                reply.headers.append(("access-control-expose-headers", self._exposed))

    def _allowed(self, origin: str) -> list[tuple[str, str]]:
        if not any(pattern.fullmatch(origin.lower()) for pattern in self._origins):
            return []
        headers = [("access-control-allow-origin", "*" if self._any_origin else origin)]
        if not self._any_origin:
            headers.append(("vary", "origin"))
        if self._credentials:
            headers.append(("access-control-allow-credentials", "true"))
        return headers
