"""News of changed objects, within this process: S3 tells, whoever keeps something in step with a bucket listens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """An object was written, deleted, tagged or given another ACL."""

    account: str
    """The bucket's owner."""
    region: str
    bucket: str
    key: str
    event: str
    """As S3's event records name it: `ObjectCreated:Put`, `ObjectRemoved:Delete`, `ObjectTagging:Put`, …"""


Listener = Callable[[ObjectChange], None]


class ObjectChanges:
    """Told once a change is committed, on the event loop. It is news, not a record: nothing is kept for a listener that
    comes later, and a crash between the commit and the news loses it, so compare with the bucket once at the start."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Have `listener` called with every change from now on. It must be quick."""
        self._listeners.append(listener)

    def tell(self, change: ObjectChange) -> None:
        for listener in self._listeners:
            try:
                listener(change)
            except Exception:
                log.exception("a listener failed on %s of s3://%s/%s", change.event, change.bucket, change.key)
