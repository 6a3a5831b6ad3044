"""The account as a whole: its alias, its numbers, and everything in it at once."""

from __future__ import annotations

from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.iam import common, errors, groups, instance_profiles, policies, roles, users
from outcrop.services.iam.documents import encoded
from outcrop.services.iam.grants import ATTACHED, INLINE_SIZE, attached_policies
from outcrop.services.iam.keys import PER_USER
from outcrop.services.iam.managed import managed_policies
from outcrop.services.iam.paging import page
from outcrop.services.iam.store import Entity, IamStore, Policy, moment

FILTERS = ("User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy")


class Account:
    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def create_account_alias(self, ctx: Context, request: Request) -> Result:
        alias = request["AccountAlias"]
        if self._store.account_of_alias(alias) not in (None, ctx.account):
            raise errors.EntityAlreadyExists(f"The account alias {alias} already exists.")
        self._store.set_alias(ctx.account, alias)
        return {}

    async def delete_account_alias(self, ctx: Context, request: Request) -> Result:
        if self._store.alias(ctx.account) != request["AccountAlias"]:
            raise errors.NoSuchEntity(f"The account alias with name {request['AccountAlias']} cannot be found.")
        self._store.set_alias(ctx.account, None)
        return {}

    async def list_account_aliases(self, ctx: Context, request: Request) -> Result:
        alias = self._store.alias(ctx.account)
        return {"AccountAliases": [alias] if alias else [], "IsTruncated": False}

    async def get_account_summary(self, ctx: Context, request: Request) -> Result:
        entities = self._store.count(ctx.account, "entity")
        summary = {
            "Users": entities.get("user", 0),
            "UsersQuota": 5000,
            "Groups": entities.get("group", 0),
            "GroupsQuota": 300,
            "Roles": entities.get("role", 0),
            "RolesQuota": 1000,
            "InstanceProfiles": entities.get("instance-profile", 0),
            "InstanceProfilesQuota": 1000,
            "Policies": self._store.count(ctx.account, "policy").get("all", 0),
            "PoliciesQuota": 1500,
            "PolicyVersionsInUse": self._store.count(ctx.account, "policy_version").get("all", 0),
            "PolicyVersionsInUseQuota": 10000,
            "VersionsPerPolicyQuota": policies.VERSIONS,
            "PolicySizeQuota": policies.POLICY_SIZE,
            "UserPolicySizeQuota": INLINE_SIZE["user"],
            "GroupPolicySizeQuota": INLINE_SIZE["group"],
            "RolePolicySizeQuota": INLINE_SIZE["role"],
            "AssumeRolePolicySizeQuota": roles.TRUST_SIZE,
            "AttachedPoliciesPerUserQuota": ATTACHED,
            "AttachedPoliciesPerGroupQuota": ATTACHED,
            "AttachedPoliciesPerRoleQuota": ATTACHED,
            "GroupsPerUserQuota": groups.GROUPS_PER_USER,
            "AccessKeysPerUserQuota": PER_USER,
            "AccountAccessKeysPresent": int(bool(self._store.access_keys(ctx.account, None))),
            "AccountPasswordPresent": 0,
            "AccountMFAEnabled": 0,
            "AccountSigningCertificatesPresent": 0,
            "SigningCertificatesPerUserQuota": 2,
            "MFADevices": 0,
            "MFADevicesInUse": 0,
            "ServerCertificates": 0,
            "ServerCertificatesQuota": 20,
            "Providers": 0,
            "GlobalEndpointTokenVersion": 1,
        }
        return {"SummaryMap": summary}

    async def get_account_authorization_details(self, ctx: Context, request: Request) -> Result:
        wanted = request.get("Filter") or FILTERS
        attached, bounds = self._store.usage(ctx.account)
        everything: list[tuple[str, str, Any]] = [
            (member, entity.name, entity)
            for member, kind, filtered in (
                ("GroupDetailList", "group", "Group"),
                ("RoleDetailList", "role", "Role"),
                ("UserDetailList", "user", "User"),
            )
            if filtered in wanted
            for entity in self._store.entities(ctx.account, kind)  # type: ignore[arg-type]
        ]
        own = self._store.policies(ctx.account) if "LocalManagedPolicy" in wanted else []
        used = [m.policy for arn, m in managed_policies().items() if arn in attached | bounds]
        everything += [("Policies", policy.arn, policy) for policy in own]
        everything += [("Policies", policy.arn, policy) for policy in used if "AWSManagedPolicy" in wanted]
        found, more = page(request, everything, lambda each: f"{each[0]} {each[1]}")
        result: dict[str, Any] = {
            member: [] for member in ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
        }
        for member, _, item in found:
            if isinstance(item, Policy):
                shown = policies.listed(item, attached.get(item.arn, 0), bounds.get(item.arn, 0))
                result[member].append({**shown, "PolicyVersionList": self._versions(item)})
            else:
                result[member].append(self._details(item))
        return {**result, **more}

    def _versions(self, policy: Policy) -> list[dict[str, Any]]:
        managed = managed_policies().get(policy.arn)
        return [
            {
                "VersionId": f"v{version.number}",
                "IsDefaultVersion": version.number == policy.default_version,
                "CreateDate": moment(version.created_at),
                "Document": encoded(version.document),
            }
            for version in ([managed.version] if managed else self._store.policy_versions(policy.id))
        ]

    def _details(self, entity: Entity) -> dict[str, Any]:
        inline = [
            {"PolicyName": name, "PolicyDocument": encoded(document)}
            for name, document in self._store.inline_policies(entity.id).items()
        ]
        shown: dict[str, Any] = {"AttachedManagedPolicies": attached_policies(self._store, entity)}
        if entity.kind == "group":
            return {**groups.brief(entity), **shown, "GroupPolicyList": inline}
        shown |= {**common.boundary(entity), "Tags": common.write_tags(self._store.tags(entity.id))}
        containers = self._store.containers(entity.id)
        if entity.kind == "user":
            names = [group.name for group in containers]
            return {**users.brief(entity), **shown, "UserPolicyList": inline, "GroupList": names}
        profiles = [instance_profiles.brief(profile, [entity]) for profile in containers]
        return {
            **roles.brief(entity),
            **shown,
            "RolePolicyList": inline,
            "InstanceProfileList": profiles,
            "RoleLastUsed": {},
        }
