"""What a request to a REST API adds to metrics, access logs and execution logs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from outcrop.services.apigateway.http_apis.exchange import Reply
from outcrop.services.apigateway.reporting import Dimensions, Reporting, log_group
from outcrop.services.apigateway.rest_apis.access_lines import access_line
from outcrop.services.apigateway.rest_apis.exchange import RestExchange


def note(reporting: Reporting, exchange: RestExchange, reply: Reply) -> None:
    """Count a request that has been answered."""
    stage = exchange.stage
    reporting.measure(stage.owner, _measures(exchange, reply), _dimensions(exchange))
    if logs := stage.access_logs:
        group = log_group(logs["destinationArn"])
        reporting.write(
            stage.owner,
            group,
            f"{stage.api_id}/{stage.name}",
            exchange.at,
            [access_line(logs["format"], exchange, reply)],
        )
    level = exchange.method.settings.get("loggingLevel", "OFF") if exchange.method else "OFF"
    if level == "INFO" or (level == "ERROR" and reply.status >= 500):
        group = f"API-Gateway-Execution-Logs_{stage.api_id}/{stage.name}"
        lines = [*exchange.log, f"({exchange.request_id}) Method completed with status: {reply.status}"]
        reporting.write(stage.owner, group, f"{stage.api_id}/{stage.name}", exchange.at, lines, own=True)


def _measures(exchange: RestExchange, reply: Reply) -> Iterator[tuple[str, float]]:
    yield "Count", 1.0
    yield "4XXError", float(400 <= reply.status < 500)
    yield "5XXError", float(reply.status >= 500)
    yield "Latency", float(round((time.perf_counter() - exchange.started) * 1000))
    if exchange.integration_seconds is not None:
        yield "IntegrationLatency", float(round(exchange.integration_seconds * 1000))


def _dimensions(exchange: RestExchange) -> Sequence[Dimensions]:
    stage, method = exchange.stage, exchange.method
    api = ("ApiName", stage.api["name"])
    found: list[Dimensions] = [(api,), (api, ("Stage", stage.name))]
    if method and method.settings.get("metricsEnabled"):
        found.append((api, ("Method", method.http_method), ("Resource", method.path), ("Stage", stage.name)))
    return found
