"""S3's errors. The class name is the code; the texts are AWS's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from outcrop.services.contract import ServiceError


class S3Error(ServiceError):
    text: ClassVar[str] = ""

    def __init__(self, message: str | None = None, *, headers: Sequence[tuple[str, str]] = (), **members: Any) -> None:
        super().__init__(self.text if message is None else message, **members)
        self.headers = headers


class AccessDenied(S3Error):
    status = 403
    text = "Access Denied"


class AccessControlListNotSupported(S3Error):
    text = "The bucket does not allow ACLs"


class BadDigest(S3Error):
    text = "The Content-MD5 you specified did not match what we received."


class BucketAlreadyExists(S3Error):
    status = 409
    text = (
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
        "Please select a different name and try again."
    )


class BucketAlreadyOwnedByYou(S3Error):
    status = 409
    text = "Your previous request to create the named bucket succeeded and you already own it."


class BucketNotEmpty(S3Error):
    status = 409
    text = "The bucket you tried to delete is not empty"


class EntityTooLarge(S3Error):
    text = "Your proposed upload exceeds the maximum allowed size"


class EntityTooSmall(S3Error):
    text = "Your proposed upload is smaller than the minimum allowed size"


class IllegalLocationConstraintException(S3Error):
    text = (
        "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."
    )


class IncompleteBody(S3Error):
    text = "You did not provide the number of bytes specified by the Content-Length HTTP header"


class InvalidAccessKeyId(S3Error):
    status = 403
    text = "The AWS Access Key Id you provided does not exist in our records."


class InvalidArgument(S3Error):
    text = "Invalid Argument"


class InvalidBucketName(S3Error):
    text = "The specified bucket is not valid."


class InvalidBucketState(S3Error):
    status = 409
    text = "The request is not valid with the current state of the bucket."


class InvalidDigest(S3Error):
    text = "The Content-MD5 you specified was invalid."


class InvalidLocationConstraint(S3Error):
    text = "The specified location-constraint is not valid"


class InvalidObjectState(S3Error):
    status = 403
    text = "The operation is not valid for the object's storage class"


class InvalidPart(S3Error):
    text = (
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag."
    )


class InvalidPartNumber(S3Error):
    status = 416
    text = "The requested partnumber is not satisfiable"


class InvalidPartOrder(S3Error):
    text = "The list of parts was not in ascending order. Parts must be ordered by part number."


class InvalidPolicyDocument(S3Error):
    text = "The content of the form does not meet the conditions specified in the policy document."


class InvalidRange(S3Error):
    status = 416
    text = "The requested range is not satisfiable"


class InvalidRequest(S3Error):
    text = "Invalid Request"


class InvalidRetentionPeriod(S3Error):
    text = "The retention period specified is not valid."


class InvalidStorageClass(S3Error):
    text = "The storage class you specified is not valid"


class InvalidTag(S3Error):
    text = "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation."


class InvalidURI(S3Error):
    text = "Couldn't parse the specified URI."


class KeyTooLongError(S3Error):
    text = "Your key is too long"


class MalformedACLError(S3Error):
    text = "The XML you provided was not well-formed or did not validate against our published schema"


class MalformedPOSTRequest(S3Error):
    text = "The body of your POST request is not well-formed multipart/form-data."


class MalformedPolicy(S3Error):
    text = "This policy contains invalid Json"


class MalformedXML(S3Error):
    text = "The XML you provided was not well-formed or did not validate against our published schema"


class MaxPostPreDataLengthExceededError(S3Error):
    text = "Your POST request fields preceding the upload file were too large."


class MetadataTooLarge(S3Error):
    text = "Your metadata headers exceed the maximum allowed metadata size"


class MethodNotAllowed(S3Error):
    status = 405
    text = "The specified method is not allowed against this resource."


class MissingSecurityHeader(S3Error):
    text = "Your request is missing a required header"


class NoSuchBucket(S3Error):
    status = 404
    text = "The specified bucket does not exist"


class NoSuchBucketPolicy(S3Error):
    status = 404
    text = "The bucket policy does not exist"


class NoSuchConfiguration(S3Error):
    status = 404
    text = "The specified configuration does not exist."


class NoSuchCORSConfiguration(S3Error):
    status = 404
    text = "The CORS configuration does not exist"


class NoSuchKey(S3Error):
    status = 404
    text = "The specified key does not exist."


class NoSuchLifecycleConfiguration(S3Error):
    status = 404
    text = "The lifecycle configuration does not exist"


class NoSuchObjectLockConfiguration(S3Error):
    status = 404
    text = "The specified object does not have a ObjectLock configuration"


class NoSuchPublicAccessBlockConfiguration(S3Error):
    status = 404
    text = "The public access block configuration was not found"


class NoSuchTagSet(S3Error):
    status = 404
    text = "The TagSet does not exist"


class NoSuchUpload(S3Error):
    status = 404
    text = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed."
    )


class NoSuchVersion(S3Error):
    status = 404
    text = "The specified version does not exist."


class NoSuchWebsiteConfiguration(S3Error):
    status = 404
    text = "The specified bucket does not have a website configuration"


class HeaderNotImplemented(S3Error):
    code = "NotImplemented"
    status = 501
    text = "A header you provided implies functionality that is not implemented"


class NotModified(S3Error):
    status = 304
    text = "Not Modified"


class ObjectLockConfigurationNotFoundError(S3Error):
    status = 404
    text = "Object Lock configuration does not exist for this bucket"


class OwnershipControlsNotFoundError(S3Error):
    status = 404
    text = "The bucket ownership controls were not found"


class PreconditionFailed(S3Error):
    status = 412
    text = "At least one of the pre-conditions you specified did not hold"


class ReplicationConfigurationNotFoundError(S3Error):
    status = 404
    text = "The replication configuration was not found"


class ServerSideEncryptionConfigurationNotFoundError(S3Error):
    status = 404
    text = "The server side encryption configuration was not found"


class SignatureDoesNotMatch(S3Error):
    status = 403
    text = (
        "The request signature we calculated does not match the signature you provided. Check your key and signing "
        "method."
    )


class UnexpectedContent(S3Error):
    text = "This request does not support content"


class UnresolvableGrantByEmailAddress(S3Error):
    text = "The email address you provided does not match any account on record."


class InvalidBucketAclWithObjectOwnership(S3Error):
    text = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"


class IllegalVersioningConfigurationException(S3Error):
    text = "The Versioning element must be specified"


class InvalidTargetBucketForLogging(S3Error):
    text = "The target bucket for logging does not exist"


class InvalidEncryptionAlgorithmError(S3Error):
    text = "The encryption request that you specified is not valid. The valid value is AES256."


class InvalidRedirectLocation(S3Error):
    text = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."


class ObjectNotInActiveTierError(S3Error):
    status = 403
    text = "The source object of the COPY action is not in the active tier and is only stored in Amazon S3 Glacier."


class AccessForbidden(S3Error):
    status = 403
    text = "CORSResponse: CORS is not enabled for this bucket."


class ExpiredToken(S3Error):
    text = "The provided token has expired."


class InvalidToken(S3Error):
    text = "The provided token is malformed or otherwise invalid."


class MissingRequestBodyError(S3Error):
    text = "Request Body is empty"


class BadRequest(S3Error):
    text = "Bad Request"


class NoSuchResource(S3Error):
    status = 404
    text = "The specified resource doesn't exist."
