"""The errors of CloudWatch Logs, and the words AWS says them in."""

from __future__ import annotations

from collections.abc import Sequence

from outcrop.services.contract import ServiceError
from outcrop.services.hooks import Hooks, Violation


class InvalidParameterException(ServiceError):
    """A parameter is not what the operation takes."""


class ResourceAlreadyExistsException(ServiceError):
    """A group or stream of this name exists."""


class ResourceNotFoundException(ServiceError):
    """The group, stream, filter or tagged resource doesn't exist."""


class LimitExceededException(ServiceError):
    """More of them than AWS allows."""


class TooManyTagsException(ServiceError):
    """A resource takes 50 tags."""


class ValidationException(ServiceError):
    """The state of the resource forbids it: a group protected against deletion."""


class InvalidOperationException(ServiceError):
    """The operation can't be done on this resource."""


class MalformedQueryException(ServiceError):
    """The text isn't a query; `queryCompileError` says where."""


class SessionTimeoutException(ServiceError):
    """A live tail has been open for three hours."""


def no_group() -> ResourceNotFoundException:
    return ResourceNotFoundException("The specified log group does not exist.")


def no_stream() -> ResourceNotFoundException:
    return ResourceNotFoundException("The specified log stream does not exist.")


class LogsHooks(Hooks):
    """Logs calls an input that breaks the model an invalid parameter."""

    def invalid(self, operation: str, violations: Sequence[Violation]) -> ServiceError:
        return InvalidParameterException(super().invalid(operation, violations).message)
