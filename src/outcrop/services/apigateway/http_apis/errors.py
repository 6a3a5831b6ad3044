"""The errors of API Gateway."""

from __future__ import annotations

from collections.abc import Sequence

from outcrop.services.contract import ServiceError
from outcrop.services.hooks import Hooks, Violation


class BadRequestException(ServiceError):
    """The input is not what the operation takes."""


class NotFoundException(ServiceError):
    """The API, or the part of it, doesn't exist."""

    status = 404


class ConflictException(ServiceError):
    """There is one already, or something else needs it."""

    status = 409


def no_api(api_id: str) -> NotFoundException:
    return NotFoundException(f"Invalid API identifier specified {api_id}")


class HttpApiHooks(Hooks):
    """An input that breaks the model is a bad request."""

    def invalid(self, operation: str, violations: Sequence[Violation]) -> ServiceError:
        return BadRequestException(super().invalid(operation, violations).message)
