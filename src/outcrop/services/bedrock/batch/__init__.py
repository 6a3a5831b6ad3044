"""Batch inference: files of records in a bucket, answered in the background."""
