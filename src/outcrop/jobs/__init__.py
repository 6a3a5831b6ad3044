"""Durable background work: a job is a row, its progress numbered events, and a restart resumes what was running."""

from outcrop.jobs.jobs import Job, JobRecord, Jobs, Stopped

__all__ = ["Job", "JobRecord", "Jobs", "Stopped"]
