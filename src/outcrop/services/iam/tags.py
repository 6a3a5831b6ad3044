"""Tags of roles, users, policies and instance profiles."""

from __future__ import annotations

from collections.abc import Iterable

from outcrop.services.contract import Context, Request, Result
from outcrop.services.iam import common, errors
from outcrop.services.iam.paging import page
from outcrop.services.iam.store import IamStore


class Tags:
    """Keys of roles and users are the same in whatever case; those of policies aren't."""

    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def tag_role(self, ctx: Context, request: Request) -> Result:
        return self._tag(self._role(ctx, request), request)

    async def untag_role(self, ctx: Context, request: Request) -> Result:
        return self._untag(self._role(ctx, request), request["TagKeys"])

    async def list_role_tags(self, ctx: Context, request: Request) -> Result:
        return self._list(self._role(ctx, request), request)

    async def tag_user(self, ctx: Context, request: Request) -> Result:
        return self._tag(self._user(ctx, request), request)

    async def untag_user(self, ctx: Context, request: Request) -> Result:
        return self._untag(self._user(ctx, request), request["TagKeys"])

    async def list_user_tags(self, ctx: Context, request: Request) -> Result:
        return self._list(self._user(ctx, request), request)

    async def tag_instance_profile(self, ctx: Context, request: Request) -> Result:
        return self._tag(self._profile(ctx, request), request)

    async def untag_instance_profile(self, ctx: Context, request: Request) -> Result:
        return self._untag(self._profile(ctx, request), request["TagKeys"])

    async def list_instance_profile_tags(self, ctx: Context, request: Request) -> Result:
        return self._list(self._profile(ctx, request), request)

    async def tag_policy(self, ctx: Context, request: Request) -> Result:
        return self._tag(self._policy(ctx, request), request, ignore_case=False)

    async def untag_policy(self, ctx: Context, request: Request) -> Result:
        return self._untag(self._policy(ctx, request), request["TagKeys"], ignore_case=False)

    async def list_policy_tags(self, ctx: Context, request: Request) -> Result:
        return self._list(self._policy(ctx, request), request)

    def _role(self, ctx: Context, request: Request) -> str:
        return common.need(self._store, ctx.account, "role", request["RoleName"]).id

    def _user(self, ctx: Context, request: Request) -> str:
        return common.need(self._store, ctx.account, "user", request["UserName"]).id

    def _profile(self, ctx: Context, request: Request) -> str:
        return common.need(self._store, ctx.account, "instance-profile", request["InstanceProfileName"]).id

    def _policy(self, ctx: Context, request: Request) -> str:
        policy = self._store.policy(ctx.account, request["PolicyArn"])
        if policy is None:
            raise errors.NoSuchEntity(f"Policy {request['PolicyArn']} was not found.")
        return policy.id

    def _tag(self, owner: str, request: Request, *, ignore_case: bool = True) -> Result:
        tags = common.read_tags(request["Tags"], ignore_case=ignore_case)
        kept = self._others(owner, tags, ignore_case)
        if len(kept) + len(tags) > common.TAGS:
            raise errors.LimitExceeded("The number of tags has reached the maximum limit.")
        self._store.remove_tags(owner, self._store.tags(owner).keys() - kept - tags.keys())
        self._store.set_tags(owner, tags)
        return {}

    def _untag(self, owner: str, keys: Iterable[str], *, ignore_case: bool = True) -> Result:
        self._store.remove_tags(owner, self._store.tags(owner).keys() - self._others(owner, keys, ignore_case))
        return {}

    def _others(self, owner: str, keys: Iterable[str], ignore_case: bool) -> set[str]:
        """The owner's tag keys but these."""
        if not ignore_case:
            return self._store.tags(owner).keys() - set(keys)
        these = {key.casefold() for key in keys}
        return {key for key in self._store.tags(owner) if key.casefold() not in these}

    def _list(self, owner: str, request: Request) -> Result:
        found, more = page(request, common.write_tags(self._store.tags(owner)), lambda tag: tag["Key"])
        return {"Tags": found, **more}
