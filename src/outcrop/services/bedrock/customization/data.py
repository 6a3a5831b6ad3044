"""Training data: JSON Lines in the forms that AWS takes, checked line by line and written in the engine's form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FINE_TUNING = "FINE_TUNING"
PRE_TRAINING = "CONTINUED_PRE_TRAINING"
_SCHEMA = "bedrock-conversation-2024"
_CHARACTERS_PER_TOKEN = 6
"""AWS's own rough measure."""


class DataError(Exception):
    """The data is not what AWS takes; the text names file and line."""


@dataclass(frozen=True, slots=True)
class Limits:
    least: int = 1
    most: int = 10_000
    tokens: int = 4096
    """Of input and output together."""


def limits_of(base: str, *, validation: bool, strict: bool) -> Limits:
    """The fewest records are asked for in strict mode only: a handful is enough to try a job out."""
    if base.startswith("anthropic."):
        least, most, tokens = (32, 10_000, 32_000)
        if validation:
            least, most = 32, 1_000
    elif base.startswith("meta."):
        least, most, tokens = (1, 1_000, 16_000) if validation else (100, 10_000, 16_000)
    elif base.startswith("amazon.nova"):
        least, most, tokens = (8, 20_000, 32_000)
    elif base.startswith("cohere."):
        least, most, tokens = (16, 10_000, 6_144) if validation else (32, 10_000, 6_144)
    else:
        least, most, tokens = (1, 100_000 if not validation else 10_000, 4_096)
    return Limits(least if strict else 1, most, tokens)


def convert(source: Path, target: Path, name: str, customization: str, limits: Limits) -> int:
    """Check a file and write its examples as the engine reads them; answers how many. Raises DataError."""
    count = 0
    with source.open("rb") as lines, target.open("w", encoding="utf-8") as examples:
        for number, line in enumerate(lines, 1):
            try:
                example = _example(_object(line), customization)
                _check_length(example, limits)
            except _Fault as fault:
                raise DataError(
                    f"Unable to parse Amazon S3 file: {name}. Data files must conform to JSONL format. "
                    f"Line {number}: {fault}"
                ) from None
            except DataError as error:
                raise DataError(f"{error} in file {name}, line {number}") from None
            examples.write(json.dumps(example) + "\n")
            count += 1
            if count > limits.most:
                raise DataError(f"The file {name} has more than the {limits.most:,} records that a job may have.")
    if count < limits.least:
        raise DataError(f"The file {name} has {count} records. At least {limits.least} are needed.")
    return count


class _Fault(Exception):
    """What is wrong with a line."""


def _object(line: bytes) -> Mapping[str, Any]:
    if not line.strip():
        raise _Fault("the line is empty.")
    try:
        value = json.loads(line)
    except UnicodeDecodeError:
        raise _Fault("the line is not UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise _Fault(f"the line is not JSON ({error}).") from None
    if not isinstance(value, dict):
        raise _Fault("the line is not a JSON object.")
    return value


def _example(record: Mapping[str, Any], customization: str) -> dict[str, Any]:
    if customization == PRE_TRAINING:
        _only(record, {"input"})
        return {"text": _text(record, "input")}
    if "messages" in record:
        return {"turns": _turns(record)}
    _only(record, {"prompt", "completion"})
    prompt, completion = _text(record, "prompt"), _text(record, "completion")
    return {"turns": [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]}


def _only(record: Mapping[str, Any], keys: set[str]) -> None:
    if strange := sorted(set(record) - keys):
        expected = ", ".join(sorted(keys))
        raise _Fault(f"the key {strange[0]!r} is not expected. The record must have: {expected}.")


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _Fault(f"the key {key!r} must be there and hold a text that is not empty.")
    return value


def _turns(record: Mapping[str, Any]) -> list[dict[str, str]]:
    _only(record, {"schemaVersion", "system", "messages"})
    if record.get("schemaVersion", _SCHEMA) != _SCHEMA:
        raise _Fault(f"the schemaVersion must be {_SCHEMA!r}.")
    turns: list[dict[str, str]] = []
    if "system" in record:
        turns.append({"role": "system", "content": _content(record["system"], "system")})
    messages = record["messages"]
    if not isinstance(messages, list) or len(messages) < 2:
        raise _Fault("messages must be a list of at least two.")
    for at, message in enumerate(messages):
        expected = "assistant" if at % 2 else "user"
        if not isinstance(message, dict) or message.get("role") != expected:
            raise _Fault(f"messages[{at}] must have the role {expected!r}: user and assistant alternate.")
        turns.append({"role": expected, "content": _content(message.get("content"), f"messages[{at}].content")})
    if len(messages) % 2:
        raise _Fault("the last message must have the role 'assistant'.")
    return turns


def _content(given: Any, where: str) -> str:
    """A text, or a list of `{"text": …}`."""
    if isinstance(given, str) and given.strip():
        return given
    if isinstance(given, list) and given:
        texts = [block.get("text") if isinstance(block, dict) else None for block in given]
        if all(isinstance(text, str) and text for text in texts):
            return "\n\n".join(str(text) for text in texts)
    raise _Fault(f"{where} must be a text or a list of objects with a text each. Other content can't be trained here.")


def _check_length(example: Mapping[str, Any], limits: Limits) -> None:
    characters = len(example.get("text", "")) + sum(len(turn["content"]) for turn in example.get("turns", ()))
    if characters > limits.tokens * _CHARACTERS_PER_TOKEN:
        about = characters // _CHARACTERS_PER_TOKEN
        raise DataError(f"Max sum of input and output token length {about} exceeds total limit of {limits.tokens}")
