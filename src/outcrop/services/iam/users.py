"""Users, and their passwords for a sign-in page that this stack doesn't have."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.iam import common, errors, names
from outcrop.services.iam.paging import page
from outcrop.services.iam.store import Entity, IamStore, LoginProfile, moment


class Users:
    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def create_user(self, ctx: Context, request: Request) -> Result:
        name, tags = request["UserName"], common.read_tags(request.get("Tags", []))
        limit = request.get("PermissionsBoundary", "")
        if limit:
            common.need_boundary(self._store, ctx.account, limit)
        common.need_free(self._store, ctx.account, "user", name)
        user = self._store.add_entity(ctx.account, "user", name, request.get("Path", "/"), tags, boundary=limit)
        return {"User": self._full(user)}

    async def get_user(self, ctx: Context, request: Request) -> Result:
        user = common.need_user_or_caller(self._store, ctx, request.get("UserName"))
        if user is None:
            arn = names.root_arn(ctx.account)
            return {"User": {"Path": "/", "UserName": "", "UserId": ctx.account, "Arn": arn, "CreateDate": moment(0)}}
        return {"User": self._full(user)}

    async def list_users(self, ctx: Context, request: Request) -> Result:
        users = self._store.entities(ctx.account, "user", request.get("PathPrefix", "/"))
        found, more = page(request, users, lambda user: user.name)
        return {"Users": [brief(user) for user in found], **more}

    async def update_user(self, ctx: Context, request: Request) -> Result:
        user = common.need(self._store, ctx.account, "user", request["UserName"])
        name = request.get("NewUserName", user.name)
        common.need_free(self._store, ctx.account, "user", name, but=user.id)
        self._store.update_entity(user.id, name=name, path=request.get("NewPath", user.path))
        return {}

    async def delete_user(self, ctx: Context, request: Request) -> Result:
        user = common.need(self._store, ctx.account, "user", request["UserName"])
        for kept, words in (
            (self._store.containers(user.id), "must remove users from group first"),
            (self._store.attachments(user.id), "must detach all policies first"),
            (self._store.inline_policies(user.id), "must delete policies first"),
            (self._store.access_keys(ctx.account, user.id), "must delete access keys first"),
            (self._store.service_credentials(ctx.account, user.id), "must delete service specific credentials first"),
            (self._store.login_profile(user.id), "must delete login profile first"),
        ):
            if kept:
                raise errors.DeleteConflict(f"Cannot delete entity, {words}.")
        self._store.remove_entity(user.id)
        return {}

    async def put_user_permissions_boundary(self, ctx: Context, request: Request) -> Result:
        user = common.need(self._store, ctx.account, "user", request["UserName"])
        common.need_boundary(self._store, ctx.account, request["PermissionsBoundary"])
        self._store.update_entity(user.id, boundary=request["PermissionsBoundary"])
        return {}

    async def delete_user_permissions_boundary(self, ctx: Context, request: Request) -> Result:
        user = common.need(self._store, ctx.account, "user", request["UserName"])
        if not user.boundary:
            raise errors.NoSuchEntity(f"User {user.name} does not have a permissions boundary.")
        self._store.update_entity(user.id, boundary="")
        return {}

    def _full(self, user: Entity) -> dict[str, Any]:
        tags = common.write_tags(self._store.tags(user.id))
        return {**brief(user), **common.boundary(user), **({"Tags": tags} if tags else {})}


class LoginProfiles:
    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def create_login_profile(self, ctx: Context, request: Request) -> Result:
        user = self._user(ctx, request)
        if self._store.login_profile(user.id):
            raise errors.EntityAlreadyExists(f"Login Profile for user {user.name} already exists.")
        if not request.get("Password"):
            raise errors.ValidationError(
                "Value null at 'password' failed to satisfy constraint: Member must not be null"
            )
        profile = _profile(user, time.time(), request["Password"], request.get("PasswordResetRequired", False))
        self._store.put_login_profile(profile)
        return {"LoginProfile": _shown(user, profile)}

    async def get_login_profile(self, ctx: Context, request: Request) -> Result:
        user = self._user(ctx, request)
        return {"LoginProfile": _shown(user, self._need(user))}

    async def update_login_profile(self, ctx: Context, request: Request) -> Result:
        user = self._user(ctx, request)
        old = self._need(user)
        reset = request.get("PasswordResetRequired", bool(old.reset_required))
        if "Password" in request:
            new = _profile(user, old.created_at, request["Password"], reset)
        else:
            new = LoginProfile(user.id, old.created_at, reset, old.salt, old.hash)
        self._store.put_login_profile(new)
        return {}

    async def delete_login_profile(self, ctx: Context, request: Request) -> Result:
        user = self._user(ctx, request)
        self._need(user)
        self._store.remove_login_profile(user.id)
        return {}

    def _user(self, ctx: Context, request: Request) -> Entity:
        user = common.need_user_or_caller(self._store, ctx, request.get("UserName"))
        if user is None:
            raise errors.ValidationError("Must specify userName when calling with non-User credentials")
        return user

    def _need(self, user: Entity) -> LoginProfile:
        profile = self._store.login_profile(user.id)
        if profile is None:
            raise errors.NoSuchEntity(f"Login Profile for User {user.name} cannot be found.")
        return profile


def brief(user: Entity) -> dict[str, Any]:
    return {"UserName": user.name, "UserId": user.id, **common.path_members(user)}


def _profile(user: Entity, created_at: float, password: str, reset: bool) -> LoginProfile:
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=1 << 12, r=8, p=1)
    return LoginProfile(user.id, created_at, reset, salt, digest)


def _shown(user: Entity, profile: LoginProfile) -> dict[str, Any]:
    return {
        "UserName": user.name,
        "CreateDate": moment(profile.created_at),
        "PasswordResetRequired": bool(profile.reset_required),
    }
