"""A gateway over a few real operations with the simplest handlers, for tests of the wire alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from tests.wire.asgi import KEYS

from outcrop.services.contract import Context, Service, ServiceError, ThrottlingException
from outcrop.services.hooks import Hooks
from outcrop.settings import Settings
from outcrop.wire.gateway import Gateway


class NoSuchKey(ServiceError):
    pass


class NoSuchEntityException(ServiceError):
    code = "NoSuchEntity"


class ModelErrorException(ServiceError):
    pass


class S3Hooks(Hooks):
    error_wrapper = False
    xml_namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    xml_roots = {"list_buckets": "ListAllMyBucketsResult", "get_bucket_location": "LocationConstraint"}  # noqa: RUF012

    def rewrite(self, host: str, raw_path: str) -> str:
        bucket, dot, _ = host.partition(".s3.localhost")
        return f"/{bucket}{raw_path}" if dot else raw_path

    def claims(self, *request: Any) -> bool:
        return True


class Objects:
    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.seen: dict[str, Any] = {}
        self.trailers: dict[str, str] = {}
        self.pieces: list[int] = []
        self.closed = False

    async def put_object(self, ctx: Context, request: Any) -> Any:
        pieces = [piece async for piece in request["Body"]]
        self.seen, self.trailers = dict(request), request["Body"].trailers
        self.pieces = [len(piece) for piece in pieces]
        self.stored[f"{request['Bucket']}/{request['Key']}"] = b"".join(pieces)
        return {"ETag": '"etag"'}

    async def get_object(self, ctx: Context, request: Any) -> Any:
        content = self.stored.get(f"{request['Bucket']}/{request['Key']}")
        if content is None:
            raise NoSuchKey("The specified key does not exist.", Key=request["Key"])
        return {"Body": self._pieces(content), "ContentLength": len(content)}

    async def _pieces(self, content: bytes) -> AsyncIterator[bytes]:
        try:
            for start in range(0, len(content), 1 << 16):
                yield content[start : start + (1 << 16)]
                await asyncio.sleep(0)
        finally:
            self.closed = True

    async def head_object(self, ctx: Context, request: Any) -> Any:
        if request["Key"] == "none":
            raise NoSuchKey("The specified key does not exist.")
        return {"ContentLength": 1234, "ContentType": "text/plain"}

    async def list_buckets(self, ctx: Context, request: Any) -> Any:
        return {"Buckets": [{"Name": "one"}], "Owner": {"ID": ctx.principal.kind}}

    async def delete_objects(self, ctx: Context, request: Any) -> Any:
        return {"Deleted": [{"Key": item["Key"]} for item in request["Delete"]["Objects"]]}

    async def get_bucket_location(self, ctx: Context, request: Any) -> Any:
        return {"LocationConstraint": "eu-central-1"}


class Identity:
    async def get_caller_identity(self, ctx: Context, request: Any) -> Any:
        return {"Account": ctx.account, "Arn": ctx.principal.arn, "UserId": ctx.principal.user_id}


class Users:
    async def get_user(self, ctx: Context, request: Any) -> Any:
        raise NoSuchEntityException(f"The user with name {request['UserName']} cannot be found.")

    async def create_user(self, ctx: Context, request: Any) -> Any:
        raise RuntimeError("a bug in a handler")


class Groups:
    async def create_log_group(self, ctx: Context, request: Any) -> Any:
        ctx.notes["hint"] = f"evil\r\nSet-Cookie: {request['logGroupName']}"
        ctx.headers["X-Extra"] = "1"
        return {}


class Metrics:
    def __init__(self) -> None:
        self.seen: Any = None

    async def put_metric_data(self, ctx: Context, request: Any) -> Any:
        self.seen = request
        return {}

    async def delete_alarms(self, ctx: Context, request: Any) -> Any:
        raise ResourceNotFound("no such alarm")


class ResourceNotFound(ServiceError):
    pass


class Inference:
    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.closed = asyncio.Event()

    async def converse_stream(self, ctx: Context, request: Any) -> Any:
        ctx.notes["served-by"] = "tests"
        return {"stream": self._events(request["modelId"])}

    async def _events(self, model: str) -> AsyncIterator[Any]:
        try:
            if model == "early":
                raise ThrottlingException("too early")
            yield {"messageStart": {"role": "assistant"}}
            if model == "endless":
                while True:
                    yield {"contentBlockDelta": {"delta": {"text": "x" * 1000}, "contentBlockIndex": 0}}
                    await asyncio.sleep(0.001)
            yield {"contentBlockDelta": {"delta": {"text": model}, "contentBlockIndex": 0}}
            if model == "late":
                raise ThrottlingException("too late")
            if model == "broken":
                raise RuntimeError("a bug in a stream")
            yield {"messageStop": {"stopReason": "end_turn"}}
        finally:
            self.closed.set()

    async def invoke_model(self, ctx: Context, request: Any) -> Any:
        if request["modelId"] == "sleep":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if request["modelId"] == "failing":
            raise ModelErrorException("it failed", originalStatusCode=500, resourceName="x")
        return {"body": request.get("body", b""), "contentType": "application/json"}


class KnowledgeBases:
    async def get_knowledge_base(self, ctx: Context, request: Any) -> Any:
        answer = await ctx.call("sts", "get_caller_identity", {})
        return {"knowledgeBase": {"name": answer["Arn"], "knowledgeBaseId": request["knowledgeBaseId"]}}


class Sample:
    """The gateway with its handlers at hand."""

    def __init__(self, *, strict: bool = False) -> None:
        self.objects, self.metrics, self.inference = Objects(), Metrics(), Inference()
        self.gateway = Gateway(
            [
                Service("s3", self.objects, hooks=S3Hooks()),
                Service("sts", Identity()),
                Service("iam", Users()),
                Service("logs", Groups()),
                Service("cloudwatch", self.metrics),
                Service("bedrock-runtime", self.inference),
                Service("bedrock-agent", KnowledgeBases()),
            ],
            settings=Settings(strict=strict),
            lookup=KEYS.get,
        )
