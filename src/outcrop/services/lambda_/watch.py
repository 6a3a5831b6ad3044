"""What Lambda gives to new environments, and what it writes down about them around a function's own output."""

from __future__ import annotations

import json
import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from outcrop.engines.functions import EnvironmentInfo, Invocation, Line, Outcome, Variables
from outcrop.services.contract import Context
from outcrop.services.lambda_.roles import Roles
from outcrop.services.lambda_.settings import log_group, runtime_version_arn
from outcrop.services.lambda_.shipping import Shipping, Stream
from outcrop.services.lambda_.store import Version

TAIL_BYTES = 4096
SECRET = re.compile(r"(?:^|_)(?:KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIALS?)(?:_|$)", re.IGNORECASE)
SHORTEST_SECRET = 8


@dataclass(slots=True)
class Journal:
    """One environment's log."""

    version: Version
    stream: Stream
    json: bool
    note: str = ""
    secrets: tuple[str, ...] = ()
    """What its lines must not show."""
    tail: deque[str] = field(default_factory=deque)
    tail_size: int = 0
    """Characters in `tail`."""
    invocation: str = ""
    """The request id, while it runs."""


class Watch:
    """The `Owner` of all environments."""

    def __init__(
        self,
        roles: Roles,
        context: Callable[[str, str], Context],
        endpoint: Callable[[], str],
        resume: Callable[[str], None],
        mask: bool = True,
    ) -> None:
        """`mask`: keep the values of variables such as OPENAI_API_KEY out of the log."""
        self._mask = mask
        self._roles = roles
        self._endpoint = endpoint
        self._shipping = Shipping(context, lambda stream: resume(stream.environment))
        self._journals: dict[str, Journal] = {}
        self._tails: dict[str, str] = {}

    @contextmanager
    def keep_tail(self, request_id: str) -> Iterator[Callable[[], bytes]]:
        """Keep the end of what this invocation logs; what is yielded answers its last 4 KB."""
        self._tails[request_id] = ""
        try:
            yield lambda: self._tails[request_id].encode()[-TAIL_BYTES:]
        finally:
            del self._tails[request_id]

    async def flush(self) -> None:
        await self._shipping.flush()

    # Owner

    async def prepare(self, environment: EnvironmentInfo) -> Variables:
        version = cast(Version, environment.spec.tag)
        name, settings = version.name, version.settings
        keys = await self._roles.keys(version)
        day = datetime.fromtimestamp(environment.started_at, UTC)
        stream = Stream(
            name.account,
            name.region,
            log_group(version),
            f"{day:%Y/%m/%d}/[{version.version}]{environment.id}",
            environment.id,
        )
        logging = settings["LoggingConfig"]
        as_json = logging.get("LogFormat") == "JSON"
        given = settings.get("Environment", {}).get("Variables", {})
        hidden = secret_values(given) if self._mask else ()
        self._journals[environment.id] = Journal(version, stream, as_json, keys.note, hidden)
        variables = {
            "AWS_LAMBDA_FUNCTION_NAME": name.name,
            "AWS_LAMBDA_FUNCTION_VERSION": version.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings["MemorySize"]),
            "AWS_LAMBDA_LOG_GROUP_NAME": stream.group,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream.name,
            "AWS_LAMBDA_INITIALIZATION_TYPE": _initialization(environment),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{settings['Runtime']}",
            "AWS_REGION": name.region,
            "AWS_DEFAULT_REGION": name.region,
            "AWS_ACCESS_KEY_ID": keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": keys.secret,
            "AWS_ENDPOINT_URL": self._endpoint(),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            **given,
        }
        if keys.session_token:
            variables["AWS_SESSION_TOKEN"] = keys.session_token
        if as_json:
            variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
            variables["AWS_LAMBDA_LOG_LEVEL"] = logging.get("ApplicationLogLevel", "INFO")
        return Variables(variables, keys.expires_at)

    def init_started(self, environment: EnvironmentInfo, note: str) -> None:
        journal = self._journals[environment.id]
        runtime = _runtime_version(journal.version)
        arn = runtime_version_arn(journal.version)
        text = f"INIT_START Runtime Version: {runtime}\tRuntime Version ARN: {arn}"
        record = {
            "initializationType": _initialization(environment),
            "phase": "init",
            "runtimeVersion": runtime,
            "runtimeVersionArn": arn,
            "functionName": journal.version.name.name,
            "functionVersion": journal.version.version,
        }
        self._platform(journal, text, "platform.initStart", record)
        for line in filter(None, (note, journal.note)):
            self._write(journal, [(_now(), f"[OUTCROP] {line}\n")])

    def init_failed(self, environment: EnvironmentInfo, outcome: Outcome) -> None:
        journal = self._journals[environment.id]
        text = (
            f"INIT_REPORT Init Duration: {outcome.duration_ms:.2f} ms\tPhase: init\tStatus: {outcome.status}"
            f"\tError Type: {outcome.error_type}"
        )
        record = {
            "initializationType": _initialization(environment),
            "phase": "init",
            "status": outcome.status,
            "errorType": outcome.error_type,
            "metrics": {"durationMs": round(outcome.duration_ms, 3)},
        }
        self._platform(journal, text, "platform.initReport", record)

    def invoke_started(self, environment: EnvironmentInfo, invocation: Invocation) -> None:
        journal = self._journals[environment.id]
        journal.invocation = invocation.request_id
        journal.tail.clear()
        journal.tail_size = 0
        version = journal.version.version
        text = f"START RequestId: {invocation.request_id} Version: {version}"
        record = {"requestId": invocation.request_id, "version": version}
        self._platform(journal, text, "platform.start", record)

    def invoke_ended(self, environment: EnvironmentInfo, invocation: Invocation, outcome: Outcome) -> None:
        journal = self._journals[environment.id]
        request_id = invocation.request_id
        if outcome.status == "timeout":
            seconds = journal.version.settings["Timeout"]
            stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._write(journal, [(_now(), f"{stamp} {request_id} Task timed out after {seconds:.2f} seconds\n\n")])
        elif outcome.error_type in ("Runtime.ExitError", "Runtime.OutOfMemory", "Function.ResponseSizeTooLarge"):
            message = json.loads(outcome.payload)["errorMessage"]
            self._write(journal, [(_now(), f"{message}\n{outcome.error_type}\n")])
        if not journal.json:
            self._write(journal, [(_now(), f"END RequestId: {request_id}\n")])
        text, record = _report(journal.version, request_id, outcome)
        self._platform(journal, text, "platform.report", record)
        if request_id in self._tails:
            self._tails[request_id] = "".join(journal.tail)
        journal.invocation = ""

    def output(self, environment: EnvironmentInfo, lines: Sequence[Line]) -> bool:
        return self._write(self._journals[environment.id], lines)

    def closed(self, environment: EnvironmentInfo) -> None:
        self._journals.pop(environment.id, None)

    # lines

    def _platform(self, journal: Journal, text: str, kind: str, record: dict[str, Any]) -> None:
        if journal.json:
            stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            text = json.dumps({"time": stamp, "type": kind, "record": record}, separators=(",", ":"))
        self._write(journal, [(_now(), text + "\n")])

    def _write(self, journal: Journal, lines: Sequence[Line]) -> bool:
        if journal.secrets:
            lines = [(at, _masked(text, journal.secrets)) for at, text in lines]
        if journal.invocation:
            for _, text in lines[-TAIL_BYTES:]:
                journal.tail.append(text)
                journal.tail_size += len(text)
            while journal.tail_size - len(journal.tail[0]) > TAIL_BYTES:
                journal.tail_size -= len(journal.tail.popleft())
        return self._shipping.add(journal.stream, lines)


def secret_values(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables that are secret by their name, longest first."""
    found = {value for name, value in variables.items() if SECRET.search(name) and len(value) >= SHORTEST_SECRET}
    return tuple(sorted(found, key=len, reverse=True))


def _masked(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, f"{secret[:3]}***")
    return text


def _report(version: Version, request_id: str, outcome: Outcome) -> tuple[str, dict[str, Any]]:
    """The REPORT line, and the same as a record."""
    init_ms = outcome.init_ms or 0.0
    billed = max(1, math.ceil(outcome.duration_ms + init_ms))
    memory = version.settings["MemorySize"]
    text = (
        f"REPORT RequestId: {request_id}\tDuration: {outcome.duration_ms:.2f} ms\tBilled Duration: {billed} ms\t"
        f"Memory Size: {memory} MB\tMax Memory Used: {outcome.max_memory_mb} MB\t"
    )
    metrics: dict[str, Any] = {
        "durationMs": round(outcome.duration_ms, 3),
        "billedDurationMs": billed,
        "memorySizeMB": memory,
        "maxMemoryUsedMB": outcome.max_memory_mb,
    }
    record = {"requestId": request_id, "metrics": metrics, "status": outcome.status}
    if outcome.init_ms is not None:
        text += f"Init Duration: {init_ms:.2f} ms\t"
        metrics["initDurationMs"] = round(init_ms, 3)
    if outcome.status == "timeout":
        text += "Status: timeout"
    elif outcome.error_type.startswith(("Runtime.", "Function.")):
        text += f"Status: error\tError Type: {outcome.error_type}"
        record["errorType"] = outcome.error_type
    return text, record


def _runtime_version(version: Version) -> str:
    """`python:3.13.v1`."""
    runtime = str(version.settings["Runtime"])
    for family in ("python", "nodejs", "java"):
        if runtime.startswith(family):
            return f"{family}:{runtime.removeprefix(family).removesuffix('.x')}.v1"
    return f"{runtime}.v1"


def _initialization(environment: EnvironmentInfo) -> str:
    return "provisioned-concurrency" if environment.provisioned else "on-demand"


def _now() -> int:
    return time.time_ns() // 1_000_000
