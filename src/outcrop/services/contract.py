"""What every service is written against: the context of a call, a service, its errors, and what it may use.

Nothing here knows HTTP, and nothing here knows a service by name. `wire/` sits above and turns bytes into calls;
the composition root (`app.py`) fills `Deps`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from outcrop.engines.indexing.tables import VectorTables
from outcrop.services.changes import ObjectChanges

if TYPE_CHECKING:
    from outcrop.engines.inference.models import Models
    from outcrop.jobs import Jobs
    from outcrop.services.hooks import Hooks
    from outcrop.services.surface import Surface
    from outcrop.settings import Settings
    from outcrop.storage import Blobs, Database

Request = Mapping[str, Any]
"""One operation's input: the model's own member names; blobs are `bytes`, timestamps aware `datetime`s, a streaming
body an `AsyncIterator[bytes]`, documents plain JSON values."""

Result = Mapping[str, Any]
"""One operation's output in the same form; an event stream is an async iterator of one-member dicts
(`{"contentBlockDelta": {...}}`)."""

ByteStream = AsyncIterator[bytes]


class Call(Protocol):
    """Calls another service as the same principal: `await ctx.call("s3", "get_object", {"Bucket": …, "Key": …})`.

    `service` is botocore's service name, `operation` boto3's method name. Input is validated like any client's; the
    answer is the operation's own dict. Raises `ServiceError` exactly as the operation does.
    """

    def __call__(self, service: str, operation: str, request: Request) -> Awaitable[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the owner of the key that signed the request."""

    arn: str
    """`arn:aws:iam::000000000000:root`, `…:user/NAME`, `arn:aws:sts::…:assumed-role/ROLE/SESSION`."""
    user_id: str
    """What GetCallerIdentity answers as UserId."""
    access_key_id: str = ""
    kind: Literal["root", "user", "assumed-role", "service", "anonymous"] = "root"


@dataclass(frozen=True, slots=True)
class Credential:
    """A key that may sign requests (or a bearer key, which is its own secret)."""

    access_key_id: str
    secret: str
    account: str
    principal: Principal
    session_token: str = ""
    """What `X-Amz-Security-Token` must say; empty for long-term keys."""
    expires_at: float | None = None
    """Seconds since the epoch; None for long-term keys."""


@dataclass(frozen=True, slots=True)
class Context:
    """What an operation knows about its call, beside its input."""

    account: str
    """Twelve digits."""
    region: str
    principal: Principal
    request_id: str
    """A UUID; the answer carries it and so do log lines."""
    call: Call
    endpoint: str = "http://127.0.0.1:4566"
    """The base URL under which the caller reached this stack, for URLs that answers carry."""
    source_ip: str = "127.0.0.1"
    user_agent: str = ""
    trace_id: str = ""
    """`X-Amzn-Trace-Id` of the request: which chain of calls it belongs to, and which functions that led through."""
    notes: dict[str, str] = field(default_factory=dict)
    """Helpful extras that have no place in AWS's shapes: `wire/` sends each as a header `x-outcrop-<name>`.
    Set them before the answer (or its first stream event) is returned."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers that AWS sends but its model doesn't know, such as InvokeModel's token counts: sent under these very
    names. Set them as early as `notes`."""


class ServiceError(Exception):
    """A failure that AWS's model of the operation names. Subclass one per error code in the service's `errors.py`.

    The class name is the code on the wire unless `code` says otherwise. The HTTP status comes from the service's
    model; `status` serves errors that the model leaves out. Keyword arguments become further members of the body.
    An error whose status is 304 has no body. `headers` go out with the answer; set them on the instance.
    """

    code: ClassVar[str]
    status: ClassVar[int] = 400
    headers: Sequence[tuple[str, str]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" not in cls.__dict__:
            cls.code = cls.__name__

    def __init__(self, message: str = "", **members: Any) -> None:
        super().__init__(message)
        self.message = message
        self.members = members


class ValidationException(ServiceError):
    """The input is not what the operation takes."""


class AccessDeniedException(ServiceError):
    status = 403


class ResourceNotFoundException(ServiceError):
    status = 404


class ConflictException(ServiceError):
    status = 409


class ThrottlingException(ServiceError):
    status = 429


class InternalServerException(ServiceError):
    status = 500


class Service:
    """One botocore service: its name and the objects whose public async methods are its operations.

    A method named as boto3 names an operation, taking `(ctx, request)`, is that operation. Binding (`wire/binding.py`)
    checks every public method against the service's model at start-up: a stranger or a duplicate is an error.
    `surfaces` answer plain HTTP beside the API (a static website, an HTTP API's own URL); `on_start` and `on_stop`
    run once each with the server's loop; `hooks` are the service's oddities on the wire, if it has any.
    """

    def __init__(
        self,
        name: str,
        *resources: object,
        surfaces: tuple[Surface, ...] = (),
        hooks: Hooks | None = None,
        on_start: Callable[[], Awaitable[None]] | None = None,
        on_stop: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self.resources = resources
        self.surfaces = surfaces
        self.hooks = hooks
        self.on_start = on_start
        self.on_stop = on_stop


class Contexts(Protocol):
    def __call__(self, account: str, region: str, principal: Principal, trace_id: str = "") -> Context: ...


class Databases(Protocol):
    def __call__(self, name: str, *, durable: bool = True) -> Database: ...


@dataclass(frozen=True, slots=True)
class Deps:
    """What the composition root hands to every `services/<name>/service.py`. All of it opens lazily."""

    settings: Settings
    data: Path
    """The data directory; a service keeps its own files under `data / "<service>"`."""
    database: Databases
    """`database("s3")`: the service's own SQLite file, opened on first use. With `durable=False` commits wait for no
    disk: they survive a killed process, but not the loss of power."""
    blobs: Callable[[str], Blobs]
    """`blobs("s3")`: a durable file store for large bodies."""
    jobs: Jobs
    models: Models
    """Text engines and embedders by model id, shared by Bedrock and Knowledge Bases."""
    context: Contexts
    """`context(account, region, principal)`: for background work, which has no caller."""
    lookup: Callable[[str], Credential | None]
    """The credential of an access key id (or of a bearer key), or None: the one answer for all who check signatures."""
    endpoint: Callable[[], str]
    """The URL at which child processes on this machine reach the stack, such as `http://127.0.0.1:4566`."""
    tables: VectorTables = field(default_factory=VectorTables)
    """Open tables of vectors by ARN: what one service keeps there, another may search."""
    changes: ObjectChanges = field(default_factory=ObjectChanges)
    """Where S3 tells that objects have changed."""
