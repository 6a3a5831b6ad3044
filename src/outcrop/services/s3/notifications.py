"""Which functions a bucket tells of its objects' changes. `notices.py` tells them."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from outcrop.services.contract import Context, Principal, Request, Result, ServiceError
from outcrop.services.s3 import errors
from outcrop.services.s3.access import Access
from outcrop.services.s3.notices import affixes, as_bucket
from outcrop.services.s3.store import Bucket, BucketStore

FUNCTIONS = "LambdaFunctionConfigurations"
ABSENT = {
    "QueueConfigurations": ("QueueArn", "SQS queues"),
    "TopicConfigurations": ("TopicArn", "SNS topics"),
    "EventBridgeConfiguration": ("", "EventBridge"),
}
FUNCTION = re.compile(r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:[\w-]{1,140}(:(\$LATEST|[\w-]+))?")
MAX_RULES = 100
MAX_VALUE = 1024
UNABLE = "Unable to validate the following destination configurations"
AMBIGUOUS = (
    "Configuration is ambiguously defined. Cannot have overlapping {0} in two rules if the {1} are overlapping for "
    "the same event type."
)


class Notifications:
    """`context(account, region, principal)` is the stack's own."""

    def __init__(self, store: BucketStore, access: Access, context: Callable[[str, str, Principal], Context]) -> None:
        self._store = store
        self._access = access
        self._context = context

    async def get_bucket_notification_configuration(self, ctx: Context, request: Request) -> Result:
        bucket = self._access.bucket(ctx, request, "s3:GetBucketNotification")
        kept: Result = self._store.setting(bucket, "notification") or {}
        return kept

    async def put_bucket_notification_configuration(self, ctx: Context, request: Request) -> Result:
        bucket = self._access.bucket(ctx, request, "s3:PutBucketNotification")
        given = request["NotificationConfiguration"]
        for kind, (arn, what) in ABSENT.items():
            rules = given.get(kind)
            if rules or (kind == "EventBridgeConfiguration" and rules is not None):
                raise errors.InvalidArgument(
                    f"{UNABLE}: Outcrop has no {what}. Let the bucket call a function (LambdaFunctionConfigurations).",
                    ArgumentName=rules[0][arn] if arn else kind,
                )
        rules = [_checked(rule) for rule in given.get(FUNCTIONS) or ()]
        if len(rules) > MAX_RULES:
            raise errors.InvalidArgument(f"A bucket may have {MAX_RULES} notification configurations at most.")
        if len({rule["Id"] for rule in rules}) < len(rules):
            raise errors.InvalidArgument("Same ID used for multiple configurations. IDs must be unique")
        _check_overlaps(rules)
        if not request.get("SkipDestinationValidation"):
            for function in dict.fromkeys(rule["LambdaFunctionArn"] for rule in rules):
                await self._check_function(bucket, function)
        self._store.put_setting(bucket, "notification", {FUNCTIONS: rules} if rules else {})
        return {}

    async def _check_function(self, bucket: Bucket, function: str) -> None:
        """That the function exists and lets this bucket invoke it."""
        ctx = self._context(bucket.account, bucket.region, as_bucket(bucket.name))
        try:
            await ctx.call("lambda", "invoke", {"FunctionName": function, "InvocationType": "DryRun"})
        except ServiceError as error:
            why = {
                404: "The destination Lambda does not exist",
                403: f"Not authorized to invoke function [{function}]",
            }.get(error.status, error.message)
            raise errors.InvalidArgument(UNABLE, ArgumentName=function, ArgumentValue=why) from None


def _checked(rule: Mapping[str, Any]) -> dict[str, Any]:
    function = rule.get("LambdaFunctionArn") or ""
    if not FUNCTION.fullmatch(function):
        raise errors.InvalidArgument("The ARN could not be parsed", ArgumentName=function, ArgumentValue=function)
    if not rule.get("Events"):
        raise errors.MalformedXML
    filters = ((rule.get("Filter") or {}).get("Key") or {}).get("FilterRules") or []
    kept: list[dict[str, str]] = []
    for one in filters:
        name, value = str(one.get("Name") or "").lower(), one.get("Value") or ""
        if name not in ("prefix", "suffix"):
            raise errors.InvalidArgument(
                "filter rule name must be either prefix or suffix", ArgumentName="FilterRule.Name", ArgumentValue=name
            )
        if name in [other["Name"].lower() for other in kept]:
            raise errors.InvalidArgument(
                f"Cannot specify more than one {name} rule in a filter.", ArgumentName="FilterRule.Name"
            )
        if len(value.encode()) > MAX_VALUE:
            raise errors.InvalidArgument(
                f"Size of filter rule value cannot exceed {MAX_VALUE} bytes in UTF-8 representation",
                ArgumentName="FilterRule.Value",
            )
        kept.append({"Name": name.capitalize(), "Value": value})
    checked = {"Id": rule.get("Id") or secrets.token_urlsafe(24), "LambdaFunctionArn": function}
    checked["Events"] = list(rule["Events"])
    return {**checked, "Filter": {"Key": {"FilterRules": kept}}} if kept else checked


def _check_overlaps(rules: Sequence[Mapping[str, Any]]) -> None:
    """An event may go to one function only: two rules for it must have prefixes or suffixes that exclude each other."""
    for one, other in itertools.combinations(rules, 2):
        if not any(_same_event(a, b) for a in one["Events"] for b in other["Events"]):
            continue
        (prefix, suffix), (other_prefix, other_suffix) = affixes(one), affixes(other)
        prefixes = prefix.startswith(other_prefix) or other_prefix.startswith(prefix)
        suffixes = suffix.endswith(other_suffix) or other_suffix.endswith(suffix)
        if prefixes and suffixes:
            words = ("suffixes", "prefixes") if suffix or other_suffix else ("prefixes", "suffixes")
            raise errors.InvalidArgument(AMBIGUOUS.format(*words))


def _same_event(one: str, other: str) -> bool:
    if one.rpartition(":")[0] != other.rpartition(":")[0]:
        return False
    return one == other or one.endswith(":*") or other.endswith(":*")
