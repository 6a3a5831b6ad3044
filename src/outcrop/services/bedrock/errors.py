"""Bedrock's errors beyond the common ones, and what engines' failures become."""

from __future__ import annotations

import re

from outcrop.engines.inference.engine import EngineDown, EngineError, EngineLoading, EngineTimeout, EngineUnsupported
from outcrop.services.contract import ResourceNotFoundException, ServiceError, ThrottlingException, ValidationException

INVALID_MODEL = "The provided model identifier is invalid."

_TOO_LONG = re.compile(r"context.{0,40}(?:length|window|size)|too (?:long|many tokens)|maximum context", re.IGNORECASE)


class ModelErrorException(ServiceError):
    status = 424


class ModelStreamErrorException(ServiceError):
    status = 424


class ModelNotReadyException(ServiceError):
    status = 429


class ModelTimeoutException(ServiceError):
    status = 408


class ServiceQuotaExceededException(ServiceError):
    status = 400


class TooManyTagsException(ServiceError):
    status = 400


class ServiceUnavailableException(ServiceError):
    status = 503


def invalid_model() -> ValidationException:
    return ValidationException(INVALID_MODEL)


def no_such_model() -> ResourceNotFoundException:
    return ResourceNotFoundException("Could not resolve the foundation model from the provided model identifier.")


def from_engine(error: EngineError, model_arn: str) -> ServiceError:
    """The error of a request whose answer has not begun."""
    text = str(error)
    match error:
        case EngineUnsupported():
            return ValidationException(text)
        case EngineLoading():
            return ModelNotReadyException(text)
        case EngineTimeout():
            return ModelTimeoutException(text)
        case EngineDown():
            return ServiceUnavailableException(text)
    if error.status == 429:
        return ThrottlingException(f"Too many requests, please wait before trying again. {text}")
    if error.status in (400, 413, 422) and _TOO_LONG.search(text):
        return ValidationException(f"Input is too long for requested model. {text}")
    if error.status in (500, 502, 503, 504):
        return ServiceUnavailableException(text)
    return ModelErrorException(text, originalStatusCode=error.status or 500, resourceName=model_arn)


def in_stream(error: EngineError) -> ServiceError:
    """The error of an answer that has begun."""
    return ModelStreamErrorException(str(error), originalStatusCode=error.status or 500, originalMessage=str(error))
