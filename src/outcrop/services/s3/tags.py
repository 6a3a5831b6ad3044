"""Tags of buckets and objects, and what they may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from outcrop.services.s3 import errors

OBJECT_TAGS = 10
"""The most that an object can have."""

_TEXT = re.compile(r"[\w\s.:/=+\-@]*", re.UNICODE)


def from_set(pairs: Iterable[Mapping[str, str]], limit: int) -> dict[str, str]:
    """Raises InvalidTag, BadRequest."""
    tags: dict[str, str] = {}
    for pair in pairs:
        key, value = pair["Key"], pair["Value"]
        if key in tags:
            raise errors.InvalidTag("Cannot provide multiple Tags with the same key", TagKey=key)
        if not key or len(key) > 128 or not _TEXT.fullmatch(key):
            raise errors.InvalidTag("The TagKey you have provided is invalid", TagKey=key)
        if key.startswith("aws:"):
            raise errors.InvalidTag(
                "Your TagKey cannot be prefixed with aws:"
                if limit == OBJECT_TAGS
                else "System tags cannot be added/updated by requester",
                TagKey=key,
            )
        if len(value) > 256 or not _TEXT.fullmatch(value):
            raise errors.InvalidTag("The TagValue you have provided is invalid", TagKey=key, TagValue=value)
        tags[key] = value
    if len(tags) > limit:
        kind = "Object" if limit == OBJECT_TAGS else "Bucket"
        raise errors.BadRequest(f"{kind} tags cannot be greater than {limit}")
    return tags


def from_header(header: str | None) -> dict[str, str]:
    """The tags of `x-amz-tagging: a=1&b=2`. Raises InvalidArgument, InvalidTag, BadRequest."""
    if not header:
        return {}
    pairs = parse_qsl(header, keep_blank_values=True)
    if len({key for key, _ in pairs}) < len(pairs) or not pairs:
        raise errors.InvalidArgument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag "
            "name duplicates.",
            ArgumentName="x-amz-tagging",
            ArgumentValue=header,
        )
    return from_set(({"Key": key, "Value": value} for key, value in pairs), OBJECT_TAGS)


def to_set(tags: Mapping[str, str]) -> Sequence[dict[str, Any]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
