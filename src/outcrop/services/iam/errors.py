"""The errors of IAM and STS, and the words AWS says them in."""

from __future__ import annotations

from collections.abc import Sequence

from outcrop.services.contract import ServiceError
from outcrop.services.hooks import Hooks, Violation


class NoSuchEntity(ServiceError):
    status = 404


class EntityAlreadyExists(ServiceError):
    status = 409


class DeleteConflict(ServiceError):
    status = 409


class LimitExceeded(ServiceError):
    status = 409


class InvalidInput(ServiceError):
    """The input can't be taken as it stands, whatever the state."""


class ValidationError(ServiceError):
    """The input breaks the model, or can't be."""


class InvalidParameterValue(ServiceError):
    """STS's word for input that can't be."""


class MalformedPolicyDocument(ServiceError):
    """A policy's text breaks the grammar of policies."""


class UnmodifiableEntity(ServiceError):
    """The role belongs to a service."""


class NotSupportedService(ServiceError):
    """The service has no credentials of its own, or no role."""

    status = 404


class AccessDenied(ServiceError):
    status = 403


class InvalidIdentityToken(ServiceError):
    """The token of an identity provider can't be checked."""


class InvalidAuthorizationMessageException(ServiceError):
    """Not a message that this stack encoded."""


NOUNS = {
    "role": "The role with name {} cannot be found.",
    "user": "The user with name {} cannot be found.",
    "group": "The group with name {} cannot be found.",
    "instance-profile": "Instance Profile {} cannot be found.",
}

TAKEN = {
    "role": "Role with name {} already exists.",
    "user": "User with name {} already exists.",
    "group": "Group with name {} already exists.",
    "instance-profile": "Instance Profile {} already exists.",
}


class IamHooks(Hooks):
    """IAM names the member that breaks the model, and keeps its value to itself."""

    def invalid(self, operation: str, violations: Sequence[Violation]) -> ServiceError:
        many = "s" if len(violations) > 1 else ""
        details = "; ".join(
            f"Value{' null' if v.value is None else ''} at '{v.path}' failed to satisfy constraint: {v.constraint}"
            for v in violations
        )
        return ValidationError(f"{len(violations)} validation error{many} detected: {details}")


class StsHooks(Hooks):
    def invalid(self, operation: str, violations: Sequence[Violation]) -> ServiceError:
        return ValidationError(super().invalid(operation, violations).message)
