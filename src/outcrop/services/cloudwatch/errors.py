"""The errors of CloudWatch, and the words AWS says them in."""

from __future__ import annotations

from collections.abc import Sequence

from outcrop.services.contract import ServiceError
from outcrop.services.hooks import Hooks, Violation


class InvalidParameterValueException(ServiceError):
    """A parameter is not what the operation takes."""


class InvalidParameterCombinationException(ServiceError):
    """Parameters that don't go together."""


class MissingRequiredParameterException(ServiceError):
    """A parameter is missing."""


class ValidationError(ServiceError):
    """What GetMetricData and the alarms call an input that they don't take; the model has no shape for it."""


class InvalidNextToken(ServiceError):
    """The token isn't one that the operation gave."""


class DashboardInvalidInputError(ServiceError):
    """The body isn't a dashboard; `dashboardValidationMessages` say why."""


class DashboardNotFoundError(ServiceError):
    status = 404


class ResourceNotFound(ServiceError):
    status = 404


class ResourceNotFoundException(ServiceError):
    status = 404


class CloudWatchHooks(Hooks):
    """An input that breaks the model is an invalid parameter to the metrics' operations, and a ValidationError else."""

    def invalid(self, operation: str, violations: Sequence[Violation]) -> ServiceError:
        message = super().invalid(operation, violations).message
        if operation in ("PutMetricData", "GetMetricStatistics", "ListMetrics"):
            return InvalidParameterValueException(message)
        return ValidationError(message)
