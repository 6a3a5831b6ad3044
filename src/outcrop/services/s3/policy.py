"""Bucket policies: whether one is well formed, and what it allows everyone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from outcrop.services.s3 import errors


def parse(text: str, bucket: str) -> dict[str, Any]:
    """The policy of a bucket. Raises MalformedPolicy."""
    try:
        policy = json.loads(text)
    except ValueError:
        raise errors.MalformedPolicy("Policies must be valid JSON and the first byte must be '{'") from None
    if not isinstance(policy, dict):
        raise errors.MalformedPolicy("Policies must be valid JSON and the first byte must be '{'")
    if policy.get("Version", "2008-10-17") not in ("2012-10-17", "2008-10-17"):
        raise errors.MalformedPolicy("The policy must contain a valid version string")
    statements = policy.get("Statement")
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not statements:
        raise errors.MalformedPolicy("Missing required field Statement")
    for statement in statements:
        if not isinstance(statement, dict):
            raise errors.MalformedPolicy("Missing required field Effect")
        for required in ("Effect", "Principal", "Action", "Resource"):
            if required not in statement and f"Not{required}" not in statement:
                raise errors.MalformedPolicy(f"Missing required field {required}")
        if statement["Effect"] not in ("Allow", "Deny"):
            raise errors.MalformedPolicy(f"Invalid effect: {statement['Effect']}")
        for part in ("Action", "Resource"):
            for pattern in _listed(statement.get(part)):
                if not isinstance(pattern, str):
                    raise errors.MalformedPolicy(f"Policy has invalid {part.lower()}")
                own = pattern.split("/")[0].removeprefix("arn:aws:s3:::")
                if part == "Resource" and own != bucket and "*" not in own and "?" not in own and "$" not in own:
                    raise errors.MalformedPolicy("Policy has invalid resource")
    return policy


def is_public(policy: Mapping[str, Any]) -> bool:
    return any(
        statement.get("Effect") == "Allow" and _everyone(statement) and not statement.get("Condition")
        for statement in _listed(policy.get("Statement"))
    )


def effects(policy: Mapping[str, Any], action: str, resource: str, principals: Sequence[str]) -> set[str]:
    """Effects of the unconditional statements that speak of the action on the resource, for everyone or for one of
    `principals`: what the caller is called in policies."""
    return {
        statement["Effect"]
        for statement in _listed(policy.get("Statement"))
        if (_everyone(statement) or _names(statement, principals))
        and not statement.get("Condition")
        and any(_like(pattern.lower(), action.lower()) for pattern in _listed(statement.get("Action")))
        and any(_like(pattern, resource) for pattern in _listed(statement.get("Resource")))
    }


def _everyone(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    return principal == "*" or (isinstance(principal, dict) and "*" in _listed(principal.get("AWS")))


def _names(statement: Mapping[str, Any], principals: Sequence[str]) -> bool:
    principal = statement.get("Principal")
    return isinstance(principal, dict) and any(name in principals for name in _listed(principal.get("AWS")))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _like(pattern: str, text: str) -> bool:
    regex = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(regex, text, re.DOTALL) is not None
