"""Refusals, in the words that each protocol uses for them."""

from __future__ import annotations

from typing import Literal

from outcrop.services.contract import ServiceError

Reason = Literal[
    "unknown key", "signature", "token", "expired token", "malformed", "clock", "expired", "missing", "unsigned header"
]


class InvalidAccessKeyId(ServiceError):
    status = 403


class InvalidClientTokenId(ServiceError):
    status = 403


class UnrecognizedClientException(ServiceError):
    status = 403


class SignatureDoesNotMatch(ServiceError):
    status = 403


class InvalidSignatureException(ServiceError):
    status = 403


class InvalidToken(ServiceError):
    status = 400


class ExpiredToken(ServiceError):
    status = 403


class S3ExpiredToken(ServiceError):
    code = "ExpiredToken"
    status = 400


class ExpiredTokenException(ServiceError):
    status = 403


class AuthorizationHeaderMalformed(ServiceError):
    status = 400


class AuthorizationQueryParametersError(ServiceError):
    status = 400


class IncompleteSignature(ServiceError):
    status = 400


class IncompleteSignatureException(ServiceError):
    status = 400


class RequestTimeTooSkewed(ServiceError):
    status = 403


class AccessDenied(ServiceError):
    status = 403


class MissingAuthenticationToken(ServiceError):
    status = 403


class MissingAuthenticationTokenException(ServiceError):
    status = 403


class XAmzContentSHA256Mismatch(ServiceError):
    status = 400


class IncompleteBody(ServiceError):
    status = 400


class InvalidChunk(ServiceError):
    code = "InvalidRequest"
    status = 400


class Refusal(Exception):
    """A caller who isn't who they say; becomes the protocol's own error."""

    def __init__(self, reason: Reason, text: str = "", **members: object) -> None:
        super().__init__(text or reason)
        self.reason = reason
        self.text = text
        self.members = members

    def as_error(self, protocol: str) -> ServiceError:
        s3, other, query = _WORDS[self.reason]
        if protocol == "rest-xml":
            return s3[0](self.text or s3[1], **self.members)
        error, text = query if protocol == "query" else other
        return error(self.text or text)


_Words = tuple[type[ServiceError], str]

_TOKEN = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"
_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_INCOMPLETE = "The request signature does not conform to AWS standards."
_S3_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)
_SKEWED = "The difference between the request time and the current time is too large."

_WORDS: dict[Reason, tuple[_Words, _Words, _Words]] = {
    # reason: (S3, JSON and CBOR, query)
    "unknown key": (
        (InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records."),
        (UnrecognizedClientException, _TOKEN),
        (InvalidClientTokenId, _TOKEN),
    ),
    "signature": (
        (SignatureDoesNotMatch, _S3_SIGNATURE),
        (InvalidSignatureException, _SIGNATURE),
        (SignatureDoesNotMatch, _SIGNATURE),
    ),
    "token": (
        (InvalidToken, "The provided token is malformed or otherwise invalid."),
        (UnrecognizedClientException, _TOKEN),
        (InvalidClientTokenId, _TOKEN),
    ),
    "expired token": (
        (S3ExpiredToken, "The provided token has expired."),
        (ExpiredTokenException, _EXPIRED),
        (ExpiredToken, _EXPIRED),
    ),
    "malformed": (
        (AuthorizationHeaderMalformed, "The authorization header is malformed."),
        (IncompleteSignatureException, _INCOMPLETE),
        (IncompleteSignature, _INCOMPLETE),
    ),
    "clock": (
        (RequestTimeTooSkewed, _SKEWED),
        (InvalidSignatureException, _SKEWED),
        (SignatureDoesNotMatch, _SKEWED),
    ),
    "expired": (
        (AccessDenied, "Request has expired"),
        (InvalidSignatureException, "Signature expired"),
        (SignatureDoesNotMatch, "Signature expired"),
    ),
    "missing": (
        (AccessDenied, "Access Denied"),
        (MissingAuthenticationTokenException, "Missing Authentication Token"),
        (MissingAuthenticationToken, "Request is missing Authentication Token"),
    ),
    "unsigned header": (
        (AccessDenied, "There were headers present in the request which were not signed"),
        (InvalidSignatureException, _SIGNATURE),
        (SignatureDoesNotMatch, _SIGNATURE),
    ),
}
