"""Names and ARNs of vector buckets and indexes, and which of them a request means."""

from __future__ import annotations

import re
from dataclasses import dataclass

from outcrop.services.contract import Context, Request
from outcrop.services.s3vectors.errors import invalid

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_INDEX = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ARN = re.compile(r"arn:aws[-a-z0-9]*:s3vectors:([a-z0-9-]+):([0-9]{12}):bucket/([^/]+)(?:/index/([^/]+))?")


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, or an index in it, which need not exist."""

    account: str
    region: str
    bucket: str
    index: str = ""

    @property
    def bucket_arn(self) -> str:
        return f"arn:aws:s3vectors:{self.region}:{self.account}:bucket/{self.bucket}"

    @property
    def arn(self) -> str:
        return f"{self.bucket_arn}/index/{self.index}" if self.index else self.bucket_arn


def check_bucket_name(name: str) -> None:
    if not _BUCKET.fullmatch(name):
        raise invalid("Invalid vector bucket name", "/vectorBucketName")


def check_index_name(name: str) -> None:
    if not _INDEX.fullmatch(name):
        raise invalid("Invalid index name", "/indexName")


def parse_arn(arn: str, path: str) -> Place:
    """Raises ValidationException for what is no ARN of this service."""
    found = _ARN.fullmatch(arn)
    if found is None:
        raise invalid("Invalid ARN: give the ARN of a vector bucket or of a vector index", path)
    return Place(found[2], found[1], found[3], found[4] or "")


def named_bucket(ctx: Context, request: Request) -> Place:
    """The bucket by name or by ARN. Raises ValidationException unless exactly one is given."""
    name, arn = request.get("vectorBucketName"), request.get("vectorBucketArn")
    if (name is None) == (arn is None):
        raise invalid("Must specify either vectorBucketName or vectorBucketArn but not both")
    if name is not None:
        return Place(ctx.account, ctx.region, name)
    return parse_arn(str(arn), "/vectorBucketArn")


def named_index(ctx: Context, request: Request) -> Place:
    """The index by both names or by its ARN. Raises ValidationException for anything else."""
    bucket, index, arn = request.get("vectorBucketName"), request.get("indexName"), request.get("indexArn")
    if arn is not None and bucket is None and index is None:
        place = parse_arn(arn, "/indexArn")
        if not place.index:
            raise invalid("Invalid ARN: give the ARN of a vector index", "/indexArn")
        return place
    if arn is None and bucket is not None and index is not None:
        return Place(ctx.account, ctx.region, bucket, index)
    raise invalid("Must specify either indexArn or both vectorBucketName and indexName")
