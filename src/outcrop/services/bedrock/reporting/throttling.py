"""Requests and tokens by the minute that models take, where someone has limited them: `PATTERN=REQUESTS[/TOKENS]`.

As on AWS, a request reserves its input and its longest answer when it begins; what it really used counts when it ends.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from outcrop.engines.inference.tokens import Tokens, by_rule
from outcrop.services.contract import ThrottlingException

if TYPE_CHECKING:
    from outcrop.services.bedrock.runtime.calls import Call

_MINUTE = 60.0
_LIMIT = re.compile(r"(?P<pattern>[^=\s]+)=(?P<requests>\d+)(?:/(?P<tokens>\d+))?")
_BURNS_FIVE = re.compile(r"anthropic\.claude-(?:3-7|(?:opus|sonnet|haiku)-4)")
_BURN_DOWN = 5
"""How many tokens of the quota one token of such a model's output uses."""


@dataclass(frozen=True, slots=True)
class Limit:
    pattern: str
    requests: int
    tokens: int | None

    @classmethod
    def read(cls, text: str) -> Limit:
        """Raises ValueError."""
        found = _LIMIT.fullmatch(text)
        if found is None:
            raise ValueError(
                f"OUTCROP_THROTTLE: {text!r} is no limit. Write PATTERN=REQUESTS or PATTERN=REQUESTS/TOKENS, each by "
                "the minute, such as anthropic.*=10/20000."
            )
        return cls(found["pattern"], int(found["requests"]), int(found["tokens"]) if found["tokens"] else None)


class _Minute:
    """What was used in the last minute."""

    def __init__(self) -> None:
        self.used: deque[list[float]] = deque()
        """[when, tokens] of each request."""

    def forget(self, now: float) -> None:
        while self.used and self.used[0][0] <= now - _MINUTE:
            self.used.popleft()


class Throttle:
    """A watcher of calls. The first limit that matches a model is its own, counted by account, region and model."""

    wants_output = False

    def __init__(self, limits: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = [Limit.read(text) for text in limits]
        self._clock = clock
        self._minutes: dict[tuple[str, str, str], _Minute] = {}
        self._running: dict[int, list[float]] = {}

    async def admit(self, call: Call) -> None:
        """Raises ThrottlingException."""
        limit = next((one for one in self._limits if fnmatchcase(call.model.id, one.pattern)), None)
        if limit is None:
            return
        minute = self._minutes.setdefault((call.ctx.account, call.ctx.region, call.model.id), _Minute())
        now = self._clock()
        minute.forget(now)
        if len(minute.used) >= limit.requests:
            raise ThrottlingException("Too many requests, please wait before trying again.")
        wanted = await _reserved(call) if limit.tokens is not None else 0
        if limit.tokens is not None and sum(tokens for _, tokens in minute.used) + wanted > limit.tokens:
            raise ThrottlingException("Too many tokens, please wait before trying again.")
        entry = [now, float(wanted)]
        minute.used.append(entry)
        self._running[id(call)] = entry

    async def settle(self, call: Call) -> None:
        entry = self._running.pop(id(call), None)
        if entry is not None:
            used = call.usage
            burn = _BURN_DOWN if _BURNS_FIVE.match(call.model.id) else 1
            entry[1] = used.input_tokens + used.cache_write_tokens + used.output_tokens * burn if used else 0


async def _reserved(call: Call) -> int:
    generation = call.generation
    if generation is None:
        return 0
    return await Tokens(by_rule, exact=False).prompt(generation) + (generation.max_tokens or 0)
