"""What roles, users and groups are allowed: inline policies and attached ones. Seven operations, three times."""

from __future__ import annotations

from outcrop.services.contract import Context, Request, Result
from outcrop.services.iam import common, errors
from outcrop.services.iam.documents import check_policy, encoded, size
from outcrop.services.iam.paging import page
from outcrop.services.iam.store import Entity, IamStore, Kind

INLINE_SIZE = {"role": 10240, "user": 2048, "group": 5120}
"""Characters of all inline policies together, white space apart."""
ATTACHED = 10


class _Grants:
    """One kind of holder: `role`, with the member `RoleName`."""

    def __init__(self, store: IamStore, kind: Kind) -> None:
        self._store = store
        self._kind = kind
        self._member = f"{kind.capitalize()}Name"

    def put(self, ctx: Context, request: Request) -> Result:
        holder = self._changeable(ctx, request)
        document, name = request["PolicyDocument"], request["PolicyName"]
        check_policy(document)
        others = self._store.inline_policies(holder.id)
        others.pop(name, None)
        limit = INLINE_SIZE[self._kind]
        if size(document) + sum(map(size, others.values())) > limit:
            raise errors.LimitExceeded(f"Maximum policy size of {limit} bytes exceeded for {self._kind} {holder.name}")
        self._store.put_inline_policy(holder.id, name, document)
        return {}

    def get(self, ctx: Context, request: Request) -> Result:
        holder, name = self._holder(ctx, request), request["PolicyName"]
        document = self._store.inline_policies(holder.id).get(name)
        if document is None:
            raise self._no_policy(name)
        return {self._member: holder.name, "PolicyName": name, "PolicyDocument": encoded(document)}

    def list(self, ctx: Context, request: Request) -> Result:
        holder = self._holder(ctx, request)
        found, more = page(request, list(self._store.inline_policies(holder.id)), lambda name: name)
        return {"PolicyNames": found, **more}

    def delete(self, ctx: Context, request: Request) -> Result:
        holder = self._changeable(ctx, request)
        if not self._store.remove_inline_policy(holder.id, request["PolicyName"]):
            raise self._no_policy(request["PolicyName"])
        return {}

    def attach(self, ctx: Context, request: Request) -> Result:
        holder, arn = self._changeable(ctx, request), request["PolicyArn"]
        common.need_attachable(self._store, ctx.account, arn)
        attached = self._store.attachments(holder.id)
        if arn not in attached and len(attached) >= ATTACHED:
            raise errors.LimitExceeded(f"Cannot exceed quota for PoliciesPer{self._kind.capitalize()}: {ATTACHED}")
        self._store.attach(holder.id, arn)
        return {}

    def detach(self, ctx: Context, request: Request) -> Result:
        holder = self._changeable(ctx, request)
        if not self._store.detach(holder.id, request["PolicyArn"]):
            raise errors.NoSuchEntity(f"Policy {request['PolicyArn']} was not found.")
        return {}

    def list_attached(self, ctx: Context, request: Request) -> Result:
        holder = self._holder(ctx, request)
        attached = attached_policies(self._store, holder, request.get("PathPrefix", "/"))
        found, more = page(request, attached, lambda policy: policy["PolicyArn"])
        return {"AttachedPolicies": found, **more}

    def _holder(self, ctx: Context, request: Request) -> Entity:
        return common.need(self._store, ctx.account, self._kind, request[self._member])

    def _changeable(self, ctx: Context, request: Request) -> Entity:
        if self._kind == "role":
            return common.need_own_role(self._store, ctx.account, request[self._member])
        return self._holder(ctx, request)

    def _no_policy(self, name: str) -> errors.NoSuchEntity:
        return errors.NoSuchEntity(f"The {self._kind} policy with name {name} cannot be found.")


def attached_policies(store: IamStore, holder: Entity, path_prefix: str = "/") -> list[dict[str, str]]:
    """As lists show them, in order of their ARNs."""
    policies = [common.find_policy(store, holder.account, arn) for arn in store.attachments(holder.id)]
    return [
        {"PolicyName": policy.name, "PolicyArn": policy.arn}
        for policy in policies
        if policy is not None and policy.path.startswith(path_prefix)
    ]


class RolePolicies:
    def __init__(self, store: IamStore) -> None:
        self._grants = _Grants(store, "role")

    async def put_role_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.put(ctx, request)

    async def get_role_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.get(ctx, request)

    async def list_role_policies(self, ctx: Context, request: Request) -> Result:
        return self._grants.list(ctx, request)

    async def delete_role_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.delete(ctx, request)

    async def attach_role_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.attach(ctx, request)

    async def detach_role_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.detach(ctx, request)

    async def list_attached_role_policies(self, ctx: Context, request: Request) -> Result:
        return self._grants.list_attached(ctx, request)


class UserPolicies:
    def __init__(self, store: IamStore) -> None:
        self._grants = _Grants(store, "user")

    async def put_user_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.put(ctx, request)

    async def get_user_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.get(ctx, request)

    async def list_user_policies(self, ctx: Context, request: Request) -> Result:
        return self._grants.list(ctx, request)

    async def delete_user_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.delete(ctx, request)

    async def attach_user_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.attach(ctx, request)

    async def detach_user_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.detach(ctx, request)

    async def list_attached_user_policies(self, ctx: Context, request: Request) -> Result:
        return self._grants.list_attached(ctx, request)


class GroupPolicies:
    def __init__(self, store: IamStore) -> None:
        self._grants = _Grants(store, "group")

    async def put_group_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.put(ctx, request)

    async def get_group_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.get(ctx, request)

    async def list_group_policies(self, ctx: Context, request: Request) -> Result:
        return self._grants.list(ctx, request)

    async def delete_group_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.delete(ctx, request)

    async def attach_group_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.attach(ctx, request)

    async def detach_group_policy(self, ctx: Context, request: Request) -> Result:
        return self._grants.detach(ctx, request)

    async def list_attached_group_policies(self, ctx: Context, request: Request) -> Result:
        return self._grants.list_attached(ctx, request)
