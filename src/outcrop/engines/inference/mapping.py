"""Which engine serves which model id: patterns to targets, from one TOML file and the command line.

    [text]
    "anthropic.*" = "http://localhost:11434/v1#llama3.2"                      # any OpenAI-compatible endpoint
    "meta.*" = ["http://gpu:8000/v1#llama", "http://spare:8000/v1#llama"]     # the second stands in for the first
    "amazon.nova*" = { to = "http://gpu:8000/v1#qwen", timeout = 60, retries = 1, api_key = "$GPU_KEY" }
    "*" = "extractive"

    [embedding]
    "cohere.*" = "http://localhost:8000/v1#bge-m3"

    [image]
    "*" = "http://localhost:8000/v1#sdxl"

The longest pattern that matches wins.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

Task = Literal["text", "embedding", "image"]
TASKS: tuple[Task, ...] = get_args(Task)

ENDPOINT = "openai"
"""The kind of engine that a URL names."""

_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "timeout": (int, float),
    "connect_timeout": (int, float),
    "retries": (int,),
    "api_key": (str,),
    "units": (int,),
    "query_prefix": (str,),
    "document_prefix": (str,),
    "region": (str,),
    "profile": (str,),
    "endpoint": (str,),
}


class MappingError(ValueError):
    """A mapping that can't be read; the text names the entry and says what is expected."""


@dataclass(frozen=True, slots=True)
class Target:
    """One engine: its kind and what it is given, such as `openai` and `http://localhost:11434/v1#llama3.2`."""

    kind: str
    argument: str = ""

    def __str__(self) -> str:
        if self.kind == ENDPOINT:
            return self.argument
        return f"{self.kind}:{self.argument}" if self.argument else self.kind


@dataclass(frozen=True, slots=True)
class Choice:
    """The engines that serve a model, in order of preference, and how they are used."""

    targets: tuple[Target, ...]
    options: tuple[tuple[str, str | float], ...] = ()
    """Sorted by name: timeout, connect_timeout (seconds), retries, api_key, and what a kind of engine adds."""

    def option(self, name: str, default: str | float) -> str | float:
        return dict(self.options).get(name, default)

    def __str__(self) -> str:
        return ", ".join(str(target) for target in self.targets)


@dataclass(frozen=True, slots=True)
class Entry:
    task: Task
    pattern: str
    choice: Choice

    def serves(self, task: Task, model_id: str) -> bool:
        return self.task == task and fnmatchcase(model_id, self.pattern)


@dataclass(frozen=True, slots=True)
class Entries:
    """Every entry, of which the last one of a pattern counts."""

    entries: tuple[Entry, ...] = ()
    _by_key: dict[tuple[Task, str], Entry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_key", {(entry.task, entry.pattern): entry for entry in self.entries})

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._by_key.values())

    def find(self, task: Task, model_id: str) -> Entry | None:
        serving = [entry for entry in self._by_key.values() if entry.serves(task, model_id)]
        return max(serving, key=lambda entry: len(entry.pattern), default=None)


def read_target(text: str) -> Target:
    """`URL#MODEL`, `KIND` or `KIND:ARGUMENT`. Raises MappingError."""
    if text.startswith(("http://", "https://")):
        url, _, model = text.partition("#")
        if not _is_url(url) or not model:
            raise MappingError(f"{text!r}: expected URL#MODEL, such as http://localhost:11434/v1#llama3.2")
        return Target(ENDPOINT, f"{url.rstrip('/')}#{model}")
    kind, _, argument = text.partition(":")
    if not kind.replace("-", "_").isidentifier():
        raise MappingError(
            f"{text!r}: expected URL#MODEL or an engine, such as extractive or transformers:~/models/llama"
        )
    return Target(kind, argument)


def _is_url(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def read_options(entries: Sequence[str]) -> list[Entry]:
    """Entries of the command line, `TARGET` or `PATTERN=TARGET`; those of one pattern back each other up. Raises
    MappingError."""
    targets: dict[str, list[Target]] = {}
    for entry in entries:
        pattern, target = _split_pattern(entry)
        try:
            targets.setdefault(pattern, []).append(read_target(target))
        except MappingError as error:
            raise MappingError(
                f"--llm {entry!r}: expected URL#MODEL or PATTERN=URL#MODEL, such as http://localhost:11434/v1#llama3.2"
            ) from error
    return [Entry("text", pattern, Choice(tuple(found))) for pattern, found in targets.items()]


def _split_pattern(entry: str) -> tuple[str, str]:
    if entry.startswith(("http://", "https://")):
        return "*", entry
    pattern, equals, target = entry.partition("=")
    return (pattern, target) if equals else ("*", pattern)


def read_file(path: Path) -> list[Entry]:
    """The entries of a file; none if it doesn't exist. Raises MappingError naming the file and the entry."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"{path}: {error}") from None
    return read_entries(text, str(path))


def read_entries(text: str, where: str) -> list[Entry]:
    """The entries of a file's text; `where` is named in errors. Raises MappingError."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"{where}: {error}") from None
    entries: list[Entry] = []
    for name, table in tables.items():
        task = next((task for task in TASKS if task == name), None)
        if task is None or not isinstance(table, dict):
            raise MappingError(f"{where}: [{name}] is no section. There are [text], [embedding] and [image].")
        for pattern, value in table.items():
            try:
                entries.append(Entry(task, pattern, _choice(value)))
            except MappingError as error:
                raise MappingError(f'{where}: [{name}] "{pattern}": {error}') from None
    return entries


def _choice(value: Any) -> Choice:
    options = dict(value) if isinstance(value, dict) else {"to": value}
    given = options.pop("to", None)
    targets = [given] if isinstance(given, str) else given
    if not isinstance(targets, list) or not targets or not all(isinstance(target, str) for target in targets):
        raise MappingError("expected a target, a list of targets, or a table that gives one of these as `to`")
    for name, option in options.items():
        kinds = _OPTIONS.get(name)
        if kinds is None:
            raise MappingError(f"there is no option {name!r}. There are {', '.join(sorted(_OPTIONS))}.")
        if isinstance(option, bool) or not isinstance(option, kinds):
            raise MappingError(f"the option {name} must be a {'number' if int in kinds else 'string'}")
    return Choice(tuple(read_target(target) for target in targets), tuple(sorted(options.items())))
