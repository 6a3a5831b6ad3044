"""Starting a sync when objects of a source's bucket change, for those who switched that on.

The switch is the tag `outcrop:auto-sync` of the knowledge base, or the setting `auto_sync` for all that have no such
tag. News comes while the process lives (`services/changes.py`), so every source with the switch on is synced once at
the start too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from outcrop.services.changes import ObjectChange, ObjectChanges
from outcrop.services.knowledge_bases.ingestion.job import Ingestion
from outcrop.services.knowledge_bases.store import DataSource, KnowledgeBase, KnowledgeBaseStore
from outcrop.settings import Settings

log = logging.getLogger(__name__)

TAG = "outcrop:auto-sync"
QUIET, LONGEST = 1.0, 15.0
"""Seconds: a sync starts when nothing has changed for so long, or so long after the first change."""
KEYS = 1000
"""Changed keys that are remembered of a bucket; after more, any prefix may have changed."""


@dataclass(slots=True)
class Heard:
    """What changed in a bucket since the last sync was started."""

    since: float
    keys: set[str] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None

    def touches(self, prefixes: Sequence[str]) -> bool:
        return len(self.keys) >= KEYS or any(key.startswith(tuple(prefixes)) for key in self.keys)


class AutoSync:
    def __init__(
        self, settings: Settings, store: KnowledgeBaseStore, ingestion: Ingestion, changes: ObjectChanges
    ) -> None:
        self._default = settings.auto_sync
        self._store = store
        self._ingestion = ingestion
        self._heard: dict[str, Heard] = {}
        self._closed = False
        changes.listen(self.hear)

    def hear(self, change: ObjectChange) -> None:
        if self._closed or not change.event.startswith(("ObjectCreated:", "ObjectRemoved:")):
            return
        heard = self._wait(change.bucket)
        if len(heard.keys) < KEYS:
            heard.keys.add(change.key)

    async def resume(self) -> None:
        """Sync what may have changed unheard."""
        for _, source in self._watching():
            self._wait(_bucket(source)).keys.update(_prefixes(source))

    async def aclose(self) -> None:
        self._closed = True
        for heard in self._heard.values():
            if heard.timer is not None:
                heard.timer.cancel()
        self._heard.clear()

    def _wait(self, bucket: str) -> Heard:
        """Start anew to wait for quiet."""
        loop = asyncio.get_running_loop()
        heard = self._heard.setdefault(bucket, Heard(loop.time()))
        if heard.timer is not None:
            heard.timer.cancel()
        at = min(loop.time() + QUIET, max(heard.since + LONGEST, loop.time()))
        heard.timer = loop.call_at(at, self._sync, bucket)
        return heard

    def _sync(self, bucket: str) -> None:
        heard = self._heard.pop(bucket)
        for kb, source in self._watching():
            if _bucket(source) != bucket or not heard.touches(_prefixes(source)):
                continue
            if self._store.active_jobs(kb.id):
                self._wait(bucket).keys |= heard.keys
                continue
            job = self._ingestion.begin(kb, source, "Automatic sync after changes in the bucket")
            log.info("%s changed: ingestion job %s of data source %s started", bucket, job.id, source.id)

    def _watching(self) -> list[tuple[KnowledgeBase, DataSource]]:
        """Sources over buckets with the switch on."""
        return [
            (kb, source)
            for kb, source in self._store.all_data_sources()
            if source.body["dataSourceConfiguration"]["type"] == "S3" and self._is_on(kb)
        ]

    def _is_on(self, kb: KnowledgeBase) -> bool:
        value = self._store.tags(kb.arn).get(TAG)
        return self._default if value is None else value.lower() in ("true", "on", "yes", "1", "")


def _bucket(source: DataSource) -> str:
    return str(source.body["dataSourceConfiguration"]["s3Configuration"]["bucketArn"]).rsplit(":", 1)[-1]


def _prefixes(source: DataSource) -> Sequence[str]:
    return source.body["dataSourceConfiguration"]["s3Configuration"].get("inclusionPrefixes") or [""]
