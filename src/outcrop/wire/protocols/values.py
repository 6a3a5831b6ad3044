"""Single values as text: timestamps in their three formats, numbers, booleans, blobs."""

from __future__ import annotations

import base64
import binascii
import math
import re
from datetime import UTC, datetime

from outcrop.wire.errors import Unreadable

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HTTP_DATE = re.compile(r"[A-Za-z]{3}, (\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d)(\.\d{1,9})? GMT")
_NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,3})?")
_INTEGER = re.compile(r"[+-]?\d{1,30}")
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def read_timestamp(text: str | float) -> datetime:
    """A timestamp in whichever of the formats it comes. Raises `Unreadable`."""
    try:
        if isinstance(text, int | float):
            return datetime.fromtimestamp(text, UTC)
        if match := _HTTP_DATE.fullmatch(text):
            day, month, year, hour, minute, second, fraction = match.groups()
            micro = round(float(fraction or 0) * 1_000_000)
            number = _MONTHS.index(month.title()) + 1
            return datetime(int(year), number, int(day), int(hour), int(minute), int(second), micro, UTC)
        if _NUMBER.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        if len(text) > 64:
            raise ValueError("too long")
        if not text[:4].isdigit():
            from email.utils import parsedate_to_datetime

            moment = parsedate_to_datetime(text)
        else:
            moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        raise Unreadable(f"Invalid timestamp: {str(text)[:64]!r}", value=text) from None


def iso8601(moment: datetime | str, milliseconds: bool = False) -> str:
    """`2026-11-25T10:00:00Z`; with a fraction where there is one, or always three digits. Text passes through."""
    if isinstance(moment, str):
        return moment
    moment = moment.astimezone(UTC)
    if milliseconds:
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}{fraction}Z"


def http_date(moment: datetime | str) -> str:
    """`Wed, 25 Nov 2026 10:00:00 GMT`, whatever the locale."""
    if isinstance(moment, str):
        return moment
    moment = moment.astimezone(UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02d} {month} {moment.year:04d} {moment:%H:%M:%S} GMT"


def epoch(moment: datetime | float) -> int | float:
    """Seconds since 1970: an integer where there is no fraction, milliseconds at most."""
    seconds = moment.timestamp() if isinstance(moment, datetime) else float(moment)
    return int(seconds) if seconds.is_integer() else round(seconds, 3)


def write_timestamp(moment: datetime | str | float, style: str) -> str:
    """As text in a format of the models: `iso8601`, `rfc822`, `unixTimestamp`."""
    if isinstance(moment, str):
        return moment
    if isinstance(moment, int | float):
        moment = datetime.fromtimestamp(moment, UTC)
    if style == "rfc822":
        return http_date(moment)
    if style == "unixTimestamp":
        return str(epoch(moment))
    return iso8601(moment)


def read_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise Unreadable("STRING_VALUE cannot be converted to Integer", value=text)
    return int(text)


def read_float(text: str) -> float:
    if text in _SPECIAL:
        return _SPECIAL[text]
    if not _NUMBER.fullmatch(text):
        raise Unreadable("STRING_VALUE cannot be converted to Double", value=text)
    return float(text)


def read_boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise Unreadable("STRING_VALUE cannot be converted to Boolean", value=text)
    return lowered == "true"


def read_blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("STRING_VALUE cannot be decoded as Base64", value=text[:64]) from None


def write_blob(value: bytes | str) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def write_number(value: float) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def write_boolean(value: object) -> str:
    return "true" if value else "false"
