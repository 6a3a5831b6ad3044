"""Subscription filters: new log events that match go to a function."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

from outcrop.services.contract import Context, Principal, Request, Result, ServiceError
from outcrop.services.logs.errors import (
    InvalidParameterException,
    LimitExceededException,
    ResourceNotFoundException,
)
from outcrop.services.logs.groups import find_group
from outcrop.services.logs.paging import page
from outcrop.services.logs.patterns import InvalidPattern, Match, Pattern, compile_pattern
from outcrop.services.logs.store import Event, Group, LogStore, Stream, SubscriptionFilter, event_id

log = logging.getLogger(__name__)

MAX_FILTERS = 2
MAX_PAYLOAD = 256_000
"""Bytes of the event that a function gets; what is more goes in several."""
FUNCTION = re.compile(r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:(?P<name>[\w-]{1,64})(:[\w$-]+)?", re.ASCII)
KEPT = ("applyOnTransformedLogs", "distribution", "roleArn")
ABSENT = ("fieldSelectionCriteria", "emitSystemFields")

Contexts = Callable[[str, str, Principal], Context]


class SubscriptionFeed:
    """Hands new events to the functions that have subscribed to their group."""

    def __init__(self, store: LogStore, context: Contexts) -> None:
        self._store = store
        self._context = context
        self._compiled: dict[int, list[tuple[SubscriptionFilter, Pattern | None]]] = {}

    def forget(self, group: Group) -> None:
        """The filters of a group have changed."""
        self._compiled.pop(group.id, None)

    async def check(self, group: Group, function: str) -> None:
        """Raises unless the function exists and lets the group invoke it."""
        try:
            await self._invoke(group, {"FunctionName": function, "InvocationType": "DryRun"})
        except ServiceError:
            raise InvalidParameterException(
                "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to "
                "execute your function."
            ) from None

    async def feed(self, group: Group, stream: Stream, events: Sequence[Event]) -> None:
        """Offer new events of a stream. What a function doesn't take is logged; the events are kept all the same."""
        if (filters := self._compiled.get(group.id)) is None:
            filters = [(known, _compile(known.pattern)) for known in self._store.subscription_filters(group)]
            self._compiled[group.id] = filters
        for known, pattern in filters:
            found = [(event, pattern.match(event.message) if pattern else Match()) for event in events]
            described = [_describe_event(known, event, match) for event, match in found if match]
            for payload in _payloads(group, stream, known, described):
                request = {"FunctionName": known.destination, "InvocationType": "Event", "Payload": payload}
                try:
                    await self._invoke(group, request)
                except ServiceError as error:
                    log.warning("subscription filter %s of %s: %s", known.name, group.name, error.message)

    async def _invoke(self, group: Group, request: Request) -> None:
        """As the service, or, where the function's policy only knows that, as the service of the region."""
        try:
            await self._invoke_as("logs.amazonaws.com", group, request)
        except ServiceError as error:
            if error.status != 403:
                raise
            await self._invoke_as(f"logs.{group.region}.amazonaws.com", group, request)

    async def _invoke_as(self, service: str, group: Group, request: Request) -> None:
        caller = Principal(service, f"{group.arn}:*", kind="service")
        await self._context(group.account, group.region, caller).call("lambda", "invoke", request)


class SubscriptionFilters:
    def __init__(self, store: LogStore, feed: SubscriptionFeed) -> None:
        self._store = store
        self._feed = feed

    async def put_subscription_filter(self, ctx: Context, request: Request) -> Result:
        group = find_group(self._store, ctx, request)
        name, destination = request["filterName"], request["destinationArn"]
        _compile(request["filterPattern"])
        _check_members(request, group)
        existing = {known.name for known in self._store.subscription_filters(group)}
        if name not in existing and len(existing) >= MAX_FILTERS:
            raise LimitExceededException("Resource limit exceeded.")
        await self._feed.check(group, destination)
        extra = {"distribution": "ByLogStream", **{member: request[member] for member in KEPT if member in request}}
        self._store.put_subscription_filter(group, name, request["filterPattern"], destination, extra)
        self._feed.forget(group)
        return {}

    async def describe_subscription_filters(self, ctx: Context, request: Request) -> Result:
        group = find_group(self._store, ctx, request)
        prefix = request.get("filterNamePrefix", "")
        known = [one for one in self._store.subscription_filters(group) if one.name.startswith(prefix)]
        shown, token = page(known, lambda one: one.name, request.get("nextToken"), request.get("limit", 50))
        result: dict[str, object] = {
            "subscriptionFilters": [
                {
                    "filterName": one.name,
                    "logGroupName": group.name,
                    "filterPattern": one.pattern,
                    "destinationArn": one.destination,
                    "creationTime": one.created_at,
                    **one.extra,
                }
                for one in shown
            ]
        }
        return {**result, "nextToken": token} if token else result

    async def delete_subscription_filter(self, ctx: Context, request: Request) -> Result:
        group = find_group(self._store, ctx, request)
        if not self._store.delete_subscription_filter(group, request["filterName"]):
            raise ResourceNotFoundException("The specified subscription filter does not exist.")
        self._feed.forget(group)
        return {}


def _compile(text: str) -> Pattern | None:
    """None: everything goes through."""
    if not text.strip():
        return None
    try:
        return compile_pattern(text)
    except InvalidPattern as error:
        raise InvalidParameterException(str(error)) from None


def _check_members(request: Request, group: Group) -> None:
    for member in ABSENT:
        if request.get(member):
            raise InvalidParameterException(f"Outcrop's subscription filters don't know {member}: leave it out.")
    destination = request["destinationArn"]
    if not (function := FUNCTION.fullmatch(destination)):
        raise InvalidParameterException(
            f"Outcrop delivers log events to Lambda functions only: {destination} is no function's ARN."
        )
    if group.name == f"/aws/lambda/{function['name']}":
        raise InvalidParameterException(
            f"{group.name} is the function's own log: each delivery would write to it and so cause the next, forever. "
            "Subscribe another function."
        )


def _describe_event(known: SubscriptionFilter, event: Event, match: Match) -> dict[str, Any]:
    described: dict[str, Any] = {"id": event_id(event), "timestamp": event.at, "message": event.message}
    if known.pattern.lstrip().startswith("["):
        described["extractedFields"] = {name.removeprefix("$"): value for name, value in match.values.items()}
    return described


def _payloads(group: Group, stream: Stream, known: SubscriptionFilter, events: Sequence[dict[str, Any]]) -> list[bytes]:
    """The events as a function gets them, cut in halves until each payload is small enough."""
    if not events:
        return []
    message = {
        "messageType": "DATA_MESSAGE",
        "owner": group.account,
        "logGroup": group.name,
        "logStream": stream.name,
        "subscriptionFilters": [known.name],
        "logEvents": events,
    }
    data = base64.b64encode(gzip.compress(json.dumps(message, ensure_ascii=False).encode(), 6)).decode()
    payload = json.dumps({"awslogs": {"data": data}}).encode()
    if len(payload) <= MAX_PAYLOAD or len(events) == 1:
        return [payload]
    middle = len(events) // 2
    return [*_payloads(group, stream, known, events[:middle]), *_payloads(group, stream, known, events[middle:])]
