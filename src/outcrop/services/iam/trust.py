"""Whether a role's trust policy lets a principal assume it."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from typing import Any

from outcrop.services.contract import Principal
from outcrop.services.iam.documents import Statement, values


def trusts(document: str, principal: Principal, account: str, external_id: str | None) -> bool:
    """An allowing statement matches and no denying one does. Of the conditions, those on `sts:ExternalId` are
    checked; the others count as met, because nothing here knows their keys."""
    found = json.loads(document)["Statement"]
    matching = [
        statement["Effect"]
        for statement in (found if isinstance(found, list) else [found])
        if _allows_action(statement)
        and _names(statement, principal, account)
        and _external_id_matches(statement.get("Condition", {}), external_id)
    ]
    return "Allow" in matching and "Deny" not in matching


def _allows_action(statement: Statement) -> bool:
    patterns = [action.lower() for action in values(statement, "Action")]
    return any(fnmatch.fnmatchcase("sts:assumerole", pattern) for pattern in patterns)


def _names(statement: Statement, principal: Principal, account: str) -> bool:
    named = statement.get("Principal", {})
    if named == "*":
        return True
    if principal.kind == "service":
        return principal.arn in values(named, "Service")
    caller_account = principal.arn.split(":")[4]
    accepted = {"*", principal.arn, principal.user_id, caller_account, f"arn:aws:iam::{caller_account}:root"}
    if principal.kind == "assumed-role":
        role = principal.arn.split("/")[1]
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
