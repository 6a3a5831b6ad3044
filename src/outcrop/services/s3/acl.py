"""Access control lists: canned ones, grants by header, whole policies. Kept as lists of grants, the owner's first;
None stands for the default, which is the owner's full control alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from outcrop.services.s3 import errors
from outcrop.services.s3.names import owner

Grants = Sequence[Mapping[str, Any]]

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
_LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"

_CANNED: dict[str, tuple[tuple[str, str], ...]] = {
    "private": (),
    "public-read": ((ALL_USERS, "READ"),),
    "public-read-write": ((ALL_USERS, "READ"), (ALL_USERS, "WRITE")),
    "authenticated-read": ((AUTHENTICATED_USERS, "READ"),),
    "log-delivery-write": ((_LOG_DELIVERY, "WRITE"), (_LOG_DELIVERY, "READ_ACP")),
    "aws-exec-read": (),
    "bucket-owner-read": (),
    "bucket-owner-full-control": (),
}
_TO_BUCKET_OWNER = {"bucket-owner-read": "READ", "bucket-owner-full-control": "FULL_CONTROL"}
_HEADERS = {
    "GrantFullControl": "FULL_CONTROL",
    "GrantRead": "READ",
    "GrantReadACP": "READ_ACP",
    "GrantWrite": "WRITE",
    "GrantWriteACP": "WRITE_ACP",
}
_CANONICAL = re.compile(r"[0-9a-f]{64}")


def asked(request: Mapping[str, Any]) -> bool:
    """Whether a request says anything of access."""
    return any(request.get(name) for name in ("ACL", "AccessControlPolicy", *_HEADERS))


def from_request(request: Mapping[str, Any], account: str, bucket_owner: str | None = None) -> Grants | None:
    """The grants that a request asks for, on what `account` owns; `bucket_owner` is set for objects. Raises
    AccessDenied, InvalidArgument, InvalidRequest, MalformedACLError, UnresolvableGrantByEmailAddress."""
    granted = [name for name in _HEADERS if request.get(name)]
    if request.get("ACL"):
        if granted:
            raise errors.InvalidRequest("Specifying both Canned ACLs and Header Grants is not allowed")
        if request["ACL"] not in _CANNED:
            raise errors.InvalidArgument(ArgumentName="x-amz-acl", ArgumentValue=request["ACL"])
        more = [_group(uri, permission) for uri, permission in _CANNED[request["ACL"]]]
        permission = _TO_BUCKET_OWNER.get(request["ACL"])
        if permission and bucket_owner not in (None, account):
            more.append(_user(str(bucket_owner), permission))
        return [_user(account, "FULL_CONTROL"), *more] if more else None
    if granted:
        return [grant for name in granted for grant in _header(request[name], _HEADERS[name])]
    if policy := request.get("AccessControlPolicy"):
        if (policy.get("Owner") or {}).get("ID") not in (None, owner(account)["ID"]):
            raise errors.AccessDenied
        return [_checked(grant) for grant in policy.get("Grants") or ()]
    return None


def shown(grants: Grants | None, account: str) -> dict[str, Any]:
    """What GetBucketAcl and GetObjectAcl answer."""
    return {"Owner": owner(account), "Grants": [_user(account, "FULL_CONTROL")] if grants is None else list(grants)}


def allows(grants: Grants | None, permission: str, account: str | None) -> bool:
    """Whether an account (None: a stranger) that isn't the owner has a permission."""
    named = {ALL_USERS} if account is None else {ALL_USERS, AUTHENTICATED_USERS, owner(account)["ID"]}
    return any(
        grant["Permission"] in (permission, "FULL_CONTROL")
        and not named.isdisjoint((grant["Grantee"].get("URI"), grant["Grantee"].get("ID")))
        for grant in grants or ()
    )


def is_public(grants: Grants | None) -> bool:
    return any(grant["Grantee"].get("URI") in (ALL_USERS, AUTHENTICATED_USERS) for grant in grants or ())


def _user(account: str, permission: str) -> dict[str, Any]:
    return {"Grantee": {"Type": "CanonicalUser", **owner(account)}, "Permission": permission}


def _group(uri: str, permission: str) -> dict[str, Any]:
    return {"Grantee": {"Type": "Group", "URI": uri}, "Permission": permission}


def _header(text: str, permission: str) -> list[dict[str, Any]]:
    grants = []
    for grantee in text.split(","):
        kind, _, value = grantee.strip().partition("=")
        value = value.strip().strip('"')
        named = {"id": "ID", "uri": "URI", "emailaddress": "EmailAddress"}.get(kind.strip().lower())
        if named is None:
            raise errors.InvalidArgument("Argument format not recognized", ArgumentValue=text)
        types = {"ID": "CanonicalUser", "URI": "Group", "EmailAddress": "AmazonCustomerByEmail"}
        grants.append(_checked({"Grantee": {"Type": types[named], named: value}, "Permission": permission}))
    return grants


def _checked(grant: Mapping[str, Any]) -> dict[str, Any]:
    grantee, permission = grant.get("Grantee") or {}, grant.get("Permission")
    if permission not in _HEADERS.values():
        raise errors.MalformedACLError
    match grantee.get("Type"):
        case "CanonicalUser":
            if not _CANONICAL.fullmatch(grantee.get("ID") or ""):
                raise errors.InvalidArgument(
                    "Invalid id", ArgumentName="CanonicalUser/ID", ArgumentValue=grantee.get("ID")
                )
        case "Group":
            if grantee.get("URI") not in (ALL_USERS, AUTHENTICATED_USERS, _LOG_DELIVERY):
                raise errors.InvalidArgument("Invalid group uri", ArgumentName="uri", ArgumentValue=grantee.get("URI"))
        case "AmazonCustomerByEmail":
            raise errors.UnresolvableGrantByEmailAddress
        case _:
            raise errors.MalformedACLError
    return {"Grantee": dict(grantee), "Permission": permission}
