"""The metrics of a training as files for the output bucket."""

from __future__ import annotations

import math
from collections.abc import Sequence

TRAINING = "training_artifacts/step_wise_training_metrics.csv"
VALIDATION = "validation_artifacts/post_fine_tuning_validation/validation_metrics.csv"


def csv(points: Sequence[tuple[int, int, float]], loss: str) -> bytes:
    """`loss` names the column of the losses: `training_loss` or `validation_loss`."""
    rows = [f"{step},{epoch},{value},{math.exp(min(value, 700.0))}" for step, epoch, value in points]
    return "\n".join([f"step_number,epoch_number,{loss},perplexity", *rows, ""]).encode()
