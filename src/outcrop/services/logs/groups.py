"""Log groups and how long they keep their events."""

from __future__ import annotations

import re

from outcrop.services.contract import Context, Request, Result
from outcrop.services.logs.errors import (
    InvalidParameterException,
    ResourceAlreadyExistsException,
    ValidationException,
    no_group,
)
from outcrop.services.logs.paging import page
from outcrop.services.logs.store import Group, LogStore, now_ms

RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""Days."""
KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+", re.ASCII)


def find_group(store: LogStore, ctx: Context, request: Request) -> Group:
    """The group that `logGroupName`, or the name or ARN in `logGroupIdentifier`, means."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise InvalidParameterException(
            "LogGroup name and LogGroup identifier cannot both be specified."
            if name
            else "Either LogGroup name or LogGroup identifier must be specified."
        )
    return find_identified(store, ctx, name or identifier or "")


def find_identified(store: LogStore, ctx: Context, identifier: str) -> Group:
    """The group of a name or an ARN, with or without the `:*` behind it."""
    account, region, name = ctx.account, ctx.region, identifier
    if identifier.startswith("arn:"):
        parts = identifier.split(":", 6)
        if len(parts) != 7 or parts[2] != "logs" or parts[5] != "log-group":
            raise InvalidParameterException(f"Invalid log group ARN: {identifier}")
        region, account, name = parts[3], parts[4], parts[6].removesuffix(":*")
    if account != ctx.account or not (group := store.group(account, region, name)):
        raise no_group()
    return group


class Groups:
    def __init__(self, store: LogStore) -> None:
        self._store = store

    async def create_log_group(self, ctx: Context, request: Request) -> Result:
        name = request["logGroupName"]
        if not self._store.add_group(
            ctx.account,
            ctx.region,
            name,
            request.get("logGroupClass", "STANDARD"),
            request.get("kmsKeyId"),
            request.get("deletionProtectionEnabled", False),
            dict(request.get("tags", {})),
        ):
            raise ResourceAlreadyExistsException("The specified log group already exists")
        return {}

    async def delete_log_group(self, ctx: Context, request: Request) -> Result:
        group = find_group(self._store, ctx, request)
        if group.protected:
            raise ValidationException(
                f"Log group {group.name} has deletion protection enabled. Disable it with "
                "PutLogGroupDeletionProtection before you delete the group."
            )
        self._store.delete_group(group)
        return {}

    async def put_log_group_deletion_protection(self, ctx: Context, request: Request) -> Result:
        group = find_identified(self._store, ctx, request["logGroupIdentifier"])
        self._store.set_protected(group, request["deletionProtectionEnabled"])
        return {}

    async def describe_log_groups(self, ctx: Context, request: Request) -> Result:
        prefix, part = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
        if prefix and part:
            raise InvalidParameterException("LogGroup name prefix and LogGroup name pattern are mutually exclusive.")
        groups = [
            group
            for group in self._store.groups(ctx.account, ctx.region)
            if group.name.startswith(prefix or "") and (part or "") in group.name
        ]
        if identifiers := request.get("logGroupIdentifiers"):
            wanted = {find_identified(self._store, ctx, identifier).id for identifier in identifiers}
            groups = [group for group in groups if group.id in wanted]
        if log_class := request.get("logGroupClass"):
            groups = [group for group in groups if group.log_class == log_class]
        shown, token = page(groups, lambda group: group.name, request.get("nextToken"), request.get("limit", 50))
        filters = self._store.metric_filter_counts()
        return _with_token({"logGroups": [_describe(group, filters.get(group.id, 0)) for group in shown]}, token)

    async def list_log_groups(self, ctx: Context, request: Request) -> Result:
        groups = self._store.groups(ctx.account, ctx.region)
        if pattern := request.get("logGroupNamePattern"):
            groups = [group for group in groups if _fits(group.name, pattern)]
        if log_class := request.get("logGroupClass"):
            groups = [group for group in groups if group.log_class == log_class]
        shown, token = page(groups, lambda group: group.name, request.get("nextToken"), request.get("limit", 50))
        summaries = [
            {"logGroupName": group.name, "logGroupArn": group.arn, "logGroupClass": group.log_class} for group in shown
        ]
        return _with_token({"logGroups": summaries}, token)

    async def put_retention_policy(self, ctx: Context, request: Request) -> Result:
        days = request["retentionInDays"]
        if days not in RETENTIONS:
            raise InvalidParameterException(
                f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: "
                f"Member must satisfy enum value set: [{', '.join(map(str, RETENTIONS))}]"
            )
        group = find_group(self._store, ctx, request)
        self._store.set_retention(group, days)
        return {}

    async def delete_retention_policy(self, ctx: Context, request: Request) -> Result:
        self._store.set_retention(find_group(self._store, ctx, request), None)
        return {}

    async def associate_kms_key(self, ctx: Context, request: Request) -> Result:
        group = self._encrypted(ctx, request)
        if not KEY.fullmatch(key := request["kmsKeyId"]):
            raise InvalidParameterException(f"The kmsKeyId must be the ARN of a key, which {key} is not.")
        self._store.set_kms_key(group, key)
        return {}

    async def disassociate_kms_key(self, ctx: Context, request: Request) -> Result:
        self._store.set_kms_key(self._encrypted(ctx, request), None)
        return {}

    def _encrypted(self, ctx: Context, request: Request) -> Group:
        """The group whose key a request is about."""
        name, resource = request.get("logGroupName"), request.get("resourceIdentifier")
        if (name is None) == (resource is None):
            raise InvalidParameterException("Either logGroupName or resourceIdentifier must be given, and not both.")
        return find_identified(self._store, ctx, name or resource or "")


def trim_expired(store: LogStore) -> None:
    """Forget the events that have outlived the retention of their groups."""
    now = now_ms()
    for group in store.all_groups():
        if group.retention_days:
            store.trim(group, group.expiry(now))


def _fits(name: str, pattern: str) -> bool:
    """`^start|middle`: any of the parts, `^` tying it to the beginning."""
    return any(
        name.startswith(part[1:]) if part.startswith("^") else part in name for part in pattern.split("|") if part
    )


def _describe(group: Group, filters: int) -> Result:
    described = {
        "logGroupName": group.name,
        "creationTime": group.created_at,
        "metricFilterCount": filters,
        "arn": f"{group.arn}:*",
        "logGroupArn": group.arn,
        "storedBytes": group.stored_bytes,
        "logGroupClass": group.log_class,
        "deletionProtectionEnabled": group.protected,
    }
    if group.retention_days:
        described["retentionInDays"] = group.retention_days
    if group.kms_key:
        described["kmsKeyId"] = group.kms_key
    return described


def _with_token(result: dict[str, object], token: str | None) -> Result:
    return {**result, "nextToken": token} if token else result
