"""What several resources of IAM share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from outcrop.services.contract import Context
from outcrop.services.iam import errors, names
from outcrop.services.iam.managed import managed_policies
from outcrop.services.iam.store import Entity, IamStore, Kind, Policy, moment

SERVICE_ROLES = "/aws-service-role/"
"""The path of roles that belong to services."""

TAGS = 50


def need(store: IamStore, account: str, kind: Kind, name: str) -> Entity:
    """The entity of that name. Raises NoSuchEntity."""
    entity = store.entity(account, kind, name)
    if entity is None:
        raise errors.NoSuchEntity(errors.NOUNS[kind].format(name))
    return entity


def need_own_role(store: IamStore, account: str, name: str) -> Entity:
    """The role of that name, which callers may change. Raises NoSuchEntity, UnmodifiableEntity."""
    role = need(store, account, "role", name)
    if role.path.startswith(SERVICE_ROLES):
        raise errors.UnmodifiableEntity(
            f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
        )
    return role


def need_free(store: IamStore, account: str, kind: Kind, name: str, but: str = "") -> None:
    """Raise EntityAlreadyExists if the name is taken, in whatever case (by another than the one with id `but`)."""
    if store.name_taken(account, kind, name, but):
        raise errors.EntityAlreadyExists(errors.TAKEN[kind].format(name))


def need_user_or_caller(store: IamStore, ctx: Context, name: str | None) -> Entity | None:
    """The user of that name; without a name the caller, None if that is the account's root.

    Raises NoSuchEntity, ValidationError."""
    if name is not None:
        return need(store, ctx.account, "user", name)
    if ctx.principal.kind == "root":
        return None
    user = store.entity_by_id(ctx.principal.user_id) if ctx.principal.kind == "user" else None
    if user is None:
        raise errors.ValidationError("Must specify userName when calling with non-User credentials")
    return user


def find_policy(store: IamStore, account: str, arn: str) -> Policy | None:
    """A policy of this account or of AWS."""
    found = managed_policies().get(arn)
    return found.policy if found else store.policy(account, arn)


def need_attachable(store: IamStore, account: str, arn: str) -> Policy:
    """Raises ValidationError, NoSuchEntity."""
    if not names.is_policy_arn(arn):
        raise errors.ValidationError(f"ARN {arn} is not valid.")
    policy = find_policy(store, account, arn)
    if policy is None:
        raise errors.NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
    return policy


def need_boundary(store: IamStore, account: str, arn: str) -> None:
    """Raises InvalidInput, NoSuchEntity."""
    if not names.is_policy_arn(arn):
        raise errors.InvalidInput(f"ARN {arn} is not valid.")
    if find_policy(store, account, arn) is None:
        raise errors.NoSuchEntity(f"Scope ARN: {arn} does not exist or is not attachable.")


def read_tags(tags: Iterable[Mapping[str, str]], *, ignore_case: bool = True) -> dict[str, str]:
    """Tags of a request, by key. Raises InvalidInput if two have the same key."""
    listed = [(tag["Key"], tag["Value"]) for tag in tags]
    found = dict(listed)
    if len({key.casefold() if ignore_case else key for key in found}) < len(listed):
        hint = " Please note that Tag keys are case insensitive." if ignore_case else ""
        raise errors.InvalidInput(f"Duplicate tag keys found.{hint}")
    return found


def write_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def boundary(entity: Entity) -> dict[str, Any]:
    """The member PermissionsBoundary, if the entity has one."""
    if not entity.boundary:
        return {}
    return {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": entity.boundary}}


def path_members(entity: Entity) -> dict[str, Any]:
    return {"Path": entity.path, "Arn": entity.arn, "CreateDate": moment(entity.created_at)}
