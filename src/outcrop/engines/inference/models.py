"""Which engine serves a model id, and the life of each engine. Shared by Bedrock and Knowledge Bases.

A model id is looked up first among what services have assigned (`assign`: custom models, whose weights lie here),
then in the mapping (`mapping.py`: the file and the command line). Text that nothing maps is served by the built-in
extractive engine, embeddings by the local embedder, images by none.

A kind of engine that a mapping names (`transformers:~/models/llama`) is built by what `provide` was given for it, or by
a plug-in: an entry point of its name in the group `outcrop.engines.text`, `.embedding` or `.image`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from outcrop.engines.inference.engine import EngineUnsupported
from outcrop.engines.inference.images import NO_ENGINE
from outcrop.engines.inference.kinds import EXTRACTIVE, LOCAL_EMBEDDER, Builder, Kinds
from outcrop.engines.inference.mapping import (
    Choice,
    Entries,
    Entry,
    MappingError,
    Target,
    Task,
    read_file,
    read_options,
)
from outcrop.engines.inference.slots import Slot, State
from outcrop.engines.inference.tapes import Tapes
from outcrop.engines.inference.tokens import Tokenizer, Tokens

if TYPE_CHECKING:
    from outcrop.engines.embedding import Embedder
    from outcrop.engines.inference.engine import TextEngine
    from outcrop.engines.inference.images import ImageEngine
    from outcrop.settings import Settings

__all__ = ["Builder", "Choice", "Models", "Served", "Target"]

log = logging.getLogger("outcrop.inference")

HELPFUL_PATIENCE = 45.0
"""Seconds that a request waits for an engine that is being loaded: less than boto3's read timeout."""
STRICT_PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Served:
    """One engine and its state, for people."""

    task: Task
    target: str
    state: State
    error: str = ""


class Models:
    """Text engines and embedders by model id; constructed light, each engine opened when first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._patience = STRICT_PATIENCE if settings.strict else HELPFUL_PATIENCE
        self._mapping = _Mapping(settings.model_map, read_options(settings.llm))
        self._assigned: list[Callable[[Task, str], Choice | None]] = []
        self._slots: dict[tuple[Task, Choice, str], Slot[Any]] = {}
        self._tokenizer = Tokenizer(self._local_embedder)
        self._tapes = Tapes(settings.record, settings.replay)
        self._kinds = Kinds(settings, self._tokenizer.tokens, self._local_embedder)

    def provide(self, task: Task, kind: str, build: Builder) -> None:
        """Say how engines of a kind are built: a `TextEngine` for text, an `Embedder` for embedding."""
        self._kinds.provide(task, kind, build)

    def assign(self, find: Callable[[Task, str], Choice | None]) -> None:
        """Ask `find` before the mapping. It gets what `text` and `embedder` are asked for (a model id, or the ARN of a
        custom model) and answers None for what it doesn't know."""
        self._assigned.append(find)

    def choice(self, task: Task, model_id: str) -> Choice | None:
        """What serves a model id, by assignment, mapping, or default; None: nothing does."""
        if (replayed := self._tapes.choice(task, model_id)) is not None:
            return replayed
        for find in self._assigned:
            if (found := find(task, model_id)) is not None:
                return found
        if (entry := self._mapping.entries().find(task, model_id)) is not None:
            return entry.choice
        return {"text": EXTRACTIVE, "embedding": LOCAL_EMBEDDER}.get(task)

    def entries(self) -> list[Entry]:
        """The mapping as it is now."""
        return list(self._mapping.entries())

    def maps(self, model_id: str) -> bool:
        """Whether the mapping names an engine for this model id by a pattern of its own."""
        entry = self._mapping.entries().find("text", model_id)
        return entry is not None and entry.pattern != "*"

    async def text(self, model_id: str) -> TextEngine:
        """The opened engine that serves this model id. Raises EngineLoading while it is being loaded, EngineError."""
        choice = self.choice("text", model_id) or EXTRACTIVE
        return cast("TextEngine", await self._slot("text", choice, model_id).get(self._patience))

    async def embedder(self, model_id: str) -> Embedder:
        """The opened embedder that serves this embedding model id. Raises EngineDown if its weights are missing."""
        choice = self.choice("embedding", model_id) or LOCAL_EMBEDDER
        return cast("Embedder", await self._slot("embedding", choice, model_id).get(self._patience))

    async def images(self, model_id: str) -> ImageEngine:
        """The opened engine that draws for this model id. Raises EngineUnsupported where nothing is mapped to it."""
        choice = self.choice("image", model_id)
        if choice is None:
            raise EngineUnsupported(NO_ENGINE)
        return cast("ImageEngine", await self._slot("image", choice, model_id).get(self._patience))

    async def load(self, task: Task, choice: Choice, model_id: str) -> None:
        """Open what a choice names before anyone asks for it. Raises as `text` does."""
        await self._slot(task, choice, model_id).get(self._patience)

    async def release(self, task: Task, choice: Choice) -> None:
        """Close what a choice names, if it was opened; the next request opens it again."""
        for key in [key for key in self._slots if key[:2] == (task, choice)]:
            await self._slots.pop(key).aclose()

    async def tokens(self) -> Tokens:
        """Counts tokens by the local embedder's tokenizer, or by rule where its weights are missing."""
        return await self._tokenizer.tokens()

    def served(self) -> Iterator[Served]:
        """Every engine that was asked for since the start, and those that the mapping names."""
        asked = {(task, choice) for task, choice, _ in self._slots}
        for entry in self._mapping.entries():
            if (entry.task, entry.choice) not in asked:
                asked.add((entry.task, entry.choice))
                yield Served(entry.task, str(entry.choice), "cold")
        for (task, choice, model_id), slot in self._slots.items():
            about = f"{choice} ({model_id})" if model_id else str(choice)
            yield Served(task, about, slot.state, slot.error)

    async def aclose(self) -> None:
        """Close every engine that was opened."""
        slots, self._slots = self._slots, {}
        for slot in slots.values():
            await slot.aclose()

    def _slot(self, task: Task, choice: Choice, model_id: str) -> Slot[Any]:
        """Models of the same choice share an engine, unless it depends on the model: on a tape it does."""
        key = (task, choice, model_id if self._tapes.concerns(task, choice) else "")
        if key not in self._slots:
            self._slots[key] = Slot(lambda: self._build(task, choice, model_id))
        return self._slots[key]

    def _build(self, task: Task, choice: Choice, model_id: str) -> Any:
        if (replayed := self._tapes.replayed(task, choice, model_id)) is not None:
            return replayed
        return self._tapes.recorded(task, choice, model_id, self._kinds.build(task, choice))

    async def _local_embedder(self) -> Embedder:
        return cast("Embedder", await self._slot("embedding", LOCAL_EMBEDDER, "").get(self._patience))


class _Mapping:
    """The file's entries and above them the command line's. A file that has changed is read again; one that can't be
    read any more leaves the entries as they were."""

    def __init__(self, file: Path, options: list[Entry]) -> None:
        self._file = file
        self._options = options
        self._stamp = self._look()
        self._entries = Entries((*read_file(file), *options))

    def entries(self) -> Entries:
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._entries = Entries((*read_file(self._file), *self._options))
            except MappingError as error:
                log.error("the mapping of models stays as it was: %s", error)
        return self._entries

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size
