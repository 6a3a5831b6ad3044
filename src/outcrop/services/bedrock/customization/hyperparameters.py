"""What may be set of a training, by family of base models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from outcrop.services.contract import ValidationException


@dataclass(frozen=True, slots=True)
class Bounds:
    least: float
    most: float
    default: float
    whole: bool = True

    def read(self, name: str, text: str) -> float:
        """Raises ValidationException."""
        try:
            value = float(int(text)) if self.whole else float(text)
        except ValueError:
            kind = "an integer" if self.whole else "a number"
            raise ValidationException(f"The value {text!r} of the hyperparameter {name} is not {kind}.") from None
        if not self.least <= value <= self.most:
            raise ValidationException(
                f"The value {text} of the hyperparameter {name} is out of range. Use a value from "
                f"{self.write(self.least)} to {self.write(self.most)}."
            )
        return value

    def write(self, value: float) -> str:
        return str(int(value)) if self.whole else f"{value:g}"


_STOPPING = {"earlyStoppingThreshold": Bounds(0, 0.1, 0.001, whole=False), "earlyStoppingPatience": Bounds(1, 10, 2)}
_FAMILIES: Mapping[str, Mapping[str, Bounds]] = {
    "amazon.nova": {
        "epochCount": Bounds(1, 5, 2),
        "learningRate": Bounds(1e-6, 1e-4, 1e-5, whole=False),
        "learningRateWarmupSteps": Bounds(0, 100, 10),
    },
    "amazon.titan-text-premier": {
        "epochCount": Bounds(1, 5, 2),
        "batchSize": Bounds(1, 1, 1),
        "learningRate": Bounds(1e-7, 1e-5, 1e-6, whole=False),
        "learningRateWarmupSteps": Bounds(0, 20, 5),
    },
    "amazon.titan-text": {
        "epochCount": Bounds(1, 10, 5),
        "batchSize": Bounds(1, 64, 1),
        "learningRate": Bounds(0, 1, 1e-5, whole=False),
        "learningRateWarmupSteps": Bounds(0, 250, 5),
    },
    "meta.": {
        "epochCount": Bounds(1, 10, 5),
        "batchSize": Bounds(1, 1, 1),
        "learningRate": Bounds(5e-6, 0.1, 1e-4, whole=False),
    },
    "anthropic.": {
        "epochCount": Bounds(1, 10, 2),
        "batchSize": Bounds(4, 256, 32),
        "learningRateMultiplier": Bounds(0.1, 2, 1, whole=False),
        **_STOPPING,
    },
    "cohere.command": {
        "epochCount": Bounds(1, 100, 1),
        "batchSize": Bounds(8, 8, 8),
        "learningRate": Bounds(5e-6, 0.1, 1e-5, whole=False),
        "earlyStoppingThreshold": Bounds(0, 0.1, 0.01, whole=False),
        "earlyStoppingPatience": Bounds(1, 10, 6),
        "evalPercentage": Bounds(5, 50, 20),
    },
}
_MULTIPLIED_RATE = 1e-5
"""What a learning rate multiplier multiplies."""


def read(base: str, given: Mapping[str, str]) -> dict[str, str]:
    """All hyperparameters of a job, those that were not given at their defaults. Raises ValidationException."""
    bounds = next((bounds for prefix, bounds in _FAMILIES.items() if base.startswith(prefix)), {})
    for name in given:
        if name not in bounds:
            known = ", ".join(bounds) or "none"
            raise ValidationException(f"The hyperparameter {name} is not supported for {base}. It has: {known}.")
    for name, text in given.items():
        bounds[name].read(name, text)
    return {name: given.get(name, one.write(one.default)) for name, one in bounds.items()}


def learning_rate(values: Mapping[str, str]) -> float:
    if "learningRateMultiplier" in values:
        return _MULTIPLIED_RATE * float(values["learningRateMultiplier"])
    return float(values.get("learningRate", _MULTIPLIED_RATE))
