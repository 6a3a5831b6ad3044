"""API keys and usage plans at work: who may call, how often, and how much a day, a week or a month."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from outcrop.services.apigateway.http_apis.live import Bucket
from outcrop.services.apigateway.rest_apis.exchange import RestExchange
from outcrop.services.apigateway.rest_apis.failures import RestFailure
from outcrop.services.apigateway.rest_apis.store import RestStore, Thing


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key may do at a stage, by one usage plan."""

    plan: Thing
    key_id: str


class Limits:
    """Plans are read from the store when something about them has changed; usage is counted in memory and written by
    `flush`."""

    def __init__(self, store: RestStore) -> None:
        self._store = store
        self._grants: dict[tuple[str, str, str], Grant | None] = {}
        self._buckets: dict[tuple[str, ...], Bucket] = {}
        self._used: dict[tuple[str, str, str], int] = {}
        self._unwritten: Counter[tuple[str, str, str]] = Counter()

    def forget(self) -> None:
        """Something about keys or plans has changed."""
        self.flush()
        self._grants.clear()
        self._buckets.clear()
        self._used.clear()

    def flush(self) -> None:
        unwritten, self._unwritten = self._unwritten, Counter()
        if unwritten:
            self._store.use(unwritten)

    def check(self, exchange: RestExchange) -> None:
        """Raises RestFailure for a method that wants a key, and a key that may not or no more."""
        method, stage = exchange.method, exchange.stage
        assert method is not None
        if not method.definition.get("apiKeyRequired"):
            return
        value = exchange.incoming.joined_headers.get("x-api-key", "")
        if stage.api.get("apiKeySource") == "AUTHORIZER":
            value = exchange.usage_key
        place = (stage.api_id, stage.name, value)
        if place not in self._grants:
            if len(self._grants) > 10_000:
                self._grants.clear()
            self._grants[place] = self._find(stage.owner, *place) if value else None
        grant = self._grants[place]
        if grant is None:
            raise RestFailure(
                "INVALID_API_KEY",
                hint="The method wants an API key (header x-api-key) that is enabled and in a usage plan of this stage",
            )
        exchange.api_key = (grant.key_id, value)
        self._throttle(exchange, grant)
        self._count(grant)

    def _find(self, owner: tuple[str, str], api_id: str, stage: str, value: str) -> Grant | None:
        for key in self._store.things(*owner, "api_key"):
            if key.definition["value"] != value or not key.definition.get("enabled"):
                continue
            for membership in self._store.things(*owner, "plan_key"):
                plan_id, _, key_id = membership.id.partition("/")
                plan = self._store.thing(*owner, "usage_plan", plan_id) if key_id == key.id else None
                if plan and any(
                    one["apiId"] == api_id and one["stage"] == stage for one in plan.definition.get("apiStages", ())
                ):
                    return Grant(plan, key.id)
        return None

    def _throttle(self, exchange: RestExchange, grant: Grant) -> None:
        stage, method = exchange.stage, exchange.method
        assert method is not None
        of_stage = next(
            one
            for one in grant.plan.definition["apiStages"]
            if one["apiId"] == stage.api_id and one["stage"] == stage.name
        )
        names = (f"{method.path}/{method.http_method}", "*/*")
        own = next((of_stage["throttle"][name] for name in names if name in of_stage.get("throttle", {})), None)
        which = method.path + method.http_method if own else ""
        settings: dict[str, Any] = own or grant.plan.definition.get("throttle") or {}
        if not settings:
            return
        place = (grant.plan.id, grant.key_id, stage.api_id if own else "", which)
        bucket = self._buckets.get(place)
        if bucket is None:
            if len(self._buckets) > 10_000:
                self._buckets.clear()
            bucket = self._buckets[place] = Bucket(
                settings.get("rateLimit", 10_000.0), settings.get("burstLimit", 5_000)
            )
        if not bucket.take():
            raise RestFailure("THROTTLED", hint="The throttle of the API key's usage plan is reached")

    def _count(self, grant: Grant) -> None:
        """A quota counts requests from the start of its period; `offset` are requests that its first period lacks."""
        today = datetime.now(UTC).date()
        quota = grant.plan.definition.get("quota")
        if quota:
            first = period_start(quota["period"], today)
            place = (grant.plan.id, grant.key_id, first.isoformat())
            if place not in self._used:
                self.flush()
                days = self._store.used(grant.plan.id, first.isoformat(), today.isoformat())
                self._used[place] = sum(days.get(grant.key_id, {}).values())
            if self._used[place] >= quota["limit"]:
                raise RestFailure(
                    "QUOTA_EXCEEDED", hint=f"The quota of {quota['limit']} a {quota['period'].lower()} is used up"
                )
            self._used[place] += 1
        self._unwritten[grant.plan.id, grant.key_id, today.isoformat()] += 1
        if quota or self._unwritten.total() >= 100:
            self.flush()


def period_start(period: str, today: date) -> date:
    if period == "MONTH":
        return today.replace(day=1)
    if period == "WEEK":
        return today - timedelta(days=(today.weekday() + 1) % 7)
    return today
