"""Roles."""

from __future__ import annotations

from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.iam import common, errors
from outcrop.services.iam.documents import check_trust, encoded, size
from outcrop.services.iam.paging import page
from outcrop.services.iam.store import Entity, IamStore

TRUST_SIZE = 4096
"""Characters of a trust policy, white space apart."""


class Roles:
    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def create_role(self, ctx: Context, request: Request) -> Result:
        name, trust = request["RoleName"], request["AssumeRolePolicyDocument"]
        tags = common.read_tags(request.get("Tags", []))
        _check_trust(trust)
        limit = request.get("PermissionsBoundary", "")
        if limit:
            common.need_boundary(self._store, ctx.account, limit)
        common.need_free(self._store, ctx.account, "role", name)
        role = self._store.add_entity(
            ctx.account,
            "role",
            name,
            request.get("Path", "/"),
            tags,
            trust=trust,
            description=request.get("Description", ""),
            max_session=request.get("MaxSessionDuration", 3600),
            boundary=limit,
        )
        return {"Role": {**brief(role), **common.boundary(role), **({"Tags": common.write_tags(tags)} if tags else {})}}

    async def get_role(self, ctx: Context, request: Request) -> Result:
        return {"Role": self._full(common.need(self._store, ctx.account, "role", request["RoleName"]))}

    async def list_roles(self, ctx: Context, request: Request) -> Result:
        roles = self._store.entities(ctx.account, "role", request.get("PathPrefix", "/"))
        found, more = page(request, roles, lambda role: role.name)
        return {"Roles": [listed(role) for role in found], **more}

    async def update_role(self, ctx: Context, request: Request) -> Result:
        role = common.need(self._store, ctx.account, "role", request["RoleName"])
        changes: dict[str, Any] = {}
        if "Description" in request:
            changes["description"] = request["Description"]
        if "MaxSessionDuration" in request:
            changes["max_session"] = request["MaxSessionDuration"]
        if changes:
            self._store.update_entity(role.id, **changes)
        return {}

    async def update_role_description(self, ctx: Context, request: Request) -> Result:
        role = common.need(self._store, ctx.account, "role", request["RoleName"])
        self._store.update_entity(role.id, description=request["Description"])
        return {"Role": {**brief(role), **_described(request["Description"])}}

    async def update_assume_role_policy(self, ctx: Context, request: Request) -> Result:
        role = common.need_own_role(self._store, ctx.account, request["RoleName"])
        _check_trust(request["PolicyDocument"])
        self._store.update_entity(role.id, trust=request["PolicyDocument"])
        return {}

    async def delete_role(self, ctx: Context, request: Request) -> Result:
        role = common.need_own_role(self._store, ctx.account, request["RoleName"])
        if self._store.containers(role.id):
            raise errors.DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
        if self._store.attachments(role.id):
            raise errors.DeleteConflict("Cannot delete entity, must detach all policies first.")
        if self._store.inline_policies(role.id):
            raise errors.DeleteConflict("Cannot delete entity, must delete policies first.")
        self._store.remove_entity(role.id)
        return {}

    async def put_role_permissions_boundary(self, ctx: Context, request: Request) -> Result:
        role = common.need_own_role(self._store, ctx.account, request["RoleName"])
        common.need_boundary(self._store, ctx.account, request["PermissionsBoundary"])
        self._store.update_entity(role.id, boundary=request["PermissionsBoundary"])
        return {}

    async def delete_role_permissions_boundary(self, ctx: Context, request: Request) -> Result:
        role = common.need_own_role(self._store, ctx.account, request["RoleName"])
        if not role.boundary:
            raise errors.NoSuchEntity(f"Role {role.name} does not have a permissions boundary.")
        self._store.update_entity(role.id, boundary="")
        return {}

    def _full(self, role: Entity) -> dict[str, Any]:
        tags = common.write_tags(self._store.tags(role.id))
        return {**listed(role), **common.boundary(role), "RoleLastUsed": {}, **({"Tags": tags} if tags else {})}


def brief(role: Entity) -> dict[str, Any]:
    """A role as its creation shows it."""
    return {
        "RoleName": role.name,
        "RoleId": role.id,
        **common.path_members(role),
        "AssumeRolePolicyDocument": encoded(role.trust),
    }


def listed(role: Entity) -> dict[str, Any]:
    """A role as lists show it."""
    return {**brief(role), **_described(role.description), "MaxSessionDuration": role.max_session}


def _described(description: str) -> dict[str, str]:
    return {"Description": description} if description else {}


def _check_trust(document: str) -> None:
    check_trust(document)
    if size(document) > TRUST_SIZE:
        raise errors.LimitExceeded(f"Cannot exceed quota for ACLSizePerRole: {TRUST_SIZE}")
