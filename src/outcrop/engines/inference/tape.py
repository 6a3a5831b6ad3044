"""A file of what engines answered, one JSON object a line: recorded once, replayed wherever no engine is.

A line has `task`, `model`, `key` (a hash of all that was asked), `asked` (for people) and `answer`. What was asked
several times is answered in the order of the recording, and the last answer stays.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outcrop.engines.inference.engine import EngineDown
from outcrop.engines.inference.mapping import Task


def key_of(asked: Any) -> str:
    """The hash of a request: a dataclass, or plain values."""
    plain = dataclasses.asdict(asked) if dataclasses.is_dataclass(asked) and not isinstance(asked, type) else asked
    written = json.dumps(plain, sort_keys=True, default=_plain, separators=(",", ":"))
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


class Tape:
    """Read when first asked; appended to line by line, so that a killed process loses nothing that it answered."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str], list[Any]] | None = None
        self._models: set[tuple[str, str]] = set()
        self._at: dict[tuple[str, str], int] = defaultdict(int)

    def append(self, task: Task, model: str, key: str, asked: str, answer: Any) -> None:
        line = json.dumps({"task": task, "model": model, "key": key, "asked": asked[:200], "answer": answer})
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def knows(self, task: Task, model: str) -> bool:
        """Whether anything was recorded of this model. Raises EngineDown."""
        self._read()
        return (task, model) in self._models

    def next(self, task: Task, key: str) -> Any:
        """The next answer to this request, or None if it was never asked. Raises EngineDown."""
        answers = self._read().get((task, key))
        if not answers:
            return None
        at = self._at[task, key]
        self._at[task, key] = at + 1
        return answers[min(at, len(answers) - 1)]

    def _read(self) -> dict[tuple[str, str], list[Any]]:
        with self._lock:
            if self._answers is None:
                answers: dict[tuple[str, str], list[Any]] = defaultdict(list)
                number = 0
                try:
                    for line in self.path.read_text(encoding="utf-8").splitlines():
                        number += 1
                        entry = json.loads(line)
                        answers[entry["task"], entry["key"]].append(entry["answer"])
                        self._models.add((entry["task"], entry["model"]))
                except (OSError, UnicodeDecodeError) as error:
                    raise EngineDown(f"The recording {self.path} can't be read: {error}") from None
                except (ValueError, KeyError, TypeError):
                    raise EngineDown(f"Line {number} of the recording {self.path} is not one of a recording.") from None
                self._answers = answers
            return self._answers
