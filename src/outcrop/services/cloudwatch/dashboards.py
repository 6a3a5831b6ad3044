"""Dashboards: kept and checked, and drawn by whoever reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from outcrop.services.cloudwatch.errors import (
    DashboardInvalidInputError,
    DashboardNotFoundError,
    InvalidParameterValueException,
)
from outcrop.services.cloudwatch.paging import read_offset, write_offset
from outcrop.services.cloudwatch.store import MetricStore
from outcrop.services.contract import Context, Request, Result

PAGE = 100
MAX_WIDGETS = 500
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_TYPES = ("metric", "text", "log", "alarm", "custom", "explorer", "trace")


class Dashboards:
    def __init__(self, store: MetricStore) -> None:
        self._store = store

    async def put_dashboard(self, ctx: Context, request: Request) -> Result:
        name, body = request["DashboardName"], request["DashboardBody"]
        if not _NAME.fullmatch(name):
            raise InvalidParameterValueException(
                "The value for field DashboardName contains invalid characters. It can only contain alphanumerics, "
                "dash (-) and underscore (_)."
            )
        if messages := _check(body):
            raise DashboardInvalidInputError(
                "The field DashboardBody must be a valid JSON object: "
                + "; ".join(f"{message['DataPath']}: {message['Message']}" for message in messages),
                dashboardValidationMessages=messages,
            )
        if self._store.put_dashboard(ctx.account, name, body) and (tags := request.get("Tags")):
            arn = f"arn:aws:cloudwatch::{ctx.account}:dashboard/{name}"
            self._store.set_tags(arn, {tag["Key"]: tag["Value"] for tag in tags})
        return {"DashboardValidationMessages": []}

    async def get_dashboard(self, ctx: Context, request: Request) -> Result:
        name = request["DashboardName"]
        if not (dashboard := self._store.dashboard(ctx.account, name)):
            raise DashboardNotFoundError(f"Dashboard {name} does not exist")
        return {"DashboardName": name, "DashboardArn": dashboard.arn, "DashboardBody": dashboard.body}

    async def list_dashboards(self, ctx: Context, request: Request) -> Result:
        prefix, start = request.get("DashboardNamePrefix", ""), read_offset(request.get("NextToken"))
        found = [one for one in self._store.dashboards(ctx.account) if one.name.startswith(prefix)]
        result: dict[str, Any] = {
            "DashboardEntries": [
                {
                    "DashboardName": one.name,
                    "DashboardArn": one.arn,
                    "LastModified": datetime.fromtimestamp(one.modified_at, UTC),
                    "Size": len(one.body.encode()),
                }
                for one in found[start : start + PAGE]
            ]
        }
        if start + PAGE < len(found):
            result["NextToken"] = write_offset(start + PAGE)
        return result

    async def delete_dashboards(self, ctx: Context, request: Request) -> Result:
        names: Sequence[str] = request["DashboardNames"]
        known = {one.name: one for one in self._store.dashboards(ctx.account)}
        if missing := [name for name in names if name not in known]:
            raise DashboardNotFoundError(f"Dashboard {', '.join(missing)} does not exist")
        self._store.delete_dashboards(ctx.account, names)
        for name in names:
            self._store.delete_tags(known[name].arn)
        return {}


def _check(body: str) -> list[dict[str, str]]:
    """What is wrong with a dashboard's body."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return [{"DataPath": "/", "Message": "The field DashboardBody must be a valid JSON object"}]
    if not isinstance(document, dict) or not isinstance(document.get("widgets"), list):
        return [{"DataPath": "/", "Message": "Should have required property 'widgets'"}]
    if len(document["widgets"]) > MAX_WIDGETS:
        return [{"DataPath": "/widgets", "Message": f"Should NOT have more than {MAX_WIDGETS} items"}]
    messages = []
    for number, widget in enumerate(document["widgets"]):
        path = f"/widgets/{number}"
        if not isinstance(widget, dict):
            messages.append({"DataPath": path, "Message": "Should be an object"})
        elif widget.get("type") not in _TYPES:
            allowed = ", ".join(_TYPES)
            messages.append({"DataPath": f"{path}/type", "Message": f"Should be one of: {allowed}"})
        elif not isinstance(widget.get("properties"), dict):
            messages.append({"DataPath": path, "Message": "Should have required property 'properties'"})
    return messages
