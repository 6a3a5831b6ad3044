"""Which models are recorded, and which are replayed.

Built-in engines say the same everywhere, so they are neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from outcrop.engines.inference.kinds import EXTRACTIVE, LOCAL_EMBEDDER
from outcrop.engines.inference.mapping import Choice, Target, Task
from outcrop.engines.inference.tape import Tape

REPLAY = "replay"


class Tapes:
    def __init__(self, record: Path | None, replay: Path | None) -> None:
        if record and replay and record.absolute() == replay.absolute():
            raise ValueError(f"{record} can't be recorded and replayed at once: name two files.")
        if replay and not replay.is_file():
            raise ValueError(f"There is no recording {replay} to replay. Make one: outcrop up --record {replay}")
        self._recording = Tape(record) if record else None
        self._replay = replay
        self._tapes: dict[Path, Tape] = {}

    def choice(self, task: Task, model_id: str) -> Choice | None:
        """The tape that serves a model before all else. Raises EngineDown if it can't be read."""
        if self._replay is None or not self._tape(self._replay).knows(task, model_id):
            return None
        return Choice((Target(REPLAY, str(self._replay)),))

    def concerns(self, task: Task, choice: Choice) -> bool:
        """Whether engines of this choice depend on the model."""
        return task != "text" and (self._is_replay(choice) or self._is_recorded(choice))

    def replayed(self, task: Task, choice: Choice, model_id: str) -> Any:
        """The engine of a choice that is a tape; None if it is none."""
        if not self._is_replay(choice):
            return None
        from outcrop.engines.inference.replaying import ReplayedEmbedder, ReplayedImages, ReplayedText

        tape = self._tape(Path(choice.targets[0].argument).expanduser())
        match task:
            case "text":
                return ReplayedText(tape)
            case "embedding":
                return ReplayedEmbedder(model_id, tape)
            case "image":
                return ReplayedImages(model_id, tape)

    def recorded(self, task: Task, choice: Choice, model_id: str, engine: Any) -> Any:
        """The engine, which writes on the tape if there is one to record on."""
        if self._recording is None or not self._is_recorded(choice):
            return engine
        from outcrop.engines.inference.recording import RecordedEmbedder, RecordedImages, RecordedText

        match task:
            case "text":
                return RecordedText(engine, self._recording)
            case "embedding":
                return RecordedEmbedder(engine, model_id, self._recording)
            case "image":
                return RecordedImages(engine, model_id, self._recording)

    def _is_replay(self, choice: Choice) -> bool:
        return len(choice.targets) == 1 and choice.targets[0].kind == REPLAY

    def _is_recorded(self, choice: Choice) -> bool:
        return self._recording is not None and choice not in (EXTRACTIVE, LOCAL_EMBEDDER)

    def _tape(self, path: Path) -> Tape:
        if path not in self._tapes:
            self._tapes[path] = Tape(path)
        return self._tapes[path]
