from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from outcrop.jobs import Job, Jobs
from outcrop.jobs.jobs import KEPT_SECONDS
from outcrop.storage import Database


def open_jobs(path: Path) -> Jobs:
    return Jobs(Database(path / "jobs.sqlite"))


async def test_a_job_runs_and_its_end_is_recorded(tmp_path: Path):
    jobs, seen = open_jobs(tmp_path), []

    async def handler(job: Job) -> None:
        seen.append((job.payload, job.attempts))
        job.progress(done=1, total=2)
        job.progress(done=2, total=2)

    jobs.register("count", handler)
    jobs.start()
    job_id = jobs.submit("count", {"to": 2})
    record = await jobs.wait(job_id)
    assert record is not None
    assert record.status == "done"
    assert seen == [({"to": 2}, 1)]
    events = [event async for event in jobs.events(job_id)]
    assert events == [(1, {"done": 1, "total": 2}), (2, {"done": 2, "total": 2})]
    await jobs.aclose()


async def test_submitting_an_id_again_runs_nothing_twice(tmp_path: Path):
    jobs, runs = open_jobs(tmp_path), []

    async def handler(job: Job) -> None:
        runs.append(job.id)

    jobs.register("once", handler)
    jobs.start()
    for _ in range(3):
        await jobs.wait(jobs.submit("once", {}, job_id="j"))
    assert runs == ["j"]


async def test_a_failure_is_recorded_with_its_text(tmp_path: Path):
    jobs = open_jobs(tmp_path)

    async def handler(job: Job) -> None:
        raise ValueError("line 7 is not JSON")

    jobs.register("fail", handler)
    jobs.start()
    record = await jobs.wait(jobs.submit("fail", {}))
    assert record is not None
    assert (record.status, record.error) == ("failed", "ValueError: line 7 is not JSON")


async def test_a_stopped_job_ends_as_stopped(tmp_path: Path):
    jobs, entered = open_jobs(tmp_path), asyncio.Event()

    async def handler(job: Job) -> None:
        entered.set()
        await job.stop.wait()
        job.check()

    jobs.register("wait", handler)
    jobs.start()
    job_id = jobs.submit("wait", {})
    await entered.wait()
    assert jobs.request_stop(job_id)
    record = await jobs.wait(job_id)
    assert record is not None
    assert record.status == "stopped"
    assert not jobs.request_stop(job_id)


async def test_closing_keeps_what_runs_for_the_next_start(tmp_path: Path):
    started, attempts = asyncio.Event(), []

    async def hang(job: Job) -> None:
        started.set()
        await asyncio.Event().wait()

    async def finish(job: Job) -> None:
        attempts.append(job.attempts)

    first = open_jobs(tmp_path)
    first.register("work", hang)
    first.start()
    job_id = first.submit("work", {"a": 1})
    await started.wait()
    await first.aclose()

    second = open_jobs(tmp_path)
    second.register("work", finish)
    second.start()
    record = await second.wait(job_id)
    assert record is not None
    assert record.status == "done"
    assert attempts == [2]


async def test_a_stop_that_was_asked_for_before_a_crash_still_counts(tmp_path: Path):
    entered = asyncio.Event()

    async def hang(job: Job) -> None:
        entered.set()
        await asyncio.Event().wait()

    async def checks(job: Job) -> None:
        job.check()

    first = open_jobs(tmp_path)
    first.register("work", hang)
    first.start()
    job_id = first.submit("work", {})
    await entered.wait()
    first.request_stop(job_id)
    await first.aclose()
    second = open_jobs(tmp_path)
    second.register("work", checks)
    second.start()
    record = await second.wait(job_id)
    assert record is not None
    assert record.status == "stopped"


async def test_kinds_are_registered_once_and_known(tmp_path: Path):
    jobs = open_jobs(tmp_path)

    async def handler(job: Job) -> None: ...

    jobs.register("a", handler)
    with pytest.raises(ValueError, match="two handlers"):
        jobs.register("a", handler)
    with pytest.raises(ValueError, match="no handler"):
        jobs.submit("b", {})


async def test_a_start_forgets_jobs_that_ended_long_ago(tmp_path: Path):
    async def count(job: Job) -> None:
        job.progress(done=1)

    database = Database(tmp_path / "jobs.sqlite")
    jobs = Jobs(database)
    jobs.register("count", count)
    jobs.start()
    for name in ("old", "new", "unfinished"):
        await jobs.wait(jobs.submit("count", {}, job_id=name))
    await jobs.aclose()
    database.write("UPDATE job SET updated_at=updated_at-? WHERE id!='new'", (KEPT_SECONDS + 1,))
    database.write("UPDATE job SET kind='gone', status='queued' WHERE id='unfinished'")

    jobs = open_jobs(tmp_path)
    jobs.start()
    assert jobs.get("old") is None
    assert jobs.get("unfinished") is not None
    assert [event async for event in jobs.events("new")] == [(1, {"done": 1})]
    left = database.read("SELECT job_id FROM job_event ORDER BY job_id")
    assert [row["job_id"] for row in left] == ["new", "unfinished"]
