"""Event-source mappings. Nothing here can be polled for a function: no queue, no stream, no table."""

from __future__ import annotations

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup
from outcrop.services.lambda_.errors import InvalidParameterValueException, ResourceNotFoundException
from outcrop.services.lambda_.store import LambdaStore


class Sources:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def create_event_source_mapping(self, ctx: Context, request: Request) -> Result:
        lookup.function(self._store, lookup.name(ctx, request))
        source = request.get("EventSourceArn") or "the event source"
        raise InvalidParameterValueException(
            f"{source} can't be polled: Outcrop has no SQS, Kinesis, DynamoDB, MSK, MQ or DocumentDB. Let an S3 bucket "
            "notify the function (PutBucketNotificationConfiguration), or invoke it (InvocationType Event)."
        )

    async def list_event_source_mappings(self, ctx: Context, request: Request) -> Result:
        if request.get("FunctionName"):
            lookup.function(self._store, lookup.name(ctx, request))
        return {"EventSourceMappings": []}

    async def get_event_source_mapping(self, ctx: Context, request: Request) -> Result:
        raise ResourceNotFoundException("The resource you requested does not exist.")

    async def update_event_source_mapping(self, ctx: Context, request: Request) -> Result:
        raise ResourceNotFoundException("The resource you requested does not exist.")

    async def delete_event_source_mapping(self, ctx: Context, request: Request) -> Result:
        raise ResourceNotFoundException("The resource you requested does not exist.")
