"""Runs one invocation of one version, whoever asked for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from outcrop.engines.functions import (
    AnswerStream,
    Busy,
    FunctionHost,
    FunctionSpec,
    Invocation,
    Outcome,
    RuntimeMissing,
)
from outcrop.services.lambda_.code import CodeStore
from outcrop.services.lambda_.concurrency import Running, throttled
from outcrop.services.lambda_.errors import TooManyRequestsException
from outcrop.services.lambda_.layers import layers_of
from outcrop.services.lambda_.metrics import Metrics
from outcrop.services.lambda_.names import FunctionName
from outcrop.services.lambda_.store import Function, LambdaStore, Version
from outcrop.services.lambda_.watch import Watch


@dataclass(frozen=True, slots=True)
class Ran:
    outcome: Outcome
    log_tail: bytes
    """The last 4 KB of the log."""

    @property
    def failed(self) -> bool:
        return self.outcome.status != "success"


class Runner:
    def __init__(self, store: LambdaStore, code: CodeStore, host: FunctionHost, watch: Watch, metrics: Metrics) -> None:
        self._store = store
        self._code = code
        self._host = host
        self._watch = watch
        self._metrics = metrics
        self._running = Running(store)

    async def run(
        self,
        function: Function,
        version: Version,
        invoked: FunctionName,
        payload: bytes,
        request_id: str,
        *,
        client_context: str | None = None,
        trace_id: str = "",
        stream: AnswerStream | None = None,
    ) -> Ran:
        """`invoked` is the function as the caller named it. A function that fails is a result; raises
        TooManyRequestsException."""
        invocation = Invocation(request_id, payload, invoked.qualified_arn, client_context, trace_id, stream)
        try:
            with self._running.enter(function) as at_once:
                ran = await self._run(version, invocation)
        except TooManyRequestsException:
            self._metrics.record(invoked, Throttles=1)
            raise
        values = {"Invocations": 1.0, "Errors": float(ran.failed), "Throttles": 0.0, "ConcurrentExecutions": at_once}
        self._metrics.record(invoked, **values, Duration=ran.outcome.duration_ms)
        return ran

    async def _run(self, version: Version, invocation: Invocation) -> Ran:
        spec, request_id = await self._spec(version), invocation.request_id
        with self._watch.keep_tail(request_id) as tail:
            try:
                return Ran(await self._host.invoke(spec, invocation), tail())
            except Busy:
                raise throttled("ConcurrentInvocationLimitExceeded") from None
            except RuntimeMissing as error:
                message = {"errorType": error.error_type, "errorMessage": f"RequestId: {request_id} Error: {error}"}
                return Ran(Outcome(json.dumps(message).encode(), "error", "", error.error_type), b"")

    async def provision(self, wanted: Sequence[tuple[Version, int]]) -> None:
        """Keep so many environments of each version ready, and of no other."""
        self._host.provision([(await self._spec(version), count) for version, count in wanted])

    def provisioned(self, version: Version) -> tuple[int, bool]:
        """How many environments of a version are ready or at work, and whether one has failed to start."""
        return self._host.provisioned(_key(version))

    def retire(self, version: Version) -> None:
        """End the environments of a version that has changed or is gone."""
        self._host.retire(_key(version))

    async def _spec(self, version: Version) -> FunctionSpec:
        settings = version.settings
        layers = layers_of(self._store, settings) if settings["Layers"] else []
        return FunctionSpec(
            _key(version),
            settings["Runtime"],
            settings["Handler"],
            await self._code.unpacked(version.code),
            tuple([await self._code.unpacked(layer.code) for layer in layers]),
            settings["MemorySize"],
            float(settings["Timeout"]),
            settings["EphemeralStorage"]["Size"],
            tag=version,
        )


def _key(version: Version) -> str:
    """Equal for states of a function that may share environments."""
    state: dict[str, Any] = {**version.settings, "Description": "", "code": version.code.sha256}
    digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
    return f"{version.name.qualified_arn} {version.function} {digest[:16]}"
