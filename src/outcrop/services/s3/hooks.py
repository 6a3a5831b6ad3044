"""How S3 differs from its model on the wire."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from outcrop.services.contract import ServiceError
from outcrop.services.hooks import Hooks, Violation
from outcrop.services.s3 import cors, errors, hosts
from outcrop.services.s3.control import PATH as CONTROL_PATH
from outcrop.services.s3.store import BucketStore

_POSTS = ("delete_objects", "create_multipart_upload", "complete_multipart_upload", "restore_object")
_METHODS = {"get": "GET", "list": "GET", "head": "HEAD", "delete": "DELETE", "abort": "DELETE"}
_ROOTS = {
    "complete_multipart_upload": "CompleteMultipartUploadResult",
    "create_multipart_upload": "InitiateMultipartUploadResult",
    "delete_objects": "DeleteResult",
    "get_bucket_accelerate_configuration": "AccelerateConfiguration",
    "get_bucket_acl": "AccessControlPolicy",
    "get_bucket_cors": "CORSConfiguration",
    "get_bucket_lifecycle_configuration": "LifecycleConfiguration",
    "get_bucket_location": "LocationConstraint",
    "get_bucket_logging": "BucketLoggingStatus",
    "get_bucket_request_payment": "RequestPaymentConfiguration",
    "get_bucket_tagging": "Tagging",
    "get_bucket_versioning": "VersioningConfiguration",
    "get_bucket_website": "WebsiteConfiguration",
    "get_object_acl": "AccessControlPolicy",
    "get_object_attributes": "GetObjectAttributesResponse",
    "get_object_tagging": "Tagging",
    "list_bucket_analytics_configurations": "ListBucketAnalyticsConfigurationResult",
    "list_bucket_inventory_configurations": "ListInventoryConfigurationsResult",
    "list_bucket_metrics_configurations": "ListMetricsConfigurationsResult",
    "list_buckets": "ListAllMyBucketsResult",
    "list_multipart_uploads": "ListMultipartUploadsResult",
    "list_object_versions": "ListVersionsResult",
    "list_objects": "ListBucketResult",
    "list_objects_v2": "ListBucketResult",
    "list_parts": "ListPartsResult",
}
_STATUS = {"put_bucket_tagging": 204, "restore_object": 202}
_ALGORITHMS = (
    "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, "
    "CRC64NVME, SHA1, SHA256]"
)


class S3Hooks(Hooks):
    error_wrapper = False
    xml_namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    xml_roots = _ROOTS
    lax = frozenset({"createBucketConfiguration.locationConstraint"})
    """`create_bucket` says more of it, and of regions that the model doesn't list."""

    def __init__(self, buckets: BucketStore) -> None:
        self._buckets = buckets

    def rewrite(self, host: str, raw_path: str) -> str:
        bucket = None if raw_path.startswith(CONTROL_PATH) else hosts.api_bucket(host)
        return raw_path if bucket is None else f"/{bucket}{raw_path}"

    def claims(self, method: str, host: str, raw_path: str, query: str, headers: Mapping[str, str]) -> bool:
        return not hosts.is_foreign(host) and not raw_path.startswith("/_")

    def status(self, operation: str, result: Mapping[str, Any]) -> int | None:
        if operation in ("get_object", "head_object") and "ContentRange" in result:
            return 206
        return _STATUS.get(operation)

    def headers(self, operation: str, request: Mapping[str, Any], sent: Mapping[str, str]) -> Sequence[tuple[str, str]]:
        added = [("x-amz-id-2", b64encode(secrets.token_bytes(57)).decode()), ("Server", "AmazonS3")]
        origin = sent.get("origin")
        if origin and (bucket := self._buckets.get(request.get("Bucket") or "")):
            method = sent.get("access-control-request-method") or _method(operation)
            rule = cors.matching(self._buckets.setting(bucket, "cors") or (), origin, method)
            if rule is not None:
                added += cors.headers(rule, origin)
        return added

    def invalid(self, operation: str, violations: Sequence[Violation]) -> ServiceError:
        first = violations[0]
        name, _, inner = first.path.partition(".")
        value = None if first.value is None else str(first.value)
        if inner or name in ("delete", "tagging") or name.lower().endswith("configuration"):
            return errors.MalformedXML() if inner or value is not None else errors.MissingRequestBodyError()
        match name:
            case "aCL":
                return errors.InvalidArgument(ArgumentName="x-amz-acl", ArgumentValue=value)
            case "storageClass":
                return errors.InvalidStorageClass(StorageClassRequested=value)
            case "checksumAlgorithm":
                return errors.InvalidRequest(_ALGORITHMS)
            case "metadataDirective" | "taggingDirective":
                return errors.InvalidArgument(
                    f"Unknown {name.removesuffix('Directive')} directive.", ArgumentValue=value
                )
            case "encodingType":
                return errors.InvalidArgument(
                    "Invalid Encoding Method specified in Request", ArgumentName="encoding-type", ArgumentValue=value
                )
            case "serverSideEncryption":
                return errors.InvalidArgument(
                    "The encryption method specified is not supported",
                    ArgumentName="x-amz-server-side-encryption",
                    ArgumentValue=value,
                )
            case "objectAttributes":
                return errors.InvalidArgument(
                    "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or "
                    "empty",
                    ArgumentName="x-amz-object-attributes",
                )
            case "maxKeys" | "maxUploads" | "maxParts":
                argument = f"max-{name[3:].lower()}"
                return errors.InvalidArgument(
                    f"Provided {argument} not an integer or within integer range",
                    ArgumentName=argument,
                    ArgumentValue=value,
                )
            case "partNumber":
                return errors.InvalidArgument(
                    "Part number must be an integer between 1 and 10000, inclusive",
                    ArgumentName="partNumber",
                    ArgumentValue=value,
                )
        return errors.InvalidArgument(first.constraint, ArgumentName=name, ArgumentValue=value)


class ControlHooks(Hooks):
    lax = frozenset({"resourceArn"})
    """Its pattern would refuse `arn:aws:s3:::NAME`, which is what AWS calls a bucket."""


def _method(operation: str) -> str:
    if operation in _POSTS:
        return "POST"
    return _METHODS.get(operation.partition("_")[0], "PUT")
