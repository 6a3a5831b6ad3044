"""Managed policies and their versions: the account's own, and AWS's (which can only be read)."""

from __future__ import annotations

from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.iam import common, errors, names
from outcrop.services.iam.documents import check_policy, encoded, size
from outcrop.services.iam.managed import managed_policies
from outcrop.services.iam.paging import page
from outcrop.services.iam.store import IamStore, Policy, PolicyVersion, moment

POLICY_SIZE = 6144
"""Characters, white space apart."""
VERSIONS = 5


class Policies:
    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def create_policy(self, ctx: Context, request: Request) -> Result:
        name, tags = request["PolicyName"], common.read_tags(request.get("Tags", []), ignore_case=False)
        _check(request["PolicyDocument"])
        if self._store.policy_name_taken(ctx.account, name):
            raise errors.EntityAlreadyExists(f"A policy called {name} already exists. Duplicate names are not allowed.")
        path, description = request.get("Path", "/"), request.get("Description", "")
        policy = self._store.add_policy(ctx.account, name, path, description, request["PolicyDocument"], tags)
        return {"Policy": {**listed(policy), **({"Tags": common.write_tags(tags)} if tags else {})}}

    async def get_policy(self, ctx: Context, request: Request) -> Result:
        policy = self._need(ctx, request["PolicyArn"])
        attached, bounds = self._store.usage(ctx.account)
        shown = listed(policy, attached.get(policy.arn, 0), bounds.get(policy.arn, 0))
        if policy.description:
            shown["Description"] = policy.description
        return {"Policy": {**shown, "Tags": common.write_tags(self._store.tags(policy.id))}}

    async def list_policies(self, ctx: Context, request: Request) -> Result:
        scope = request.get("Scope", "All")
        policies = [] if scope == "AWS" else self._store.policies(ctx.account)
        if scope != "Local":
            policies += [managed.policy for managed in managed_policies().values()]
        attached, bounds = self._store.usage(ctx.account)
        used = {
            "PermissionsPolicy": attached,
            "PermissionsBoundary": bounds,
        }.get(request.get("PolicyUsageFilter", ""), attached | bounds)
        if request.get("OnlyAttached") or "PolicyUsageFilter" in request:
            policies = [policy for policy in policies if policy.arn in used]
        prefix = request.get("PathPrefix", "/")
        policies = [policy for policy in policies if policy.path.startswith(prefix)]
        found, more = page(request, policies, lambda policy: policy.arn)
        shown = [listed(each, attached.get(each.arn, 0), bounds.get(each.arn, 0)) for each in found]
        return {"Policies": shown, **more}

    async def delete_policy(self, ctx: Context, request: Request) -> Result:
        policy = self._need_own(ctx, request["PolicyArn"])
        if self._store.attached_to(ctx.account, policy.arn) or self._store.bounded_by(ctx.account, policy.arn):
            raise errors.DeleteConflict("Cannot delete a policy attached to entities.")
        if len(self._store.policy_versions(policy.id)) > 1:
            raise errors.DeleteConflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                "versions. The default version is deleted with the policy."
            )
        self._store.remove_policy(policy.id)
        return {}

    async def list_entities_for_policy(self, ctx: Context, request: Request) -> Result:
        policy = self._need(ctx, request["PolicyArn"])
        usage, kind = request.get("PolicyUsageFilter"), request.get("EntityFilter")
        holders = [] if usage == "PermissionsBoundary" else self._store.attached_to(ctx.account, policy.arn)
        if usage != "PermissionsPolicy":
            holders += [each for each in self._store.bounded_by(ctx.account, policy.arn) if each not in holders]
        prefix = request.get("PathPrefix", "/")
        holders = [each for each in holders if each.path.startswith(prefix) and kind in (None, each.kind.capitalize())]
        holders.sort(key=lambda each: (each.kind, each.name))
        found, more = page(request, holders, lambda each: f"{each.kind}/{each.name}")
        return {
            "PolicyGroups": [{"GroupName": e.name, "GroupId": e.id} for e in found if e.kind == "group"],
            "PolicyUsers": [{"UserName": e.name, "UserId": e.id} for e in found if e.kind == "user"],
            "PolicyRoles": [{"RoleName": e.name, "RoleId": e.id} for e in found if e.kind == "role"],
            **more,
        }

    def _need(self, ctx: Context, arn: str) -> Policy:
        if not names.is_policy_arn(arn):
            raise errors.ValidationError(f"ARN {arn} is not valid.")
        policy = common.find_policy(self._store, ctx.account, arn)
        if policy is None:
            raise errors.NoSuchEntity(f"Policy {arn} was not found.")
        return policy

    def _need_own(self, ctx: Context, arn: str) -> Policy:
        policy = self._need(ctx, arn)
        if policy.account == "aws":
            raise errors.AccessDenied(f"Policy {arn} is managed by AWS and can't be changed.")
        return policy


class PolicyVersions:
    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def create_policy_version(self, ctx: Context, request: Request) -> Result:
        arn = request["PolicyArn"]
        policy = self._store.policy(ctx.account, arn)
        if policy is None:
            if arn in managed_policies():
                raise errors.AccessDenied(f"Policy {arn} is managed by AWS and can't be changed.")
            raise errors.NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
        _check(request["PolicyDocument"])
        if len(self._store.policy_versions(policy.id)) >= VERSIONS:
            raise errors.LimitExceeded(
                f"A managed policy can have up to {VERSIONS} versions. Before you create a new version, you must "
                "delete an existing version."
            )
        default = request.get("SetAsDefault", False)
        version = self._store.add_policy_version(policy.id, request["PolicyDocument"], default)
        return {"PolicyVersion": _version(version, default)}

    async def get_policy_version(self, ctx: Context, request: Request) -> Result:
        policy, version = self._need(ctx, request)
        shown = _version(version, version.number == policy.default_version)
        return {"PolicyVersion": {**shown, "Document": encoded(version.document)}}

    async def list_policy_versions(self, ctx: Context, request: Request) -> Result:
        arn = request["PolicyArn"]
        managed = managed_policies().get(arn)
        policy = managed.policy if managed else self._store.policy(ctx.account, arn)
        if policy is None:
            raise errors.NoSuchEntity(f"Policy {arn} was not found.")
        versions = [managed.version] if managed else self._store.policy_versions(policy.id)
        found, more = page(request, versions, lambda version: f"{10**9 - version.number:010d}")
        return {"Versions": [_version(each, each.number == policy.default_version) for each in found], **more}

    async def delete_policy_version(self, ctx: Context, request: Request) -> Result:
        policy, version = self._need_own(ctx, request)
        if version.number == policy.default_version:
            raise errors.DeleteConflict("Cannot delete the default version of a policy.")
        self._store.remove_policy_version(policy.id, version.number)
        return {}

    async def set_default_policy_version(self, ctx: Context, request: Request) -> Result:
        policy, version = self._need_own(ctx, request)
        self._store.set_default_version(policy.id, version.number)
        return {}

    def _need(self, ctx: Context, request: Request) -> tuple[Policy, PolicyVersion]:
        arn, wanted = request["PolicyArn"], request["VersionId"]
        managed = managed_policies().get(arn)
        policy = managed.policy if managed else self._store.policy(ctx.account, arn)
        if policy is not None:
            for version in [managed.version] if managed else self._store.policy_versions(policy.id):
                if f"v{version.number}" == wanted:
                    return policy, version
        raise errors.NoSuchEntity(f"Policy {arn} version {wanted} does not exist or is not attachable.")

    def _need_own(self, ctx: Context, request: Request) -> tuple[Policy, PolicyVersion]:
        policy, version = self._need(ctx, request)
        if policy.account == "aws":
            raise errors.AccessDenied(f"Policy {policy.arn} is managed by AWS and can't be changed.")
        return policy, version


def listed(policy: Policy, attached: int = 0, bounds: int = 0) -> dict[str, Any]:
    """A policy as lists show it."""
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default_version}",
        "AttachmentCount": attached,
        "PermissionsBoundaryUsageCount": bounds,
        "IsAttachable": True,
        "CreateDate": moment(policy.created_at),
        "UpdateDate": moment(policy.updated_at),
    }


def _version(version: PolicyVersion, default: bool) -> dict[str, Any]:
    return {
        "VersionId": f"v{version.number}",
        "IsDefaultVersion": default,
        "CreateDate": moment(version.created_at),
    }


def _check(document: str) -> None:
    check_policy(document)
    if size(document) > POLICY_SIZE:
        raise errors.LimitExceeded(f"Cannot exceed quota for PolicySize: {POLICY_SIZE}")
