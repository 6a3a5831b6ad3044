"""The answers that API Gateway itself gives instead of an integration's: gateway responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class RestFailure(Exception):
    """The request ends here."""

    def __init__(
        self, kind: str, message: str = "", *, hint: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        """A gateway response's type, such as `MISSING_AUTHENTICATION_TOKEN`."""
        self.message = message or _MESSAGES.get(kind, "Internal server error")
        self.hint = hint
        """What a person can do about it; shown in helpful mode."""
        self.details = details or {}
        """Further values of `$context`, by name."""

    @property
    def status(self) -> int:
        return STATUSES[self.kind]

    @property
    def error_type(self) -> str:
        return _ERROR_TYPES.get(self.kind, "InternalServerErrorException")

    @property
    def default_template(self) -> str:
        if self.kind == "ACCESS_DENIED":
            return '{"Message":$context.error.messageString}'
        spaced = self.status >= 500 or self.kind.startswith("BAD_REQUEST")
        return '{"message": $context.error.messageString}' if spaced else '{"message":$context.error.messageString}'


STATUSES: Mapping[str, int] = {
    "ACCESS_DENIED": 403,
    "API_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_FAILURE": 500,
    "BAD_REQUEST_BODY": 400,
    "BAD_REQUEST_PARAMETERS": 400,
    "DEFAULT_4XX": 403,
    "DEFAULT_5XX": 500,
    "EXPIRED_TOKEN": 403,
    "INTEGRATION_FAILURE": 504,
    "INTEGRATION_TIMEOUT": 504,
    "INVALID_API_KEY": 403,
    "INVALID_SIGNATURE": 403,
    "MALFORMED_PROXY_RESPONSE": 502,
    "MISSING_AUTHENTICATION_TOKEN": 403,
    "QUOTA_EXCEEDED": 429,
    "REQUEST_TOO_LARGE": 413,
    "RESOURCE_NOT_FOUND": 404,
    "THROTTLED": 429,
    "UNAUTHORIZED": 401,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "WAF_FILTERED": 403,
}
"""With `MALFORMED_PROXY_RESPONSE`, which is no type of its own: `DEFAULT_5XX` shapes it, but the status is 502."""

TYPES = tuple(sorted(set(STATUSES) - {"MALFORMED_PROXY_RESPONSE"}))

_MESSAGES = {
    "EXPIRED_TOKEN": "The security token included in the request is expired",
    "INTEGRATION_TIMEOUT": "Endpoint request timed out",
    "INVALID_API_KEY": "Forbidden",
    "MISSING_AUTHENTICATION_TOKEN": "Missing Authentication Token",
    "QUOTA_EXCEEDED": "Limit Exceeded",
    "REQUEST_TOO_LARGE": "HTTP content length exceeded 10485760 bytes.",
    "RESOURCE_NOT_FOUND": "Not Found",
    "THROTTLED": "Too Many Requests",
    "UNAUTHORIZED": "Unauthorized",
    "UNSUPPORTED_MEDIA_TYPE": "Unsupported Media Type",
    "WAF_FILTERED": "Forbidden",
}
_ERROR_TYPES = {
    "ACCESS_DENIED": "AccessDeniedException",
    "BAD_REQUEST_BODY": "BadRequestException",
    "BAD_REQUEST_PARAMETERS": "BadRequestException",
    "EXPIRED_TOKEN": "ExpiredTokenException",
    "INVALID_API_KEY": "ForbiddenException",
    "INVALID_SIGNATURE": "InvalidSignatureException",
    "MISSING_AUTHENTICATION_TOKEN": "MissingAuthenticationTokenException",
    "QUOTA_EXCEEDED": "LimitExceededException",
    "REQUEST_TOO_LARGE": "RequestTooLargeException",
    "THROTTLED": "TooManyRequestsException",
    "UNAUTHORIZED": "UnauthorizedException",
    "UNSUPPORTED_MEDIA_TYPE": "BadRequestException",
    "WAF_FILTERED": "ForbiddenException",
}


def forbidden(hint: str) -> RestFailure:
    """For what there is no API or stage behind."""
    return RestFailure("INVALID_API_KEY", hint=hint)
