import asyncio
import os

import pytest

from outcrop.storage import Blobs


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path)


async def _store(blobs, *pieces):
    writer = blobs.create()
    for piece in pieces:
        await writer.write(piece)
    return await writer.commit()


async def _read(blobs, name, *span):
    return b"".join([piece async for piece in blobs.read(name, *span)])


async def test_write_then_read(blobs):
    blob = await _store(blobs, b"hello ", b"world")
    assert blob.size == 11
    assert await _read(blobs, blob.name) == b"hello world"
    assert await _read(blobs, blob.name, 6) == b"world"
    assert await _read(blobs, blob.name, 2, 4) == b"ll"


async def test_abort_leaves_nothing(blobs, tmp_path):
    writer = blobs.create()
    await writer.write(b"half")
    writer.abort()
    writer.abort()
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


async def test_abort_waits_for_a_write_under_way(blobs, tmp_path):
    writer = blobs.create()
    task = asyncio.create_task(writer.write(os.urandom(8 << 20)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    writer.abort()
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


async def test_read_of_a_deleted_blob(blobs):
    blob = await _store(blobs, b"x")
    blobs.delete([blob.name])
    blobs.delete([blob.name])
    with pytest.raises(FileNotFoundError):
        await _read(blobs, blob.name)


async def test_link_outlives_its_source(blobs):
    source = await _store(blobs, b"shared")
    copy = blobs.link(source.name)
    assert copy.size == 6
    blobs.delete([source.name])
    assert await _read(blobs, copy.name) == b"shared"
    with pytest.raises(FileNotFoundError):
        blobs.link(source.name)


async def test_link_copies_where_there_are_no_hard_links(blobs, monkeypatch):
    def refuse(*_):
        raise PermissionError

    source = await _store(blobs, b"copied")
    monkeypatch.setattr(os, "link", refuse)
    copy = blobs.link(source.name)
    blobs.delete([source.name])
    assert await _read(blobs, copy.name) == b"copied"


async def test_sweep_keeps_what_is_used_or_new(blobs, tmp_path):
    used, orphan = await _store(blobs, b"used"), await _store(blobs, b"orphan")
    abandoned = blobs.create()
    await abandoned.write(b"half")
    later = Blobs(tmp_path)
    fresh, open_writer = await _store(later, b"new"), later.create()
    assert later.sweep(lambda name: name == used.name) == 2
    assert not later.path(orphan.name).exists()
    assert await _read(later, used.name) == b"used"
    assert await _read(later, fresh.name) == b"new"
    assert await _read(later, (await open_writer.commit()).name) == b""
    abandoned.abort()
