"""What can be set on a bucket. All of it is kept and given back; ACL, policy, public access block, CORS, website,
versioning and object lock take effect. Lifecycle rules, logging, replication and the like are not executed."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.s3 import acl, errors, policy, tags
from outcrop.services.s3.access import Access
from outcrop.services.s3.store import Bucket, BucketStore

_DEFAULT_ENCRYPTION = {
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
}
_CORS_METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")

_ACTIONS = {
    "policy": "BucketPolicy",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "ownershipControls": "BucketOwnershipControls",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "replication": "ReplicationConfiguration",
    "tags": "BucketTagging",
    "website": "BucketWebsite",
    "logging": "BucketLogging",
    "requestPayment": "BucketRequestPayment",
    "accelerate": "AccelerateConfiguration",
    "abac": "BucketAbac",
    "analytics": "AnalyticsConfiguration",
    "tiering": "IntelligentTieringConfiguration",
    "inventory": "InventoryConfiguration",
    "metrics": "MetricsConfiguration",
}
"""What policies call reading (Get…) and writing (Put…) each setting."""


class _Settings:
    """One JSON value per bucket and kind."""

    def __init__(self, store: BucketStore, access: Access) -> None:
        self._store = store
        self._access = access

    def _bucket(self, ctx: Context, request: Request, action: str) -> Bucket:
        return self._access.bucket(ctx, request, f"s3:{action}")

    def _get(self, ctx: Context, request: Request, kind: str, missing: type[errors.S3Error] | None = None) -> Any:
        bucket = self._bucket(ctx, request, f"Get{_ACTIONS[kind.partition('/')[0]]}")
        value = self._store.setting(bucket, kind)
        if value is None and missing is not None:
            raise missing(BucketName=bucket.name)
        return value

    def _put(self, ctx: Context, request: Request, kind: str, value: Any) -> Result:
        self._store.put_setting(self._bucket(ctx, request, f"Put{_ACTIONS[kind.partition('/')[0]]}"), kind, value)
        return {}

    def _delete(self, ctx: Context, request: Request, kind: str) -> Result:
        action = "DeleteBucketPolicy" if kind == "policy" else f"Put{_ACTIONS[kind.partition('/')[0]]}"
        self._store.delete_setting(self._bucket(ctx, request, action), kind)
        return {}


class BucketAccess(_Settings):
    """Who may do what: ACL, policy, ownership, public access block, CORS."""

    async def get_bucket_acl(self, ctx: Context, request: Request) -> Result:
        bucket = self._bucket(ctx, request, "GetBucketAcl")
        return acl.shown(self._store.setting(bucket, "acl"), bucket.account)

    async def put_bucket_acl(self, ctx: Context, request: Request) -> Result:
        bucket = self._bucket(ctx, request, "PutBucketAcl")
        if not acl.asked(request):
            raise errors.MissingSecurityHeader(
                "Your request was missing a required header", MissingHeaderName="x-amz-acl"
            )
        grants = acl.from_request(request, bucket.account)
        check_acl_allowed(self._store, bucket, grants)
        self._store.put_setting(bucket, "acl", grants)
        return {}

    async def get_bucket_policy(self, ctx: Context, request: Request) -> Result:
        return {"Policy": self._get(ctx, request, "policy", errors.NoSuchBucketPolicy)}

    async def put_bucket_policy(self, ctx: Context, request: Request) -> Result:
        bucket = self._bucket(ctx, request, "PutBucketPolicy")
        parsed = policy.parse(request["Policy"], bucket.name)
        block = self._store.setting(bucket, "publicAccessBlock") or {}
        if block.get("BlockPublicPolicy") and policy.is_public(parsed):
            raise errors.AccessDenied(
                "User is not authorized to perform: s3:PutBucketPolicy because public policies are blocked by the "
                "BlockPublicPolicy block public access setting."
            )
        self._store.put_setting(bucket, "policy", request["Policy"])
        return {}

    async def delete_bucket_policy(self, ctx: Context, request: Request) -> Result:
        return self._delete(ctx, request, "policy")

    async def get_bucket_policy_status(self, ctx: Context, request: Request) -> Result:
        parsed = json.loads(self._get(ctx, request, "policy", errors.NoSuchBucketPolicy))
        return {"PolicyStatus": {"IsPublic": policy.is_public(parsed)}}

    async def get_public_access_block(self, ctx: Context, request: Request) -> Result:
        value = self._get(ctx, request, "publicAccessBlock", errors.NoSuchPublicAccessBlockConfiguration)
        return {"PublicAccessBlockConfiguration": value}

    async def put_public_access_block(self, ctx: Context, request: Request) -> Result:
        given = request["PublicAccessBlockConfiguration"]
        flags = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        if not any(flag in given for flag in flags):
            raise errors.InvalidRequest(
                "Must specify at least one configuration.",
            )
        return self._put(ctx, request, "publicAccessBlock", {flag: bool(given.get(flag)) for flag in flags})

    async def delete_public_access_block(self, ctx: Context, request: Request) -> Result:
        return self._delete(ctx, request, "publicAccessBlock")

    async def get_bucket_ownership_controls(self, ctx: Context, request: Request) -> Result:
        value = self._get(ctx, request, "ownershipControls", errors.OwnershipControlsNotFoundError)
        return {"OwnershipControls": value}

    async def put_bucket_ownership_controls(self, ctx: Context, request: Request) -> Result:
        bucket = self._bucket(ctx, request, "PutBucketOwnershipControls")
        controls = request["OwnershipControls"]
        rules = controls.get("Rules") or []
        if len(rules) != 1 or rules[0].get("ObjectOwnership") not in (
            "BucketOwnerEnforced",
            "BucketOwnerPreferred",
            "ObjectWriter",
        ):
            raise errors.MalformedXML
        enforced = rules[0]["ObjectOwnership"] == "BucketOwnerEnforced"
        if enforced and acl.is_public(self._store.setting(bucket, "acl")):
            raise errors.InvalidBucketAclWithObjectOwnership
        self._store.put_setting(bucket, "ownershipControls", controls)
        return {}

    async def delete_bucket_ownership_controls(self, ctx: Context, request: Request) -> Result:
        return self._delete(ctx, request, "ownershipControls")

    async def get_bucket_cors(self, ctx: Context, request: Request) -> Result:
        return {"CORSRules": self._get(ctx, request, "cors", errors.NoSuchCORSConfiguration)}

    async def put_bucket_cors(self, ctx: Context, request: Request) -> Result:
        rules = request["CORSConfiguration"].get("CORSRules") or []
        if not rules or len(rules) > 100:
            raise errors.MalformedXML
        for rule in rules:
            for method in rule.get("AllowedMethods") or ():
                if method not in _CORS_METHODS:
                    raise errors.InvalidRequest(
                        f"Found unsupported HTTP method in CORS config. Unsupported method is {method}"
                    )
            for kind, patterns in (("AllowedOrigin", "AllowedOrigins"), ("AllowedHeader", "AllowedHeaders")):
                for pattern in rule.get(patterns) or ():
                    if pattern.count("*") > 1:
                        raise errors.InvalidRequest(f'{kind} "{pattern}" can not have more than one wildcard.')
            for header in rule.get("ExposeHeaders") or ():
                if "*" in header:
                    raise errors.InvalidRequest(
                        f'ExposeHeader "{header}" contains wildcard. We currently do not support wildcard for '
                        "ExposeHeader."
                    )
        return self._put(ctx, request, "cors", rules)

    async def delete_bucket_cors(self, ctx: Context, request: Request) -> Result:
        return self._delete(ctx, request, "cors")


class BucketContents(_Settings):
    """What happens to the objects inside: versioning, lock, encryption, lifecycle, replication."""

    async def get_bucket_versioning(self, ctx: Context, request: Request) -> Result:
        bucket = self._bucket(ctx, request, "GetBucketVersioning")
        return {"Status": bucket.versioning} if bucket.versioning else {}

    async def put_bucket_versioning(self, ctx: Context, request: Request) -> Result:
        bucket = self._bucket(ctx, request, "PutBucketVersioning")
        status = request["VersioningConfiguration"].get("Status")
        if status not in ("Enabled", "Suspended"):
            raise errors.IllegalVersioningConfigurationException
        if bucket.lock and status == "Suspended":
            raise errors.InvalidBucketState(
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
            )
        self._store.set_versioning(bucket, status)
        return {}

    async def get_object_lock_configuration(self, ctx: Context, request: Request) -> Result:
        bucket = self._bucket(ctx, request, "GetBucketObjectLockConfiguration")
        if not bucket.lock:
            raise errors.ObjectLockConfigurationNotFoundError(BucketName=bucket.name)
        rule = self._store.setting(bucket, "objectLock") or {}
        return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", **rule}}

    async def put_object_lock_configuration(self, ctx: Context, request: Request) -> Result:
        bucket = self._bucket(ctx, request, "PutBucketObjectLockConfiguration")
        given = request.get("ObjectLockConfiguration")
        if given is None:
            raise errors.MissingRequestBodyError
        if given.get("ObjectLockEnabled") != "Enabled":
            raise errors.MalformedXML
        if bucket.versioning != "Enabled":
            raise errors.InvalidBucketState(
                "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
            )
        if rule := given.get("Rule"):
            retention = rule.get("DefaultRetention") or {}
            days, years = retention.get("Days"), retention.get("Years")
            if retention.get("Mode") not in ("GOVERNANCE", "COMPLIANCE") or (days is None) == (years is None):
                raise errors.MalformedXML
            if min(value for value in (days, years) if value is not None) <= 0:
                raise errors.InvalidArgument("Default retention period must be a positive integer value.")
            if (days or 0) > 36500 or (years or 0) > 100:
                raise errors.InvalidArgument("Default retention period too large.")
        with self._store.transaction():
            self._store.set_lock(bucket)
            self._store.put_setting(bucket, "objectLock", {"Rule": rule} if rule else {})
        return {}

    async def get_bucket_encryption(self, ctx: Context, request: Request) -> Result:
        value = self._get(ctx, request, "encryption")
        return {"ServerSideEncryptionConfiguration": value or _DEFAULT_ENCRYPTION}

    async def put_bucket_encryption(self, ctx: Context, request: Request) -> Result:
        value = request["ServerSideEncryptionConfiguration"]
        rules = value.get("Rules") or []
        if len(rules) != 1:
            raise errors.MalformedXML
        default = rules[0].get("ApplyServerSideEncryptionByDefault") or {}
        if default.get("KMSMasterKeyID") and default.get("SSEAlgorithm") == "AES256":
            raise errors.InvalidArgument(
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
                ArgumentName="ApplyServerSideEncryptionByDefault",
            )
        rules = [{**rules[0], "BucketKeyEnabled": bool(rules[0].get("BucketKeyEnabled"))}]
        return self._put(ctx, request, "encryption", {"Rules": rules})

    async def delete_bucket_encryption(self, ctx: Context, request: Request) -> Result:
        return self._delete(ctx, request, "encryption")

    async def get_bucket_lifecycle_configuration(self, ctx: Context, request: Request) -> Result:
        value: Result = self._get(ctx, request, "lifecycle", errors.NoSuchLifecycleConfiguration)
        return value

    async def put_bucket_lifecycle_configuration(self, ctx: Context, request: Request) -> Result:
        rules = [dict(rule) for rule in (request.get("LifecycleConfiguration") or {}).get("Rules") or ()]
        _check_lifecycle(rules)
        size = request.get("TransitionDefaultMinimumObjectSize") or "all_storage_classes_128K"
        self._put(ctx, request, "lifecycle", {"Rules": rules, "TransitionDefaultMinimumObjectSize": size})
        return {"TransitionDefaultMinimumObjectSize": size}

    async def delete_bucket_lifecycle(self, ctx: Context, request: Request) -> Result:
        return self._delete(ctx, request, "lifecycle")

    async def get_bucket_replication(self, ctx: Context, request: Request) -> Result:
        value = self._get(ctx, request, "replication", errors.ReplicationConfigurationNotFoundError)
        return {"ReplicationConfiguration": value}

    async def put_bucket_replication(self, ctx: Context, request: Request) -> Result:
        bucket = self._bucket(ctx, request, "PutReplicationConfiguration")
        if bucket.versioning != "Enabled":
            raise errors.InvalidRequest(
                "Versioning must be 'Enabled' on the bucket to apply a replication configuration"
            )
        value = dict(request["ReplicationConfiguration"])
        if not value.get("Rules"):
            raise errors.MalformedXML
        value["Rules"] = [{"ID": secrets.token_urlsafe(24), **rule} for rule in value["Rules"]]
        self._store.put_setting(bucket, "replication", value)
        return {}

    async def delete_bucket_replication(self, ctx: Context, request: Request) -> Result:
        return self._delete(ctx, request, "replication")


class BucketOptions(_Settings):
    """Everything else: tags, website, logging, payment, acceleration."""

    async def get_bucket_tagging(self, ctx: Context, request: Request) -> Result:
        return {"TagSet": tags.to_set(self._get(ctx, request, "tags", errors.NoSuchTagSet))}

    async def put_bucket_tagging(self, ctx: Context, request: Request) -> Result:
        given = tags.from_set(request["Tagging"].get("TagSet") or (), 50)
        return self._put(ctx, request, "tags", given) if given else self._delete(ctx, request, "tags")

    async def delete_bucket_tagging(self, ctx: Context, request: Request) -> Result:
        return self._delete(ctx, request, "tags")

    async def get_bucket_website(self, ctx: Context, request: Request) -> Result:
        value: Result = self._get(ctx, request, "website", errors.NoSuchWebsiteConfiguration)
        return value

    async def put_bucket_website(self, ctx: Context, request: Request) -> Result:
        value = request["WebsiteConfiguration"]
        everything, index = value.get("RedirectAllRequestsTo"), value.get("IndexDocument")
        if everything and (index or value.get("ErrorDocument") or value.get("RoutingRules")):
            raise errors.InvalidArgument(
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
                ArgumentName="RedirectAllRequestsTo",
            )
        if not everything and not index:
            raise errors.InvalidArgument(
                "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
                ArgumentName="IndexDocument",
            )
        if index and (not index.get("Suffix") or "/" in index["Suffix"]):
            raise errors.InvalidArgument("The IndexDocument Suffix is not well formed", ArgumentName="IndexDocument")
        for rule in value.get("RoutingRules") or ():
            redirect = rule.get("Redirect") or {}
            if redirect.get("ReplaceKeyWith") is not None and redirect.get("ReplaceKeyPrefixWith") is not None:
                raise errors.InvalidRequest("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
        return self._put(ctx, request, "website", value)

    async def delete_bucket_website(self, ctx: Context, request: Request) -> Result:
        return self._delete(ctx, request, "website")

    async def get_bucket_logging(self, ctx: Context, request: Request) -> Result:
        value = self._get(ctx, request, "logging")
        return {"LoggingEnabled": value} if value else {}

    async def put_bucket_logging(self, ctx: Context, request: Request) -> Result:
        enabled = request["BucketLoggingStatus"].get("LoggingEnabled")
        if not enabled:
            return self._delete(ctx, request, "logging")
        try:
            self._access.find(enabled["TargetBucket"])
        except errors.NoSuchBucket:
            raise errors.InvalidTargetBucketForLogging(TargetBucket=enabled["TargetBucket"]) from None
        return self._put(ctx, request, "logging", enabled)

    async def get_bucket_request_payment(self, ctx: Context, request: Request) -> Result:
        return {"Payer": self._get(ctx, request, "requestPayment") or "BucketOwner"}

    async def put_bucket_request_payment(self, ctx: Context, request: Request) -> Result:
        payer = request["RequestPaymentConfiguration"]["Payer"]
        if payer not in ("BucketOwner", "Requester"):
            raise errors.MalformedXML
        return self._put(ctx, request, "requestPayment", payer)

    async def get_bucket_accelerate_configuration(self, ctx: Context, request: Request) -> Result:
        value = self._get(ctx, request, "accelerate")
        return {"Status": value} if value else {}

    async def put_bucket_accelerate_configuration(self, ctx: Context, request: Request) -> Result:
        if "." in request["Bucket"]:
            raise errors.InvalidRequest(
                "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names"
            )
        status = request["AccelerateConfiguration"].get("Status")
        if status not in ("Enabled", "Suspended"):
            raise errors.MalformedXML
        return self._put(ctx, request, "accelerate", status)

    async def get_bucket_abac(self, ctx: Context, request: Request) -> Result:
        return {"AbacStatus": {"Status": self._get(ctx, request, "abac") or "Disabled"}}

    async def put_bucket_abac(self, ctx: Context, request: Request) -> Result:
        return self._put(ctx, request, "abac", request["AbacStatus"].get("Status") or "Disabled")


class BucketReports(_Settings):
    """Configurations that a bucket has several of, each with an id."""

    async def get_bucket_analytics_configuration(self, ctx: Context, request: Request) -> Result:
        return {"AnalyticsConfiguration": self._one(ctx, request, "analytics")}

    async def put_bucket_analytics_configuration(self, ctx: Context, request: Request) -> Result:
        return self._put(ctx, request, f"analytics/{request['Id']}", request["AnalyticsConfiguration"])

    async def delete_bucket_analytics_configuration(self, ctx: Context, request: Request) -> Result:
        return self._drop(ctx, request, "analytics")

    async def list_bucket_analytics_configurations(self, ctx: Context, request: Request) -> Result:
        return self._all(ctx, request, "analytics", "AnalyticsConfigurationList")

    async def get_bucket_inventory_configuration(self, ctx: Context, request: Request) -> Result:
        return {"InventoryConfiguration": self._one(ctx, request, "inventory")}

    async def put_bucket_inventory_configuration(self, ctx: Context, request: Request) -> Result:
        return self._put(ctx, request, f"inventory/{request['Id']}", request["InventoryConfiguration"])

    async def delete_bucket_inventory_configuration(self, ctx: Context, request: Request) -> Result:
        return self._drop(ctx, request, "inventory")

    async def list_bucket_inventory_configurations(self, ctx: Context, request: Request) -> Result:
        return self._all(ctx, request, "inventory", "InventoryConfigurationList")

    async def get_bucket_metrics_configuration(self, ctx: Context, request: Request) -> Result:
        return {"MetricsConfiguration": self._one(ctx, request, "metrics")}

    async def put_bucket_metrics_configuration(self, ctx: Context, request: Request) -> Result:
        return self._put(ctx, request, f"metrics/{request['Id']}", request["MetricsConfiguration"])

    async def delete_bucket_metrics_configuration(self, ctx: Context, request: Request) -> Result:
        return self._drop(ctx, request, "metrics")

    async def list_bucket_metrics_configurations(self, ctx: Context, request: Request) -> Result:
        return self._all(ctx, request, "metrics", "MetricsConfigurationList")

    async def get_bucket_intelligent_tiering_configuration(self, ctx: Context, request: Request) -> Result:
        return {"IntelligentTieringConfiguration": self._one(ctx, request, "tiering")}

    async def put_bucket_intelligent_tiering_configuration(self, ctx: Context, request: Request) -> Result:
        return self._put(ctx, request, f"tiering/{request['Id']}", request["IntelligentTieringConfiguration"])

    async def delete_bucket_intelligent_tiering_configuration(self, ctx: Context, request: Request) -> Result:
        return self._drop(ctx, request, "tiering")

    async def list_bucket_intelligent_tiering_configurations(self, ctx: Context, request: Request) -> Result:
        return self._all(ctx, request, "tiering", "IntelligentTieringConfigurationList")

    def _one(self, ctx: Context, request: Request, kind: str) -> Any:
        return self._get(ctx, request, f"{kind}/{request['Id']}", errors.NoSuchConfiguration)

    def _all(self, ctx: Context, request: Request, kind: str, member: str) -> Result:
        found = self._store.settings(self._bucket(ctx, request, f"Get{_ACTIONS[kind.partition('/')[0]]}"), kind)
        return {"IsTruncated": False, **({member: found} if found else {})}

    def _drop(self, ctx: Context, request: Request, kind: str) -> Result:
        bucket = self._bucket(ctx, request, f"Put{kind}")
        if not self._store.delete_setting(bucket, f"{kind}/{request['Id']}"):
            raise errors.NoSuchConfiguration(BucketName=bucket.name)
        return {}


def check_acl_allowed(store: BucketStore, bucket: Bucket, grants: acl.Grants | None) -> None:
    """Raises AccessControlListNotSupported, AccessDenied where the bucket's settings forbid these grants."""
    ownership = store.setting(bucket, "ownershipControls")
    if grants and ownership and ownership["Rules"][0]["ObjectOwnership"] == "BucketOwnerEnforced":
        raise errors.AccessControlListNotSupported
    if acl.is_public(grants) and (store.setting(bucket, "publicAccessBlock") or {}).get("BlockPublicAcls"):
        raise errors.AccessDenied


def _check_lifecycle(rules: list[dict[str, Any]]) -> None:
    """Give each rule an id. Raises MalformedXML, InvalidArgument."""
    if not rules:
        raise errors.MalformedXML
    seen = set()
    for rule in rules:
        rule["ID"] = rule.get("ID") or secrets.token_urlsafe(24)
        if len(rule["ID"]) > 255:
            raise errors.InvalidArgument("ID length should not exceed allowed limit of 255", ArgumentName="ID")
        if rule["ID"] in seen:
            raise errors.InvalidArgument("Rule ID must be unique. Found same ID for more than one rule")
        seen.add(rule["ID"])
        actions = (
            "Expiration",
            "Transitions",
            "NoncurrentVersionExpiration",
            "NoncurrentVersionTransitions",
            "AbortIncompleteMultipartUpload",
        )
        if rule.get("Status") not in ("Enabled", "Disabled") or (
            rule.get("Filter") is None and rule.get("Prefix") is None
        ):
            raise errors.MalformedXML
        if not any(rule.get(action) for action in actions):
            raise errors.InvalidRequest("At least one action needs to be specified in a rule")
        expiration = rule.get("Expiration") or {}
        if len(expiration) > 1:
            raise errors.MalformedXML
        if expiration.get("Days") is not None and expiration["Days"] <= 0:
            raise errors.InvalidArgument("'Days' for Expiration action must be a positive integer")
        for action in (expiration, *(rule.get("Transitions") or ())):
            when = action.get("Date")
            if isinstance(when, datetime) and (when.hour, when.minute, when.second) != (0, 0, 0):
                raise errors.InvalidArgument("'Date' must be at midnight GMT")
