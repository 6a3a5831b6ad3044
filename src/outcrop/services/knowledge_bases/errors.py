"""The errors of Knowledge Bases. Most are the ones that all Bedrock services share."""

from __future__ import annotations

from outcrop.services.contract import (
    AccessDeniedException,
    ConflictException,
    InternalServerException,
    ResourceNotFoundException,
    ServiceError,
    ThrottlingException,
    ValidationException,
)


class ServiceQuotaExceededException(ServiceError):
    status = 402


class DependencyFailedException(ServiceError):
    status = 424


__all__ = [
    "AccessDeniedException",
    "ConflictException",
    "DependencyFailedException",
    "InternalServerException",
    "ResourceNotFoundException",
    "ServiceError",
    "ServiceQuotaExceededException",
    "ThrottlingException",
    "ValidationException",
]
