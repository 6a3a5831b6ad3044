"""Lines of access logs: `$context` variables filled into a format."""

from __future__ import annotations

import re

from outcrop.services.apigateway.http_apis.exchange import Reply
from outcrop.services.apigateway.rest_apis.exchange import RestExchange


def access_line(form: str, exchange: RestExchange, reply: Reply) -> str:
    """A hyphen stands where there is no value."""
    return re.sub(
        r"\$context\.([A-Za-z0-9_.-]*[A-Za-z0-9_])", lambda found: exchange.variable(found[1], reply) or "-", form
    )
