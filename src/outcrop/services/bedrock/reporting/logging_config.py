"""Where an account has its invocations logged, in each region: nowhere at first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from outcrop.services.contract import ServiceError, ValidationException

if TYPE_CHECKING:
    from outcrop.services.contract import Context, Request, Result
    from outcrop.storage import Database

DATABASE = "invocation-logging"
SCHEMA = ["CREATE TABLE config (account TEXT, region TEXT, body TEXT NOT NULL, PRIMARY KEY (account, region))"]


class LoggingConfigs:
    """`context(account, region)` is Bedrock's own, which is to write there."""

    def __init__(self, database: Database, context: Callable[[str, str], Context]) -> None:
        self._db = database
        self._db.migrate(SCHEMA)
        self._context = context
        self._known: dict[tuple[str, str], dict[str, Any]] | None = None

    def of(self, account: str, region: str) -> Mapping[str, Any] | None:
        return self._all().get((account, region))

    @property
    def any(self) -> bool:
        return bool(self._all())

    async def put_model_invocation_logging_configuration(self, ctx: Context, request: Request) -> Result:
        config = dict(request["loggingConfig"])
        await self._check(ctx, config)
        self._db.write("INSERT OR REPLACE INTO config VALUES (?,?,?)", (ctx.account, ctx.region, json.dumps(config)))
        self._all()[ctx.account, ctx.region] = config
        return {}

    async def get_model_invocation_logging_configuration(self, ctx: Context, request: Request) -> Result:
        config = self.of(ctx.account, ctx.region)
        return {"loggingConfig": config} if config else {}

    async def delete_model_invocation_logging_configuration(self, ctx: Context, request: Request) -> Result:
        self._db.write("DELETE FROM config WHERE account=? AND region=?", (ctx.account, ctx.region))
        self._all().pop((ctx.account, ctx.region), None)
        return {}

    def _all(self) -> dict[tuple[str, str], dict[str, Any]]:
        if self._known is None:
            rows = self._db.read("SELECT * FROM config")
            self._known = {(row["account"], row["region"]): json.loads(row["body"]) for row in rows}
        return self._known

    async def _check(self, ctx: Context, config: Mapping[str, Any]) -> None:
        cloudwatch, s3 = config.get("cloudWatchConfig"), config.get("s3Config")
        if not cloudwatch and not s3:
            raise ValidationException("The logging configuration must name a log group or a bucket.")
        own = self._context(ctx.account, ctx.region)
        if cloudwatch:
            group = cloudwatch["logGroupName"]
            found = await own.call("logs", "describe_log_groups", {"logGroupNamePrefix": group})
            if not any(one["logGroupName"] == group for one in found.get("logGroups", ())):
                raise ValidationException(
                    f"Failed to validate permissions for log group: {group}. Create the log group first."
                )
        for place in (s3, (cloudwatch or {}).get("largeDataDeliveryS3Config")):
            if place:
                try:
                    await own.call("s3", "head_bucket", {"Bucket": place["bucketName"]})
                except ServiceError:
                    raise ValidationException(
                        f"Failed to validate permissions for bucket: {place['bucketName']}. Create the bucket first."
                    ) from None
