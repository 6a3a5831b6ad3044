"""The errors of S3 Vectors, and the words AWS says them in."""

from __future__ import annotations

import re
from collections.abc import Sequence

from outcrop.services.contract import ServiceError, ValidationException
from outcrop.services.hooks import Hooks, Violation

_TWO_SIDED = {
    "vectorBucketName": (3, 63),
    "indexName": (3, 63),
    "prefix": (1, 63),
    "dimension": (1, 4096),
    "segmentCount": (1, 16),
    "segmentIndex": (0, 15),
    "vectors": (1, 500),
    "queryTexts": (1, 10),
    "text": (1, 1024),
    "key": (1, 1024),
    "metadataKey": (1, 63),
}
"""Members whose borders the model names on both sides: AWS then tells both."""


class NotFoundException(ServiceError):
    """A vector bucket, index, policy or tagged resource doesn't exist."""

    status = 404


class ConflictException(ServiceError):
    """The name is taken, or the bucket isn't empty."""

    status = 409


class ServiceQuotaExceededException(ServiceError):
    """More of them than AWS allows."""

    status = 402


def no_bucket() -> NotFoundException:
    return NotFoundException("The specified vector bucket could not be found")


def no_index() -> NotFoundException:
    return NotFoundException("The specified index could not be found")


def invalid(message: str, path: str | None = None) -> ValidationException:
    """An input that the model lets through and the service doesn't; `path` is the member's, `/filter`."""
    if path is None:
        return ValidationException(message)
    return ValidationException(message, fieldList=[{"path": path, "message": message}])


def invalid_record(key: str, why: str) -> ValidationException:
    return ValidationException(f"Invalid record for key '{key}': {why}")


class VectorHooks(Hooks):
    """S3 Vectors names the first broken constraint only, with the path as a pointer."""

    def invalid(self, operation: str, violations: Sequence[Violation]) -> ServiceError:
        first = violations[0]
        path = "/" + re.sub(r"\.(\d+)\.member", lambda at: f"/{int(at[1]) - 1}", first.path).replace(".", "/")
        message = f"{_subject(first)} at '{path}' failed to satisfy constraint: {_constraint(first)}"
        return ValidationException(
            f"1 validation error detected. {message}", fieldList=[{"path": path, "message": message}]
        )


def _subject(violation: Violation) -> str:
    if "length" in violation.constraint and isinstance(violation.value, str):
        return f"Value with length {len(violation.value)}"
    return "Value"


def _constraint(violation: Violation) -> str:
    border = re.fullmatch(r"(Member must (?:have length|have value|be)) (?:less|greater) than .*", violation.constraint)
    limits = _TWO_SIDED.get(violation.path.rpartition(".")[2])
    if border is None or limits is None:
        return violation.constraint.replace("have value ", "be ")
    return f"{border[1].replace('have value', 'be')} between {limits[0]} and {limits[1]}, inclusive"
