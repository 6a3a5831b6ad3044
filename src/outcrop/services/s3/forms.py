"""Browser uploads: a form's parts as they stream in, and the signed policy that allows them."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from outcrop.services.contract import Credential
from outcrop.services.s3 import errors

_FIELDS_LIMIT = 20 << 10
"""Bytes of all fields before the file."""
_UNCHECKED = ("policy", "signature", "awsaccesskeyid", "x-amz-signature", "file", "submit")
_NAME = re.compile(r';\s*(name|filename)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form:
    fields: Mapping[str, str]
    """Names in lower case."""
    filename: str
    file: AsyncIterator[bytes]


def boundary(content_type: str | None) -> bytes | None:
    """The boundary of `multipart/form-data`; None if it isn't that."""
    kind, _, parameters = (content_type or "").partition(";")
    if kind.strip().lower() != "multipart/form-data":
        return None
    match = re.search(r'boundary\s*=\s*(?:"([^"]{1,200})"|([^;\s]{1,200}))', parameters, re.IGNORECASE)
    return (match[1] or match[2]).encode("latin-1", "replace") if match else None


async def read_form(body: AsyncIterator[bytes], border: bytes) -> Form:
    """The fields up to the file, which streams. Raises MalformedPOSTRequest and others."""
    stream = _Stream(body)
    delimiter = b"\r\n--" + border
    stream.prepend(b"\r\n")
    await stream.until(delimiter, _FIELDS_LIMIT)
    fields: dict[str, str] = {}
    left = _FIELDS_LIMIT
    while True:
        if (await stream.until(b"\r\n", 256)).strip() == b"--":
            raise errors.InvalidArgument(
                "POST requires exactly one file upload per request.", ArgumentName="file", ArgumentValue="0"
            )
        headers = await stream.headers(left)
        described = {
            name.lower(): quoted.replace('\\"', '"') or plain
            for name, quoted, plain in _NAME.findall(headers.get("content-disposition", ""))
        }
        name = described.get("name", "").lower()
        if name == "file":
            filename = described.get("filename", "").replace("\\", "/").rpartition("/")[2]
            return Form(fields, filename, stream.file(delimiter))
        if not name:
            raise errors.MalformedPOSTRequest
        value = await stream.until(delimiter, left)
        left -= len(name) + len(value)
        if left < 0:
            raise errors.MaxPostPreDataLengthExceededError
        fields[name] = value.decode("utf-8", "replace")


class _Stream:
    """A body read up to marks."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._buffer = bytearray()

    def prepend(self, data: bytes) -> None:
        self._buffer[:0] = data

    async def until(self, mark: bytes, limit: int) -> bytes:
        """What stands before `mark`, which is consumed too."""
        searched = 0
        while (found := self._buffer.find(mark, searched)) < 0:
            if len(self._buffer) > limit + len(mark):
                raise errors.MaxPostPreDataLengthExceededError
            searched = max(len(self._buffer) - len(mark) + 1, 0)
            if not await self._more():
                raise errors.MalformedPOSTRequest
        data = bytes(self._buffer[:found])
        del self._buffer[: found + len(mark)]
        return data

    async def headers(self, limit: int) -> dict[str, str]:
        result: dict[str, str] = {}
        while line := await self.until(b"\r\n", limit):
            name, _, value = line.decode("utf-8", "replace").partition(":")
            result[name.strip().lower()] = value.strip()
            if len(result) > 100:
                raise errors.MalformedPOSTRequest
        return result

    async def file(self, delimiter: bytes) -> AsyncIterator[bytes]:
        """The bytes before the delimiter. Raises IncompleteBody if the body ends without it."""
        while (found := self._buffer.find(delimiter)) < 0:
            safe = len(self._buffer) - len(delimiter) + 1
            if safe > 0:
                piece = bytes(self._buffer[:safe])
                del self._buffer[:safe]
                yield piece
            if not await self._more():
                raise errors.IncompleteBody
        if found:
            yield bytes(self._buffer[:found])
        self._buffer.clear()
        async for _ in self._body:
            pass

    async def _more(self) -> bool:
        async for piece in self._body:
            self._buffer += piece
            return True
        return False


@dataclass(frozen=True, slots=True)
class Permit:
    """What a verified policy allows."""

    credential: Credential
    smallest: int
    largest: int | None
    """Bytes that the file may have."""


def verify(
    fields: Mapping[str, str], bucket: str, lookup: Callable[[str], Credential | None], now: datetime | None = None
) -> Permit:
    """Check a form's signature and that its policy covers its fields. Raises AccessDenied, InvalidPolicyDocument,
    SignatureDoesNotMatch, InvalidAccessKeyId, InvalidArgument."""
    now = now or datetime.now(UTC)
    credential = _signer(fields, lookup, now)
    policy = _policy(fields["policy"])
    expiration, conditions = policy.get("expiration"), policy.get("conditions")
    if not isinstance(expiration, str):
        raise errors.InvalidPolicyDocument("Invalid Policy: Policy missing expiration.")
    if not isinstance(conditions, list):
        raise errors.InvalidPolicyDocument("Invalid Policy: Policy missing conditions.")
    try:
        expires = datetime.fromisoformat(expiration)
    except ValueError:
        raise errors.InvalidPolicyDocument(f"Invalid Policy: Invalid 'expiration' value: '{expiration}'") from None
    if expires.tzinfo is None:
        raise errors.InvalidPolicyDocument(f"Invalid Policy: Invalid 'expiration' value: '{expiration}'")
    if expires <= now:
        raise errors.AccessDenied("Invalid according to Policy: Policy expired.")
    return _permit(credential, conditions, {**fields, "bucket": bucket})


def _signer(fields: Mapping[str, str], lookup: Callable[[str], Credential | None], now: datetime) -> Credential:
    policy = fields["policy"]
    if "x-amz-signature" in fields or "x-amz-algorithm" in fields:
        _require(fields, "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
        scope = fields["x-amz-credential"].split("/")
        if fields["x-amz-algorithm"] != "AWS4-HMAC-SHA256" or len(scope) != 5:
            raise errors.InvalidArgument(
                "X-Amz-Algorithm only supports 'AWS4-HMAC-SHA256'", ArgumentName="x-amz-algorithm"
            )
        credential = _credential(scope[0], fields, lookup, now)
        key = f"AWS4{credential.secret}".encode()
        for part in scope[1:]:
            key = hmac.digest(key, part.encode(), sha256)
        expected, given = hmac.digest(key, policy.encode(), sha256).hex(), fields["x-amz-signature"]
    else:
        _require(fields, "AWSAccessKeyId", "signature")
        credential = _credential(fields["awsaccesskeyid"], fields, lookup, now)
        expected = base64.b64encode(hmac.digest(credential.secret.encode(), policy.encode(), "sha1")).decode()
        given = fields["signature"]
    if not hmac.compare_digest(expected.encode(), given.strip().encode()):
        raise errors.SignatureDoesNotMatch
    return credential


def _credential(
    key: str, fields: Mapping[str, str], lookup: Callable[[str], Credential | None], now: datetime
) -> Credential:
    credential = lookup(key)
    if credential is None:
        raise errors.InvalidAccessKeyId(AWSAccessKeyId=key)
    if credential.expires_at is not None and credential.expires_at <= now.timestamp():
        raise errors.ExpiredToken
    if credential.session_token and credential.session_token != fields.get("x-amz-security-token"):
        raise errors.InvalidToken
    return credential


def _require(fields: Mapping[str, str], *names: str) -> None:
    for name in names:
        if not fields.get(name.lower()):
            raise errors.InvalidArgument(
                f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the "
                "fields.",
                ArgumentName=name,
                ArgumentValue="",
            )


def _policy(text: str) -> dict[str, Any]:
    try:
        policy = json.loads(base64.b64decode(text))
    except (binascii.Error, ValueError):
        raise errors.InvalidPolicyDocument("Invalid Policy: Invalid JSON.") from None
    if not isinstance(policy, dict):
        raise errors.InvalidPolicyDocument("Invalid Policy: Invalid JSON.")
    return policy


def _permit(credential: Credential, conditions: Sequence[Any], fields: Mapping[str, str]) -> Permit:
    covered: set[str] = set()
    smallest, largest = 0, None
    for condition in conditions:
        if isinstance(condition, dict):
            if len(condition) != 1:
                raise errors.InvalidPolicyDocument("Invalid Policy: Invalid Simple-Condition: wrong number of members.")
            ((name, value),) = condition.items()
            operator, name = "eq", f"${name}"
        elif isinstance(condition, list) and len(condition) == 3:
            operator, name, value = condition
        else:
            raise errors.InvalidPolicyDocument("Invalid Policy: Invalid Condition.")
        operator = operator.lower() if isinstance(operator, str) else ""
        if operator == "content-length-range":
            smallest, largest = _length(name), _length(value)
            continue
        if operator not in ("eq", "starts-with") or not isinstance(name, str) or not isinstance(value, str):
            raise errors.InvalidPolicyDocument("Invalid Policy: Invalid Condition.")
        field = name.removeprefix("$").lower()
        covered.add(field)
        actual = fields.get(field, "")
        if not (actual == value if operator == "eq" else actual.startswith(value)):
            shown = json.dumps([operator, name, value])
            raise errors.AccessDenied(f"Invalid according to Policy: Policy Condition failed: {shown}")
    extra = [
        name for name in fields if name not in covered and name not in _UNCHECKED and not name.startswith("x-ignore-")
    ]
    if extra:
        raise errors.AccessDenied(f"Invalid according to Policy: Extra input fields: {', '.join(extra)}")
    return Permit(credential, smallest, largest)


def _length(value: Any) -> int:
    try:
        length = int(value)
    except (TypeError, ValueError):
        length = -1
    if length < 0:
        raise errors.InvalidPolicyDocument("Invalid Policy: Invalid content-length-range.")
    return length


async def measured(file: AsyncIterator[bytes], smallest: int, largest: int | None) -> AsyncIterator[bytes]:
    """The file's bytes. Raises EntityTooLarge, EntityTooSmall."""
    size = 0
    async for piece in file:
        size += len(piece)
        if largest is not None and size > largest:
            raise errors.EntityTooLarge(ProposedSize=str(size), MaxSizeAllowed=str(largest))
        yield piece
    if size < smallest:
        raise errors.EntityTooSmall(ProposedSize=str(size), MinSizeAllowed=str(smallest))
