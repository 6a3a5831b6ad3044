"""Changes one entry of a mapping's file and leaves all else in it as it is, comments included."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path

from outcrop.engines.inference.mapping import MappingError, Task, read_entries, read_target


def put(file: Path, task: Task, pattern: str, targets: Sequence[str]) -> None:
    """Map a pattern to one target, or to several that stand in for each other. Raises MappingError."""
    for target in targets:
        read_target(target)
    value = json.dumps(targets[0] if len(targets) == 1 else list(targets), ensure_ascii=False)
    _write(file, task, pattern, f"{json.dumps(pattern, ensure_ascii=False)} = {value}")


def remove(file: Path, task: Task, pattern: str) -> None:
    """Raises MappingError if the pattern isn't there."""
    if pattern not in _tables(_read(file), file).get(task, {}):
        raise MappingError(f"{file} maps no {pattern!r} for {task}")
    _write(file, task, pattern, None)


def _write(file: Path, task: Task, pattern: str, line: str | None) -> None:
    text = _read(file)
    changed = _changed(text.splitlines(), task, pattern, line, file)
    wanted = dict(_tables(text, file).get(task, {}))
    wanted.pop(pattern, None)
    if line is not None:
        wanted |= tomllib.loads(line)
    try:
        read_entries(changed, str(file))
    except MappingError as error:
        raise MappingError(f"{error}. Nothing was changed.") from None
    if _tables(changed, file).get(task, {}) != wanted:
        raise MappingError(f"{file} is written in a way that this command can't change. Edit it by hand.")
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(changed, encoding="utf-8")
    temporary.replace(file)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _tables(text: str, file: Path) -> dict[str, dict[str, object]]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"{file}: {error}") from None


def _changed(lines: list[str], task: Task, pattern: str, line: str | None, file: Path) -> str:
    header = next((at for at, one in enumerate(lines) if one.split("#")[0].strip() == f"[{task}]"), None)
    if header is None:
        lines += ([""] if lines else []) + [f"[{task}]", line or ""]
        return "\n".join(lines) + "\n"
    end = next((at for at in range(header + 1, len(lines)) if lines[at].lstrip().startswith("[")), len(lines))
    own = next((at for at in range(header + 1, end) if _key(lines[at]) == pattern), None)
    if own is not None:
        lines[own : own + 1] = [] if line is None else [line]
    elif line is not None:
        last = max((at for at in range(header, end) if lines[at].strip()), default=header)
        lines.insert(last + 1, line)
    return "\n".join(lines) + "\n"


def _key(line: str) -> str | None:
    """The key of a line that is a whole entry."""
    try:
        entry = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    return next(iter(entry), None)
