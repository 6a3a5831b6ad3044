"""Lambda's errors. Each says in `Type` whose fault it was: the caller's, unless the class says otherwise."""

from __future__ import annotations

from typing import Any, ClassVar

from outcrop.services import contract


class LambdaError(contract.ServiceError):
    fault: ClassVar[str] = "User"

    def __init__(self, message: str = "", **members: Any) -> None:
        super().__init__(message, **{"Type": self.fault, **members})


class InvalidParameterValueException(LambdaError):
    status = 400


class InvalidRequestContentException(LambdaError):
    status = 400


class ResourceNotFoundException(LambdaError):
    status = 404


class ResourceConflictException(LambdaError):
    status = 409


class PreconditionFailedException(LambdaError):
    status = 412


class RequestTooLargeException(LambdaError):
    status = 413


class TooManyRequestsException(LambdaError):
    status = 429


class CodeStorageExceededException(LambdaError):
    status = 400


class PolicyLengthExceededException(LambdaError):
    status = 400


class InvalidZipFileException(LambdaError):
    status = 502


class ProvisionedConcurrencyConfigNotFoundException(LambdaError):
    status = 404


class CodeSigningConfigNotFoundException(LambdaError):
    status = 404


class CodeVerificationFailedException(LambdaError):
    status = 400


class RecursiveInvocationException(LambdaError):
    status = 400


class AccessDeniedException(LambdaError):
    """A caller that the function's policy doesn't name. Not in the models of all operations, but what AWS answers."""

    status = 403


class ServiceException(LambdaError):
    fault = "Service"
    status = 500
