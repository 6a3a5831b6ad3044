"""STS: who one is, and temporary keys."""

from __future__ import annotations

import re
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.iam import documents, errors, names
from outcrop.services.iam.store import AccessKey, Entity, IamStore, moment
from outcrop.services.iam.trust import trusts

_ARN = re.compile(r"arn:[^:]+:[^:]+:[^:]*:[^:]*:.+")
_ROLE_ARN = re.compile(r"arn:aws[\w-]*:iam::(\d{12}):role(/(?:\S+/)?)(\S+)")
HOUR = 3600
HALF_DAY = 43200


class Sessions:
    def __init__(self, store: IamStore, strict: bool) -> None:
        self._store = store
        self._strict = strict

    async def get_caller_identity(self, ctx: Context, request: Request) -> Result:
        return {"UserId": ctx.principal.user_id, "Account": ctx.account, "Arn": ctx.principal.arn}

    async def get_access_key_info(self, ctx: Context, request: Request) -> Result:
        key = self._store.access_key(request["AccessKeyId"])
        account = key.account if key else names.account_of(request["AccessKeyId"])
        if account is None:
            raise errors.ValidationError(f"The access key id {request['AccessKeyId']} says no account.")
        return {"Account": account}

    async def assume_role(self, ctx: Context, request: Request) -> Result:
        arn, session = request["RoleArn"], request["RoleSessionName"]
        if not _ARN.fullmatch(arn):
            raise errors.ValidationError(f"{arn} is invalid")
        _check_tags(request)
        _check_session_policy(request)
        role = self._role(arn)
        if role is None:
            ctx.notes["reason"] = "there is no such role"
            raise _not_authorized(ctx, arn)
        if not trusts(role.trust, ctx.principal, request.get("ExternalId")):
            if self._strict:
                raise _not_authorized(ctx, arn)
            ctx.notes["trust-policy"] = f"on AWS {role.name}'s trust policy would refuse {ctx.principal.arn}"
        seconds = _duration(ctx, role, request.get("DurationSeconds"))
        user_id = f"{role.id}:{session}"
        session_arn = f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session}"
        key = self._store.add_access_key(
            role.account, role.id, "assumed-role", seconds=seconds, arn=session_arn, user_id=user_id
        )
        result = {
            "Credentials": _shown(key),
            "AssumedRoleUser": {"AssumedRoleId": user_id, "Arn": session_arn},
            **_packed_size(request),
        }
        if "SourceIdentity" in request:
            result["SourceIdentity"] = request["SourceIdentity"]
        return result

    async def get_session_token(self, ctx: Context, request: Request) -> Result:
        _need_long_term(ctx, "GetSessionToken")
        owner = ctx.principal.user_id if ctx.principal.kind == "user" else None
        longest = HOUR if owner is None else 129600
        seconds = min(request.get("DurationSeconds", HALF_DAY), longest)
        key = self._store.add_access_key(ctx.account, owner, "user" if owner else "root", seconds=seconds)
        return {"Credentials": _shown(key)}

    async def get_federation_token(self, ctx: Context, request: Request) -> Result:
        _need_long_term(ctx, "GetFederationToken")
        _check_session_policy(request)
        owner = ctx.principal.user_id if ctx.principal.kind == "user" else None
        longest = HOUR if owner is None else 129600
        seconds = min(request.get("DurationSeconds", HALF_DAY), longest)
        user_id = f"{ctx.account}:{request['Name']}"
        arn = f"arn:aws:sts::{ctx.account}:federated-user/{request['Name']}"
        key = self._store.add_access_key(ctx.account, owner, "user", seconds=seconds, arn=arn, user_id=user_id)
        federated = {"FederatedUserId": user_id, "Arn": arn}
        return {"Credentials": _shown(key), "FederatedUser": federated, "PackedPolicySize": 0, **_packed_size(request)}

    async def assume_role_with_web_identity(self, ctx: Context, request: Request) -> Result:
        raise errors.InvalidIdentityToken(
            "No OpenIDConnect provider found in your account: this stack checks no tokens of identity providers. "
            "Use AssumeRole."
        )

    async def assume_role_with_saml(self, ctx: Context, request: Request) -> Result:
        raise errors.InvalidIdentityToken(
            "Specified provider doesn't exist: this stack checks no SAML assertions. Use AssumeRole."
        )

    async def decode_authorization_message(self, ctx: Context, request: Request) -> Result:
        raise errors.InvalidAuthorizationMessageException(
            "Invalid EncodedMessage: this stack encodes no authorization messages; its refusals are plain text."
        )

    def _role(self, arn: str) -> Entity | None:
        match = _ROLE_ARN.fullmatch(arn)
        if match is None:
            return None
        role = self._store.entity(match[1], "role", match[3])
        return role if role and role.path == match[2] else None


def _not_authorized(ctx: Context, arn: str) -> errors.AccessDenied:
    return errors.AccessDenied(
        f"User: {ctx.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    )


def _need_long_term(ctx: Context, operation: str) -> None:
    if ctx.principal.kind not in ("root", "user") or ctx.principal.access_key_id.startswith("ASIA"):
        raise errors.AccessDenied(f"Cannot call {operation} with session credentials")


def _duration(ctx: Context, role: Entity, wanted: int | None) -> int:
    seconds = HOUR if wanted is None else wanted
    if seconds > role.max_session:
        raise errors.ValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if ctx.principal.kind == "assumed-role" and seconds > HOUR:
        raise errors.ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    return seconds


def _check_tags(request: Request) -> None:
    keys = [tag["Key"].casefold() for tag in request.get("Tags", [])]
    if len(keys) != len(set(keys)):
        raise errors.InvalidParameterValue("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if not {key.casefold() for key in request.get("TransitiveTagKeys", [])} <= set(keys):
        raise errors.InvalidParameterValue("The specified transitive tag key must be included in the requested tags.")


def _check_session_policy(request: Request) -> None:
    if "Policy" in request:
        documents.check_policy(request["Policy"])


def _packed_size(request: Request) -> dict[str, int]:
    """Percent of what a session may carry that its policies fill."""
    carried = len(request.get("Policy", "")) + sum(len(each.get("arn", "")) for each in request.get("PolicyArns", []))
    carried += sum(len(tag["Key"]) + len(tag["Value"]) for tag in request.get("Tags", []))
    return {"PackedPolicySize": min(100, -(-carried * 100 // 2048))} if carried else {}


def _shown(key: AccessKey) -> dict[str, Any]:
    assert key.expires_at is not None, "sessions end"
    return {
        "AccessKeyId": key.id,
        "SecretAccessKey": key.secret,
        "SessionToken": key.token,
        "Expiration": moment(key.expires_at),
    }
