"""Access keys of users, and of the account's root."""

from __future__ import annotations

from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.iam import common, errors
from outcrop.services.iam.paging import page
from outcrop.services.iam.store import AccessKey, Entity, IamStore, moment

PER_USER = 2


class AccessKeys:
    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def create_access_key(self, ctx: Context, request: Request) -> Result:
        user = common.need_user_or_caller(self._store, ctx, request.get("UserName"))
        owner = user.id if user else None
        if len(self._store.access_keys(ctx.account, owner)) >= PER_USER:
            raise errors.LimitExceeded(f"Cannot exceed quota for AccessKeysPerUser: {PER_USER}")
        key = self._store.add_access_key(ctx.account, owner, "user" if user else "root")
        return {"AccessKey": {**_shown(key, user), "SecretAccessKey": key.secret}}

    async def list_access_keys(self, ctx: Context, request: Request) -> Result:
        user = common.need_user_or_caller(self._store, ctx, request.get("UserName"))
        keys = self._store.access_keys(ctx.account, user.id if user else None)
        found, more = page(request, keys, lambda key: key.id)
        return {"AccessKeyMetadata": [_shown(key, user) for key in found], **more}

    async def update_access_key(self, ctx: Context, request: Request) -> Result:
        key = self._need(ctx, request)
        if request["Status"] not in ("Active", "Inactive"):
            raise errors.ValidationError(f"The status of an access key can't be set to {request['Status']}.")
        self._store.set_access_key_active(key.id, request["Status"] == "Active")
        return {}

    async def delete_access_key(self, ctx: Context, request: Request) -> Result:
        self._store.remove_access_key(self._need(ctx, request).id)
        return {}

    async def get_access_key_last_used(self, ctx: Context, request: Request) -> Result:
        """Never used, as far as this stack keeps track: it doesn't."""
        key_id = request["AccessKeyId"]
        key = self._store.access_key(key_id)
        if key is None or key.account != ctx.account or key.expires_at is not None:
            raise errors.AccessDenied(
                f"User: {ctx.principal.arn} is not authorized to perform iam:GetAccessKeyLastUsed on resource: "
                f"access key {key_id}"
            )
        user = self._store.entity_by_id(key.owner) if key.owner else None
        last_used = {"ServiceName": "N/A", "Region": "N/A"}
        return {**({"UserName": user.name} if user else {}), "AccessKeyLastUsed": last_used}

    def _need(self, ctx: Context, request: Request) -> AccessKey:
        user = common.need_user_or_caller(self._store, ctx, request.get("UserName"))
        for key in self._store.access_keys(ctx.account, user.id if user else None):
            if key.id == request["AccessKeyId"]:
                return key
        raise errors.NoSuchEntity(f"The Access Key with id {request['AccessKeyId']} cannot be found.")


def _shown(key: AccessKey, user: Entity | None) -> dict[str, Any]:
    return {
        "UserName": user.name if user else "",
        "AccessKeyId": key.id,
        "Status": "Active" if key.active else "Inactive",
        "CreateDate": moment(key.created_at),
    }
