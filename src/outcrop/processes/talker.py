"""The child's side of a dialogue: `python -m outcrop.processes.talker MODULE:FUNCTION LIMITS PARENT`.

The function takes a `Channel` and returns when it has nothing more to say.
"""

from __future__ import annotations

import threading

from outcrop.processes.frames import RESULT, frame
from outcrop.processes.worker import enter, receive, write


class Channel:
    """Messages from and to the parent. `send` may be called from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def receive(self) -> bytes | None:
        """The next message; waits for it. None: the parent has hung up."""
        return receive(self._descriptor)

    def send(self, message: bytes) -> None:
        with self._lock:
            write(self._descriptor, frame(RESULT, message))


def main() -> None:
    target, descriptor, _ = enter()
    target(Channel(descriptor))


if __name__ == "__main__":
    main()
