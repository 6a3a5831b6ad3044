"""Policies that say which services may write to log groups. They are kept; Outcrop's own services may always write."""

from __future__ import annotations

import json

from outcrop.services.contract import Context, Request, Result
from outcrop.services.logs.errors import (
    InvalidParameterException,
    LimitExceededException,
    ResourceNotFoundException,
)
from outcrop.services.logs.paging import page
from outcrop.services.logs.store import LogStore, ResourcePolicy, now_ms

MAX_POLICIES = 10
"""Of an account in a region."""


class ResourcePolicies:
    def __init__(self, store: LogStore) -> None:
        self._store = store

    async def put_resource_policy(self, ctx: Context, request: Request) -> Result:
        _refuse_resources(request)
        name, document = request.get("policyName"), request.get("policyDocument")
        if not name or not document:
            raise InvalidParameterException("policyName and policyDocument must be given.")
        _check(document)
        existing = {known.name for known in self._store.resource_policies(ctx.account, ctx.region)}
        if name not in existing and len(existing) >= MAX_POLICIES:
            raise LimitExceededException("Resource limit exceeded.")
        policy = ResourcePolicy(name, document, now_ms())
        self._store.put_resource_policy(ctx.account, ctx.region, policy)
        return {"resourcePolicy": _describe(policy)}

    async def describe_resource_policies(self, ctx: Context, request: Request) -> Result:
        _refuse_resources(request)
        known = self._store.resource_policies(ctx.account, ctx.region)
        if request.get("policyScope") == "RESOURCE":
            known = []
        shown, token = page(known, lambda policy: policy.name, request.get("nextToken"), request.get("limit", 50))
        result: dict[str, object] = {"resourcePolicies": [_describe(policy) for policy in shown]}
        return {**result, "nextToken": token} if token else result

    async def delete_resource_policy(self, ctx: Context, request: Request) -> Result:
        _refuse_resources(request)
        name = request.get("policyName", "")
        if not self._store.delete_resource_policy(ctx.account, ctx.region, name):
            raise ResourceNotFoundException(f"Policy with name [{name}] does not exist")
        return {}


def _refuse_resources(request: Request) -> None:
    if "resourceArn" in request:
        raise InvalidParameterException(
            "Outcrop keeps resource policies of the whole account only: leave out resourceArn."
        )


def _check(document: str) -> None:
    try:
        policy = json.loads(document)
    except (ValueError, RecursionError):
        policy = None
    if not isinstance(policy, dict) or "Statement" not in policy:
        raise InvalidParameterException("The policy document is no JSON object with a Statement.")


def _describe(policy: ResourcePolicy) -> Result:
    return {
        "policyName": policy.name,
        "policyDocument": policy.document,
        "lastUpdatedTime": policy.updated_at,
        "policyScope": "ACCOUNT",
    }
