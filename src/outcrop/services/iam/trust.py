"""Whether a role's trust policy lets a principal assume it."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any

from outcrop.services.contract import Principal
from outcrop.services.iam.documents import Statement, statements, values


def trusts(document: str, principal: Principal, external_id: str | None) -> bool:
    """An allowing statement matches and no denying one does. Of the conditions, those on `sts:ExternalId` are
    checked; the others count as met, because nothing here knows their keys."""
    matching = [
        statement["Effect"]
        for statement in statements(document)
        if _allows_action(statement)
        and _names(statement, principal)
        and _external_id_matches(statement.get("Condition", {}), external_id)
    ]
    return "Allow" in matching and "Deny" not in matching


def _allows_action(statement: Statement) -> bool:
    patterns = [action.lower() for action in values(statement, "Action")]
    return any(fnmatch.fnmatchcase("sts:assumerole", pattern) for pattern in patterns)


def _names(statement: Statement, principal: Principal) -> bool:
    named = statement.get("Principal", {})
    if named == "*":
        return True
    if principal.kind == "service":
        return not {principal.arn, principal.user_id}.isdisjoint(values(named, "Service"))
    caller_account = "".join(principal.arn.split(":")[4:5])
    accepted = {"*", principal.arn, principal.user_id, caller_account, f"arn:aws:iam::{caller_account}:root"}
    if principal.kind == "assumed-role":
        role = "".join(principal.arn.split("/")[1:2])
        accepted.add(principal.user_id.split(":")[0])
        return any(each in accepted or _is_role(each, caller_account, role) for each in values(named, "AWS"))
    return any(each in accepted for each in values(named, "AWS"))


def _is_role(arn: str, account: str, role: str) -> bool:
    return arn.startswith(f"arn:aws:iam::{account}:role/") and arn.rpartition("/")[2] == role


def _external_id_matches(condition: Mapping[str, Any], external_id: str | None) -> bool:
    for operator, keys in condition.items():
        for key, wanted in keys.items():
            if key.lower() != "sts:externalid" or not operator.startswith(("StringEquals", "StringLike")):
                continue
            accepted = [wanted] if isinstance(wanted, str) else wanted
            if external_id is None or not any(fnmatch.fnmatchcase(external_id, each) for each in accepted):
                return False
    return True
