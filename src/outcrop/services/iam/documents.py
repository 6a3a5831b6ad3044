"""The grammar of policies: what IAM refuses to store, and in which words.

The order of the checks is AWS's: syntax, version, legacy parsing, statement ids, actions, resources, then the form of
resources and of actions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from outcrop.services.iam.errors import MalformedPolicyDocument

Statement = Mapping[str, Any]

_TOP = {"Version", "Id", "Statement"}
_STATEMENT = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
_TRUST_STATEMENT = {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Condition"}
_PRINCIPALS = {"AWS", "Service", "Federated", "CanonicalUser"}
_CONDITION = re.compile(
    r"(?:For(?:AnyValue|AllValues):)?"
    r"(?:String(?:Not)?(?:Equals(?:IgnoreCase)?|Like)|Numeric(?:Not)?Equals|Numeric(?:Less|Greater)Than(?:Equals)?"
    r"|Date(?:Not)?Equals|Date(?:Less|Greater)Than(?:Equals)?|Bool|BinaryEquals|(?:Not)?IpAddress"
    r"|Arn(?:Not)?(?:Equals|Like)|Null)(?:IfExists)?"
)
_VENDOR = re.compile(r"[A-Za-z0-9.-]+")
_TRUST_ACTION = re.compile(
    r"sts:(?:AssumeRole\w*|AssumeRole\*|TagSession|SetSourceIdentity|SetContext|\*)", re.IGNORECASE
)
_DATE = re.compile(
    r"-?\d{1,9}(?:-\d{1,2}(?:-\d{1,2})?)?(?:t\d{1,2}(?::\d{1,2}(?::\d{1,2}(?:\.\d{1,9})?)?)?"
    r"(?:z|[+-]\d{2}(?::?\d{2})?)?)?",
    re.IGNORECASE,
)
_IAM_RESOURCES = (
    *("user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/"),
    *("sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/"),
)


def encoded(document: str) -> str:
    """A document as IAM's answers carry it: percent-encoded."""
    return quote(document, safe="")


def size(document: str) -> int:
    """Characters that count towards a quota: all but white space."""
    return len("".join(document.split()))


def statements(document: str) -> list[Statement]:
    """The statements of a document that was checked before."""
    found = json.loads(document)["Statement"]
    return found if isinstance(found, list) else [found]


def values(statement: Statement, member: str) -> list[str]:
    """A member that may be one string or a list of them, as a list."""
    found = statement.get(member, [])
    return [found] if isinstance(found, str) else list(found)


def check_policy(document: str) -> None:
    """Raise MalformedPolicyDocument unless this is a policy for identities."""
    policy = _parse(document, "Syntax errors in policy.")
    found = _syntax(policy, _STATEMENT)
    if policy.get("Version") != "2012-10-17":
        raise MalformedPolicyDocument("Policy document must be version 2012-10-17 or greater.")
    resource_error = next(_resource_errors(found), None)
    if any(not _parses_legacy(statement, resource_error is None) for statement in found):
        raise MalformedPolicyDocument("The policy failed legacy parsing")
    ids = [statement["Sid"] for statement in found if statement.get("Sid")]
    if len(ids) != len(set(ids)):
        raise MalformedPolicyDocument("Statement IDs (SID) in a single policy must be unique.")
    if any(statement.get("Action", statement.get("NotAction", [])) == [] for statement in found):
        raise MalformedPolicyDocument("Policy statement must contain actions.")
    no_resources = any(statement.get("Resource", statement.get("NotResource", [])) == [] for statement in found)
    if resource_error and not no_resources:
        raise MalformedPolicyDocument(resource_error)
    if not resource_error:
        for action in _all(found, "Action", "NotAction"):
            _check_action(action)
    if no_resources:
        raise MalformedPolicyDocument("Policy statement must contain resources.")


def check_trust(document: str) -> None:
    """Raise MalformedPolicyDocument unless this is a role's trust policy."""
    policy = _parse(document, "This policy contains invalid Json")
    raw = policy.get("Statement")
    for statement in raw if isinstance(raw, list) else [raw]:
        for member in ("Resource", "NotResource"):
            if isinstance(statement, dict) and member in statement:
                raise MalformedPolicyDocument(f"Has prohibited field {member}")
    for statement in _syntax(policy, _TRUST_STATEMENT):
        if "Principal" not in statement and "NotPrincipal" not in statement:
            raise MalformedPolicyDocument("Missing required field Principal")
        _check_principal(statement.get("Principal", statement.get("NotPrincipal")))
        actions = [*values(statement, "Action"), *values(statement, "NotAction")]
        if not actions:
            raise MalformedPolicyDocument("Missing required field Action")
        for action in actions:
            if not _TRUST_ACTION.fullmatch(action):
                raise MalformedPolicyDocument("AssumeRole policy may only specify STS AssumeRole actions.")


def _parse(document: str, failure: str) -> dict[str, Any]:
    try:
        policy = json.loads(document)
    except (ValueError, RecursionError):
        raise MalformedPolicyDocument(failure) from None
    if not isinstance(policy, dict):
        raise MalformedPolicyDocument("Syntax errors in policy.")
    return policy


def _syntax(policy: Mapping[str, Any], members: set[str]) -> list[Statement]:
    found = policy.get("Statement")
    found = [found] if isinstance(found, dict) else found
    sound = (
        policy.keys() <= _TOP
        and policy.get("Version", "2012-10-17") in ("2008-10-17", "2012-10-17")
        and isinstance(policy.get("Id", ""), str)
        and isinstance(found, list)
        and bool(found)
        and all(_sound(statement, members) for statement in found)
    )
    if not sound or not isinstance(found, list):
        raise MalformedPolicyDocument("Syntax errors in policy.")
    return found


def _sound(statement: object, members: set[str]) -> bool:
    return (
        isinstance(statement, dict)
        and statement.keys() <= members
        and not {"Action", "NotAction"} <= statement.keys()
        and not {"Resource", "NotResource"} <= statement.keys()
        and not {"Principal", "NotPrincipal"} <= statement.keys()
        and isinstance(statement.get("Effect"), str)
        and statement["Effect"].lower() in ("allow", "deny")
        and isinstance(statement.get("Sid", ""), str)
        and all(_strings(statement.get(name, [])) for name in ("Action", "NotAction", "Resource", "NotResource"))
        and _sound_condition(statement.get("Condition", {}))
    )


def _strings(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _sound_condition(condition: object) -> bool:
    if not isinstance(condition, dict):
        return False
    for operator, keys in condition.items():
        if not isinstance(keys, dict) or (keys and not _CONDITION.fullmatch(operator)):
            return False
        if not all(_scalars(value) for value in keys.values()):
            return False
    return True


def _scalars(value: object) -> bool:
    return isinstance(value, str | bool | int | float) or (
        isinstance(value, list) and all(isinstance(each, str | bool | int | float) for each in value)
    )


def _all(found: list[Statement], *members: str) -> Iterator[str]:
    for member in members:
        for statement in found:
            yield from values(statement, member)


def _parses_legacy(statement: Statement, resources_are_arns: bool) -> bool:
    if statement["Effect"] not in ("Allow", "Deny"):
        return False
    for operator, keys in statement.get("Condition", {}).items():
        if operator.split(":")[-1].startswith("Date"):
            for value in keys.values():
                if not all(_is_date(str(each)) for each in (value if isinstance(value, list) else [value])):
                    return False
    if not resources_are_arns:
        return True
    for resource in [*values(statement, "Resource"), *values(statement, "NotResource")]:
        parts = resource.split(":")
        if resource != "*" and ((len(parts) < 6 and "::" in resource) or parts[2] == ""):
            return False
    return True


def _is_date(value: str) -> bool:
    if value.isdigit() and len(value) <= 19:
        return int(value) < 1 << 63
    if not _DATE.fullmatch(value):
        return False
    date, _, time = value.lower().partition("t")
    limits = [(1, 12), (1, 31), (0, 23), (0, 59), (0, 59)]
    month_and_day = [int(part) for part in date.lstrip("-").split("-")][1:]
    clock = [int(part) for part in re.split(r"[z+-]", time)[0].split(".")[0].split(":") if part]
    checked = [*zip(month_and_day, limits, strict=False), *zip(clock, limits[2:], strict=False)]
    return all(low <= number <= high for number, (low, high) in checked)


def _resource_errors(found: list[Statement]) -> Iterator[str]:
    for resource in _all(found, "Resource", "NotResource"):
        if resource != "*" and (error := _resource_error(resource)):
            yield error


def _resource_error(resource: str) -> str:
    parts = resource.split(":", 5)
    if len(parts) == 1:
        return f'Resource {resource} must be in ARN format or "*".'
    if not re.fullmatch(r"aws(?:-[a-z-]+)?\*?|\*", parts[1]):
        rest = [*parts[2:], *["*"] * 4][:4]
        return f'Partition "{parts[1]}" is not valid for resource "arn:{":".join([parts[1], *rest])}".'
    if len(parts) == 2:
        return "Resource vendor must be fully qualified and cannot contain regexes."
    service, region, resource_part = parts[2], parts[3] if len(parts) > 3 else "", ":".join(parts[5:])
    if service == "iam" and region:
        return f"IAM resource {resource} cannot contain region information."
    if service == "s3" and region and len(parts) > 5 and not resource_part.startswith("accesspoint"):
        return f"Resource {resource} can not contain region information."
    if service == "iam" and resource_part not in ("*", "root") and not resource_part.startswith(_IAM_RESOURCES):
        return f'IAM resource path must either be "*" or start with {", ".join(_IAM_RESOURCES)}.'
    return ""


def _check_action(action: str) -> None:
    vendor, colon, rest = action.partition(":")
    if action == "*":
        return
    if not colon:
        raise MalformedPolicyDocument("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    if ":" in rest:
        raise MalformedPolicyDocument("Actions/Condition can contain only one colon.")
    if vendor != "*" and not _VENDOR.fullmatch(vendor):
        raise MalformedPolicyDocument(f"Vendor {vendor} is not valid")


def _check_principal(principal: object) -> None:
    if principal == "*":
        return
    if not isinstance(principal, dict) or not principal:
        raise MalformedPolicyDocument("Syntax errors in policy.")
    for kind, named in principal.items():
        if kind not in _PRINCIPALS or not _strings(named) or not named:
            raise MalformedPolicyDocument("Syntax errors in policy.")
        for name in [named] if isinstance(named, str) else named:
            if not _is_principal(kind, name):
                raise MalformedPolicyDocument(f'Invalid principal in policy: "{kind.upper()}":"{name}"')


def _is_principal(kind: str, name: str) -> bool:
    if kind == "AWS":
        return bool(
            name == "*"
            or re.fullmatch(r"\d{12}|A(?:IDA|ROA)[A-Z2-7]{12,}", name)
            or re.fullmatch(
                r"arn:aws[\w-]*:(?:iam|sts)::\d{12}:(?:root|(?:user|role|assumed-role|federated-user)/\S+)", name
            )
        )
    return bool(re.fullmatch(r"[\w.*-]+\.[\w.-]+", name)) if kind == "Service" else bool(name)
