"""Log events: put, read one stream, search a whole group."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from outcrop.services.contract import Context, Request, Result
from outcrop.services.logs.errors import InvalidParameterException
from outcrop.services.logs.groups import find_group
from outcrop.services.logs.metric_filters import MetricFeed
from outcrop.services.logs.patterns import InvalidPattern, Pattern, compile_pattern
from outcrop.services.logs.store import DAY, EVENT_OVERHEAD, Event, Group, LogStore, Stream, event_id, now_ms
from outcrop.services.logs.streams import find_stream, upload_token
from outcrop.services.logs.subscriptions import SubscriptionFeed
from outcrop.services.logs.tail import Tails

MAX_BATCH = 1 << 20
MAX_EVENT = 1 << 20
MAX_PAGE = 1 << 20
"""Bytes, `EVENT_OVERHEAD` included."""
MAX_EVENTS = 10_000
TOO_OLD = 14 * DAY
TOO_NEW = 2 * 3_600_000
END_OF_TIME = 1 << 62


def read_pattern(text: str | None) -> Pattern | None:
    """The filter pattern of a request; None if it lets everything through."""
    if not text or not text.strip():
        return None
    try:
        return compile_pattern(text)
    except InvalidPattern as error:
        raise InvalidParameterException(str(error)) from None


class Events:
    def __init__(self, store: LogStore, feed: MetricFeed, subscribers: SubscriptionFeed, tails: Tails) -> None:
        self._store = store
        self._feed = feed
        self._subscribers = subscribers
        self._tails = tails

    async def put_log_events(self, ctx: Context, request: Request) -> Result:
        events = [(event["timestamp"], _storable(event["message"])) for event in request["logEvents"]]
        size = _check_batch(events)
        group = find_group(self._store, ctx, request)
        stream = find_stream(self._store, group, request["logStreamName"])
        now = now_ms()
        expiry = max(group.expiry(now), 0)
        expired = sum(at < expiry for at, _ in events) if expiry > now - TOO_OLD else 0
        too_old = sum(at < now - TOO_OLD for at, _ in events)
        too_new = sum(at > now + TOO_NEW for at, _ in events)
        accepted = events[max(expired, too_old) : len(events) - too_new]
        if accepted and accepted[-1][0] - accepted[0][0] > DAY:
            raise InvalidParameterException(
                "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
            )
        if len(accepted) != len(events):
            size = sum(_size(message) for _, message in accepted)
        if accepted:
            added = self._store.add_events(group, stream, accepted, size)
            self._tails.publish(group, stream, added)
            await self._feed.feed(ctx, group, added)
            await self._subscribers.feed(group, stream, added)
            stream = find_stream(self._store, group, stream.name)
        rejected = {}
        if too_new:
            rejected["tooNewLogEventStartIndex"] = len(events) - too_new
        if too_old:
            rejected["tooOldLogEventEndIndex"] = too_old
        if expired:
            rejected["expiredLogEventEndIndex"] = expired
        result: dict[str, object] = {"nextSequenceToken": upload_token(stream)}
        return {**result, "rejectedLogEventsInfo": rejected} if rejected else result

    async def get_log_events(self, ctx: Context, request: Request) -> Result:
        group = find_group(self._store, ctx, request)
        stream = find_stream(self._store, group, request["logStreamName"])
        start, end = _time_range(group, request, end_inclusive=False)
        limit = request.get("limit", MAX_EVENTS)
        token = request.get("nextToken")
        forward, position = _read_token(token) if token else (request.get("startFromHead", False), None)
        if forward:
            found = self._store.events(stream.id, start, end, after=position, limit=limit)
            found = found[: _fitting(found)]
        else:
            found = self._store.events_backward(stream.id, start, end, before=position, limit=limit)
            found = found[: _fitting(found)][::-1]
        if found:
            first, last = found[0], found[-1]
            ahead, behind = (last.at, last.number), (first.at, first.number)
        elif position is None:
            ahead = behind = (start, 0)
        else:
            # Between two events: what was just behind a forward token is the last event in front of it, and so back.
            at, number = position
            ahead, behind = (position, (at, number + 1)) if forward else ((at, max(number - 1, 0)), position)
        return {
            "events": [
                {"timestamp": event.at, "message": event.message, "ingestionTime": event.ingested_at} for event in found
            ],
            "nextForwardToken": _token("f", ahead),
            "nextBackwardToken": _token("b", behind),
        }

    async def filter_log_events(self, ctx: Context, request: Request) -> Result:
        group = find_group(self._store, ctx, request)
        streams = self._chosen_streams(group, request)
        pattern = read_pattern(request.get("filterPattern"))
        start, end = _time_range(group, request, end_inclusive=True)
        backward, position = not request.get("startFromHead", True), None
        if token := request.get("nextToken"):
            backward, position = _read_filter_token(token)
        names = {stream.id: stream.name for stream in streams}
        limit, size, more = request.get("limit", MAX_EVENTS), 0, False
        found: list[Event] = []
        for number, event in enumerate(self._store.merged(streams, start, end, position, backward), 1):
            if number % 500 == 0:
                await asyncio.sleep(0)  # others want to be served during a long search
            if pattern and not pattern.match(event.message):
                continue
            size += _size(event.message)
            if len(found) == limit or (found and size > MAX_PAGE):
                more = True
                break
            found.append(event)
        result: dict[str, object] = {
            "events": [
                {
                    "logStreamName": names[event.stream_id],
                    "timestamp": event.at,
                    "message": event.message,
                    "ingestionTime": event.ingested_at,
                    "eventId": event_id(event),
                }
                for event in found
            ],
            "searchedLogStreams": [],
        }
        if more:
            result["nextToken"] = ("b" if backward else "f") + "_" + event_id(found[-1])
        return result

    def _chosen_streams(self, group: Group, request: Request) -> Sequence[Stream]:
        names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
        if names and prefix:
            raise InvalidParameterException("Cannot specify both logStreamNames and logStreamNamePrefix")
        if names:
            return [find_stream(self._store, group, name) for name in dict.fromkeys(names)]
        return [stream for stream in self._store.streams(group) if stream.name.startswith(prefix or "")]


def _storable(message: str) -> str:
    """JSON may carry halves of characters, which are no text."""
    return message if message.isascii() else message.encode("utf-8", "replace").decode()


def _size(message: str) -> int:
    return (len(message) if message.isascii() else len(message.encode())) + EVENT_OVERHEAD


def _check_batch(events: Sequence[tuple[int, str]]) -> int:
    """The bytes that a batch counts, if it is one that AWS takes."""
    total = 0
    last = events[0][0]
    for at, message in events:
        size = _size(message)
        if size > MAX_EVENT:
            raise InvalidParameterException(f"Log event too large: {size} bytes exceeds limit of {MAX_EVENT}")
        if at < last:
            raise InvalidParameterException(
                "Log events in a single PutLogEvents request must be in chronological order."
            )
        total, last = total + size, at
    if total > MAX_BATCH:
        raise InvalidParameterException(f"Upload too large: {total} bytes exceeds limit of {MAX_BATCH}")
    return total


def _time_range(group: Group, request: Request, *, end_inclusive: bool) -> tuple[int, int]:
    """First millisecond and the one behind the last; what has expired is outside."""
    end = min(request.get("endTime", END_OF_TIME), END_OF_TIME) + end_inclusive
    return max(min(request.get("startTime", 0), END_OF_TIME), group.expiry(now_ms())), end


def _fitting(events: Sequence[Event]) -> int:
    """How many of them fit into a page; at least one."""
    size = 0
    for number, event in enumerate(events):
        size += _size(event.message)
        if size > MAX_PAGE:
            return max(number, 1)
    return len(events)


def _token(direction: str, position: tuple[int, int]) -> str:
    at, number = position
    return f"{direction}/{at:020d}{number:036d}/s"


_TOKEN = re.compile(r"(?P<direction>[fb])/(?P<at>\d{20})(?P<number>\d{36})/s", re.ASCII)


def _read_token(token: str) -> tuple[bool, tuple[int, int]]:
    """Whether it leads forward, and the position behind or in front of which to go on."""
    found = _TOKEN.fullmatch(token)
    if not found or int(found["at"]) > END_OF_TIME or int(found["number"]) > END_OF_TIME:
        raise InvalidParameterException("The specified nextToken is invalid.")
    return found["direction"] == "f", (int(found["at"]), int(found["number"]))


_FILTER_TOKEN = re.compile(r"(?P<direction>[fb])_(?P<at>\d{20})(?P<stream>\d{18})(?P<number>\d{18})", re.ASCII)


def _read_filter_token(token: str) -> tuple[bool, tuple[int, int, int]]:
    """Whether it leads backward, and the event behind which to go on: time, stream, number."""
    found = _FILTER_TOKEN.fullmatch(token)
    if not found or int(found["at"]) > END_OF_TIME:
        raise InvalidParameterException("The specified nextToken is invalid.")
    return found["direction"] == "b", (int(found["at"]), int(found["stream"]), int(found["number"]))
