"""Between requests and what is kept of an object beside its bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from outcrop.services.contract import Context
from outcrop.services.s3 import acl, checksums, errors
from outcrop.services.s3.bucket_settings import check_acl_allowed
from outcrop.services.s3.names import http_date
from outcrop.services.s3.store import Bucket, BucketStore, Draft, Version
from outcrop.services.s3.tags import from_header

CONTENT_HEADERS = (
    "ContentType",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "Expires",
)
STORAGE_CLASSES = (
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
)
_ENCRYPTION = (
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "BucketKeyEnabled",
    "SSECustomerAlgorithm",
    "SSECustomerKeyMD5",
)
DEFAULT_TYPE = "binary/octet-stream"


def draft(ctx: Context, store: BucketStore, bucket: Bucket, request: Mapping[str, Any]) -> Draft:
    """What a PutObject, CreateMultipartUpload or CopyObject (with REPLACE) asks for. Raises what is wrong with it."""
    storage_class = request.get("StorageClass") or "STANDARD"
    if storage_class not in STORAGE_CLASSES:
        raise errors.InvalidStorageClass(StorageClassRequested=storage_class)
    metadata = {name.lower(): value for name, value in (request.get("Metadata") or {}).items()}
    if sum(len(name.encode()) + len(value.encode("utf-8", "replace")) for name, value in metadata.items()) > 2048:
        raise errors.MetadataTooLarge(MaxSizeAllowed="2048")
    owner = _owner(ctx, store, bucket, request)
    grants = acl.from_request(request, owner, bucket.account)
    check_acl_allowed(store, bucket, grants)
    return Draft(
        owner,
        storage_class,
        {**content_headers(request), **encryption(ctx, store, bucket, request)},
        metadata,
        from_header(request.get("Tagging")),
        grants,
        hold(store, bucket, request),
    )


def _owner(ctx: Context, store: BucketStore, bucket: Bucket, request: Mapping[str, Any]) -> str:
    """The account that a new object belongs to: its writer's, unless the bucket's owner takes it."""
    if ctx.principal.kind == "anonymous" or ctx.account == bucket.account:
        return bucket.account
    rules = (store.setting(bucket, "ownershipControls") or {}).get("Rules") or [{}]
    rule, canned = rules[0].get("ObjectOwnership"), request.get("ACL")
    if rule == "BucketOwnerEnforced" or (rule == "BucketOwnerPreferred" and canned == "bucket-owner-full-control"):
        return bucket.account
    return ctx.account


def content_headers(request: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: request[name] for name in CONTENT_HEADERS if request.get(name)}
    kept.setdefault("ContentType", DEFAULT_TYPE)
    if isinstance(kept.get("Expires"), datetime):
        kept["Expires"] = http_date(kept["Expires"])
    if "ContentEncoding" in kept:
        codings = [part.strip() for part in kept["ContentEncoding"].split(",")]
        if "aws-chunked" in codings:
            kept["ContentEncoding"] = ", ".join(part for part in codings if part != "aws-chunked")
        if not kept["ContentEncoding"]:
            del kept["ContentEncoding"]
    if request.get("WebsiteRedirectLocation"):
        target = request["WebsiteRedirectLocation"]
        if not target.startswith(("/", "http://", "https://")):
            raise errors.InvalidRedirectLocation
        kept["WebsiteRedirectLocation"] = target
    return kept


def encryption(ctx: Context, store: BucketStore, bucket: Bucket, request: Mapping[str, Any]) -> dict[str, Any]:
    """How the client wants the object encrypted, or how its bucket does. Raises InvalidArgument."""
    if any(request.get(name) for name in ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")):
        return {
            "SSECustomerAlgorithm": request.get("SSECustomerAlgorithm"),
            "SSECustomerKeyMD5": customer_key(request),
        }
    asked, key, bucket_key = (
        request.get("ServerSideEncryption"),
        request.get("SSEKMSKeyId"),
        request.get("BucketKeyEnabled"),
    )
    if asked is None:
        if key:
            raise errors.InvalidArgument(
                "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : "
                "aws:kms",
                ArgumentName="x-amz-server-side-encryption",
            )
        rule = ((store.setting(bucket, "encryption") or {}).get("Rules") or [{}])[0]
        default = rule.get("ApplyServerSideEncryptionByDefault") or {}
        asked, key = default.get("SSEAlgorithm") or "AES256", default.get("KMSMasterKeyID")
        bucket_key = rule.get("BucketKeyEnabled") if bucket_key is None else bucket_key
    if asked == "AES256":
        return {"ServerSideEncryption": asked}
    if asked not in ("aws:kms", "aws:kms:dsse"):
        raise errors.InvalidArgument(
            "The encryption method specified is not supported",
            ArgumentName="x-amz-server-side-encryption",
            ArgumentValue=asked,
        )
    made = {"ServerSideEncryption": asked, "SSEKMSKeyId": _kms_arn(ctx, key)}
    return {**made, "BucketKeyEnabled": True} if bucket_key else made


def customer_key(request: Mapping[str, Any], prefix: str = "") -> str:
    """The MD5 (base64) of the key that the client brings. Raises InvalidArgument, InvalidEncryptionAlgorithmError."""
    algorithm, key, md5 = (
        request.get(f"{prefix}SSECustomerAlgorithm"),
        request.get(f"{prefix}SSECustomerKey"),
        request.get(f"{prefix}SSECustomerKeyMD5"),
    )
    if algorithm is None:
        raise errors.InvalidArgument(
            "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption "
            "algorithm.",
            ArgumentName="x-amz-server-side-encryption",
        )
    if algorithm != "AES256":
        raise errors.InvalidEncryptionAlgorithmError
    if not key:
        raise errors.InvalidArgument(
            "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate "
            "secret key.",
            ArgumentName="x-amz-server-side-encryption",
        )
    try:
        secret = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != 32:
        raise errors.InvalidArgument(
            "The secret key was invalid for the specified algorithm.", ArgumentName="x-amz-server-side-encryption"
        )
    if not md5:
        raise errors.InvalidArgument(
            "Requests specifying Server Side Encryption with Customer provided keys must provide the client "
            "calculated MD5 of the secret key.",
            ArgumentName="x-amz-server-side-encryption",
        )
    actual = checksums.encode(hashlib.md5(secret, usedforsecurity=False).digest())
    if actual != md5:
        raise errors.InvalidArgument(
            "The calculated MD5 hash of the key did not match the hash that was provided.",
            ArgumentName="x-amz-server-side-encryption",
        )
    return actual


def check_customer_key(request: Mapping[str, Any], kept: Mapping[str, Any], prefix: str = "") -> None:
    """That the client brings the key with which the object was stored. Raises InvalidRequest, AccessDenied."""
    wanted = kept.get("SSECustomerKeyMD5")
    brought = request.get(f"{prefix}SSECustomerAlgorithm") or request.get(f"{prefix}SSECustomerKey")
    if not wanted:
        if brought:
            raise errors.InvalidRequest("The encryption parameters are not applicable to this object.")
        return
    if not brought:
        raise errors.InvalidRequest(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to "
            "retrieve the object."
        )
    if customer_key(request, prefix) != wanted:
        raise errors.AccessDenied


def encryption_shown(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: headers[name] for name in _ENCRYPTION if name in headers}


def without_encryption(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name not in _ENCRYPTION}


def hold(store: BucketStore, bucket: Bucket, request: Mapping[str, Any]) -> dict[str, Any]:
    """The lock that a new version gets. Raises InvalidRequest, InvalidArgument."""
    mode, until, legal = (
        request.get("ObjectLockMode"),
        request.get("ObjectLockRetainUntilDate"),
        request.get("ObjectLockLegalHoldStatus"),
    )
    if (mode or until or legal) and not bucket.lock:
        raise errors.InvalidRequest("Bucket is missing Object Lock Configuration")
    if (mode is None) != (until is None):
        raise errors.InvalidArgument(
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            ArgumentName="x-amz-object-lock-mode" if mode is None else "x-amz-object-lock-retain-until-date",
        )
    made: dict[str, Any] = {}
    if mode is not None and until is not None:
        if mode not in ("GOVERNANCE", "COMPLIANCE"):
            raise errors.InvalidArgument("Unknown wormMode directive.", ArgumentName="x-amz-object-lock-mode")
        if until <= datetime.now(UTC):
            raise errors.InvalidArgument(
                "The retain until date must be in the future!", ArgumentName="x-amz-object-lock-retain-until-date"
            )
        made = {"Mode": mode, "RetainUntilDate": until.timestamp()}
    elif bucket.lock and (rule := (store.setting(bucket, "objectLock") or {}).get("Rule")):
        default = rule["DefaultRetention"]
        days = default.get("Days") or 365 * default.get("Years", 0)
        made = {
            "Mode": default["Mode"],
            "RetainUntilDate": (datetime.now(UTC) + timedelta(days=days)).timestamp(),
        }
    if legal:
        if legal not in ("ON", "OFF"):
            raise errors.InvalidArgument("Legal Hold must be either of 'ON' or 'OFF'")
        made["LegalHold"] = legal
    return made


def version_shown(bucket: Bucket, version: Version) -> dict[str, Any]:
    """The version id, where the bucket keeps versions."""
    return {"VersionId": version.version} if bucket.versioning else {}


def checksums_shown(version: Version) -> dict[str, Any]:
    if not version.checksums:
        return {}
    shown = {checksums.member(name): value for name, value in version.checksums.items()}
    return {**shown, "ChecksumType": version.checksum_type}


def marker(key: str, owner: str) -> Version:
    """A delete marker to be added."""
    return fresh(key, Draft(owner), etag="", size=0, marker=True)


def fresh(
    key: str,
    about: Draft,
    *,
    etag: str,
    size: int,
    digests: Mapping[str, str] | None = None,
    checksum_type: str = "FULL_OBJECT",
    parts: int = 0,
    upload: str = "",
    marker: bool = False,
) -> Version:
    """A version to be added: the store chooses its id."""
    now = datetime.now(UTC).timestamp()
    return Version(0, 0, key, "", marker, etag, size, now, about, digests or {}, checksum_type, parts, upload)


def with_encryption(about: Draft, kept: Mapping[str, Any]) -> Draft:
    return replace(about, headers={**without_encryption(about.headers), **kept})


def _kms_arn(ctx: Context, key: str | None) -> str:
    if key and key.startswith("arn:"):
        return key
    name = key or str(uuid.uuid5(uuid.NAMESPACE_URL, f"outcrop:{ctx.account}:{ctx.region}:aws/s3"))
    return f"arn:aws:kms:{ctx.region}:{ctx.account}:{name if name.startswith('alias/') else f'key/{name}'}"
