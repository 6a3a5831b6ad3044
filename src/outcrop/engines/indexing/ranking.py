"""The best of many scores, without sorting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FOLDS = 32


def best_rows(scores: NDArray[Any], limit: int) -> NDArray[np.intp]:
    """Where the `limit` highest scores are, highest first; of equal ones the first."""
    candidates = np.flatnonzero(scores >= _at_most_best(scores, limit)) if limit < len(scores) else None
    chosen = scores if candidates is None else scores[candidates]
    order = np.argsort(-chosen, kind="stable")[:limit]
    return order if candidates is None else candidates[order]


def _at_most_best(scores: NDArray[Any], limit: int) -> Any:
    """A threshold that at least `limit` scores reach, and few more."""
    width = len(scores) // _FOLDS
    if width <= limit:
        return np.partition(scores, len(scores) - limit)[len(scores) - limit]
    # Each column's maximum is a score of its own, so as many scores reach the limit-th highest of them.
    highest = scores[: width * _FOLDS].reshape(_FOLDS, width).max(axis=0)
    return np.partition(highest, width - limit)[width - limit]
