"""JSON pointers (RFC 6901) into a model's own answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from outcrop.services.contract import ValidationException


def read_pointer(pointer: str) -> list[str]:
    """The steps of a pointer. Raises ValidationException if it is none."""
    if not pointer.startswith("/") or pointer == "/":
        raise ValidationException(
            f"The additional model response field path {pointer!r} is not a JSON pointer. It must look like "
            "/stop_sequence."
        )
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def select(answer: Mapping[str, Any], paths: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The parts of an answer that the paths name, nested as they were; those that it lacks are left out."""
    selected: dict[str, Any] = {}
    for path in paths:
        value: Any = answer
        for step in path:
            if isinstance(value, Mapping) and step in value:
                value = value[step]
            elif isinstance(value, list) and re.fullmatch("[0-9]{1,9}", step) and int(step) < len(value):
                value = value[int(step)]
            else:
                break
        else:
            target: Any = selected
            for step in path[:-1]:
                target = target.setdefault(step, {}) if isinstance(target, dict) else None
            if isinstance(target, dict):
                target[path[-1]] = value
    return selected
