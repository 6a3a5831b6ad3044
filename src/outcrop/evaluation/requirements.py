"""Conditions on measures, such as `page@5>=0.9`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from outcrop.evaluation.scores import MEASURES

_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Requirement:
    measure: str
    sign: str
    bound: float

    def __str__(self) -> str:
        return f"{self.measure}{self.sign}{self.bound:g}"

    def complaint(self, summary: Mapping[str, float]) -> str:
        """Why a configuration doesn't meet it; empty if it does. A measure that wasn't taken is not met."""
        if self.measure not in summary:
            return f"{self}: nothing was measured"
        value = summary[self.measure]
        return "" if _COMPARED[self.sign](value, self.bound) else f"{self}: it is {value:.3f}"


def parse(text: str) -> Requirement:
    match = re.fullmatch(r"\s*([\w@]+)\s*(>=|<=|>|<)\s*([0-9]*\.?[0-9]+)\s*(%?)\s*", text)
    if not match or match[1] not in MEASURES:
        raise ValueError(f"{text!r} is not a condition such as page@5>=0.9; measures are {', '.join(MEASURES)}")
    return Requirement(match[1], match[2], float(match[3]) / (100 if match[4] else 1))
