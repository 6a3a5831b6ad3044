"""What a request to an HTTP API adds to metrics and access logs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from outcrop.services.apigateway.http_apis.exchange import Exchange, Reply
from outcrop.services.apigateway.http_apis.mapping import render_context
from outcrop.services.apigateway.reporting import Dimensions, Reporting, log_group


def note(reporting: Reporting, exchange: Exchange, reply: Reply) -> None:
    """Count a request that has been answered."""
    stage = exchange.stage
    owner = (stage.account, stage.region)
    reporting.measure(owner, _measures(exchange, reply), _dimensions(exchange))
    if stage.access_logs:
        line = render_context(stage.access_logs["Format"], exchange, reply)
        group = log_group(stage.access_logs["DestinationArn"])
        reporting.write(owner, group, f"{stage.api_id}/{stage.name}", exchange.at, [line])


def _measures(exchange: Exchange, reply: Reply) -> Iterator[tuple[str, float]]:
    yield "Count", 1.0
    yield "4xx", float(400 <= reply.status < 500)
    yield "5xx", float(reply.status >= 500)
    yield "Latency", float(round((time.perf_counter() - exchange.started) * 1000))
    if exchange.integration_seconds is not None:
        yield "IntegrationLatency", float(round(exchange.integration_seconds * 1000))
    yield "DataProcessed", float(len(exchange.incoming.body) + len(reply.body))


def _dimensions(exchange: Exchange) -> Sequence[Dimensions]:
    stage = exchange.stage
    api = ("ApiId", stage.api_id)
    found: list[Dimensions] = [(api,), (api, ("Stage", stage.name))]
    if exchange.route and exchange.route.detailed:
        key = exchange.route.key
        found.append(
            (api, ("Stage", stage.name), ("Method", key.method or "$default"), ("Resource", key.path or "$default"))
        )
    return found
