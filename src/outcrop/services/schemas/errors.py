"""Errors of EventBridge Schemas. Each repeats its code in the body, as the model wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from outcrop.services import contract
from outcrop.services.hooks import Hooks, Violation


class SchemasError(contract.ServiceError):
    def __init__(self, message: str = "", **members: Any) -> None:
        super().__init__(message, **{"Code": self.code, **members})


class BadRequestException(SchemasError):
    status = 400


class ForbiddenException(SchemasError):
    status = 403


class NotFoundException(SchemasError):
    status = 404


class ConflictException(SchemasError):
    status = 409


class SchemasHooks(Hooks):
    def invalid(self, operation: str, violations: Sequence[Violation]) -> contract.ServiceError:
        return BadRequestException(super().invalid(operation, violations).message)
