"""What a host name says: which bucket, and whether its API or its website."""

from __future__ import annotations

import re
from urllib.parse import unquote

_ZONE = r"(?:localhost(?:\.localstack\.cloud)?|amazonaws\.com(?:\.cn)?)"
_REGION = r"[a-z]{2}(?:-[a-z]+)+-\d"
_WEBSITE = re.compile(rf"(?P<bucket>.+)\.s3-website(?:[.-]{_REGION})?\.{_ZONE}")
_API = re.compile(rf"(?:(?P<bucket>.+)\.)?s3(?:\.dualstack)?(?:[.-]{_REGION})?\.{_ZONE}")
_SHORT = re.compile(r"(?P<bucket>[a-z0-9][a-z0-9.-]+[a-z0-9])\.localhost(?:\.localstack\.cloud)?")
_OTHERS = re.compile(r"(^|\.)(execute-api|lambda-url|s3-control|s3-accesspoint)(\.|$)")
WEBSITE_PATH = "/_website/"


def api_bucket(host: str) -> str | None:
    """The bucket of `BUCKET.s3.localhost`, `BUCKET.s3.REGION.amazonaws.com` or `BUCKET.localhost`; None for the path
    style and for hosts that aren't S3's."""
    if _OTHERS.search(host) or _WEBSITE.fullmatch(host):
        return None
    if match := _API.fullmatch(host):
        return match["bucket"]
    match = _SHORT.fullmatch(host)
    return match["bucket"] if match else None


def is_foreign(host: str) -> bool:
    """Whether the host belongs to another product."""
    return _OTHERS.search(host) is not None


def place(host: str, raw_path: str) -> tuple[str, str]:
    """Bucket and key (decoded) that a request to the API means; empty where it names none."""
    path = raw_path.removeprefix("/")
    bucket = api_bucket(host)
    if bucket is None:
        bucket, _, path = path.partition("/")
        bucket = unquote(bucket)
    return bucket, unquote(path)


def website(host: str, raw_path: str) -> tuple[str, str, str] | None:
    """Bucket, key (decoded) and the path in front of keys (`/` or `/_website/BUCKET/`); None for no website."""
    if match := _WEBSITE.fullmatch(host):
        return match["bucket"], unquote(raw_path.removeprefix("/")), "/"
    if raw_path.startswith(WEBSITE_PATH):
        bucket, _, path = raw_path.removeprefix(WEBSITE_PATH).partition("/")
        return unquote(bucket), unquote(path), f"{WEBSITE_PATH}{bucket}/"
    return None
