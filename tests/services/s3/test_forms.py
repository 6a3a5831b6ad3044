import base64
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from outcrop.services.contract import Credential, Principal
from outcrop.services.s3 import errors, forms

CREDENTIAL = Credential("test", "secret", "000000000000", Principal("arn", "id"))
BORDER = b"border"


def _body(*parts, end=b"--border--\r\n"):
    made = b""
    for disposition, content in parts:
        made += b"--border\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n" + content + b"\r\n"
    return made + end


async def _sliced(body, size):
    for start in range(0, len(body), size):
        yield body[start : start + size]


FILE = b"first\r\n--borde not yet\r\n--bor" + bytes(1000)


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
async def test_read_form(size):
    body = _body(
        (b'name="Key"', b"a/${filename}"),
        (b'name="x-amz-meta-a"; filename=""', "vé".encode()),
        (b'name="file"; filename="C:\\\\dir\\\\photo.png"', FILE),
        (b'name="ignored"', b"late"),
    )
    form = await forms.read_form(_sliced(body, size), BORDER)
    assert form.fields == {"key": "a/${filename}", "x-amz-meta-a": "vé"}
    assert form.filename == "photo.png"
    assert b"".join([piece async for piece in form.file]) == FILE


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", errors.MalformedPOSTRequest),
        (b"no border at all", errors.MalformedPOSTRequest),
        (_body((b'name="key"', b"a")), errors.InvalidArgument),
        (_body((b"nameless", b"a")), errors.MalformedPOSTRequest),
        (_body((b'name="key"', b"a" * 30_000)), errors.MaxPostPreDataLengthExceededError),
        (_body(*[(b'name="k%d"' % n, b"a" * 5000) for n in range(5)]), errors.MaxPostPreDataLengthExceededError),
        (b"--border\r\n" + b"a: b\r\n" * 10_000, errors.S3Error),
    ],
)
async def test_read_form_refuses(body, error):
    with pytest.raises(error):
        await forms.read_form(_sliced(body, 500), BORDER)


async def test_read_form_whose_file_is_cut_off():
    form = await forms.read_form(_sliced(_body((b'name="file"', FILE), end=b"")[:-2], 500), BORDER)
    with pytest.raises(errors.IncompleteBody):
        async for _ in form.file:
            pass


def test_boundary():
    assert forms.boundary("multipart/form-data; boundary=abc") == b"abc"
    assert forms.boundary('Multipart/Form-Data; charset=x; boundary="a b"') == b"a b"
    assert forms.boundary("multipart/form-data") is None
    assert forms.boundary("text/plain; boundary=abc") is None
    assert forms.boundary(None) is None


def _signed(policy, version=2, secret="secret", **fields):
    text = base64.b64encode(policy.encode() if isinstance(policy, str) else json.dumps(policy).encode()).decode()
    if version == 2:
        signature = base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()
        return {"policy": text, "awsaccesskeyid": "test", "signature": signature, **fields}
    key = f"AWS4{secret}".encode()
    for part in ("20261125", "us-east-1", "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return {
        "policy": text,
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": "test/20261125/us-east-1/s3/aws4_request",
        "x-amz-date": "20261125T000000Z",
        "x-amz-signature": hmac.digest(key, text.encode(), "sha256").hex(),
        **fields,
    }


def _policy(*conditions, hours=1):
    expiration = (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {"expiration": expiration, "conditions": [{"bucket": "books"}, *conditions]}


def _verify(fields):
    return forms.verify(fields, "books", {"test": CREDENTIAL}.get)


@pytest.mark.parametrize("version", [2, 4])
def test_verify(version):
    conditions = [
        ["starts-with", "$key", "up/"],
        {"ACL": "private"},
        ["EQ", "$Content-Type", "text/plain"],
        ["content-length-range", "5", 10],
        ["starts-with", "$x-amz-algorithm", ""],
        ["starts-with", "$x-amz-credential", ""],
        ["starts-with", "$x-amz-date", ""],
        ["starts-with", "$acl", ""],
    ]
    fields = {"key": "up/a", "acl": "private", "content-type": "text/plain", "x-ignore-me": "1"}
    permit = _verify(_signed(_policy(*conditions), version, **fields))
    assert (permit.credential, permit.smallest, permit.largest) == (CREDENTIAL, 5, 10)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (_signed(_policy({"key": "a"}), key="b"), errors.AccessDenied),
        (_signed(_policy(["starts-with", "$key", "x"]), key="b"), errors.AccessDenied),
        (_signed(_policy(), key="b"), errors.AccessDenied),
        (_signed(_policy({"key": "b"}, hours=-1), key="b"), errors.AccessDenied),
        (_signed({"expiration": "2100-01-01T00:00:00Z", "conditions": [{"key": "b"}]}, key="b"), errors.AccessDenied),
        (_signed(_policy({"key": "b"}), secret="other", key="b"), errors.SignatureDoesNotMatch),
        (_signed(_policy({"key": "b"}), 4, secret="other", key="b"), errors.SignatureDoesNotMatch),
        ({**_signed(_policy({"key": "b"}), key="b"), "awsaccesskeyid": "who"}, errors.InvalidAccessKeyId),
        ({**_signed(_policy({"key": "b"}), key="b"), "signature": ""}, errors.InvalidArgument),
        ({**_signed(_policy({"key": "b"}), 4, key="b"), "x-amz-credential": "test"}, errors.InvalidArgument),
        (_signed("nonsense"), errors.InvalidPolicyDocument),
        (_signed([]), errors.InvalidPolicyDocument),
        (_signed({"conditions": []}), errors.InvalidPolicyDocument),
        (_signed({"expiration": "2100-01-01T00:00:00Z"}), errors.InvalidPolicyDocument),
        (_signed({"EXPIRATION": "2100-01-01T00:00:00Z", "conditions": []}), errors.InvalidPolicyDocument),
        (_signed({"expiration": "tomorrow", "conditions": []}), errors.InvalidPolicyDocument),
        (_signed({"expiration": "2100-01-01", "conditions": []}), errors.InvalidPolicyDocument),
        (_signed(_policy({})), errors.InvalidPolicyDocument),
        (_signed(_policy("any")), errors.InvalidPolicyDocument),
        (_signed(_policy(["like", "$key", "a"])), errors.InvalidPolicyDocument),
        (_signed(_policy([1, 2, 3])), errors.InvalidPolicyDocument),
        (_signed(_policy(["content-length-range", -1, 5])), errors.InvalidPolicyDocument),
        (_signed(_policy(["content-length-range", "few", 5])), errors.InvalidPolicyDocument),
    ],
)
def test_verify_refuses(fields, error):
    with pytest.raises(error):
        _verify(fields)


def test_verify_of_a_temporary_key():
    soon = datetime.now(UTC).timestamp() + 60
    session = Credential("test", "secret", "000000000000", Principal("arn", "id"), "token", soon)
    conditions = [{"key": "a"}, ["starts-with", "$x-amz-security-token", ""]]
    fields = _signed(_policy(*conditions), key="a")
    with pytest.raises(errors.InvalidToken):
        forms.verify(fields, "books", {"test": session}.get)
    forms.verify({**fields, "x-amz-security-token": "token"}, "books", {"test": session}.get)
    with pytest.raises(errors.ExpiredToken):
        forms.verify(fields, "books", {"test": session}.get, datetime.now(UTC) + timedelta(minutes=5))


async def test_measured():
    async def take(size, smallest, largest):
        return [piece async for piece in forms.measured(_sliced(bytes(size), 3), smallest, largest)]

    assert b"".join(await take(10, 10, 10)) == bytes(10)
    with pytest.raises(errors.EntityTooLarge):
        await take(11, 0, 10)
    with pytest.raises(errors.EntityTooSmall):
        await take(9, 10, None)
