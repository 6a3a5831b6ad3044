"""The one form between model families and engines: a `Generation` in, a stream of events out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "content_filtered"]


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Image:
    format: str
    """`png`, `jpeg`, `gif` or `webp`."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Document:
    name: str
    format: str
    data: bytes
    """UTF-8 text where the format is `txt`, `md`, `csv` or `html`. Engines read no other format: callers that take
    PDFs and the like turn them into `txt` first."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    id: str
    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    id: str
    content: tuple[Text | Image | Document, ...]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought before it answered."""

    text: str


Block = Text | Image | Document | ToolUse | ToolResult | Reasoning


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["user", "assistant"]
    content: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    schema: Mapping[str, Any]
    """JSON Schema of the input."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One request for text. None means: the engine's own default."""

    model: str
    """The Bedrock model id that the caller named."""
    messages: tuple[Message, ...]
    system: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    """None: no tools; `auto`, `any`, or `tool:NAME`."""
    json_schema: Mapping[str, Any] | None = None
    """The schema that the answer must fit; an empty one: any JSON object."""
    shows_reasoning: bool = True
    """Whether the asker wants to see what the model thinks."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters under their usual names: `seed`, `frequency_penalty`, `presence_penalty`, `logit_bias`,
    `reasoning_effort`. Engines take those that they know."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ToolUseStart:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolUseDelta:
    partial_json: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of every stream."""

    reason: StopReason
    input_tokens: int
    output_tokens: int
    stop_sequence: str | None = None
    cached_tokens: int = 0
    """How many of the input tokens the engine had in its cache."""
    latency_ms: int | None = None
    """How long the answer took, where an `Origin` has begun it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The first event of an answer that is recorded or replayed: what else tells two runs of it apart."""

    id: str
    """32 hexadecimal digits."""
    created: int
    """Seconds since the epoch."""
    engine: str
    first_ms: int
    """Milliseconds to the first event."""


Event = Origin | TextDelta | ReasoningDelta | ToolUseStart | ToolUseDelta | Finish


class EngineError(Exception):
    """The engine could not answer; the text says what happened and what to do."""

    def __init__(self, message: str, *, status: int | None = None, retryable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status that a remote engine answered, if it did."""
        self.retryable = retryable


class EngineDown(EngineError):
    """Nothing there to answer: an endpoint that refuses connections, weights that are missing."""


class EngineLoading(EngineError):
    """The engine is being loaded and will answer soon."""


class EngineTimeout(EngineError):
    """The engine took too long."""


class EngineUnsupported(EngineError):
    """The engine works, but can't do what this request asks."""


class TextEngine(Protocol):
    """A source of text. The constructor is light; `open()` loads, `aclose()` lets go."""

    @property
    def name(self) -> str:
        """What `x-outcrop-served-by` says, such as `extractive` or `openai:llama3.2@localhost:11434`."""
        ...

    @property
    def extractive(self) -> bool:
        """True if it only selects sentences that it was given, so that Knowledge Bases hand it passages directly."""
        ...

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    def generate(self, generation: Generation) -> AsyncIterator[Event]:
        """Events as they are made, ending in `Finish`. Closing the iterator cancels the work. Raises EngineError."""
        ...

    async def count(self, generation: Generation) -> int:
        """The `input_tokens` that `generate` would report. Raises EngineError."""
        ...
