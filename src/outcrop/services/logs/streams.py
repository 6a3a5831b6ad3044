"""Log streams."""

from __future__ import annotations

from outcrop.services.contract import Context, Request, Result
from outcrop.services.logs.errors import InvalidParameterException, ResourceAlreadyExistsException, no_stream
from outcrop.services.logs.groups import find_group
from outcrop.services.logs.paging import page
from outcrop.services.logs.store import Group, LogStore, Stream


def find_stream(store: LogStore, group: Group, name: str) -> Stream:
    if not (stream := store.stream(group, name)):
        raise no_stream()
    return stream


def upload_token(stream: Stream) -> str:
    """The sequence token: 56 digits that mean nothing any more, but that old clients hand back."""
    return f"{stream.id:020d}{stream.events:036d}"


class Streams:
    def __init__(self, store: LogStore) -> None:
        self._store = store

    async def create_log_stream(self, ctx: Context, request: Request) -> Result:
        if not self._store.add_stream(find_group(self._store, ctx, request), request["logStreamName"]):
            raise ResourceAlreadyExistsException("The specified log stream already exists")
        return {}

    async def delete_log_stream(self, ctx: Context, request: Request) -> Result:
        group = find_group(self._store, ctx, request)
        self._store.delete_stream(group, find_stream(self._store, group, request["logStreamName"]))
        return {}

    async def describe_log_streams(self, ctx: Context, request: Request) -> Result:
        group = find_group(self._store, ctx, request)
        prefix, by_time = request.get("logStreamNamePrefix"), request.get("orderBy") == "LastEventTime"
        if prefix and by_time:
            raise InvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
        streams = [stream for stream in self._store.streams(group) if stream.name.startswith(prefix or "")]
        if by_time:
            streams.sort(key=lambda stream: (stream.last_event or 0, stream.name))
        if request.get("descending"):
            streams.reverse()
        shown, token = page(streams, lambda stream: stream.name, request.get("nextToken"), request.get("limit", 50))
        result: dict[str, object] = {"logStreams": [_describe(group, stream) for stream in shown]}
        return {**result, "nextToken": token} if token else result


def _describe(group: Group, stream: Stream) -> Result:
    described: dict[str, object] = {
        "logStreamName": stream.name,
        "creationTime": stream.created_at,
        "arn": f"{group.arn}:log-stream:{stream.name}",
        "storedBytes": 0,
    }
    if stream.last_ingestion is not None:
        described |= {"lastIngestionTime": stream.last_ingestion, "uploadSequenceToken": upload_token(stream)}
    if stream.first_event is not None and stream.last_event is not None:
        described |= {"firstEventTimestamp": stream.first_event, "lastEventTimestamp": stream.last_event}
    return described
