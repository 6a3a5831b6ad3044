"""Ends loops: a function that causes its own invocation, through other functions or a bucket, again and again.

Which functions a chain of calls led through, and how often, travels in the trace header: AWS's SDKs send on the one
that a function was invoked with.
"""

from __future__ import annotations

import hashlib
import secrets
import time

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup
from outcrop.services.lambda_.names import FunctionName
from outcrop.services.lambda_.store import LambdaStore

MOST = 16
"""Invocations of one function in one chain."""
MAX_LINEAGES = 32


class Recursion:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def put_function_recursion_config(self, ctx: Context, request: Request) -> Result:
        function = lookup.function(self._store, lookup.name(ctx, request))
        self._store.set_recursion(function.id, request["RecursiveLoop"])
        return {"RecursiveLoop": request["RecursiveLoop"]}

    async def get_function_recursion_config(self, ctx: Context, request: Request) -> Result:
        return {"RecursiveLoop": lookup.function(self._store, lookup.name(ctx, request)).recursion}


def advance(trace: str, name: FunctionName) -> tuple[str, int]:
    """The trace header for an invocation of `name` that came with `trace`, and how often the chain has led here."""
    parts = dict(part.split("=", 1) for part in trace.replace(" ", "").split(";") if "=" in part)
    if "Root" not in parts:
        parts = {"Root": f"1-{int(time.time()):08x}-{secrets.token_hex(12)}", "Sampled": "0", **parts}
    mine = hashlib.sha256(name.arn.encode()).hexdigest()[:8]
    visits: dict[str, int] = {}
    for entry in parts.pop("Lineage", "").split("|")[:MAX_LINEAGES]:
        function, _, count = entry.partition(":")
        if count.isdecimal() and len(count) < 6:
            visits[function] = int(count)
    visits[mine] = visits.get(mine, 0) + 1
    lineage = "|".join(f"{function}:{count}" for function, count in visits.items())
    ordered = {"Root": parts["Root"], "Parent": secrets.token_hex(8), "Sampled": parts.get("Sampled", "0")}
    shown = {**ordered, **{key: value for key, value in parts.items() if key not in ordered}, "Lineage": lineage}
    return ";".join(f"{key}={value}" for key, value in shown.items()), visits[mine]
