"""Any endpoint that speaks OpenAI's chat completions: Ollama, llama.cpp, vLLM, LM Studio, OpenAI itself."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from outcrop.engines.inference.engine import (
    Document,
    EngineDown,
    EngineError,
    EngineTimeout,
    Event,
    Finish,
    Generation,
    Image,
    Reasoning,
    ReasoningDelta,
    StopReason,
    Text,
    TextDelta,
    ToolResult,
    ToolUse,
    ToolUseDelta,
    ToolUseStart,
)
from outcrop.engines.inference.stops import StopScanner
from outcrop.engines.inference.thoughts import Thoughts

if TYPE_CHECKING:
    import httpx

    from outcrop.engines.inference.engine import Block, Message
    from outcrop.engines.inference.tokens import Tokens

log = logging.getLogger("outcrop.inference")

_BACKOFF = 0.25
_LONGEST_WAIT = 5.0
_RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504})
_REASONS: dict[str, StopReason] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "content_filtered",
}
_TOOL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_SCHEMA_NAME = "answer"
_FURTHER = ("seed", "frequency_penalty", "presence_penalty", "logit_bias", "reasoning_effort", "parallel_tool_calls")
_LOCAL = ("min_p", "repetition_penalty")
"""What servers other than OpenAI's take besides."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    """Without a slash at the end, such as `http://localhost:11434/v1`."""
    model: str
    """The endpoint's own name of the model."""
    api_key: str = ""

    @property
    def label(self) -> str:
        return f"openai:{self.model}@{urlsplit(self.url).netloc.rpartition('@')[2]}"

    @property
    def is_openai(self) -> bool:
        return urlsplit(self.url).hostname == "api.openai.com"


class OpenAI:
    """A text engine over one endpoint or several of the same rank.

    The endpoint that answered last is asked first; the next one is tried where it can't be reached, is busy or fails
    before the first token; when all have failed they are tried again, `retries` times. `connect_timeout` and
    `read_timeout` are seconds; the latter is the longest silence, so it covers the time to the first token.
    """

    extractive = False

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        tokens: Callable[[], Awaitable[Tokens]],
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 300.0,
        retries: int = 2,
    ) -> None:
        self._endpoints = tuple(endpoints)
        self._tokens = tokens
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._rounds = max(0, retries) + 1
        self._current = 0
        self._client: httpx.AsyncClient | None = None

    @property
    def name(self) -> str:
        return self._endpoints[self._current].label

    async def open(self) -> None:
        import httpx

        timeout = httpx.Timeout(self._read_timeout, connect=self._connect_timeout, pool=None)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=16)
        self._client = httpx.AsyncClient(timeout=timeout, limits=limits, follow_redirects=True)

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def generate(self, generation: Generation) -> AsyncIterator[Event]:
        response = await self._request(generation)
        try:
            async with aclosing(self._events(response, generation)) as events:
                async for event in events:
                    yield event
        finally:
            await response.aclose()

    async def count(self, generation: Generation) -> int:
        """What the endpoint itself counts: it is asked for a single token. By our tokenizer where it doesn't say."""
        response = await self._request(replace(generation, max_tokens=1, stop=()))
        try:
            async for chunk in _chunks(response, self.name):
                if (usage := chunk.get("usage")) and isinstance(usage.get("prompt_tokens"), int):
                    return int(usage["prompt_tokens"])
        finally:
            await response.aclose()
        return await (await self._tokens()).prompt(generation)

    async def _request(self, generation: Generation) -> httpx.Response:
        """An answer whose body has begun to stream, from the first endpoint that gives one. Raises EngineError."""
        failure: EngineError | None = None
        for attempt in range(self._rounds):
            wait = _BACKOFF * 4**attempt
            for offset in range(len(self._endpoints)):
                index = (self._current + offset) % len(self._endpoints)
                try:
                    response = await self._send(self._endpoints[index], generation)
                except EngineError as error:
                    failure = error
                    if not error.retryable:
                        raise
                    if isinstance(error, _Busy) and error.retry_after is not None:
                        wait = min(max(wait, error.retry_after), _LONGEST_WAIT)
                    continue
                if index != self._current:
                    log.warning("%s does not answer; %s does", self.name, self._endpoints[index].label)
                    self._current = index
                return response
            if attempt < self._rounds - 1:
                await asyncio.sleep(wait)
        assert failure is not None
        raise failure

    async def _send(self, endpoint: Endpoint, generation: Generation) -> httpx.Response:
        import httpx

        if self._client is None:
            raise EngineDown(f"the engine {endpoint.label} is closed")
        url = f"{endpoint.url}/chat/completions"
        headers = {"accept": "text/event-stream", "content-type": "application/json"}
        if endpoint.api_key:
            headers["authorization"] = f"Bearer {endpoint.api_key}"
        content = json.dumps(_body(endpoint, generation)).encode()
        request = self._client.build_request("POST", url, content=content, headers=headers)
        try:
            response = await self._client.send(request, stream=True)
        except httpx.ConnectTimeout as error:
            raise EngineDown(
                f"{endpoint.url} did not accept a connection within {self._connect_timeout:g} seconds. "
                "Is the address in --llm right, and the machine up?",
                retryable=True,
            ) from error
        except httpx.TimeoutException as error:
            raise EngineTimeout(
                f"{endpoint.url} sent nothing for {self._read_timeout:g} seconds. "
                "The model may be too large for its machine."
            ) from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise EngineDown(
                f"{endpoint.url} can't be reached ({_cause(error)}). Start the model server there "
                "(for Ollama: `ollama serve`), or give another address with --llm.",
                retryable=True,
            ) from error
        if response.status_code == 200:
            return response
        try:
            await response.aread()
            raise _refusal(endpoint, response)
        except httpx.HTTPError as error:
            raise EngineDown(f"{endpoint.url} broke off while it answered {response.status_code}") from error
        finally:
            await response.aclose()

    async def _events(self, response: httpx.Response, generation: Generation) -> AsyncGenerator[Event, None]:
        scanner, thoughts = StopScanner(generation.stop), Thoughts()
        written: list[str] = []
        calls: dict[int, str] = {}
        finish: str | None = None
        usage: Mapping[str, Any] = {}
        async with aclosing(_chunks(response, self.name)) as chunks:
            async for chunk in chunks:
                usage = chunk.get("usage") or usage
                choices = chunk.get("choices") or [{}]
                delta = choices[0].get("delta") or {}
                finish = choices[0].get("finish_reason") or finish
                if thought := delta.get("reasoning_content") or delta.get("reasoning"):
                    written.append(str(thought))
                    yield ReasoningDelta(str(thought))
                if text := delta.get("content"):
                    for piece in thoughts.split(str(text)):
                        shown = piece.text if isinstance(piece, ReasoningDelta) else scanner.feed(piece.text)
                        if shown:
                            written.append(shown)
                            yield piece if isinstance(piece, ReasoningDelta) else TextDelta(shown)
                    if scanner.found is not None:
                        break
                for call in delta.get("tool_calls") or ():
                    if not calls and (rest := scanner.flush()):
                        written.append(rest)
                        yield TextDelta(rest)
                    for event in _tool_events(call, calls):
                        if isinstance(event, ToolUseDelta):
                            written.append(event.partial_json)
                        yield event
        if scanner.found is None:
            if finish is None:
                raise EngineError(f"{self.name} ended its answer without saying why; it may have been stopped")
            for held in thoughts.rest():
                written.append(held.text)
                yield held if isinstance(held, ReasoningDelta) else TextDelta(scanner.feed(held.text))
            if rest := scanner.flush():
                written.append(rest)
                yield TextDelta(rest)
        reason: StopReason = _REASONS.get(finish or "", "end_turn")
        if scanner.found is not None:
            reason = "stop_sequence"
        elif calls and reason == "end_turn":
            reason = "tool_use"
        yield await self._finish(generation, reason, scanner.found, usage, written)

    async def _finish(
        self,
        generation: Generation,
        reason: StopReason,
        stop: str | None,
        usage: Mapping[str, Any],
        written: Sequence[str],
    ) -> Finish:
        counted = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
        if isinstance(counted[0], int) and isinstance(counted[1], int):
            details = usage.get("prompt_tokens_details")
            cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
            return Finish(reason, counted[0], counted[1], stop, cached if isinstance(cached, int) else 0)
        tokens = await self._tokens()
        return Finish(reason, await tokens.prompt(generation), await tokens.count("".join(written)), stop)


class _Busy(EngineError):
    retry_after: float | None = None


def _refusal(endpoint: Endpoint, response: httpx.Response) -> EngineError:
    said = _error_text(response.text)
    status = response.status_code
    message = f"{endpoint.url} answered {status}: {said}"
    if status == 404:
        message += f". Is `{endpoint.model}` a model that it has? (for Ollama: `ollama pull {endpoint.model}`)"
    if status in (401, 403):
        message += ". Give its key with OUTCROP_LLM_API_KEY"
    if status not in _RETRIED:
        return EngineError(message, status=status)
    error = _Busy(message, status=status, retryable=True)
    try:
        error.retry_after = float(response.headers.get("retry-after", ""))
    except ValueError:
        error.retry_after = None
    return error


def _error_text(body: str) -> str:
    """What an error body says, in at most 500 characters."""
    try:
        said = json.loads(body)
    except ValueError:
        said = body
    if isinstance(said, Mapping):
        said = said.get("error") or said.get("message") or said.get("detail") or said
    if isinstance(said, Mapping):
        said = said.get("message") or said
    return str(said).strip()[:500].rstrip(".") or "(no text)"


def _cause(error: BaseException) -> str:
    text = str(error).strip()
    return text if text and text != "All connection attempts failed" else "connection refused"


async def _chunks(response: httpx.Response, name: str) -> AsyncGenerator[dict[str, Any], None]:
    """The JSON of each server-sent event, as it arrives. An endpoint that doesn't stream gives its one answer."""
    import httpx

    try:
        if response.headers.get("content-type", "").startswith("application/json"):
            await response.aread()
            yield _whole(_decode(response.text, name))
            return
        async for line in response.aiter_lines():
            if not line.startswith("data:"):
                continue
            data = line[5:].strip()
            if data == "[DONE]":
                return
            if data:
                yield _decode(data, name)
    except httpx.TimeoutException as error:
        raise EngineTimeout(f"{name} went silent in the middle of its answer") from error
    except httpx.HTTPError as error:
        raise EngineError(f"{name} broke off in the middle of its answer ({_cause(error)})") from error


def _decode(data: str, name: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except ValueError as error:
        raise EngineError(f"{name} sent what is not JSON: {data[:200]!r}") from error
    if not isinstance(chunk, dict):
        raise EngineError(f"{name} sent what is not an object: {data[:200]!r}")
    if chunk.get("error"):
        raise EngineError(f"{name} failed: {_error_text(data)}")
    return chunk


def _whole(answer: dict[str, Any]) -> dict[str, Any]:
    """A whole completion in the form of one chunk."""
    choices = [{**choice, "delta": choice.get("message") or {}} for choice in answer.get("choices") or ()]
    return {**answer, "choices": choices}


def _tool_events(call: Mapping[str, Any], calls: dict[int, str]) -> list[Event]:
    """Events of one tool-call delta; `calls` holds the id of each call so far by its index."""
    events: list[Event] = []
    function = call.get("function") or {}
    index = int(call.get("index") or 0) if call.get("index") is not None else len(calls)
    started = calls.get(index)
    other = call.get("id") and started and call["id"] != started and function.get("name")
    if started is None or other:
        if other:
            index = max(calls) + 1
        given = str(call.get("id") or "")
        calls[index] = given if _TOOL_ID.fullmatch(given) else f"tooluse_{secrets.token_urlsafe(16)}"
        events.append(ToolUseStart(calls[index], str(function.get("name") or "")))
    arguments = function.get("arguments")
    if arguments:
        events.append(ToolUseDelta(arguments if isinstance(arguments, str) else json.dumps(arguments)))
    return events


def _body(endpoint: Endpoint, generation: Generation) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": _messages(generation),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if generation.max_tokens is not None:
        body["max_completion_tokens" if endpoint.is_openai else "max_tokens"] = generation.max_tokens
    if generation.temperature is not None:
        body["temperature"] = generation.temperature
    if generation.top_p is not None:
        body["top_p"] = generation.top_p
    if generation.top_k is not None and not endpoint.is_openai:
        body["top_k"] = generation.top_k
    if generation.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)},
            }
            for tool in generation.tools
        ]
        body["tool_choice"] = _tool_choice(generation.tool_choice)
    if generation.json_schema is not None:
        body["response_format"] = _response_format(generation.json_schema)
    further = _FURTHER if endpoint.is_openai else _FURTHER + _LOCAL
    body |= {name: generation.extra[name] for name in further if generation.extra.get(name) is not None}
    return body


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    if not schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": _SCHEMA_NAME, "schema": dict(schema), "strict": True}}


def _tool_choice(choice: str | None) -> str | dict[str, Any]:
    match choice:
        case None:
            return "none"
        case "any":
            return "required"
        case str() if choice.startswith("tool:"):
            return {"type": "function", "function": {"name": choice.removeprefix("tool:")}}
        case _:
            return "auto"


def _messages(generation: Generation) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if generation.system:
        messages.append({"role": "system", "content": generation.system})
    for message in generation.messages:
        messages.extend(_assistant(message) if message.role == "assistant" else _user(message))
    return messages


def _assistant(message: Message) -> list[dict[str, Any]]:
    text = "".join(block.text for block in message.content if isinstance(block, Text))
    calls = [
        {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": json.dumps(block.input)}}
        for block in message.content
        if isinstance(block, ToolUse)
    ]
    return [{"role": "assistant", "content": text or None, "tool_calls": calls} if calls else _plain("assistant", text)]


def _plain(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def _user(message: Message) -> list[dict[str, Any]]:
    """Tool results become messages of their own, in front; pictures that they hold go to the user's message."""
    messages: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for block in message.content:
        if isinstance(block, ToolResult):
            texts = [str(part["text"]) for item in block.content if (part := _part(item))["type"] == "text"]
            parts.extend(_part(item) for item in block.content if isinstance(item, Image))
            said = "\n".join(texts)
            content = f"Error: {said}" if block.is_error else said
            messages.append({"role": "tool", "tool_call_id": block.id, "content": content})
        elif not isinstance(block, Reasoning):
            parts.append(_part(block))
    if parts:
        if all(part["type"] == "text" for part in parts):
            messages.append(_plain("user", "\n\n".join(part["text"] for part in parts)))
        else:
            messages.append({"role": "user", "content": parts})
    return messages


def _part(block: Block) -> dict[str, Any]:
    match block:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(format, data):
            url = f"data:image/{format};base64,{base64.b64encode(data).decode()}"
            return {"type": "image_url", "image_url": {"url": url}}
        case Document(name, _, data):
            return {"type": "text", "text": f'<document name="{name}">\n{data.decode(errors="replace")}\n</document>'}
        case _:
            raise EngineError(f"a {type(block).__name__} can't stand in a message of the user")
