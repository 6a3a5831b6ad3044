"""Groups and who is in them."""

from __future__ import annotations

from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.iam import common, errors, users
from outcrop.services.iam.paging import page
from outcrop.services.iam.store import Entity, IamStore

GROUPS_PER_USER = 10


class Groups:
    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def create_group(self, ctx: Context, request: Request) -> Result:
        common.need_free(self._store, ctx.account, "group", request["GroupName"])
        group = self._store.add_entity(ctx.account, "group", request["GroupName"], request.get("Path", "/"), {})
        return {"Group": brief(group)}

    async def get_group(self, ctx: Context, request: Request) -> Result:
        group = common.need(self._store, ctx.account, "group", request["GroupName"])
        found, more = page(request, self._store.members(group.id), lambda user: user.name)
        return {"Group": brief(group), "Users": [users.brief(user) for user in found], **more}

    async def list_groups(self, ctx: Context, request: Request) -> Result:
        groups = self._store.entities(ctx.account, "group", request.get("PathPrefix", "/"))
        found, more = page(request, groups, lambda group: group.name)
        return {"Groups": [brief(group) for group in found], **more}

    async def update_group(self, ctx: Context, request: Request) -> Result:
        group = common.need(self._store, ctx.account, "group", request["GroupName"])
        name = request.get("NewGroupName", group.name)
        common.need_free(self._store, ctx.account, "group", name, but=group.id)
        self._store.update_entity(group.id, name=name, path=request.get("NewPath", group.path))
        return {}

    async def delete_group(self, ctx: Context, request: Request) -> Result:
        group = common.need(self._store, ctx.account, "group", request["GroupName"])
        for kept, words in (
            (self._store.members(group.id), "must remove users from group first"),
            (self._store.attachments(group.id), "must detach all policies first"),
            (self._store.inline_policies(group.id), "must delete policies first"),
        ):
            if kept:
                raise errors.DeleteConflict(f"Cannot delete entity, {words}.")
        self._store.remove_entity(group.id)
        return {}

    async def add_user_to_group(self, ctx: Context, request: Request) -> Result:
        user, group = self._both(ctx, request)
        others = [each for each in self._store.containers(user.id) if each.id != group.id]
        if len(others) >= GROUPS_PER_USER:
            raise errors.LimitExceeded(f"Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER}")
        self._store.add_member(group.id, user.id)
        return {}

    async def remove_user_from_group(self, ctx: Context, request: Request) -> Result:
        user, group = self._both(ctx, request)
        self._store.remove_member(group.id, user.id)
        return {}

    async def list_groups_for_user(self, ctx: Context, request: Request) -> Result:
        user = common.need(self._store, ctx.account, "user", request["UserName"])
        found, more = page(request, self._store.containers(user.id), lambda group: group.name)
        return {"Groups": [brief(group) for group in found], **more}

    def _both(self, ctx: Context, request: Request) -> tuple[Entity, Entity]:
        user = common.need(self._store, ctx.account, "user", request["UserName"])
        return user, common.need(self._store, ctx.account, "group", request["GroupName"])


def brief(group: Entity) -> dict[str, Any]:
    return {"GroupName": group.name, "GroupId": group.id, **common.path_members(group)}
