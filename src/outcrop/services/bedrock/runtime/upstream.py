"""AWS itself, for models that the mapping gives to `aws`: requests go there as they came, answers come back unchanged.

    [text]
    "anthropic.*" = { to = "aws", region = "us-east-1", profile = "work" }

Only where a mapping says so, with the credentials of that profile (or of botocore's usual places), and at AWS's prices.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from outcrop.engines.inference.engine import EngineUnsupported
from outcrop.services.bedrock.errors import ServiceUnavailableException
from outcrop.services.bedrock.runtime.calls import Usage
from outcrop.services.contract import AccessDeniedException, ServiceError

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Event, Generation
    from outcrop.engines.inference.mapping import Choice
    from outcrop.engines.inference.models import Models
    from outcrop.services.bedrock.catalogue.targets import Target
    from outcrop.services.bedrock.runtime.calls import Call
    from outcrop.services.contract import Context, Request, Result

KIND = "aws"
_TOLD = ("input-token-count", "output-token-count", "invocation-latency", "cache-read-input-token-count")
_METRICS = "amazon-bedrock-invocationMetrics"
_SECONDS = 300


class Upstream:
    def __init__(self, models: Models) -> None:
        self._models = models
        self._clients: dict[tuple[Choice, str], Any] = {}
        self._lock = threading.Lock()
        models.provide("text", KIND, lambda argument, choice: AskedThroughBedrock())
        models.provide("embedding", KIND, _no_embedder)

    def serves(self, target: Target) -> Choice | None:
        """The entry of the mapping that gives this model to AWS, if one does."""
        model = target.model
        choice = self._models.choice("embedding" if model.embeds else "image" if model.draws else "text", target.key)
        return choice if choice and choice.targets[0].kind == KIND else None

    async def converse(self, call: Call, choice: Choice) -> Result:
        answer = await self._ask(call, choice, "converse")
        call.usage = _usage(answer["usage"])
        call.output = answer
        return answer

    async def converse_stream(self, call: Call, choice: Choice) -> Result:
        answer = await self._ask(call, choice, "converse_stream")
        return {"stream": UpstreamStream(call, answer["stream"])}

    async def invoke_model(self, call: Call, choice: Choice) -> Result:
        answer = await self._ask(call, choice, "invoke_model")
        body = await asyncio.to_thread(answer["body"].read)
        call.output = body
        return {**answer, "body": body}

    async def invoke_model_with_response_stream(self, call: Call, choice: Choice) -> Result:
        answer = await self._ask(call, choice, "invoke_model_with_response_stream")
        return {**answer, "body": UpstreamStream(call, answer["body"])}

    async def count_tokens(self, ctx: Context, target: Target, request: Request, choice: Choice) -> Result:
        return _content(await self._send(ctx, target, request, choice, "count_tokens"))

    async def _ask(self, call: Call, choice: Choice, operation: str) -> dict[str, Any]:
        await call.admit()
        answer = await self._send(call.ctx, call.target, call.request, choice, operation)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        told = {name: headers[f"x-amzn-bedrock-{name}"] for name in _TOLD if f"x-amzn-bedrock-{name}" in headers}
        call.ctx.headers.update({f"X-Amzn-Bedrock-{name.title()}": value for name, value in told.items()})
        call.first_ms = call.elapsed_ms()
        if "input-token-count" in told:
            call.usage = Usage(int(told["input-token-count"]), int(told.get("output-token-count", 0)))
        return _content(answer)

    async def _send(
        self, ctx: Context, target: Target, request: Request, choice: Choice, operation: str
    ) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        region = str(choice.option("region", ctx.region))
        given = {**request, "modelId": _identifier(target, request["modelId"])}
        try:
            client = await asyncio.to_thread(self._client, choice, region)
            answer: dict[str, Any] = await asyncio.to_thread(getattr(client, operation), **given)
        except ClientError as error:
            raise _refusal(error.response) from error
        except NoCredentialsError as error:
            raise AccessDeniedException(
                "This model is mapped to AWS, and there are no credentials for it. Give the mapping a `profile` of "
                "~/.aws/credentials, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where Outcrop runs."
            ) from error
        except BotoCoreError as error:
            raise ServiceUnavailableException(f"AWS could not be asked: {error}") from error
        ctx.notes["served-by"] = f"aws:{region}"
        return answer

    def _client(self, choice: Choice, region: str) -> Any:
        """Never this stack's own endpoint, whatever the environment says, but for one that the mapping names."""
        with self._lock:
            if (choice, region) not in self._clients:
                import botocore.session
                from botocore.config import Config

                session = botocore.session.Session(profile=str(choice.option("profile", "")) or None)
                config = Config(
                    read_timeout=float(choice.option("timeout", _SECONDS)),
                    connect_timeout=float(choice.option("connect_timeout", 5)),
                    retries={"total_max_attempts": int(choice.option("retries", 2)) + 1},
                    ignore_configured_endpoint_urls=True,
                    max_pool_connections=50,
                )
                endpoint = str(choice.option("endpoint", "")) or None
                self._clients[choice, region] = session.create_client(
                    "bedrock-runtime", region_name=region, endpoint_url=endpoint, config=config
                )
            return self._clients[choice, region]


class UpstreamStream(AsyncIterator[dict[str, Any]]):
    """The events as AWS sends them. Each is waited for on a thread, for botocore knows no other way."""

    def __init__(self, call: Call, events: Any) -> None:
        self._call = call
        self._source = events
        self._events: Iterator[dict[str, Any]] = iter(events)
        call.streams = True
        call.output = [] if call.keeps_output else None

    async def __anext__(self) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, EventStreamError

        try:
            event = await asyncio.to_thread(next, self._events, None)
        except EventStreamError as error:
            raise await self._failed(_refusal(error.response)) from error
        except (BotoCoreError, OSError) as error:
            failure = ServiceUnavailableException(f"AWS broke off in the middle of its answer: {error}")
            raise await self._failed(failure) from error
        if event is None:
            await self._call.settle()
            raise StopAsyncIteration
        self._note(event)
        return event

    async def _failed(self, error: ServiceError) -> ServiceError:
        self._call.error = error
        await self._call.settle()
        return error

    def _note(self, event: dict[str, Any]) -> None:
        if self._call.output is not None:
            self._call.output.append(event)
        if "metadata" in event:
            self._call.usage = _usage(event["metadata"]["usage"])
        elif "chunk" in event and _METRICS.encode() in event["chunk"]["bytes"]:
            metrics = json.loads(event["chunk"]["bytes"]).get(_METRICS, {})
            self._call.usage = Usage(metrics.get("inputTokenCount", 0), metrics.get("outputTokenCount", 0))

    async def aclose(self) -> None:
        self._source.close()
        await self._call.settle()


def _content(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def _identifier(target: Target, given: str) -> str:
    """ARNs of this stack's account mean nothing there."""
    if not given.startswith("arn:"):
        return given
    if ":inference-profile/" in given:
        return given.rpartition("/")[2]
    return target.model.id


def _usage(told: dict[str, Any]) -> Usage:
    return Usage(
        told["inputTokens"],
        told["outputTokens"],
        told.get("cacheReadInputTokens", 0),
        told.get("cacheWriteInputTokens", 0),
    )


def _refusal(response: Any) -> ServiceError:
    """AWS's own error, under its own name."""
    error = response.get("Error", {})
    code = str(error.get("Code") or "InternalServerException")
    code = code[:1].upper() + code[1:]
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 500)
    kind: type[ServiceError] = type(code, (ServiceError,), {"status": status})
    return kind(str(error.get("Message") or "AWS refused this request."))


class AskedThroughBedrock:
    """Stands for AWS where an engine is expected: it is no extractive one, and Bedrock's operations do the asking."""

    name = KIND
    extractive = False

    async def open(self) -> None:
        """Clients are made when the first request comes."""

    async def aclose(self) -> None:
        """Nothing is held."""

    async def generate(self, generation: Generation) -> AsyncIterator[Event]:
        raise EngineUnsupported("AWS can't stand in for another engine: map the model to `aws` alone.")
        yield  # makes it a generator

    async def count(self, generation: Generation) -> int:
        raise EngineUnsupported("AWS can't stand in for another engine: map the model to `aws` alone.")


def _no_embedder(argument: str, choice: Choice) -> Any:
    raise EngineUnsupported(
        "Embedding models that are mapped to AWS are asked through InvokeModel only: knowledge bases can't use them."
    )
