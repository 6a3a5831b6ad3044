"""Wires S3 together."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from outcrop.services.contract import Deps, Service
from outcrop.services.s3.access import Access
from outcrop.services.s3.bodies import Shelf
from outcrop.services.s3.bucket_settings import BucketAccess, BucketContents, BucketOptions, BucketReports
from outcrop.services.s3.buckets import Buckets
from outcrop.services.s3.control import ResourceTags
from outcrop.services.s3.copying import Copies, Sources
from outcrop.services.s3.hooks import ControlHooks, S3Hooks
from outcrop.services.s3.lists import Lists
from outcrop.services.s3.multipart import Uploads
from outcrop.services.s3.notices import Notices, Outbox
from outcrop.services.s3.notifications import Notifications
from outcrop.services.s3.object_settings import ObjectSettings
from outcrop.services.s3.objects import Objects
from outcrop.services.s3.reading import Reading
from outcrop.services.s3.store import SCHEMA, BucketStore, ObjectStore, UploadStore
from outcrop.services.s3.surface import FormUploads, Preflights, Websites
from outcrop.storage import Blobs


def services(deps: Deps) -> tuple[Service, ...]:
    database = deps.database("s3")
    database.migrate(SCHEMA)
    buckets, store, uploads = BucketStore(database), ObjectStore(database), UploadStore(database)
    blobs = deps.blobs("s3")
    shelf, access = Shelf(blobs), Access(buckets)
    reading = Reading(store, access)
    notices = Notices(buckets, Outbox(database), deps.changes, deps.context)
    objects = Objects(buckets, store, access, reading, shelf, notices)
    posts = Objects(buckets, store, access, reading, shelf, notices, "ObjectCreated:Post")
    sources = Sources(access, reading)
    sweeping = _Sweeping(blobs, store)

    async def start() -> None:
        await sweeping.start()
        await notices.start()

    async def stop() -> None:
        await notices.stop()
        await sweeping.stop()

    return (
        Service(
            "s3",
            Buckets(buckets, access, shelf, deps.settings.strict),
            BucketAccess(buckets, access),
            BucketContents(buckets, access),
            BucketOptions(buckets, access),
            BucketReports(buckets, access),
            Notifications(buckets, access, deps.context),
            objects,
            ObjectSettings(buckets, store, access, reading, notices),
            Copies(buckets, store, access, sources, shelf, notices),
            Uploads(buckets, store, uploads, access, sources, shelf, notices),
            Lists(store, uploads, access),
            surfaces=(
                Websites(buckets, access, objects),
                Preflights(buckets),
                FormUploads(buckets, access, posts, deps.lookup),
            ),
            hooks=S3Hooks(buckets),
            on_start=start,
            on_stop=stop,
        ),
        Service("s3control", ResourceTags(buckets, access), hooks=ControlHooks()),
    )


class _Sweeping:
    """Removes, beside everything else, the files that an earlier crash left without a row."""

    def __init__(self, blobs: Blobs, store: ObjectStore) -> None:
        self._blobs = blobs
        self._store = store
        self._task: asyncio.Task[int] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(asyncio.to_thread(self._blobs.sweep, self._store.names_blob))

    async def stop(self) -> None:
        if self._task is not None:
            with suppress(OSError):
                await self._task
