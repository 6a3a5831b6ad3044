"""Instance profiles: a role in an envelope, for tools that make one beside every role."""

from __future__ import annotations

from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.iam import common, errors, roles
from outcrop.services.iam.paging import page
from outcrop.services.iam.store import Entity, IamStore


class InstanceProfiles:
    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def create_instance_profile(self, ctx: Context, request: Request) -> Result:
        name, tags = request["InstanceProfileName"], common.read_tags(request.get("Tags", []))
        common.need_free(self._store, ctx.account, "instance-profile", name)
        path = request.get("Path", "/")
        profile = self._store.add_entity(ctx.account, "instance-profile", name, path, tags)
        shown = {**self._brief(profile), **({"Tags": common.write_tags(tags)} if tags else {})}
        return {"InstanceProfile": shown}

    async def get_instance_profile(self, ctx: Context, request: Request) -> Result:
        profile = self._need(ctx, request)
        return {"InstanceProfile": {**self._brief(profile), "Tags": common.write_tags(self._store.tags(profile.id))}}

    async def list_instance_profiles(self, ctx: Context, request: Request) -> Result:
        profiles = self._store.entities(ctx.account, "instance-profile", request.get("PathPrefix", "/"))
        return self._page(request, profiles)

    async def list_instance_profiles_for_role(self, ctx: Context, request: Request) -> Result:
        role = common.need(self._store, ctx.account, "role", request["RoleName"])
        return self._page(request, self._store.containers(role.id))

    async def delete_instance_profile(self, ctx: Context, request: Request) -> Result:
        profile = self._need(ctx, request)
        if self._store.members(profile.id):
            raise errors.DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
        self._store.remove_entity(profile.id)
        return {}

    async def add_role_to_instance_profile(self, ctx: Context, request: Request) -> Result:
        profile = self._need(ctx, request)
        role = common.need(self._store, ctx.account, "role", request["RoleName"])
        if self._store.members(profile.id):
            raise errors.LimitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
        self._store.add_member(profile.id, role.id)
        return {}

    async def remove_role_from_instance_profile(self, ctx: Context, request: Request) -> Result:
        profile = self._need(ctx, request)
        role = common.need(self._store, ctx.account, "role", request["RoleName"])
        if not self._store.remove_member(profile.id, role.id):
            raise errors.NoSuchEntity(f"Role {role.name} in Instance Profile {profile.name} cannot be found.")
        return {}

    def _need(self, ctx: Context, request: Request) -> Entity:
        return common.need(self._store, ctx.account, "instance-profile", request["InstanceProfileName"])

    def _page(self, request: Request, profiles: list[Entity]) -> Result:
        found, more = page(request, profiles, lambda profile: profile.name)
        return {"InstanceProfiles": [self._brief(profile) for profile in found], **more}

    def _brief(self, profile: Entity) -> dict[str, Any]:
        return brief(profile, self._store.members(profile.id))


def brief(profile: Entity, held: list[Entity]) -> dict[str, Any]:
    return {
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        **common.path_members(profile),
        "Roles": [roles.brief(role) for role in held],
    }
