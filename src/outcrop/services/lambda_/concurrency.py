"""How many invocations may run at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup
from outcrop.services.lambda_.code import MAX_UNPACKED, MAX_ZIP
from outcrop.services.lambda_.errors import InvalidParameterValueException, TooManyRequestsException
from outcrop.services.lambda_.store import Function, LambdaStore

ACCOUNT_LIMIT = 1000
MIN_UNRESERVED = 100
MAX_STORAGE = 300 * 1024**3


class Concurrency:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def put_function_concurrency(self, ctx: Context, request: Request) -> Result:
        name = lookup.name(ctx, request)
        function = lookup.function(self._store, name)
        wanted = request["ReservedConcurrentExecutions"]
        others = self._store.reserved_total(name.account, name.region, name.name)
        if ACCOUNT_LIMIT - others - wanted < MIN_UNRESERVED:
            raise InvalidParameterValueException(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{MIN_UNRESERVED}]."
            )
        self._store.set_reserved(function.id, wanted)
        return {"ReservedConcurrentExecutions": wanted}

    async def get_function_concurrency(self, ctx: Context, request: Request) -> Result:
        reserved = lookup.function(self._store, lookup.name(ctx, request)).reserved
        return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}

    async def delete_function_concurrency(self, ctx: Context, request: Request) -> Result:
        self._store.set_reserved(lookup.function(self._store, lookup.name(ctx, request)).id, None)
        return {}

    async def get_account_settings(self, ctx: Context, request: Request) -> Result:
        functions, code = self._store.usage(ctx.account, ctx.region)
        return {
            "AccountLimit": {
                "TotalCodeSize": MAX_STORAGE,
                "CodeSizeUnzipped": MAX_UNPACKED,
                "CodeSizeZipped": MAX_ZIP,
                "ConcurrentExecutions": ACCOUNT_LIMIT,
                "UnreservedConcurrentExecutions": ACCOUNT_LIMIT - self._store.reserved_total(ctx.account, ctx.region),
            },
            "AccountUsage": {"TotalCodeSize": code, "FunctionCount": functions},
        }


class Running:
    """Counts what runs, and holds it to the limits."""

    def __init__(self, store: LambdaStore) -> None:
        self._store = store
        self._functions: Counter[int] = Counter()
        self._unreserved: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def enter(self, function: Function) -> Iterator[int]:
        """Count one invocation as running; how many of the function's run now. Raises TooManyRequestsException."""
        pool = (function.name.account, function.name.region)
        if function.reserved is not None:
            if self._functions[function.id] >= function.reserved:
                raise throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
        elif self._unreserved[pool] >= ACCOUNT_LIMIT - self._store.reserved_total(*pool):
            raise throttled("ConcurrentInvocationLimitExceeded")
        reserved = function.reserved is not None
        self._functions[function.id] += 1
        self._unreserved[pool] += not reserved
        try:
            yield self._functions[function.id]
        finally:
            self._functions[function.id] -= 1
            if not self._functions[function.id]:
                del self._functions[function.id]
            self._unreserved[pool] -= not reserved


def throttled(reason: str) -> TooManyRequestsException:
    return TooManyRequestsException("Rate Exceeded.", Reason=reason)
