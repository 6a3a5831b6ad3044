"""Writes an entry for each invocation that reached an engine, once it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcrop.services.bedrock.ledger.store import Entry

if TYPE_CHECKING:
    from outcrop.services.bedrock.ledger.store import LedgerStore
    from outcrop.services.bedrock.runtime.calls import Call


class Ledger:
    """A watcher of calls."""

    wants_output = False

    def __init__(self, store: LedgerStore) -> None:
        self._store = store

    async def admit(self, call: Call) -> None:
        """Nothing is refused."""

    async def settle(self, call: Call) -> None:
        if (used := call.usage) is None:
            return
        kind, _, name = call.target.resource.split(":", 5)[-1].partition("/")
        self._store.add(
            Entry(
                at=call.at.timestamp(),
                request_id=call.ctx.request_id,
                account=call.ctx.account,
                region=call.ctx.region,
                operation=call.operation,
                model=name if kind == "inference-profile" else call.model.id,
                resource=call.target.resource,
                by_hour=kind == "provisioned-model",
                caller=call.ctx.principal.arn,
                tags=dict(call.request.get("requestMetadata") or {}),
                engine=call.ctx.notes.get("served-by", ""),
                input_tokens=used.input_tokens,
                output_tokens=used.output_tokens,
                cache_read_tokens=used.cache_read_tokens,
                cache_write_tokens=used.cache_write_tokens,
                images=used.images,
                queries=used.searches,
            )
        )
