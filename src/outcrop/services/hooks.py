"""Where a service departs from what its model says on the wire: overridden by the service, called by `wire/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from outcrop.services.contract import ServiceError, ValidationException


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which an input breaks the model."""

    path: str
    """Where, as AWS writes it: `retrievalQuery.text`, `tags.1.member.key`."""
    value: Any
    """The offending value; None where a required member is missing."""
    constraint: str
    """AWS's words: `Member must not be null`, `Member must have length less than or equal to 1000`."""


class Hooks:
    """The defaults, which are right for all services but a few."""

    error_wrapper: bool = True
    """rest-xml: whether `<Error>` stands inside `<ErrorResponse>`. S3's doesn't."""
    xml_namespace: str = ""
    """rest-xml: the namespace of answers' root elements, where the model names none."""
    xml_roots: Mapping[str, str] = MappingProxyType({})
    """rest-xml: the root elements of answers by operation (`{"list_buckets": "ListAllMyBucketsResult"}`) that aren't
    named as their shapes. A root named as its shape's only member is that member itself: `<LocationConstraint>`."""

    lax: frozenset[str] = frozenset()
    """Members (`resourceArn`) of which the model says less than AWS takes: their violations don't count."""

    def rewrite(self, host: str, raw_path: str) -> str:
        """The path to route on, from the Host header (no port, lower case) and the path as it arrived. S3 puts the
        bucket of a virtual-host request in front."""
        return raw_path

    def claims(self, method: str, host: str, raw_path: str, query: str, headers: Mapping[str, str]) -> bool:
        """Whether an unsigned request that no other rule can place belongs to this service. S3 claims what is left."""
        return False

    def invalid(self, operation: str, violations: Sequence[Violation]) -> ServiceError:
        """The error for an input that breaks the model."""
        many = "s" if len(violations) > 1 else ""
        details = "; ".join(
            f"Value {_shown(v.value)} at '{v.path}' failed to satisfy constraint: {v.constraint}" for v in violations
        )
        return ValidationException(f"{len(violations)} validation error{many} detected: {details}")

    def status(self, operation: str, result: Mapping[str, Any]) -> int | None:
        """The HTTP status of a success where the result decides; None: the model's. S3 answers a range with 206."""
        return None

    def headers(self, operation: str, request: Mapping[str, Any], sent: Mapping[str, str]) -> Sequence[tuple[str, str]]:
        """Headers to add to an answer, success or error; `request` may be incomplete, `sent` are the request's headers
        with lower-case names."""
        return ()


def _shown(value: Any) -> str:
    return "null" if value is None else f"'{value}'"
