"""`outcrop logs`: what functions and services of a running stack wrote."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from outcrop.commands import stack

if TYPE_CHECKING:
    from outcrop.settings import Settings

POLL_SECONDS = 0.5
OVERLAP_MS = 10_000
"""How late an event may arrive and still be shown by `--follow`."""

_SPAN = re.compile(r"(\d+)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add(logs: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    logs.add_argument("name", nargs="?", metavar="NAME", help="a log group, or a function (default: list the groups)")
    logs.add_argument("--follow", "-f", action="store_true", help="go on showing what arrives, until Ctrl-C")
    logs.add_argument("--since", type=span, default=600, metavar="10m", help="how far back: 30s, 10m, 2h, 1d")
    logs.add_argument("--filter", metavar="PATTERN", help="a filter pattern, such as ERROR or '{ $.level = \"WARN\" }'")
    logs.add_argument("--query", metavar="QUERY", help="an Insights query, such as 'stats count(*) by bin(1m)'")
    logs.set_defaults(run=_logs)


def span(text: str) -> int:
    """Seconds of `10m`. Raises ValueError."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time such as 30s, 10m, 2h or 1d")
    return int(found[1]) * _SECONDS[found[2]]


def group_of(client: Any, name: str) -> str:
    """The group of that name, or that of the function. Raises RuntimeError."""
    names = (name,) if name.startswith("/") else (name, f"/aws/lambda/{name}")
    for candidate in names:
        found = client.describe_log_groups(logGroupNamePrefix=candidate)["logGroups"]
        if any(group["logGroupName"] == candidate for group in found):
            return candidate
    raise RuntimeError(f"there is no log group {' or '.join(names)}. `outcrop logs` lists those that there are.")


def query(client: Any, group: str, text: str, since: int) -> list[dict[str, str]]:
    """Run an Insights query and wait for its rows."""
    now = int(time.time())
    started = client.start_query(logGroupName=group, startTime=now - since, endTime=now + 60, queryString=text)
    while True:
        answer = client.get_query_results(queryId=started["queryId"])
        if answer["status"] not in ("Scheduled", "Running"):
            break
        time.sleep(0.02)
    if answer["status"] != "Complete":
        raise RuntimeError(f"the query ended as {answer['status']}")
    return [{each["field"]: each["value"] for each in row if each["field"] != "@ptr"} for row in answer["results"]]


def table(rows: list[dict[str, str]]) -> Iterator[str]:
    """Rows as aligned lines under their names."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([row.get(name, "").replace("\n", " ⏎ ") for name in names] for row in rows)]
    widths = [min(max(len(line[at]) for line in cells), 100) for at in range(len(names))]
    for number, line in enumerate(cells):
        yield "  ".join(cell[:width].ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        if number == 0:
            yield "  ".join("─" * width for width in widths)


def _logs(settings: Settings, options: argparse.Namespace) -> int:
    client = stack.client(settings, "logs")
    if options.name is None:
        return _list(client)
    group = group_of(client, options.name)
    if options.query:
        rows = query(client, group, options.query, options.since)
        for line in table(rows) if rows else ["nothing found"]:
            print(line)
        return 0
    try:
        _show(client, group, options)
    except KeyboardInterrupt:
        pass
    return 0


def _list(client: Any) -> int:
    groups = [group for page in client.get_paginator("describe_log_groups").paginate() for group in page["logGroups"]]
    if not groups:
        print("There are no log groups yet: a function makes its own when it first runs.")
    for group in groups:
        print(f"{group['storedBytes'] / 1024:10,.0f} KB  {group['logGroupName']}")
    return 0


def _show(client: Any, group: str, options: argparse.Namespace) -> None:
    start = int((time.time() - options.since) * 1000)
    shown: dict[str, int] = {}
    while True:
        request = {"logGroupName": group, "startTime": start}
        if options.filter:
            request["filterPattern"] = options.filter
        for page in client.get_paginator("filter_log_events").paginate(**request):
            for event in page["events"]:
                if event["eventId"] not in shown:
                    shown[event["eventId"]] = event["timestamp"]
                    at = datetime.fromtimestamp(event["timestamp"] / 1000).strftime("%H:%M:%S.%f")[:-3]
                    print(f"{at}  {event['message'].rstrip()}", flush=True)
        if not options.follow:
            return
        start = max(start, int(time.time() * 1000) - OVERLAP_MS)
        shown = {name: at for name, at in shown.items() if at >= start}
        time.sleep(POLL_SECONDS)
