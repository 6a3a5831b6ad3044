"""Which buckets and keys may be called what, and who their owner is."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from outcrop.services.s3 import errors

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_RESERVED = (("xn--", "sthree-", "amzn-s3-demo-"), ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"))


def check_new_bucket(name: str) -> None:
    """Raises InvalidBucketName."""
    starts, ends = _RESERVED
    if (
        not _BUCKET.fullmatch(name)
        or any(pair in name for pair in ("..", ".-", "-."))
        or _is_address(name)
        or name.startswith(starts)
        or name.endswith(ends)
    ):
        raise errors.InvalidBucketName(BucketName=name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def check_key(key: str) -> str:
    """Raises KeyTooLongError, InvalidURI."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise errors.InvalidURI(URI=key.encode("ascii", "backslashreplace").decode()) from None
    if size > 1024:
        raise errors.KeyTooLongError(Size=str(size), MaxSizeAllowed="1024")
    return key


def copy_source(text: str) -> tuple[str, str, str | None]:
    """Bucket, key and version id of `x-amz-copy-source`. Raises InvalidArgument."""
    path, _, query = text.partition("?versionId=")
    bucket, _, key = path.removeprefix("/").partition("/")
    bucket, key = unquote(bucket), unquote(key)
    if not bucket or not key:
        raise errors.InvalidArgument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            ArgumentName="x-amz-copy-source",
            ArgumentValue=text,
        )
    return bucket, key, unquote(query) or None


def owner(account: str) -> Mapping[str, str]:
    """The canonical user of an account."""
    return {"DisplayName": account, "ID": hashlib.sha256(f"outcrop-canonical-user:{account}".encode()).hexdigest()}


def url_encoded(text: str) -> str:
    """As listings with `EncodingType=url` write keys."""
    return quote(text, safe="/-_.*")


def moment(seconds: float) -> datetime:
    """A time as S3 gives it: in whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC)


def http_date(when: datetime) -> str:
    from email.utils import format_datetime

    return format_datetime(when.astimezone(UTC), usegmt=True)
