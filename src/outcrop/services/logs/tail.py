"""Live tail: a stream of what arrives in some groups, once a second."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.logs.errors import InvalidParameterException, SessionTimeoutException
from outcrop.services.logs.groups import find_identified
from outcrop.services.logs.patterns import InvalidPattern, Pattern, compile_pattern
from outcrop.services.logs.store import Event, Group, LogStore, Stream

MAX_UPDATE = 500
MAX_WAITING = 5_000
"""Events; the oldest are dropped for a client that reads too slowly."""
LONGEST = 3 * 3600
"""Seconds."""


@dataclass(eq=False, slots=True)
class Session:
    groups: frozenset[int]
    names: frozenset[str]
    prefixes: tuple[str, ...]
    pattern: Pattern | None
    waiting: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_WAITING))

    def wants(self, group: Group, stream: Stream) -> bool:
        if group.id not in self.groups:
            return False
        if self.names:
            return stream.name in self.names
        return not self.prefixes or stream.name.startswith(self.prefixes)


class Tails:
    """The sessions that are open."""

    def __init__(self, interval: float = 1.0) -> None:
        self.interval = interval
        self._sessions: set[Session] = set()

    def publish(self, group: Group, stream: Stream, events: Sequence[Event]) -> None:
        for session in self._sessions:
            if session.wants(group, stream):
                session.waiting.extend(
                    {
                        "logStreamName": stream.name,
                        "logGroupIdentifier": f"{group.account}:{group.name}",
                        "message": event.message,
                        "timestamp": event.at,
                        "ingestionTime": event.ingested_at,
                    }
                    for event in events
                    if session.pattern is None or session.pattern.match(event.message)
                )

    async def follow(self, session: Session, start: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        self._sessions.add(session)
        try:
            yield {"sessionStart": start}
            ends_at = time.monotonic() + LONGEST
            while time.monotonic() < ends_at:
                await asyncio.sleep(self.interval)
                sampled = len(session.waiting) > MAX_UPDATE
                results = [session.waiting.popleft() for _ in range(min(MAX_UPDATE, len(session.waiting)))]
                session.waiting.clear()
                yield {"sessionUpdate": {"sessionMetadata": {"sampled": sampled}, "sessionResults": results}}
            raise SessionTimeoutException("The session has been open for three hours.")
        finally:
            self._sessions.discard(session)


class LiveTail:
    def __init__(self, store: LogStore, tails: Tails) -> None:
        self._store = store
        self._tails = tails

    async def start_live_tail(self, ctx: Context, request: Request) -> Result:
        identifiers = request["logGroupIdentifiers"]
        if any(not identifier.startswith("arn:") or identifier.endswith("*") for identifier in identifiers):
            raise InvalidParameterException("logGroupIdentifiers takes ARNs of log groups that don't end in '*'.")
        groups = [find_identified(self._store, ctx, identifier) for identifier in identifiers]
        names, prefixes = request.get("logStreamNames", ()), request.get("logStreamNamePrefixes", ())
        if names and prefixes:
            raise InvalidParameterException("Cannot specify both logStreamNames and logStreamNamePrefixes")
        if (names or prefixes) and len(groups) > 1:
            raise InvalidParameterException("Log streams can be chosen only for a single log group.")
        text = request.get("logEventFilterPattern", "")
        try:
            pattern = compile_pattern(text) if text.strip() else None
        except InvalidPattern as error:
            raise InvalidParameterException(str(error)) from None
        session = Session(frozenset(group.id for group in groups), frozenset(names), tuple(prefixes), pattern)
        start = {
            "requestId": ctx.request_id,
            "sessionId": str(uuid.uuid4()),
            "logGroupIdentifiers": list(identifiers),
            "logStreamNames": list(names),
            "logStreamNamePrefixes": list(prefixes),
            "logEventFilterPattern": text,
        }
        start = {name: value for name, value in start.items() if value != []}
        return {"responseStream": self._tails.follow(session, start)}
