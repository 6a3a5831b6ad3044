"""How a model is to write: `inferenceConfig`, `additionalModelRequestFields`, `performanceConfig`, as Converse takes
them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outcrop.services.knowledge_bases.errors import ValidationException

_SAME = {
    "maxTokens": ("maxTokens", "max_tokens", "max_tokens_to_sample", "maxTokenCount", "max_gen_len", "max_new_tokens"),
    "temperature": ("temperature",),
    "topP": ("topP", "top_p", "p"),
    "stopSequences": ("stopSequences", "stop_sequences", "stop"),
}


def converse_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Members of a Converse request. Raises ValidationException for a parameter that is set in both ways."""
    inference = given.get("inferenceConfig", {}).get("textInferenceConfig", {})
    extra = given.get("additionalModelRequestFields", {})
    for name in inference:
        if twice := [alias for alias in _SAME.get(name, ()) if alias in extra]:
            raise ValidationException(
                f"{name} is set in textInferenceConfig and, as {twice[0]}, in additionalModelRequestFields. Set it in "
                "one of them."
            )
    parameters = {
        "inferenceConfig": inference,
        "additionalModelRequestFields": extra,
        "performanceConfig": given.get("performanceConfig"),
    }
    return {name: value for name, value in parameters.items() if value}
