"""Logs Insights: queries over log groups. They run in threads, a few at a time; their results are kept in memory, the
saved definitions on disk."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import re
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.logs.errors import (
    InvalidParameterException,
    LimitExceededException,
    MalformedQueryException,
    ResourceNotFoundException,
)
from outcrop.services.logs.groups import find_group, find_identified
from outcrop.services.logs.paging import page
from outcrop.services.logs.store import Event, Group, LogStore, QueryDefinition, now_ms

if TYPE_CHECKING:
    from outcrop.engines.insights import Query, Record, Table

log = logging.getLogger(__name__)

MAX_KEPT = 1000
"""Queries whose results are remembered; the oldest are forgotten."""
MAX_ACTIVE = 100
AT_ONCE = 2
MAX_GROUPS = 50
MAX_DEFINITIONS = 1000
SAMPLED = 1000
"""Events that are looked at for the fields of a group."""

_POINTER = re.compile(r"(\d+)/(\d+)/(\d+)/(\d+)", re.ASCII)


@dataclass(eq=False, slots=True)
class Run:
    """One query that was started."""

    id: str
    account: str
    region: str
    groups: Sequence[Group]
    source: str
    principal: str
    created_at: int
    status: str = "Scheduled"
    ended_at: int | None = None
    bytes: int = 0
    table: Table | None = None
    cancelled: bool = field(default=False)


class Runs:
    """The queries that were started, newest last."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._kept: OrderedDict[str, Run] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)

    def start(self, run: Run, query: Query, start: int, end: int, limit: int | None) -> None:
        active = sum(each.status in ("Scheduled", "Running") for each in self._kept.values())
        if active >= MAX_ACTIVE:
            raise LimitExceededException(f"{MAX_ACTIVE} queries run already; wait for one of them, or stop it.")
        self._kept[run.id] = run
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        task = asyncio.get_running_loop().create_task(self._run(run, query, start, end, limit), name="logs query")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def find(self, ctx: Context, query_id: str) -> Run:
        """Raises ResourceNotFoundException."""
        run = self._kept.get(query_id)
        if run is None or (run.account, run.region) != (ctx.account, ctx.region):
            raise ResourceNotFoundException(f"Query with id {query_id} does not exist.")
        return run

    def all(self, ctx: Context) -> list[Run]:
        """Of an account and region, newest first."""
        return [run for run in reversed(self._kept.values()) if (run.account, run.region) == (ctx.account, ctx.region)]

    async def aclose(self) -> None:
        for run in self._kept.values():
            run.cancelled = True
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, run: Run, query: Query, start: int, end: int, limit: int | None) -> None:
        async with self._slots:
            if run.cancelled:
                return
            run.status = "Running"
            try:
                table = await asyncio.to_thread(query.run, self._records(run, start, end), limit)
            except _Cancelled:
                return
            except Exception:
                log.exception("a query of %s failed: %s", [group.name for group in run.groups], run.source)
                run.status = "Failed"
            else:
                run.table, run.status = table, "Complete"
            finally:
                run.ended_at = now_ms()

    def _records(self, run: Run, start: int, end: int) -> Iterator[Record]:
        """Newest first."""
        streams, names = [], {}
        for group in run.groups:
            for stream in self._store.streams(group):
                streams.append(stream)
                names[stream.id] = (group, stream.name)
        expiry = {group.id: group.expiry(now_ms()) for group in run.groups}
        for event in self._store.merged(streams, start, end, None, backward=True):
            if run.cancelled:
                raise _Cancelled
            group, stream_name = names[event.stream_id]
            if event.at >= expiry[group.id]:
                run.bytes += len(event.message)
                yield record_of(group, stream_name, event)


class _Cancelled(Exception):
    pass


def record_of(group: Group, stream: str, event: Event) -> Record:
    from outcrop.engines.insights import Record

    return Record(
        {
            "@timestamp": event.at,
            "@message": event.message,
            "@logStream": stream,
            "@log": f"{group.account}:{group.name}",
            "@ingestionTime": event.ingested_at,
            "@ptr": _pointer(group, event),
        }
    )


class Insights:
    def __init__(self, store: LogStore, runs: Runs) -> None:
        self._store = store
        self._runs = runs

    async def start_query(self, ctx: Context, request: Request) -> Result:
        if request.get("queryLanguage", "CWLI") != "CWLI":
            raise InvalidParameterException("Outcrop runs queries in the language CWLI only.")
        query = _compile(request["queryString"])
        groups = self._groups(ctx, request)
        start, end = (_milliseconds(request[name]) for name in ("startTime", "endTime"))
        if start > end:
            raise InvalidParameterException("End time should not be before start time.")
        run = Run(
            str(uuid.uuid4()), ctx.account, ctx.region, groups, request["queryString"], ctx.principal.arn, now_ms()
        )
        self._runs.start(run, query, start, end + 1000, request.get("limit"))
        return {"queryId": run.id}

    async def get_query_results(self, ctx: Context, request: Request) -> Result:
        run = self._runs.find(ctx, request["queryId"])
        table = run.table
        rows = table.rows if table else []
        first = _offset(request.get("nextToken"))
        last = first + (request.get("maxItems") or 10_000)
        shown = [
            [
                *({"field": name, "value": value} for name, value in row),
                *(
                    [{"field": "@ptr", "value": str(table.records[number].get("@ptr"))}]
                    if table and table.records
                    else []
                ),
            ]
            for number, row in enumerate(rows[first:last], first)
        ]
        answer: dict[str, Any] = {
            "queryLanguage": "CWLI",
            "results": shown,
            "status": run.status,
            "statistics": {
                "recordsMatched": float(table.matched if table else 0),
                "recordsScanned": float(table.scanned if table else 0),
                "bytesScanned": float(run.bytes),
                "estimatedRecordsSkipped": 0.0,
                "estimatedBytesSkipped": 0.0,
                "logGroupsScanned": float(len(run.groups)),
            },
        }
        if last < len(rows):
            answer["nextToken"] = base64.urlsafe_b64encode(str(last).encode()).decode()
        return answer

    async def stop_query(self, ctx: Context, request: Request) -> Result:
        run = self._runs.find(ctx, request["queryId"])
        if run.status not in ("Scheduled", "Running"):
            raise InvalidParameterException(f"Query {run.id} is {run.status}: there is nothing to stop.")
        run.cancelled, run.status = True, "Cancelled"
        return {"success": True}

    async def describe_queries(self, ctx: Context, request: Request) -> Result:
        name, status = request.get("logGroupName"), request.get("status")
        runs = [
            run
            for run in self._runs.all(ctx)
            if (name is None or any(group.name == name for group in run.groups)) and status in (None, run.status)
        ]
        shown, token = page(runs, lambda run: run.id, request.get("nextToken"), request.get("maxResults", 1000))
        queries = [
            {
                "queryLanguage": "CWLI",
                "queryId": run.id,
                "queryString": run.source,
                "status": run.status,
                "createTime": run.created_at,
                "logGroupName": run.groups[0].name,
                "userIdentity": run.principal,
                "bytesScanned": float(run.bytes),
                **({"queryDuration": run.ended_at - run.created_at} if run.ended_at else {}),
            }
            for run in shown
        ]
        return {"queries": queries, **({"nextToken": token} if token else {})}

    async def get_log_record(self, ctx: Context, request: Request) -> Result:
        group, stream, event = self._pointed(ctx, request["logRecordPointer"])
        record = record_of(group, stream, event)
        return {"logRecord": {name: str(record.get(name)) for name in record.names()}}

    async def get_log_group_fields(self, ctx: Context, request: Request) -> Result:
        """Of the events around the given time, or of the last 15 minutes that have any."""
        group = find_group(self._store, ctx, request)
        quarter = 15 * 60_000
        if at := request.get("time"):
            centre = _milliseconds(at)
            start, end = centre - quarter, centre + quarter
        else:
            start, end = 0, now_ms() + 2 * 3_600_000
        streams = self._store.streams(group)
        names = {stream.id: stream.name for stream in streams}
        counts: dict[str, int] = {}
        total = 0
        for event in self._store.merged(streams, start, end, None, backward=True):
            if total == SAMPLED:
                break
            total += 1
            for name in record_of(group, names[event.stream_id], event).names():
                if name != "@ptr":
                    counts[name] = counts.get(name, 0) + 1
        found = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        return {"logGroupFields": [{"name": name, "percent": round(100 * count / total)} for name, count in found]}

    def _groups(self, ctx: Context, request: Request) -> list[Group]:
        given = [name for name in ("logGroupName", "logGroupNames", "logGroupIdentifiers") if request.get(name)]
        if len(given) != 1:
            raise InvalidParameterException(
                "Exactly one of logGroupName, logGroupNames and logGroupIdentifiers must be given."
            )
        value = request[given[0]]
        names = [value] if given[0] == "logGroupName" else list(dict.fromkeys(value))
        if len(names) > MAX_GROUPS:
            raise InvalidParameterException(f"A query takes {MAX_GROUPS} log groups at most.")
        return [find_identified(self._store, ctx, name) for name in names]

    def _pointed(self, ctx: Context, pointer: str) -> tuple[Group, str, Event]:
        try:
            text = base64.b64decode(pointer.encode(), validate=True).decode()
        except (binascii.Error, ValueError):
            text = ""
        match = _POINTER.fullmatch(text)
        if match is None or any(len(part) > 18 for part in match.groups()):
            raise InvalidParameterException("The specified logRecordPointer is invalid.")
        group_id, stream_id, at, number = (int(part) for part in match.groups())
        groups = self._store.groups(ctx.account, ctx.region)
        group = next((each for each in groups if each.id == group_id), None)
        streams = self._store.streams(group) if group else []
        stream = next((each for each in streams if each.id == stream_id), None)
        found = self._store.events(stream_id, at, at + 1, after=(at, number - 1), limit=1) if stream else []
        if group is None or stream is None or not found or found[0].number != number:
            raise ResourceNotFoundException("The specified log record does not exist.")
        return group, stream.name, found[0]


class QueryDefinitions:
    """Queries that are kept under a name."""

    def __init__(self, store: LogStore) -> None:
        self._store = store

    async def put_query_definition(self, ctx: Context, request: Request) -> Result:
        _compile(request["queryString"])
        known = {each.id: each for each in self._store.query_definitions(ctx.account, ctx.region)}
        query_id = request.get("queryDefinitionId")
        if query_id is not None and query_id not in known:
            raise ResourceNotFoundException(f"The query definition {query_id} does not exist.")
        if query_id is None and len(known) >= MAX_DEFINITIONS:
            raise LimitExceededException("Resource limit exceeded.")
        if any(each.name == request["name"] and each.id != query_id for each in known.values()):
            raise InvalidParameterException(f"There is a query definition called {request['name']} already.")
        definition = QueryDefinition(
            query_id or str(uuid.uuid4()),
            request["name"],
            request["queryString"],
            tuple(request.get("logGroupNames") or ()),
            now_ms(),
        )
        self._store.put_query_definition(ctx.account, ctx.region, definition)
        return {"queryDefinitionId": definition.id}

    async def describe_query_definitions(self, ctx: Context, request: Request) -> Result:
        prefix = request.get("queryDefinitionNamePrefix") or ""
        known = [
            each for each in self._store.query_definitions(ctx.account, ctx.region) if each.name.startswith(prefix)
        ]
        shown, token = page(known, lambda each: each.name, request.get("nextToken"), request.get("maxResults", 1000))
        definitions = [
            {
                "queryLanguage": "CWLI",
                "queryDefinitionId": each.id,
                "name": each.name,
                "queryString": each.query,
                "lastModified": each.modified_at,
                **({"logGroupNames": list(each.groups)} if each.groups else {}),
            }
            for each in shown
        ]
        return {"queryDefinitions": definitions, **({"nextToken": token} if token else {})}

    async def delete_query_definition(self, ctx: Context, request: Request) -> Result:
        if not self._store.delete_query_definition(ctx.account, ctx.region, request["queryDefinitionId"]):
            raise ResourceNotFoundException(f"The query definition {request['queryDefinitionId']} does not exist.")
        return {"success": True}


def _compile(source: str) -> Query:
    from outcrop.engines.insights import InvalidQuery, compile_query

    try:
        return compile_query(source)
    except InvalidQuery as error:
        location = {"startCharOffset": error.at, "endCharOffset": min(error.at + 1, max(len(source), error.at))}
        raise MalformedQueryException(
            error.message, queryCompileError={"location": location, "message": error.message}
        ) from None


def _milliseconds(moment: int) -> int:
    """AWS takes seconds; what can only be milliseconds is taken as such."""
    return moment if moment >= 100_000_000_000 else moment * 1000


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(base64.b64decode(token.encode(), altchars=b"-_", validate=True)[:9])
    except (binascii.Error, ValueError):
        raise InvalidParameterException("The specified nextToken is invalid.") from None


def _pointer(group: Group, event: Event) -> str:
    return base64.b64encode(f"{group.id}/{event.stream_id}/{event.at}/{event.number}".encode()).decode()
